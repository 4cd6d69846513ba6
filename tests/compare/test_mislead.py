"""Data made to mislead: labels that one pixel or one column tells, groups that leak, too few labels to say anything."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.compare.quick import quicken
from tests.engine.making import MODALITY, SIDE

from selftaught import compare
from selftaught.compare import judge as judging
from selftaught.compare import legs
from selftaught.compare.judge import Judge, make_judge
from selftaught.core.errors import DataError
from selftaught.engine.prepare import DataOptions, prepare
from selftaught.probes.knn import knn_predict
from selftaught.recipe import Recipe
from selftaught.trials.parts import labelled_parts
from selftaught.trials.training import cut

MINUTES = 0.02
SMALL = Recipe(minutes=MINUTES, size="xs", precision="fp32", batch=32)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of a second, one label budget of 20 a class and one draw."""
    quicken(monkeypatch)
    monkeypatch.setattr(judging, "SIZES", (20,))


def noise(count: int, seed: int = 0) -> np.ndarray:
    """Pictures in which nothing can be seen, uint8 (count, 16, 16, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.mark.slow
def test_where_one_pixel_tells_the_class_a_classical_control_wins(tmp_path: Path) -> None:
    pictures, classes = noise(240), np.arange(240) % 2
    pictures[:, 5, 9] = np.where(classes, 255, 0)[:, None]
    report = compare(pictures, out=tmp_path / "race", recipe=SMALL, labels=classes.astype(str), pretexts=("simclr",),
                     quiet=True)  # fmt: skip
    decision = report.decision
    assert (decision.answer, decision.winner) == ("do not pretrain", "PCA of pixels")
    assert decision.headline == "Pretraining is not worth it here: PCA of pixels wins."


@pytest.mark.slow
def test_where_one_column_tells_the_class_a_classical_control_wins(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows, classes = rng.normal(size=(240, 24)), np.arange(240) % 2
    rows[:, 7] = np.where(classes, 1, -1) * rng.uniform(0.5, 2, 240)
    report = compare(rows, out=tmp_path / "race", recipe=SMALL, labels=classes.astype(str), pretexts=("vime",),
                     quiet=True)  # fmt: skip
    decision = report.decision
    assert decision.answer == "do not pretrain"
    assert decision.winner in ("gradient boosting", "scaled and one-hot columns")
    assert decision.headline == f"Pretraining is not worth it here: {decision.winner} wins."


COPIES = 6


def copied(place: Path) -> Judge:
    """The judge of 40 groups of 6 near copies of a picture of noise, each group of one class by chance."""
    group = np.repeat(np.arange(40), COPIES)
    shaken = noise(40)[group].astype(int) + np.random.default_rng(1).integers(-3, 4, (len(group), SIDE, SIDE, 3))
    classes = np.random.default_rng(2).permutation(np.arange(40) % 2)[group]
    options = DataOptions(labels=classes.astype(str), group=group.astype(str))
    prepared = prepare(shaken.clip(0, 255).astype(np.uint8), MODALITY, place, options, quiet=True)
    return make_judge(labelled_parts(prepared, cut(prepared)))


def nearest(judge: Judge) -> float:
    """Accuracy of the class of the nearest picture, over all folds of a judge."""
    right: list[np.ndarray] = []
    for parts in judge.parts:
        pixels = [parts.store.rows(rows).fields["pixels"].flatten(1).float() for rows in (parts.train, parts.test)]
        known, asked = (each.numpy() - 128 for each in pixels)
        right.append(knn_predict(known, parts.labels[0], asked, neighbours=1) == parts.labels[1])
    return float(np.concatenate(right).mean())


def test_near_copies_of_a_group_are_never_on_two_sides_of_a_fold_and_it_matters(tmp_path: Path) -> None:
    judge = copied(tmp_path)
    groups = judge.parts[0].groups
    assert groups is not None
    for parts in judge.parts:
        assert not set(groups[parts.train]) & set(groups[parts.test])
    whole = judge.parts[0]
    torn = make_judge(replace(whole, train=np.sort(judge.rows), groups=None))
    assert nearest(torn) > 0.95
    assert nearest(judge) < 0.7


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["cat"] * 80, ["of one class", "two classes", "Give"]),
        (
            [str(index % 2) if index < 8 else "" for index in range(80)],
            ["Underpowered", "labelled records", "Give more"],
        ),
    ],
    ids=["one class", "8 labels"],
)
def test_labels_that_can_tell_nothing_are_refused_before_any_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: list[str], words: list[str]
) -> None:
    monkeypatch.setattr(legs, "train", lambda job: pytest.fail("trained"))
    with pytest.raises(DataError) as caught:
        compare(noise(80), out=tmp_path / "race", recipe=SMALL, labels=labels, quiet=True)
    for word in words:
        assert word in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["stores"]
