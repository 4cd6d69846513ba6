"""The label-efficiency curve: contestants at every label budget, paired differences, and how many labels are saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from selftaught.core.errors import DataError, UsageError
from selftaught.probes.budgets import Budgets
from selftaught.probes.linear import STRENGTHS
from selftaught.probes.protocol import PROTOCOL, probe
from selftaught.probes.saved import LabelsSaved, labels_saved
from selftaught.probes.statistics import Estimate, interval, resample, resample_runs

RESAMPLES = 2000
CHUNK = 1 << 23
"""Record weights (8 bytes each) held at once."""

FeatureSet = tuple[np.ndarray, np.ndarray]
"""Features of the training records (n d) and of the test records (m d)."""


@dataclass(frozen=True)
class Predictions:
    """A contestant without features: which test records it has right, per budget, as `seed draw record`."""

    correct: Mapping[int | None, Bool[np.ndarray, "_ _ _"]]
    inner_accuracy: Mapping[int | None, float] | None = None
    """Accuracy on labelled rows held out inside each budget; without it the contestant is never the best control."""


Contestant = Sequence[FeatureSet] | Predictions
"""One feature set per seed (a deterministic control has one), or predictions."""


@dataclass(frozen=True)
class Outcome:
    """What one contestant has right at one budget."""

    name: str
    per_class: int | None
    correct: Bool[np.ndarray, "seed draw record"]
    inner_accuracy: float | None
    """Mean over seeds and draws; None where it cannot be measured."""
    gradient_norm: float | None
    """Largest over seeds and draws; None for predictions."""
    strengths: tuple[float, ...]
    """Chosen C per seed and draw; empty for predictions."""
    confidence: Float[np.ndarray, "seed draw record"] | None = None
    """Probability of the predicted class; None for predictions."""
    brier: Float[np.ndarray, "seed draw record"] | None = None
    """Squared distance of the probabilities from the true class; None for predictions."""


@dataclass(frozen=True)
class Point:
    """A contestant at a budget: accuracy over seeds, draws and test records, and the encoder's lead over it."""

    name: str
    per_class: int | None
    labels: int
    """Labelled records in all."""
    seeds: int
    draws: int
    accuracy: Estimate
    balanced_accuracy: Estimate
    lead: Estimate | None
    """Encoder minus contestant, same draws and records; None for the encoder itself."""
    outcome: Outcome


@dataclass(frozen=True)
class BestControl:
    """The control with the highest inner cross-validated accuracy at a budget."""

    per_class: int | None
    name: str
    judged_at: int | None
    """The budget whose inner accuracy decided: with one label a class there is none, so the next larger one does."""
    inner_accuracy: float


@dataclass(frozen=True)
class Curve:
    """Label efficiency of an encoder beside its controls."""

    encoder: str
    points: tuple[Point, ...]
    best_controls: tuple[BestControl, ...]
    saved: tuple[LabelsSaved, ...]
    """Empty where no control can be judged."""
    not_applicable: tuple[int, ...]
    """Budgets that most classes cannot fill."""
    records: int
    groups: int | None
    resamples: int
    beside: tuple[str, ...] = ()
    """Controls that the best one is not chosen from, which stand beside it wherever they ran."""
    protocol: str = PROTOCOL

    def at(self, name: str, per_class: int | None) -> Point:
        """Return the point of one contestant at one budget."""
        for point in self.points:
            if (point.name, point.per_class) == (name, per_class):
                return point
        raise UsageError(f"The curve has no contestant {name!r} at {per_class or 'all'} labels a class.")


