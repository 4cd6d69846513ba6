"""Intervals and paired tests: bootstrap by group, rank correlation, average precision, McNemar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from selftaught.core.errors import DataError

RESAMPLES = 2000
"""Bootstrap resamples: enough for the second digit of a percentile interval."""
LEVEL = 0.95
"""Coverage of an interval."""
BLOCK = 1 << 22
"""Weights (8 bytes each) that are sorted at once."""


@dataclass(frozen=True)
class Estimate:
    """A value with its percentile interval; the unit is that of what was averaged."""

    value: float
    low: float
    high: float
    n: int
    """Independent samples behind the value: groups where groups exist, else records."""


@dataclass(frozen=True)
class McNemar:
    """Exact test that two classifiers err equally often on the same records."""

    only_first: int
    """Records that only the first one has right."""
    only_second: int
    p: float
    """Two-sided probability of so uneven a split by chance."""


def interval(draws: Float[np.ndarray, " resamples"], level: float = LEVEL) -> tuple[float, float]:
    """Return the percentile interval of bootstrap draws (Efron 1979)."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def resample(
    groups: Shaped[np.ndarray, " n"] | None, n: int, resamples: int, rng: np.random.Generator
) -> Float[np.ndarray, "resamples n"]:
    """Return how often each record is drawn in each resample; records of a group are drawn together."""
    if groups is None:
        return rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)
    names, member = np.unique(groups, return_inverse=True)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    return counts[:, member].astype(np.float64)


def resample_runs(
    tables: Mapping[tuple[str, int | None], Float[np.ndarray, "_ _ _ _"]], rng: np.random.Generator
) -> dict[tuple[str, int | None], Float[np.ndarray, "_ _"]]:
    """Return scores (score, resample): the mean over seeds and label draws that are drawn anew in every resample.

    tables: (score, seed, draw, resample) of every contestant at every budget. Draws are alike for all contestants
    that have as many, seeds are alike for all budgets of a contestant.
    """
    draws = max(table.shape[2] for table in tables.values())
    resamples = next(iter(tables.values())).shape[3]
    each = np.arange(resamples)[:, None, None]
    shared = rng.integers(draws, size=(resamples, draws))
    seed_picks: dict[tuple[str, int], np.ndarray] = {}
    drawn = {}
    for (name, size), table in tables.items():
        seeds, count = table.shape[1:3]
        picks = seed_picks.setdefault((name, seeds), rng.integers(seeds, size=(resamples, seeds)))
        chosen = shared if count == draws else rng.integers(count, size=(resamples, count))
        drawn[name, size] = table[:, picks[:, :, None], chosen[:, None, :], each].mean((2, 3))
    return drawn


def bootstrap_mean(
    values: Shaped[np.ndarray, " n"],
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " n"] | None = None,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Return the mean of values with its percentile interval; whole groups are drawn where groups are given.

    Raises DataError when there is no value or one is not finite.
    """
    numbers = np.asarray(values, np.float64)
    if len(numbers) == 0 or not np.isfinite(numbers).all():
        raise DataError(f"A mean needs at least one finite value and no other; got {len(numbers)} values.")
    draws = []
    for start in range(0, resamples, 256):
        weights = resample(groups, len(numbers), min(256, resamples - start), rng)
        draws.append(weights @ numbers / weights.sum(1))
    low, high = interval(np.concatenate(draws))
    return Estimate(float(numbers.mean()), low, high, len(numbers) if groups is None else len(np.unique(groups)))


def bootstrap_difference(
    first: Shaped[np.ndarray, " n"],
    second: Shaped[np.ndarray, " m"],
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " n"] | None = None,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Return mean(first - second) over the same records with its percentile interval (paired bootstrap)."""
    if len(first) != len(second):
        raise DataError(f"A paired difference needs the same records twice; got {len(first)} and {len(second)}.")
    return bootstrap_mean(np.asarray(first, np.float64) - np.asarray(second, np.float64), rng, groups, resamples)


