"""The stage: what it refuses, what it says, and what a second call does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.engine.making import HEAD, draw, recipe_of
from tests.journeys.photos import write_photos

from selftaught.core.errors import MissingExtra, RunError, UsageError
from selftaught.pretexts import VICReg
from selftaught.pretrain import pretrain, stage
from selftaught.recipe import Recipe, read_recipe
from selftaught.runs.files import read_json
from selftaught.runs.folder import RunFolder, read_rows


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "pictures.npy"
    np.save(path, draw(96)[0])
    return path


def run(data, place: Path, **options):
    return pretrain(data, **({"out": place / "run", "recipe": recipe_of(), "quiet": True} | options))


def test_a_finished_run_called_again_gives_the_same_report_without_training(data, tmp_path, monkeypatch):
    first = run(data, tmp_path)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*") if path.is_file()}
    monkeypatch.setattr(stage, "train", None)
    assert run(data, tmp_path) == first
    assert stamps == {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*") if path.is_file()}


def test_the_manifest_says_how_the_run_ended(data, tmp_path):
    report = run(data, tmp_path, recipe=recipe_of(steps=30))
    manifest = read_json(RunFolder(tmp_path / "run").manifest)
    assert (manifest["health"], manifest["steps"], manifest["planned"]) == (report.state, 30, 30)
    assert manifest["seconds"] == report.seconds > 0


@pytest.mark.slow
def test_a_collapsed_run_says_so_and_is_not_taken_up_again(data, tmp_path):
    recipe = recipe_of(steps=80, pretext=VICReg(hidden=32, outputs=32, norm="layer", weights=(25.0, 0.0, 0.0)))
    report = run(data, tmp_path, recipe=recipe)
    assert report.state == "collapse"
    assert report.steps < report.planned == 80
    assert f"stopped for that at step {report.steps} of 80" in report.text()
    assert read_json(RunFolder(tmp_path / "run").manifest)["health"] == "collapse"
    assert run(data, tmp_path, recipe=recipe) == report


def test_where_no_run_can_be_is_refused_before_anything_is_decoded(data, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "photo.jpg").write_bytes(b"")
    with pytest.raises(RunError, match="not empty and holds no run"):
        run(data, tmp_path)
    assert not (tmp_path / "stores").exists()


def test_other_data_are_refused(data, tmp_path):
    run(data, tmp_path)
    with pytest.raises(RunError, match="was trained on other data"):
        run(draw(96, seed=1)[0], tmp_path)


def test_records_can_be_kept_as_their_files_bytes(tmp_path):
    write_photos(tmp_path / "photos", 60)
    run(tmp_path / "photos", tmp_path, recipe=Recipe(steps=4, batch=16, size="xs"), store="encoded")
    assert read_recipe(tmp_path / "run" / "recipe.toml").modality.store == "encoded"
    store = next((tmp_path / "stores").glob("image-*"))
    assert "bytes" in (store / "meta.json").read_text()


def test_time_and_disk_are_said_once_before_the_start(data, tmp_path, capsys):
    run(data, tmp_path, quiet=False)
    said = capsys.readouterr().err
    assert said.count("This run plans 12 steps of 16 records (") == 1
    assert " s each, about " in said
    assert "in the store, up to " in said
    assert said.count("The store of 96 records will take about") == 1


def test_a_disk_too_small_for_the_checkpoints_is_refused_before_step_one(data, tmp_path, monkeypatch):
    class Disk:
        free = 10

    run(data, tmp_path, out=tmp_path / "other")
    monkeypatch.setattr("selftaught.engine.estimate.shutil.disk_usage", lambda path: Disk)
    with pytest.raises(RunError, match="for its checkpoints; 10 bytes are free"):
        run(data, tmp_path, quiet=False)
    assert not (tmp_path / "run" / "losses.csv").exists()


def test_what_a_run_started_from_is_in_its_report(data, tmp_path):
    run(data, tmp_path, out=tmp_path / "first")
    report = run(data, tmp_path, start=str(tmp_path / "first"))
    assert "all 28 weights of the encoder matched" in report.text(width=200)
    again = run(data, tmp_path, start=str(tmp_path / "first"))
    assert again.started == report.started
    save_file({"weight": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UsageError, match="does not fit this encoder"):
        run(data, tmp_path, out=tmp_path / "third", start=str(tmp_path / "other.safetensors"))


def test_curves_for_tensorboard_are_written_when_asked_for(data, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run(data, tmp_path, tensorboard=True)
    events = accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    rows = read_rows(RunFolder(tmp_path / "run").losses)
    found = events.Scalars("losses/loss")
    assert [each.step for each in found] == [row["step"] for row in rows]
    assert [each.value for each in found] == pytest.approx([row["loss"] for row in rows])
    assert "health/rank" in events.Tags()["scalars"]


def test_tensorboard_that_is_not_installed_is_named_with_the_command(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtra, match=r"pip install 'selftaught\[tensorboard\]'"):
        run(data, tmp_path, tensorboard=True)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_writes_a_checkpoint_and_the_same_command_goes_on_exactly(sent, data, tmp_path, root):
    recipe = recipe_of(steps=400, pretext=HEAD)
    (tmp_path / "recipe.toml").write_text(recipe.to_toml())
    out = RunFolder(tmp_path / "run")
    words = ["pretrain", str(data), "--out", str(out.path), "--recipe", str(tmp_path / "recipe.toml"), "--quiet"]
    child = subprocess.Popen(
        [sys.executable, "-m", "selftaught.cli", *words], cwd=root, stderr=subprocess.PIPE, text=True
    )
    while child.poll() is None and not (out.losses.exists() and out.losses.read_bytes().count(b"\n") > 20):
        time.sleep(0.01)
    os.kill(child.pid, sent)
    said = child.communicate(timeout=60)[1]
    assert child.returncode == 130, said
    assert "Repeat the same command to go on where it stopped." in said
    assert "(stopped at step " in said
    assert "Traceback" not in said
    assert out.checkpoint.exists()
    assert not out.complete
    run(data, tmp_path, recipe=recipe)
    run(data, tmp_path, recipe=recipe, out=tmp_path / "whole")
    first, second = (load_file(place / "encoder" / "model.safetensors") for place in (out.path, tmp_path / "whole"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    one, other = (read_rows(RunFolder(place).losses) for place in (out.path, tmp_path / "whole"))
    assert [row["loss"] for row in one] == [row["loss"] for row in other]
