"""The probe protocol: what is fitted, chosen and read on one feature set, at every label budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from selftaught.core.errors import DataError
from selftaught.probes.budgets import Budget, Budgets
from selftaught.probes.calibration import brier_losses
from selftaught.probes.linear import STRENGTHS, LogisticFit, check, class_scores, fit_logistic_grid
from selftaught.probes.statistics import fold_of

PROTOCOL = "selftaught-logistic-2"
"""Id of everything fixed in this file and its defaults; a change that can move a score changes it."""
FIXED_STRENGTH = 0.1
"""C below `FEWEST` labels a class, where cross-validation would choose among ties."""
FEWEST = 4
"""Labels of the smallest class from which the strength is chosen by inner cross-validation."""
FOLDS = 5


@dataclass(frozen=True)
class ProbeResult:
    """One probe: a labelled set, the strength chosen inside it, and what it has right on the evaluation records."""

    per_class: int | None
    draw: int
    labels: int
    """Labelled rows."""
    strength: float
    """C of scikit-learn."""
    chosen_by: str
    """`inner cross-validation` or `fixed`."""
    inner_accuracy: float | None
    """Accuracy in inner cross-validation at the strength; None where a class has one label."""
    accuracy: float
    balanced_accuracy: float
    """Mean over classes of the share of their records that is right."""
    correct: Bool[np.ndarray, " m"]
    confidence: Float[np.ndarray, " m"]
    """Probability of the predicted class."""
    brier: Float[np.ndarray, " m"]
    """Squared distance of the probabilities from the true class, 0 to 2."""
    gradient_norm: float
    converged: bool
    protocol: str = PROTOCOL


def probe(
    train: Float[np.ndarray, "n d"],
    train_labels: Shaped[np.ndarray, " n"],
    test: Float[np.ndarray, "m d"],
    test_labels: Shaped[np.ndarray, " m"],
    budgets: Budgets,
    strengths: Sequence[float] = STRENGTHS,
    groups: Shaped[np.ndarray, " n"] | None = None,
    seed: int = 0,
) -> tuple[ProbeResult, ...]:
    """Return one result per labelled set: L2 logistic regression on features standardised on the labelled rows.

    The strength is chosen by stratified inner cross-validation on the labelled rows (accuracy, ties by cross-entropy,
    then the stronger penalty), folds respecting groups; below `FEWEST` labels a class it is `FIXED_STRENGTH`. The
    evaluation records are read once, after every choice. Raises DataError as `fit_logistic_grid` does.
    """
    check(train, train_labels)
    check(test, test_labels)
    grid = np.unique([*strengths, FIXED_STRENGTH])
    allowed = np.isin(grid, np.asarray(strengths, np.float64))
    results: list[ProbeResult] = []
    for per_class in dict.fromkeys(budget.per_class for budget in budgets.sets):
        draws = budgets.at(per_class)
        inner = cross_validate(train, train_labels, draws, grid, groups, seed)
        fits = fit_logistic_grid(train, train_labels, [budget.rows for budget in draws], grid.tolist())
        for budget, fit, trial in zip(draws, fits, inner, strict=True):
            index, chosen_by = choose(trial, grid, allowed, smallest_class(train_labels[budget.rows]))
            accuracy = None if trial is None else float(trial[0, index])
            results.append(evaluate(budget, fit, index, chosen_by, accuracy, test, test_labels))
    return tuple(results)


def smallest_class(labels: Shaped[np.ndarray, " n"]) -> int:
    """Return the size of the smallest class."""
    return int(np.unique(labels, return_counts=True)[1].min())


def choose(
    trial: Float[np.ndarray, "2 s"] | None,
    grid: Float[np.ndarray, " s"],
    allowed: Bool[np.ndarray, " s"],
    smallest: int,
) -> tuple[int, str]:
    """Return the index of the strength and how it was chosen."""
    if trial is None or smallest < FEWEST:
        return int(np.flatnonzero(grid == FIXED_STRENGTH)[0]), "fixed"
    candidates = np.flatnonzero(allowed)
    best = np.lexsort((grid[candidates], trial[1, candidates], -trial[0, candidates]))[0]
    return int(candidates[best]), "inner cross-validation"


def cross_validate(
    features: Float[np.ndarray, "n d"],
    labels: Shaped[np.ndarray, " n"],
    draws: Sequence[Budget],
    strengths: Float[np.ndarray, " s"],
    groups: Shaped[np.ndarray, " n"] | None,
    seed: int,
) -> list[Float[np.ndarray, "2 _"] | None]:
    """Return, per labelled set, accuracy and mean cross-entropy (nats) of held-out rows at every strength.

    None where a class has one label or the rows have one group. All folds of all sets are solved together.
    """
    inside: list[Int[np.ndarray, " _"]] = []
    outside: list[Int[np.ndarray, " _"]] = []
    owners: list[int] = []
    for owner, budget in enumerate(draws):
        for kept, held in inner_folds(labels, budget, groups, seed):
            inside.append(kept)
            outside.append(held)
            owners.append(owner)
    sums = np.zeros((len(draws), 3, len(strengths)))
    for fit, held, owner in zip(
        fit_logistic_grid(features, labels, inside, strengths.tolist()), outside, owners, strict=True
    ):
        sums[owner] += fold_sums(fit, features[held], labels[held])
    return [total[:2] / total[2] if total[2].all() else None for total in sums]


def inner_folds(
    labels: Shaped[np.ndarray, " n"], budget: Budget, groups: Shaped[np.ndarray, " n"] | None, seed: int
) -> list[tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]]]:
    """Return the folds inside a labelled set as (rows to fit on, rows held out), respecting groups.

    Empty where a class has one label or the rows have one group; alike for every contestant.
    """
    rows = budget.rows
    codes = np.unique(labels[rows], return_inverse=True)[1]
    folds = min(FOLDS, int(np.bincount(codes).min()))
    if groups is not None:
        folds = min(folds, len(np.unique(groups[rows])))
    if folds < 2:
        return []
    fold = fold_of(codes, folds, np.random.default_rng((seed, budget.draw)), None if groups is None else groups[rows])
    pairs = [(rows[fold != part], rows[fold == part]) for part in range(folds)]
    return [(kept, held) for kept, held in pairs if len(held) and len(np.unique(labels[kept])) > 1]


def fold_sums(
    fit: LogisticFit, features: Float[np.ndarray, "n d"], labels: Shaped[np.ndarray, " n"]
) -> Float[np.ndarray, "3 s"]:
    """Return summed correctness, summed cross-entropy (nats, at most 30 a row) and the number of rows."""
    from scipy.special import logsumexp

    scores = class_scores(fit, features)
    codes = np.searchsorted(fit.classes, labels)
    right = (scores.argmax(2) == codes).sum(1)
    own = np.take_along_axis(scores, np.broadcast_to(codes[None, :, None], (*scores.shape[:2], 1)), 2)[:, :, 0]
    surprise = np.minimum(logsumexp(scores, axis=2) - own, 30).sum(1)
    return np.stack([right, surprise, np.full(len(right), len(labels))]).astype(np.float64)


def evaluate(
    budget: Budget,
    fit: LogisticFit,
    index: int,
    chosen_by: str,
    inner_accuracy: float | None,
    test: Float[np.ndarray, "m d"],
    test_labels: Shaped[np.ndarray, " m"],
) -> ProbeResult:
    """Return the result of one fitted probe on the evaluation records."""
    from scipy.special import softmax

    scores = test.astype(np.float32, copy=False) @ fit.weights[index].T + fit.intercepts[index]
    correct = np.asarray(fit.classes[scores.argmax(1)] == test_labels, bool)
    chances = softmax(scores, axis=1)
    return ProbeResult(
        per_class=budget.per_class,
        draw=budget.draw,
        labels=len(budget.rows),
        strength=float(fit.strengths[index]),
        chosen_by=chosen_by,
        inner_accuracy=inner_accuracy,
        accuracy=float(correct.mean()),
        balanced_accuracy=balanced_accuracy(correct, test_labels),
        correct=correct,
        confidence=chances.max(1).astype(np.float32),
        brier=brier_losses(chances, fit.classes[None] == test_labels[:, None]),
        gradient_norm=float(fit.gradient_norm[index]),
        converged=bool(fit.converged[index]),
    )


def balanced_accuracy(correct: Bool[np.ndarray, " m"], labels: Shaped[np.ndarray, " m"]) -> float:
    """Return the mean over the classes among the labels of the share of their records that is right."""
    if len(labels) == 0:
        raise DataError("An accuracy needs at least one evaluation record; there is none. Enlarge the test split.")
    codes = np.unique(labels, return_inverse=True)[1]
    return float((np.bincount(codes, correct) / np.bincount(codes)).mean())
