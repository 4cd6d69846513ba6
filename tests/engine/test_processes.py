"""Two processes on this machine (gloo) train as one does with the same global batch."""

import pytest
import torch
from safetensors.torch import load_file
from tests.engine.processes import NAMES, run_alone, run_in_two
from tests.journeys.photos import QUICK, write_photos

from selftaught.runs.folder import RunFolder, read_rows

LOSS, MOST, MEAN = 2e-4, 5e-3, 1e-4
"""Relative difference of a loss, largest and mean absolute difference of weights, after 10 steps of AdamW at a rate of
2e-3, which move a weight by up to 2e-2: sums are taken in another order, and AdamW divides tiny gradients by their own
size."""

pytestmark = pytest.mark.slow


def assert_alike(one: RunFolder, two: RunFolder) -> None:
    first, second = read_rows(one.losses), read_rows(two.losses)
    assert [row["step"] for row in second] == list(range(1, 11))
    for row, other in zip(first, second, strict=True):
        assert other["loss"] == pytest.approx(row["loss"], rel=LOSS), row["step"]
    # Step 1 comes before any difference could grow: negatives and statistics span both processes.
    assert second[0]["loss"] == pytest.approx(first[0]["loss"], rel=1e-6)
    assert second[0]["gradient_norm"] == pytest.approx(first[0]["gradient_norm"], rel=1e-4)
    weights, others = (load_file(folder.encoder / "model.safetensors") for folder in (one, two))
    assert weights.keys() == others.keys()
    apart = torch.cat([(weights[name] - others[name]).abs().flatten() for name in weights])
    assert float(apart.max()) < MOST
    assert float(apart.mean()) < MEAN


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_equal_one_with_the_same_global_batch(name, tmp_path, root):
    run_in_two(tmp_path, "tests.engine.processes", str(tmp_path), name, "copies", root=root)
    run_alone(tmp_path, "tests.engine.processes", str(tmp_path), name, "alone", root=root)
    assert_alike(RunFolder(tmp_path / "alone"), RunFolder(tmp_path / "copies"))
    assert len(read_rows(RunFolder(tmp_path / "copies").health)) == 3


@pytest.mark.slow
def test_the_command_line_runs_in_two_processes_and_speaks_once(tmp_path, root):
    write_photos(tmp_path / "photos", 60)
    words = ("--out", str(tmp_path / "run"), "--encoder", "resnet", "--set", "encoder.depth=10", *QUICK)
    for _ in range(2):  # the second time the run is complete
        said = run_in_two(tmp_path, "selftaught", "pretrain", str(tmp_path / "photos"), *words, root=root)
        assert said.count("Report: ") == 1, said
    assert RunFolder(tmp_path / "run").complete


@pytest.mark.parametrize("name", ["teacher", "mae"])  # mae: with averaged weights
def test_a_network_in_two_shards_equals_a_whole_one(name, tmp_path, root):
    run_in_two(tmp_path, "tests.engine.processes", str(tmp_path), name, "shards", root=root)
    run_alone(tmp_path, "tests.engine.processes", str(tmp_path), name, "alone", root=root)
    assert_alike(RunFolder(tmp_path / "alone"), RunFolder(tmp_path / "shards"))
