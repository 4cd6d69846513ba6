"""Trainings that a test interrupts, by name; another process runs the same one by python -m MODULE FOLDER NAME."""

import sys
from pathlib import Path

from tests.engine.making import HEAD, Desk, recipe_of

from selftaught.encoders import ConvNet
from selftaught.engine import session
from selftaught.engine.job import Job, Trained
from selftaught.engine.loop import train
from selftaught.pretexts import MAE, VICReg
from selftaught.recipe import Optimiser

STEPS = 60
RECIPES = {
    "ema": recipe_of(steps=STEPS, ema=0.9, pretext=HEAD),
    "accumulate": recipe_of(steps=STEPS, accumulate=2, pretext=MAE(width=16, depth=1, heads=2)),
    "observers": recipe_of(
        steps=STEPS,
        encoder=ConvNet(widths=(8, 8, 16, 16)),
        pretext=VICReg(hidden=16, outputs=16),
        optimiser=Optimiser(kind="muon", clip=1.0),
    ),
}


def job_of(place: Path, name: str) -> Job:
    desk = Desk.of(place, labels=True)
    options = {"observe": desk.observer(), "observations": 5} if name == "observers" else {}
    return desk.job("run", RECIPES[name], **options)


def run_variant(place: Path, name: str) -> Trained:
    """Trains with a checkpoint every few steps."""
    session.CHECKPOINT_SECONDS = 0.02
    return train(job_of(place, name))


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    run_variant(Path(sys.argv[1]), sys.argv[2])
