"""After kill -9 the same command goes on exactly: the losses and the weights are those of an uninterrupted run."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.engine.making import HEAD, TRUNK, Desk, recipe_of
from tests.engine.variants import RECIPES, STEPS, run_variant
from torch import nn

from selftaught.core.errors import RunError
from selftaught.engine import session
from selftaught.engine.job import Job
from selftaught.engine.loop import train
from selftaught.runs.folder import RunFolder, cut_rows, read_rows


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "CHECKPOINT_SECONDS", 0.02)


def losses(folder: RunFolder) -> list[dict[str, float]]:
    """The rows without what clocks say."""
    clocks = ("seconds", "waited")
    return [{key: value for key, value in row.items() if key not in clocks} for row in read_rows(folder.losses)]


def weights(folder: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(folder.encoder / "model.safetensors")


def assert_equal_runs(first: RunFolder, second: RunFolder) -> None:
    assert losses(first) == losses(second)
    assert read_rows(first.health) == read_rows(second.health)
    one, other = weights(first), weights(second)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def kill_at(place: Path, name: str, rows: int, root: Path) -> int:
    """Runs a variant in another process and kills it -9 when so many losses are written; the step it had reached."""
    path = place / "run" / "losses.csv"
    child = subprocess.Popen([sys.executable, "-m", "tests.engine.variants", str(place), name], cwd=root)
    try:
        deadline = time.monotonic() + 120
        while child.poll() is None and time.monotonic() < deadline:
            if path.exists() and path.read_bytes().count(b"\n") > rows:
                break
            time.sleep(0.001)
    finally:
        child.kill()
        child.wait()
    return path.read_bytes().count(b"\n") - 1


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_run_killed_at_random_points_ends_as_one_that_was_not(name, tmp_path, root):
    points = sorted(random.Random(name).sample(range(3, STEPS - 8), 2))
    reached = [kill_at(tmp_path / "killed", name, rows, root) for rows in points]
    assert 0 < reached[0] < STEPS
    whole = run_variant(tmp_path / "whole", name)
    run_variant(tmp_path / "killed", name)
    assert whole.steps == STEPS
    assert_equal_runs(RunFolder(tmp_path / "whole" / "run"), RunFolder(tmp_path / "killed" / "run"))


class Stop(BaseException):
    """Ends a training between two steps, as a kill would, without a checkpoint."""


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    log = session.Session.log

    def stopping(self, *args):
        log(self, *args)
        if self.position == step:
            raise Stop

    monkeypatch.setattr(session.Session, "log", stopping)


class Noisy(nn.Module):
    """Layers that draw from torch's own generator."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(768, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def noisy() -> nn.Module:
    return Noisy()


@pytest.mark.parametrize("when", [2, 9])
def test_dropout_draws_the_same_after_a_stop(when, tmp_path):
    from selftaught.encoders import Own

    # bf16 is timed first, which draws random numbers; the resumed run does not time again.
    recipe = recipe_of(steps=12, encoder=Own(source="tests.engine.test_resume:noisy", dim=8), precision="bf16")
    desk = Desk.of(tmp_path)
    train(desk.job("whole", recipe))
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, when)
        with pytest.raises(Stop):
            train(desk.job("torn", recipe))
    train(desk.job("torn", recipe))
    assert_equal_runs(RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "torn"))


def torn(desk: Desk, patch: pytest.MonkeyPatch) -> Job:
    """A job that was stopped at step 8 of 12, with checkpoints at most steps before."""
    with patch.context() as inner:
        stop_at(inner, 8)
        inner.setattr(session, "CHECKPOINT_SECONDS", 0.0)
        with pytest.raises(Stop):
            train(desk.job("torn"))
    return desk.job("torn")


def test_rows_after_the_checkpoint_are_cut(tmp_path, monkeypatch):
    job = torn(Desk.of(tmp_path), monkeypatch)
    assert [row["step"] for row in read_rows(job.folder.losses)] == list(range(1, 9))
    cut_rows(job.folder.losses, 7)
    assert [row["step"] for row in read_rows(job.folder.losses)] == list(range(1, 8))
    train(job)
    assert [row["step"] for row in read_rows(job.folder.losses)] == list(range(1, 13))


