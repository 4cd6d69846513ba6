"""What should not matter: how well a speaker, a site, brightness or length can be read from frozen features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor

from selftaught.core.modality import Modality
from selftaught.data.store import Store
from selftaught.probes.budgets import nested_draws
from selftaught.probes.protocol import probe
from selftaught.probes.ridge import guess_by_ridge, r_squared
from selftaught.probes.statistics import bootstrap_mean, fold_of, interval, resample
from selftaught.reports.blocks import Cell, Column, Estimate, Table

MOST = 2_000
"""Records that are probed, at most."""
FEWEST = 30
"""Records below which nothing is said."""
CLASSES = 50
"""Values of a nuisance that are told apart, the most frequent ones: hundreds of speakers would take minutes."""
FOLDS = 3
CHUNK = 256


@dataclass(frozen=True, kw_only=True)
class Nuisance:
    """How well one nuisance can be read. metric: accuracy of classes, R2 of numbers. chance: that of the most frequent
    class, or 0. values: (contestant, value, low, high), 95 % intervals over records."""

    name: str
    metric: Literal["accuracy", "R2"]
    chance: float
    values: tuple[tuple[str, float, float, float], ...]


def traits_of(modality: Modality, store: Store, rows: np.ndarray) -> dict[str, np.ndarray]:
    """What every record has of itself: its length where lengths differ, its level, its share of missing values.

    Read from the decoded records, before anything is scaled; only what varies.
    """
    found: dict[str, list[float]] = {}
    for start in range(0, len(rows), CHUNK):
        given = store.rows(rows[start : start + CHUNK]).fields
        ragged = next((field for field in given.values() if isinstance(field, tuple)), ())
        found.setdefault("length", []).extend(float(len(row)) for row in ragged)
        floats = [field for field in given.values() if field[0].is_floating_point()]
        if floats:  # the field with most values is what was recorded; others tell of it
            largest = max(floats, key=lambda field: sum(row.numel() for row in field))
            found.setdefault("missing values", []).extend(float(row.isnan().double().mean()) for row in largest)
        if modality.level is not None and modality.level[0] in given:
            field, name, how = modality.level
            found.setdefault(name, []).extend(_level(row.double(), how) for row in given[field])
    return {name: np.array(values) for name, values in found.items() if values and _varies(np.array(values))}


def _level(row: Tensor, how: str) -> float:
    """The mean of the values that are there, or the logarithm of their mean square."""
    there = row[~row.isnan()]
    if not len(there):
        return 0.0
    return float(there.mean() if how == "mean" else there.square().mean().clamp(min=1e-12).log())


def _varies(values: np.ndarray) -> bool:
    """Whether values differ by more than rounding."""
    return bool(np.ptp(values) > 1e-5 * max(1e-3, np.abs(values).max()))


def probe_nuisances(
    features: Mapping[str, np.ndarray], nuisances: Mapping[str, np.ndarray], seed: int = 0
) -> tuple[Nuisance, ...]:
    """Reads each nuisance from each contestant's features (n, d), by cross-validation over records.

    nuisances: whole numbers are classes, -1 where unknown; other numbers are numbers, NaN where unknown. Values of a
    class lie in every fold: what is asked is whether the features hold it, not whether it carries over. One with fewer
    than FEWEST known records, or a single value, is left out.
    """
    found = []
    for name, values in nuisances.items():
        classes = np.issubdtype(values.dtype, np.integer)
        rows = np.flatnonzero(values >= 0) if classes else np.flatnonzero(np.isfinite(values))
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:MOST])
        if classes and len(rows):
            often = np.bincount(values[rows])
            most = np.sort(often)[::-1][: CLASSES + 1]
            rows = rows[often[values[rows]] >= max(FOLDS, 0 if len(most) <= CLASSES else most[-1] + 1)]
        if len(rows) < FEWEST or len(np.unique(values[rows])) < 2:
            continue
        read = _read_classes if classes else _read_numbers
        found.append(
            Nuisance(
                name=name,
                metric="accuracy" if classes else "R2",
                chance=float(np.bincount(values[rows]).max() / len(rows)) if classes else 0.0,
                values=tuple((who, *read(own[rows], values[rows], seed)) for who, own in features.items()),
            )
        )
    return tuple(found)


def nuisance_table(found: tuple[Nuisance, ...]) -> Table:
    """One line per nuisance, one column per contestant."""
    names = list(dict.fromkeys(who for each in found for who, *_ in each.values))
    rows: list[tuple[Cell, ...]] = []
    for each in found:
        known = {who: Estimate(value=value, low=low, high=high, digits=2) for who, value, low, high in each.values}
        rows.append((each.name, each.metric, *(known.get(name) for name in names), each.chance))
    return Table(
        columns=("nuisance", "read by", *names, Column(name="chance", digits=2)),
        rows=tuple(rows),
        title="What else the features hold",
        caption="Probes by cross-validation over training records. What should not matter and can be read well may be "
        "what a classifier goes by where it happens to go with the labels.",
    )


def _folds(codes: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    fold = fold_of(codes, FOLDS, np.random.default_rng(seed))
    return [(np.flatnonzero(fold != part), np.flatnonzero(fold == part)) for part in range(FOLDS)]


def _read_classes(features: np.ndarray, codes: np.ndarray, seed: int) -> tuple[float, float, float]:
    right = np.zeros(len(codes))
    for known, asked in _folds(np.unique(codes, return_inverse=True)[1], seed):
        whole = nested_draws(len(known), ())
        right[asked] = probe(features[known], codes[known], features[asked], codes[asked], whole)[0].correct
    mean = bootstrap_mean(right, np.random.default_rng(seed))
    return mean.value, mean.low, mean.high


def _read_numbers(features: np.ndarray, values: np.ndarray, seed: int) -> tuple[float, float, float]:
    errors = np.zeros(len(values))
    for known, asked in _folds(np.zeros(len(values), np.int64), seed):
        errors[asked] = np.square(guess_by_ridge(features[known], values[known], features[asked]) - values[asked])
    weights = resample(None, len(values), 1000, np.random.default_rng(seed))
    return (
        float(r_squared(errors, values, np.ones((1, len(values))))[0]),
        *interval(r_squared(errors, values, weights)),
    )
