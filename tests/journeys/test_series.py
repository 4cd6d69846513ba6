"""The whole path on recordings from their raw files: a long-format table with labels and groups, and given parts."""

import shlex
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from tests.journeys.photos import QUICK, call
from tests.journeys.test_docs import blocks, smaller

pytestmark = pytest.mark.slow

PROBES = ("--budgets", "5", "--draws", "2", "--from-scratch", "none", "--quiet")
KINDS = ("slow", "middle", "fast")


def write_table(path: Path, count: int = 135) -> Path:
    """A long-format CSV of recordings of unequal length at 16 Hz, three pitches, nine persons."""
    numbers = np.random.default_rng(0)
    rows = ["recording,activity,person,age,t,x,y"]
    for number in range(count):
        kind, steps = number % 3, int(numbers.integers(20, 40))
        line = np.arange(steps) * (0.3 + 0.4 * kind) + numbers.uniform(0, 6)
        values = np.stack([np.sin(line), np.cos(line)], 1) + numbers.normal(0, 0.2, (steps, 2))
        owner = number // 3 % 9
        rows += [
            f"r{number},{KINDS[kind]},p{owner},{30 + owner},{place / 16},{x:.3f},{y:.3f}"
            for place, (x, y) in enumerate(values)
        ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_a_long_format_table_is_trained_on_evaluated_and_embedded(tmp_path: Path) -> None:
    data, run = write_table(tmp_path / "sensors.csv"), tmp_path / "run"
    said = call("pretrain", data, "--labels", "activity", "--group", "person", "--out", run, *QUICK[:-1])
    assert said.code == 0, said.err
    # The age tells of the person, not of the moment.
    assert "Read as series from csv table" in said.err
    assert "135 recordings by column 'recording': series of 2 channels (x, y), 16 steps a second" in said.err
    said = call("evaluate", run, *PROBES)
    assert said.code == 0, said.err
    for name in ("untrained twin", "MiniRocket-like", "summary statistics", "nearest neighbour"):
        assert name in said.out
    for options, each in (((), 1), (("--tokens",), 20), (("--causal", "8"), 20)):
        out = tmp_path / "vectors.parquet"
        said = call("embed", run, data, "--out", out, "--quiet", *options)
        assert said.code == 0, said.err
        table = pq.read_table(out)
        assert table.num_rows == 135
        if each > 1:
            lengths = [len(cell) for cell in table.column("vectors").to_pylist()]
            assert min(lengths) >= each
            assert len(set(lengths)) > 3
    said = call("export", run, "--to", "folder")
    assert said.code == 0, said.err


@pytest.mark.parametrize("pretext", ["ts2vec", "mae", "nextwindow"])
def test_arrays_with_given_parts_are_trained_on_by_every_native_pretext(tmp_path: Path, pretext: str) -> None:
    numbers = np.random.default_rng(1)
    kind = np.arange(60) % 2
    waves = np.sin(np.arange(24) * (0.3 + 0.5 * kind[:, None]) + numbers.uniform(0, 6, (60, 1)))
    values = (waves + numbers.normal(0, 0.1, waves.shape))[:, None]
    np.savez(tmp_path / "two.npz", X_train=values[:40], y_train=kind[:40], X_test=values[40:], y_test=kind[40:])
    said = call(
        "pretrain", tmp_path / "two.npz", "--labels", "y", "--pretext", pretext, "--out", tmp_path / "run", *QUICK
    )
    assert said.code == 0, said.err
    assert "/ 20" in said.out  # the given test part
    said = call("evaluate", tmp_path / "run", *PROBES)
    assert said.code == 0, said.err


def test_every_command_of_the_page_runs_as_it_is_typed(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pq.write_table(pyarrow.csv.read_csv(write_table(tmp_path / "sensors.csv")), "sensors.parquet")
    hours = np.arange(4_000)
    load = np.sin(hours * 2 * np.pi / 24) + np.random.default_rng(2).normal(0, 0.1, 4_000)
    days = np.datetime64("2021-03-01T00") + hours
    lines = [f"{day},{value:.4f}\n" for day, value in zip(days, load, strict=True)]
    (tmp_path / "plant.csv").write_text("date,load\n" + "".join(lines), encoding="utf-8")
    for kind, text in blocks(root, "how-to/series.md"):
        for line in text.splitlines() if kind == "console" else ():
            short = smaller(line.removeprefix("$ selftaught"))
            if "plant" in line:  # a few windows, of which few fit a batch
                short = short.replace("--batch 16", "--batch 8 --modality series --set modality.window=64")
            said = call(*shlex.split(short))
            assert said.code == 0, (line, said.err)
