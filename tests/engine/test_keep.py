"""Which weights a run keeps: those of its last look, unless an earlier one is told to be better."""

import pytest
from tests.engine.making import Desk, recipe_of

from selftaught.core.pretext import Clock
from selftaught.engine.loop import train
from selftaught.runs.encoder import Pretrained

SOUND = {"spread": 0.9, "rank": 12.0, "dim": 32.0}
POINT = {"spread": 0.001, "rank": 1.0, "dim": 32.0}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk.of(tmp_path_factory.mktemp("desk"))


def labelled(error: float, *scores: float) -> list[dict[str, float]]:
    return [SOUND | {"score": score, "score_error": error} for score in scores]


def unlabelled(*lidars: float, sound: int = 5) -> list[dict[str, float]]:
    return [(SOUND if index < sound else POINT) | {"lidar": lidar} for index, lidar in enumerate(lidars)]


@pytest.mark.parametrize(
    ("name", "looks", "kept"),
    [
        ("labels, a good middle", labelled(0.05, 0.2, 0.5, 0.9, 0.6, 0.6), 6),
        ("labels, within the error", labelled(0.2, 0.2, 0.5, 0.7, 0.6, 0.6), 12),
        ("no labels, healthy", unlabelled(3.0, 8.0, 9.0, 8.0, 7.0), 12),
        ("no labels, collapsed", unlabelled(3.0, 9.0, 8.0, 1.0, 1.0, sound=3), 3),
        ("nothing measured", [SOUND] * 5, 12),
    ],
)
def test_the_weights_that_are_kept(desk: Desk, name: str, looks: list[dict[str, float]], kept: int) -> None:
    coming = iter(looks)

    def observe(pretrained: Pretrained, clock: Clock) -> dict[str, float]:
        return next(coming)

    assert train(desk.job(name, recipe_of(steps=12), observe=observe, observations=4)).kept == kept