@pytest.mark.parametrize("cut", [0, 1, 100, 5000])
def test_a_truncated_checkpoint_is_refused_with_a_remedy(cut, tmp_path, monkeypatch):
    job = torn(Desk.of(tmp_path), monkeypatch)
    content = job.folder.checkpoint.read_bytes()
    job.folder.checkpoint.write_bytes(content[:cut])
    with pytest.raises(RunError, match=r"last\.ckpt is damaged or from another version .*Delete it"):
        train(job)


@pytest.mark.parametrize("content", [{"format": 99}, [1, 2], {"format": 1, "step": {}, "optimiser": {}}])
def test_a_checkpoint_with_other_contents_is_refused(content, tmp_path, monkeypatch):
    job = torn(Desk.of(tmp_path), monkeypatch)
    torch.save(content, job.folder.checkpoint)
    with pytest.raises(RunError, match="Delete it"):
        train(job)


def test_a_checkpoint_of_another_format_is_refused_by_its_number(tmp_path, monkeypatch):
    job = torn(Desk.of(tmp_path), monkeypatch)
    content = torch.load(job.folder.checkpoint, weights_only=True)
    torch.save(content | {"format": 99}, job.folder.checkpoint)
    with pytest.raises(RunError, match=r"is of format 99, and this version reads 1\. Delete it"):
        train(job)


def test_a_checkpoint_that_runs_code_is_not_run(tmp_path, monkeypatch):
    job = torn(Desk.of(tmp_path), monkeypatch)
    torch.save({"format": 1, "step": nn.Linear(1, 1)}, job.folder.checkpoint)
    with pytest.raises(RunError, match="damaged or from another version"):
        train(job)


def test_a_full_disk_leaves_the_old_checkpoint_intact(tmp_path, monkeypatch):
    desk = Desk.of(tmp_path)
    job = torn(desk, monkeypatch)
    before = job.folder.checkpoint.read_bytes()
    fill_disk(monkeypatch)
    with pytest.raises(RunError, match=r"last\.ckpt cannot be written: No space left on device"):
        train(job)
    assert job.folder.checkpoint.read_bytes() == before
    assert not list(job.folder.checkpoint.parent.glob(".*"))
    monkeypatch.undo()
    train(desk.job("torn"))
    train(desk.job("whole"))
    assert_equal_runs(RunFolder(tmp_path / "whole"), job.folder)


def fill_disk(patch: pytest.MonkeyPatch) -> None:
    import errno

    from lightning_fabric import Fabric

    def save(self, path, state):
        Path(path).write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    patch.setattr(Fabric, "save", save)


def test_a_finished_training_called_again_takes_no_step(tmp_path, monkeypatch):
    desk = Desk.of(tmp_path)
    first = train(desk.job("run"))
    before = weights(desk.job("run").folder)
    stop_at(monkeypatch, 1)
    monkeypatch.setattr(session.Session, "forward_backward", None)
    again = train(desk.job("run"))
    assert (again.steps, again.health, again.kept) == (first.steps, first.health, first.kept)
    after = weights(desk.job("run").folder)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_an_averaged_run_hands_over_the_average(tmp_path):
    desk = Desk.of(tmp_path)
    trained = train(desk.job("run", recipe_of(ema=0.9, pretext=HEAD, encoder=TRUNK)))
    last = trained.head  # of the network itself, not of the average
    assert last is not None
    found = weights(desk.job("run", recipe_of(ema=0.9, pretext=HEAD, encoder=TRUNK)).folder)
    plain = train(desk.job("plain"))
    assert any(not torch.equal(value, found[name]) for name, value in plain.pretrained.encoder.state_dict().items())


def test_loading_restores_position_and_average(tmp_path):
    desk = Desk.of(tmp_path)
    recipe = recipe_of(ema=0.9)
    train(desk.job("run", recipe))
    job = desk.job("run", recipe)
    content = torch.load(job.folder.checkpoint, weights_only=True)
    assert content["position"] == 12
    assert content["average"].keys() == weights(job.folder).keys()