def label_efficiency(
    contestants: Mapping[str, Contestant],
    encoder: str,
    labels: tuple[Shaped[np.ndarray, " n"], Shaped[np.ndarray, " m"]],
    budgets: Budgets,
    groups: tuple[Shaped[np.ndarray, " n"], Shaped[np.ndarray, " m"]] | None = None,
    strengths: Sequence[float] = STRENGTHS,
    resamples: int = RESAMPLES,
    seed: int = 0,
    beside: Sequence[str] = (),
) -> Curve:
    """Return the label-efficiency curve of contestants; `labels` and `groups` are of training and test records.

    beside: controls whose inner accuracy is no cross-validation, so that they cannot be ranked among the others; the
    best one is chosen without them, and they count as well as it.

    Intervals are a hierarchical bootstrap: test records (whole groups where given) and label draws are resampled alike
    for all contestants, seeds for each on its own. Raises UsageError when the encoder is not among the contestants.
    """
    if encoder not in contestants:
        raise UsageError(f"The encoder {encoder!r} is not among the contestants {sorted(contestants)}.")
    outcomes = {
        (outcome.name, outcome.per_class): outcome
        for name, contestant in contestants.items()
        for outcome in run_contestant(
            name, contestant, labels, budgets, strengths, None if groups is None else groups[0], seed
        )
    }
    test_groups = None if groups is None else groups[1]
    drawn = bootstrap(list(outcomes.values()), labels[1], test_groups, resamples, np.random.default_rng(seed))
    sizes = {budget.per_class: len(budget.rows) for budget in budgets.sets}
    points = tuple(
        place(outcome, drawn, outcomes.get((encoder, outcome.per_class)), labels[1], sizes, test_groups)
        for outcome in outcomes.values()
    )
    able = [outcome for outcome in outcomes.values() if outcome.name not in (encoder, *beside)]
    best = best_controls(able, list(sizes))
    return Curve(
        encoder=encoder,
        points=points,
        best_controls=best,
        saved=saved_by(encoder, best, points, drawn, sizes, beside),
        not_applicable=budgets.not_applicable,
        records=len(labels[1]),
        groups=None if test_groups is None else len(np.unique(test_groups)),
        resamples=resamples,
        beside=tuple(name for name in beside if name in contestants),
    )


def run_contestant(
    name: str,
    contestant: Contestant,
    labels: tuple[np.ndarray, np.ndarray],
    budgets: Budgets,
    strengths: Sequence[float],
    groups: np.ndarray | None,
    seed: int,
) -> list[Outcome]:
    """Return the outcome of a contestant at every budget, probing its features where it has some."""
    if isinstance(contestant, Predictions):
        inner = contestant.inner_accuracy or {}
        for per_class, correct in contestant.correct.items():
            if correct.ndim != 3 or correct.shape[2] != len(labels[1]):
                raise DataError(
                    f"Predictions of {name!r} at {per_class or 'all'} labels must be (seed, draw, {len(labels[1])} "
                    f"test records); got {correct.shape}."
                )
        return [
            Outcome(name, per_class, correct, inner.get(per_class), None, ())
            for per_class, correct in contestant.correct.items()
        ]
    if not contestant:
        raise DataError(f"Contestant {name!r} has no feature set; give one per seed.")
    runs = [probe(*pair(features, labels), budgets, strengths, groups, seed) for features in contestant]
    outcomes = []
    for per_class in dict.fromkeys(result.per_class for result in runs[0]):
        table = [[result for result in run if result.per_class == per_class] for run in runs]
        flat = [result for row in table for result in row]
        inner_scores = [result.inner_accuracy for result in flat if result.inner_accuracy is not None]
        outcomes.append(
            Outcome(
                name=name,
                per_class=per_class,
                correct=np.array([[result.correct for result in row] for row in table]),
                inner_accuracy=float(np.mean(inner_scores)) if inner_scores else None,
                gradient_norm=max(result.gradient_norm for result in flat),
                strengths=tuple(result.strength for result in flat),
                confidence=np.array([[result.confidence for result in row] for row in table]),
                brier=np.array([[result.brier for result in row] for row in table]),
            )
        )
    return outcomes


