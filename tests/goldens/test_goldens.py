"""Recorded losses of tiny recipes: a refactor shows the same ones; a change needs a line in docs/why/log.md.

Record anew with: python -m tests.goldens.test_goldens
"""

import json
import tempfile
from pathlib import Path

import pytest
import torch
from tests.engine.making import Desk, recipe_of

from selftaught.encoders import ConvNet, ResNet
from selftaught.engine.loop import train
from selftaught.pretexts import MAE, SimCLR, VICReg
from selftaught.recipe import Optimiser
from selftaught.runs.folder import read_rows

RECORDED = Path(__file__).with_name("losses.json")
TOLERANCE = 1e-4
"""Relative: processors sum in another order."""

CHANGES = {
    "simclr-convnet": {
        "encoder": ConvNet(widths=(8, 8, 16, 16)),
        "pretext": SimCLR(hidden=16, outputs=8),
        "resolution": ((0.5, 0.5), (1.0, 1.0)),
    },
    "vicreg-resnet10": {"encoder": ResNet(depth=10, width=8), "pretext": VICReg(hidden=16, outputs=16)},
    "mae-transformer": {
        "pretext": MAE(width=16, depth=1, heads=2),
        "optimiser": Optimiser(kind="muon", matrix_lr=0.02),
        "ema": 0.9,
        "accumulate": 2,
    },
}


def losses(name: str, place: Path) -> list[float]:
    """The losses of six steps in fp32, with plain kernels, on one thread."""
    job = Desk.of(place).job(name, recipe_of(**({"steps": 6} | CHANGES[name])))
    train(job)
    return [row["loss"] for row in read_rows(job.folder.losses)]


@pytest.mark.parametrize("name", CHANGES)
def test_the_losses_are_the_recorded_ones(name, tmp_path):
    recorded = json.loads(RECORDED.read_text())
    found = losses(name, tmp_path)
    assert len(found) == 6
    assert found == pytest.approx(recorded[name], rel=TOLERANCE), "a wanted change needs a line in docs/why/log.md"


def test_nothing_is_recorded_that_no_recipe_makes():
    assert json.loads(RECORDED.read_text()).keys() == CHANGES.keys()


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        found = {name: losses(name, Path(folder) / name) for name in CHANGES}
    RECORDED.write_text(json.dumps(found, indent=2) + "\n")
