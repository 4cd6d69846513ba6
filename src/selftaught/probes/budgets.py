"""Which records are labelled at which budget: nested, per class, in several draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from selftaught.core.errors import DataError, UsageError

PER_CLASS: tuple[int | None, ...] = (1, 2, 5, 10, 20, 50, None)
"""Labels per class; None means all."""
DRAWS = 5
FILLED = 0.5
"""Share of the classes that must have as many rows as a budget asks for: a rare fault should not end the curve at 3."""


@dataclass(frozen=True)
class Budget:
    """One labelled set: which rows are given their labels."""

    per_class: int | None
    """Rows of each class, or in all where labels are numbers; None takes every row."""
    draw: int
    rows: Int[np.ndarray, " labelled"]
    """Sorted."""


@dataclass(frozen=True)
class Budgets:
    """All labelled sets, and the budgets that most classes cannot fill."""

    sets: tuple[Budget, ...]
    not_applicable: tuple[int, ...]

    def at(self, per_class: int | None) -> tuple[Budget, ...]:
        """Return the draws at one budget; the draw of all labels is one."""
        return tuple(budget for budget in self.sets if budget.per_class == per_class)


def nested_budgets(
    labels: Shaped[np.ndarray, " n"],
    per_class: Sequence[int | None] = PER_CLASS,
    draws: int = DRAWS,
    seed: int = 0,
    groups: Shaped[np.ndarray, " n"] | None = None,
) -> Budgets:
    """Return the labelled sets per draw and budget; within a draw each contains every smaller one.

    Rows of a class come in random order; where groups are given, as many groups as possible come before a second row of
    any. A class with fewer rows than the budget gives all that it has; a budget that most classes cannot fill is not
    applicable. None takes every row, once instead of `draws` times. Raises DataError below two classes, UsageError on a
    budget below 1.
    """
    names, codes = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        raise DataError(f"Label budgets need at least two classes; the labels hold {len(names)}.")
    if draws < 1 or any(size is not None and size < 1 for size in per_class):
        raise UsageError(f"Budgets and draws must be at least 1; got {tuple(per_class)} and {draws} draws.")
    counts = np.bincount(codes)
    sizes = sorted({size for size in per_class if size is not None})
    fitting = [size for size in sizes if (counts >= size).mean() >= FILLED]
    sets: list[Budget] = []
    for draw in range(draws):
        rng = np.random.default_rng((seed, draw))
        orders = [shuffled(np.flatnonzero(codes == code), groups, rng) for code in range(len(names))]
        sets += [Budget(size, draw, np.sort(np.concatenate([order[:size] for order in orders]))) for size in fitting]
    if None in per_class:
        sets.append(Budget(None, 0, np.arange(len(codes))))
    return Budgets(tuple(sets), tuple(size for size in sizes if size not in fitting))


def nested_draws(
    n: int,
    sizes: Sequence[int],
    draws: int = DRAWS,
    seed: int = 0,
    groups: Shaped[np.ndarray, " n"] | None = None,
) -> Budgets:
    """Return labelled sets for numbers: so many of n rows in all, and every row once, nested and in order of groups.

    A budget above n is not applicable.
    """
    fitting = sorted(size for size in set(sizes) if size <= n)
    sets: list[Budget] = []
    for draw in range(draws):
        order = shuffled(np.arange(n), groups, np.random.default_rng((seed, draw)))
        sets += [Budget(size, draw, np.sort(order[:size])) for size in fitting]
    sets.append(Budget(None, 0, np.arange(n)))
    return Budgets(tuple(sets), tuple(sorted(set(sizes) - set(fitting))))


def shuffled(
    rows: Int[np.ndarray, " n"], groups: Shaped[np.ndarray, " all"] | None, rng: np.random.Generator
) -> Int[np.ndarray, " n"]:
    """Return the rows in random order, one of each group before a second of any."""
    mixed = rng.permutation(rows)
    if groups is None:
        return mixed
    seen: dict[object, int] = {}
    turn = []
    for name in groups[mixed].tolist():
        seen[name] = seen.get(name, 0) + 1
        turn.append(seen[name])
    return mixed[np.argsort(turn, kind="stable")]