def spearman(
    first: Shaped[np.ndarray, " n"],
    second: Shaped[np.ndarray, " m"],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Return Spearman's rank correlation with its percentile interval; NaN where one side is constant.

    Raises DataError below three pairs or when a value is not finite.
    """
    pair = np.stack([np.asarray(first, np.float64), np.asarray(second, np.float64)])
    if pair.shape[1] < 3 or not np.isfinite(pair).all():
        raise DataError(f"A rank correlation needs at least three finite pairs; got {pair.shape[1]}.")
    draws = [rank_correlation(pair[:, rng.integers(pair.shape[1], size=pair.shape[1])]) for _ in range(resamples)]
    varied = np.array(draws)[np.isfinite(draws)]
    low, high = interval(varied) if len(varied) else (float("nan"), float("nan"))
    return Estimate(rank_correlation(pair), low, high, pair.shape[1])


def rank_correlation(pair: Float[np.ndarray, "2 n"]) -> float:
    """Return Spearman's correlation of two rows of values, ties sharing their mean rank; NaN where one is constant."""
    from scipy.stats import rankdata

    ranks = rankdata(pair, axis=1)
    ranks -= ranks.mean(1, keepdims=True)
    spread = float(np.sqrt((ranks**2).sum(1).prod()))
    return float((ranks[0] * ranks[1]).sum() / spread) if spread else float("nan")


def average_precision(
    scores: Float[np.ndarray, " n"], truth: Bool[np.ndarray, " n"], weights: Float[np.ndarray, "resamples n"]
) -> Float[np.ndarray, " resamples"]:
    """Return, per row of record weights, the average precision of a ranking; NaN where no true record has weight.

    From the highest score down, the gain in recall at every distinct score times the precision there (Manning 2008,
    section 8.4); records of equal score are one step. The score of a constant is the share of true records.
    """
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    found = []
    for block in np.array_split(weights, max(1, min(len(weights), weights.size // BLOCK))):
        drawn = block[:, order]
        seen = np.cumsum(drawn, 1)[:, last]
        right = np.cumsum(drawn * truth[order], 1)[:, last]
        gained = (np.diff(right, axis=1, prepend=0) * right / np.maximum(seen, 1e-12)).sum(1)
        found.append(gained / np.where(right[:, -1] > 0, right[:, -1], np.nan))
    return np.concatenate(found)


def mcnemar(first: Shaped[np.ndarray, " n"], second: Shaped[np.ndarray, " m"]) -> McNemar:
    """Return the exact McNemar test of two correctness arrays over the same records (binomial, two-sided)."""
    from scipy.stats import binomtest

    only_first = int((np.asarray(first, bool) & ~np.asarray(second, bool)).sum())
    only_second = int((~np.asarray(first, bool) & np.asarray(second, bool)).sum())
    split = only_first + only_second
    chance = 1.0 if split == 0 else float(binomtest(only_first, split, 0.5).pvalue)
    return McNemar(only_first, only_second, chance)


def bootstrap_chance(differences: Float[np.ndarray, " resamples"]) -> float:
    """Return the two-sided p of no difference: twice the smaller share of resamples on either side of 0.

    One resample is added to each side, so that it is never 0 (Davison & Hinkley 1997, section 4.2).
    """
    above, below = (differences >= 0).sum() + 1, (differences <= 0).sum() + 1
    return float(min(1.0, 2 * min(above, below) / (len(differences) + 1)))


def holm(chances: Sequence[float]) -> tuple[float, ...]:
    """Return p values corrected for their number, in the order given; the family-wise error is kept (Holm 1979)."""
    order = np.argsort(chances, kind="stable")
    scaled = [min(1.0, (len(chances) - rank) * chances[index]) for rank, index in enumerate(order)]
    corrected = np.empty(len(chances))
    corrected[order] = np.maximum.accumulate(scaled)
    return tuple(corrected.tolist())


def fold_of(
    codes: Int[np.ndarray, " n"], folds: int, rng: np.random.Generator, groups: Shaped[np.ndarray, " n"] | None = None
) -> Int[np.ndarray, " n"]:
    """Return a fold per record, classes spread evenly; records of a group share a fold.

    Groups are dealt, largest first, to the fold that holds the fewest records of the group's classes.
    """
    if groups is None:
        order = rng.permutation(len(codes))
        order = order[np.argsort(codes[order], kind="stable")]
        fold = np.empty(len(codes), np.int64)
        fold[order] = np.arange(len(codes)) % folds
        return fold
    names, member = np.unique(groups, return_inverse=True)
    table = np.zeros((len(names), int(codes.max()) + 1))
    np.add.at(table, (member, codes), 1)
    held = np.zeros((folds, table.shape[1]))
    place = np.empty(len(names), np.int64)
    order = rng.permutation(len(names))
    for name in order[np.argsort(-table[order].sum(1), kind="stable")]:
        place[name] = int(np.argmin((held * table[name]).sum(1) + 1e-6 * held.sum(1)))
        held[place[name]] += table[name]
    return place[member]