def pair(
    features: FeatureSet, labels: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return train features, train labels, test features, test labels."""
    return features[0], labels[0], features[1], labels[1]


Drawn = Mapping[tuple[str, int | None], Float[np.ndarray, "2 _"]]
"""Accuracy and balanced accuracy per resample, of every contestant at every budget."""


def bootstrap(
    outcomes: Sequence[Outcome],
    labels: Shaped[np.ndarray, " m"],
    groups: Shaped[np.ndarray, " m"] | None,
    resamples: int,
    rng: np.random.Generator,
) -> Drawn:
    """Return both accuracies of every outcome in every resample of records, draws and seeds."""
    codes = np.unique(labels, return_inverse=True)[1]
    chunk = max(1, min(resamples, CHUNK // len(labels)))
    rates: dict[tuple[str, int | None], list[np.ndarray]] = {(one.name, one.per_class): [] for one in outcomes}
    for start in range(0, resamples, chunk):
        weights = resample(groups, len(labels), min(chunk, resamples - start), rng)
        held = np.stack([weights[:, codes == code].sum(1) for code in range(codes.max() + 1)])
        # A class that a resample lost (few groups) leaves the balanced accuracy of this resample.
        balance = np.where(held > 0, 1 / np.maximum(held, 1), 0) / (held > 0).sum(0)
        even = weights * balance[codes].T
        plain = weights / weights.sum(1, keepdims=True)
        for outcome in outcomes:
            flat = outcome.correct.reshape(-1, len(labels)).astype(np.float64)
            rates[outcome.name, outcome.per_class].append(np.stack([flat @ plain.T, flat @ even.T]))
    tables = {
        (one.name, one.per_class): np.concatenate(rates[one.name, one.per_class], 2).reshape(
            2, *one.correct.shape[:2], resamples
        )
        for one in outcomes
    }
    return resample_runs(tables, rng)


def place(
    outcome: Outcome,
    drawn: Drawn,
    rival: Outcome | None,
    labels: Shaped[np.ndarray, " m"],
    sizes: Mapping[int | None, int],
    groups: Shaped[np.ndarray, " m"] | None,
) -> Point:
    """Return the point of one outcome; `rival` is the encoder's outcome at the same budget."""
    codes = np.unique(labels, return_inverse=True)[1]
    n = len(labels) if groups is None else len(np.unique(groups))
    rate = outcome.correct.mean((0, 1))
    even = float((np.bincount(codes, rate) / np.bincount(codes)).mean())
    plain, balanced = drawn[outcome.name, outcome.per_class]
    lead = None
    if rival is not None and rival.name != outcome.name:
        change = drawn[rival.name, rival.per_class][0] - plain
        lead = Estimate(float(rival.correct.mean() - outcome.correct.mean()), *interval(change), n)
    return Point(
        name=outcome.name,
        per_class=outcome.per_class,
        labels=sizes[outcome.per_class],
        seeds=outcome.correct.shape[0],
        draws=outcome.correct.shape[1],
        accuracy=Estimate(float(rate.mean()), *interval(plain), n),
        balanced_accuracy=Estimate(even, *interval(balanced), n),
        lead=lead,
        outcome=outcome,
    )


def best_controls(controls: Sequence[Outcome], order: Sequence[int | None]) -> tuple[BestControl, ...]:
    """Return the best control per budget by inner accuracy; the test records play no part.

    The budget itself decides where all controls that stand at it have an inner accuracy there, else the next larger
    one at which they have; where there is none, the first that judges most of them.
    """
    sizes = sorted(set(order), key=lambda size: np.inf if size is None else size)
    inner = {(each.name, each.per_class): each.inner_accuracy for each in controls if each.inner_accuracy is not None}
    known = {name for name, _ in inner}
    best = []
    for index, size in enumerate(sizes):
        wanted = [each.name for each in controls if each.per_class == size and each.name in known]
        able = [(judge, [name for name in wanted if (name, judge) in inner]) for judge in sizes[index:]]
        judge, names = max(able, key=lambda each: len(each[1]))  # the first of those that judge most
        if names:
            top = max(names, key=lambda name: inner[name, judge])
            best.append(BestControl(size, top, judge, float(inner[top, judge])))
    return tuple(best)


def saved_by(
    encoder: str,
    best: Sequence[BestControl],
    points: Sequence[Point],
    drawn: Drawn,
    sizes: Mapping[int | None, int],
    beside: Sequence[str] = (),
) -> tuple[LabelsSaved, ...]:
    """Return the labels saved at every budget that encoder and best control share.

    Where a control stands beside the best one, the better of the two counts, in every resample anew.
    """
    value = {(point.name, point.per_class): point.accuracy.value for point in points}
    shared = [control for control in best if (encoder, control.per_class) in value]
    if not shared:
        return ()
    keys = [
        [(name, control.per_class) for name in (control.name, *beside) if (name, control.per_class) in value]
        for control in shared
    ]
    return labels_saved(
        [control.per_class for control in shared],
        np.array([sizes[control.per_class] for control in shared], np.float64),
        np.array(
            [
                [value[encoder, control.per_class] for control in shared],
                [max(value[key] for key in own) for own in keys],
            ]
        ),
        np.stack(
            [
                np.stack([drawn[encoder, control.per_class][0] for control in shared]),
                np.stack([np.max([drawn[key][0] for key in own], axis=0) for own in keys]),
            ]
        ),
    )
