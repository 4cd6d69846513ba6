"""The examples run, and the teaching script and the library give the same numbers."""

import copy
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from tests.journeys.photos import Ready, pictures

from selftaught.core.pretext import Clock, gather_nothing
from selftaught.core.rng import Rng
from selftaught.encoders.own import wrap
from selftaught.engine.feed import make_views
from selftaught.engine.optimisers import build_optimiser, rate_at, set_rates
from selftaught.engine.prepare import DataOptions, fit_modality, prepare
from selftaught.engine.step import Step, Work
from selftaught.pretexts import SimCLR
from selftaught.pretexts.contrastive import nt_xent
from selftaught.recipe import Optimiser


@pytest.fixture(scope="module")
def teaching() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "examples" / "teaching.py"
    spec = importlib.util.spec_from_file_location("teaching", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_teaching_script_can_be_read_in_one_sitting(teaching: ModuleType) -> None:
    lines = Path(str(teaching.__file__)).read_text().splitlines()
    assert len(lines) <= 210
    assert not any("selftaught" in line for line in lines if line.startswith(("import", "from")))


@pytest.mark.parametrize("temperature", [0.1, 0.2, 1.0])
def test_both_losses_are_the_same(teaching: ModuleType, temperature: float, generator: torch.Generator) -> None:
    first, second = torch.randn(2, 7, 5, generator=generator)
    ours = nt_xent(torch.stack([first, second], 1), temperature)
    torch.testing.assert_close(teaching.contrast(first, second, temperature), ours)


@pytest.mark.parametrize("progress", [0.0, 0.02, 0.05, 0.3, 0.99])
def test_both_schedules_are_the_same(teaching: ModuleType, progress: float) -> None:
    recipe = Optimiser(kind="adamw", warmup=teaching.WARMUP)
    assert teaching.rate(progress) == pytest.approx(rate_at(recipe, progress))


def test_both_loops_take_the_same_steps(teaching: ModuleType, tmp_path: Path) -> None:
    prepared = prepare(pictures(16)[0], None, tmp_path, DataOptions(), quiet=True)
    modality, rows = prepared.modality, prepared.store.rows(np.arange(16))
    fitted = fit_modality(modality, prepared.store, np.arange(16))
    network, projector = teaching.make_encoder(width=8), teaching.make_projector(32, 16, 8)
    pretext = SimCLR(temperature=teaching.TEMPERATURE, hidden=16, outputs=8)
    ours = Step(wrap(copy.deepcopy(network), 32), copy.deepcopy(projector), pretext).train()
    config = Optimiser(kind="adamw", lr=teaching.RATE, weight_decay=teaching.DECAY, warmup=teaching.WARMUP)
    optimiser = build_optimiser(config, ours.encoder, ours.head, pretext)
    theirs = teaching.make_optimiser(network, projector)
    for count in range(3):
        rng = Rng(seed=0, epoch=count)
        views = make_views(rows, modality, fitted, pretext, rng, 1.0, torch.device("cpu"))
        progress = count / 3
        set_rates(optimiser, rate_at(config, progress))
        work = Work(views, Clock(step=count, steps=3), rng, gather_nothing)
        loss = ours(work)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        told = teaching.step(network, projector, theirs, (views[0].x, views[1].x), teaching.rate(progress))
        assert told == pytest.approx(loss.item(), rel=1e-5), f"step {count}"
    for mine, other in zip(
        [*ours.encoder.parameters(), *ours.head.parameters()],
        [*network.parameters(), *projector.parameters()],
        strict=True,
    ):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_the_teaching_script_learns_more_than_its_untrained_twin(root: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "pictures.npy", pictures(256)[0])
    done = subprocess.run(
        [sys.executable, root / "examples" / "teaching.py", tmp_path / "pictures.npy"],
        capture_output=True, text=True, check=True, timeout=200,
    )  # fmt: skip
    trained, twin = done.stdout.splitlines()[-2:]
    found = [float(line.split("own picture ")[1].split(",")[0]) for line in (trained, twin)]
    assert found[0] > found[1], done.stdout


@pytest.mark.slow
def test_the_example_for_photos_runs_to_its_end(root: Path, ready: Ready, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, root / "examples" / "photos.py", ready.photos, ready.file, "--out", tmp_path / "run",
         "--minutes", "0.02"],
        capture_output=True, text=True, check=False, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "encoder: " in done.stdout
    assert "150 vectors of" in done.stdout
