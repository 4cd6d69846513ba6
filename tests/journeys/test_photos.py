"""The command line from a raw folder to a report, vectors and an exported encoder."""

import json
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.journeys.photos import QUICK, Ready, call, write_photos

pytestmark = pytest.mark.slow

FAST = ("--budgets", "1,5,all", "--draws", "2", "--from-scratch", "5", "--quiet")


@pytest.fixture(scope="module")
def evaluated(ready: Ready, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run that has been evaluated, and what that printed."""
    run = tmp_path_factory.mktemp("evaluated") / "run"
    shutil.copytree(ready.run, run)
    said = call("evaluate", run, "--labels", ready.file, *FAST)
    assert said.code == 0, said.err
    return run, said.out


def test_a_run_folder_holds_all_that_the_docs_promise(ready: Ready) -> None:
    for name in ("recipe.toml", "losses.csv", "checkpoints", "encoder/model.safetensors", "manifest.json"):
        assert (ready.run / name).exists(), name


def test_pretraining_ends_with_the_next_command_which_works_as_printed(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", 130)
    said = call("pretrain", tmp_path / "photos", "--out", tmp_path / "a run", "--labels", "folder", *QUICK)
    report, following = said.out.strip().splitlines()[-2:]
    assert Path(report.removeprefix("Report: ")).exists()
    assert following.startswith("Next:   selftaught evaluate '")
    assert following.endswith("a run'")
    assert call("evaluate", tmp_path / "a run", *FAST).code == 0


def test_evaluation_gives_the_verdict_first_and_the_page_last_within_two_screens(evaluated: tuple[Path, str]) -> None:
    run, text = evaluated
    assert text.startswith("Did SimCLR pretraining help?")
    lines = text.strip().splitlines()
    assert lines[-1] == f"Report: {run / 'reports' / 'report.html'}"
    assert len(lines) <= 100
    assert {"encoder", "untrained twin", "HOG and colour histogram", "majority", "supervised from scratch"} <= {
        line.split("  ")[0] for line in lines
    }
    for part in ("Labels saved:", "health", "What is in the data", "Repeat:", f"selftaught evaluate {run} --labels"):
        assert part in text, part


def test_the_report_verb_shows_the_same_verdict_as_text_json_and_page(evaluated: tuple[Path, str]) -> None:
    run, text = evaluated
    said = call("report", run)
    assert said.out.strip() == text.strip().rsplit("Report:", 1)[0].strip()
    content = json.loads(call("report", run, "--json").out)
    assert content["verdict"]["headline"].split()[0] in text
    assert {score["name"] for score in content["data"]["scores"]} >= {"encoder", "untrained twin"}
    assert Path(call("report", run, "--page").out.strip()).exists()


def test_vectors_are_the_same_in_parquet_and_npy(ready: Ready, tmp_path: Path) -> None:
    for name in ("vectors.parquet", "vectors.npy"):
        said = call("embed", ready.run, ready.photos, "--out", tmp_path / name, "--quiet")
        assert said.code == 0, said.err
        assert "150 records" in said.out
    table, array = pq.read_table(tmp_path / "vectors.parquet"), np.load(tmp_path / "vectors.npy")
    assert table["id"].to_pylist() == (tmp_path / "vectors.ids.txt").read_text().split() == sorted(ready.labels)
    np.testing.assert_array_equal(np.stack(table["vector"].to_pylist()).astype(np.float32), array)


def test_a_transformer_gives_one_vector_a_patch(ready: Ready, tmp_path: Path) -> None:
    said = call("pretrain", ready.photos, "--out", tmp_path / "run", "--pretext", "mae", *QUICK)
    assert said.code == 0, said.err
    said = call("embed", tmp_path / "run", ready.photos, "--tokens", "--out", tmp_path / "patches.npy", "--quiet")
    assert said.code == 0, said.err
    patches = np.load(tmp_path / "patches.npy")
    assert patches.ndim == 3
    assert patches.shape[:2] == (150, 100), "20 px in patches of 2 px"


@pytest.mark.parametrize("target", ["folder", "onnx"])
def test_an_encoder_is_exported_with_its_card(ready: Ready, tmp_path: Path, target: str) -> None:
    if target == "onnx":
        pytest.importorskip("onnxruntime")
    said = call("export", ready.run, "--to", target, "--out", tmp_path / "out")
    assert said.code == 0, said.err
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"README.md", "encoder.onnx" if target == "onnx" else "model.safetensors"} <= written


def test_list_and_doctor_answer(ready: Ready) -> None:
    assert "SimCLR" in call("list").out
    assert "torch" in call("doctor").out


def test_json_leaves_nothing_else_on_standard_output(ready: Ready, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "selftaught.cli"]
    trained = subprocess.run(
        [*program, "pretrain", ready.photos, "--out", tmp_path / "run", "--json", *QUICK[:-1]],
        capture_output=True, text=True, check=True, timeout=200,
    )  # fmt: skip
    assert json.loads(trained.stdout)["type"] == "PretrainReport"
    measured = subprocess.run(
        [*program, "evaluate", tmp_path / "run", "--labels", ready.file, "--json", *FAST[:-1]],
        capture_output=True, text=True, check=True, timeout=200,
    )  # fmt: skip
    assert json.loads(measured.stdout)["data"]["scores"]


def test_a_second_evaluation_repeats_the_first_to_the_last_digit(evaluated: tuple[Path, str], ready: Ready) -> None:
    run, text = evaluated
    again = call("evaluate", run, "--labels", ready.file, *FAST).out
    assert again == text


def test_a_short_run_on_real_digits_beats_its_untrained_twin_with_few_labels(tmp_path: Path) -> None:
    with resources.as_file(resources.files("selftaught") / "bundled" / "digits" / "mnist.parquet") as digits:
        budget = ("--steps", "80", "--batch", "128", "--size", "xs", "--precision", "fp32", "--seed", "0", "--quiet")
        said = call("pretrain", digits, "--out", tmp_path / "run", *budget)
        assert said.code == 0, said.err
        probes = ("--labels", "label", "--budgets", "10,20", "--draws", "5", "--from-scratch", "none", "--quiet")
        content = json.loads(call("evaluate", tmp_path / "run", *probes, "--no-samples", "--json").out)
    leads = {score["per_class"]: score for score in content["data"]["scores"] if score["name"] == "untrained twin"}
    assert leads[10]["lead"] > 0.08, leads[10]
    assert leads[20]["lead"] > 0.08, leads[20]
    assert leads[20]["lead_low"] > 0, leads[20]
