"""How far a probe's confidence can be trusted: calibration error and Brier score of every contestant with features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selftaught.probes.calibration import BINS, calibration_error
from selftaught.probes.curve import Curve
from selftaught.probes.statistics import bootstrap_mean
from selftaught.reports.blocks import Cell, Column, Estimate, Table


@dataclass(frozen=True, kw_only=True)
class Trust:
    """One contestant at one budget. error: expected calibration error, mean over seeds and draws. brier: mean squared
    distance of the probabilities from the true class, with its 95 % interval over test records."""

    name: str
    per_class: int | None
    error: float
    brier: float
    low: float
    high: float


def score_trust(curve: Curve, sizes: Sequence[int | None], groups: np.ndarray | None) -> tuple[Trust, ...]:
    """Calibration at some budgets of a curve; contestants without probabilities have none."""
    found = []
    for point in curve.points:
        confidence, brier = point.outcome.confidence, point.outcome.brier
        if point.per_class not in sizes or confidence is None or brier is None:
            continue
        pairs = zip(np.concatenate(confidence), np.concatenate(point.outcome.correct), strict=True)
        mean = bootstrap_mean(brier.mean((0, 1)), np.random.default_rng(0), groups)
        error = float(np.mean([calibration_error(*pair) for pair in pairs]))
        found.append(
            Trust(
                name=point.name, per_class=point.per_class, error=error, brier=mean.value, low=mean.low, high=mean.high
            )
        )  # fmt: skip
    return tuple(found)


def trust_table(found: Sequence[Trust]) -> Table:
    """One line per contestant, calibration error and Brier score at each budget."""
    sizes = list(dict.fromkeys(each.per_class for each in found))
    known = {(each.name, each.per_class): each for each in found}
    columns: list[Column | str] = ["contestant"]
    for size in sizes:
        columns += [Column(name=f"error at {size or 'all'}", digits=3), Column(name=f"Brier at {size or 'all'}")]
    rows: list[tuple[Cell, ...]] = []
    for name in dict.fromkeys(each.name for each in found):
        cells: list[Cell] = [name]
        for size in sizes:
            own = known.get((name, size))
            brier = None if own is None else Estimate(value=own.brier, low=own.low, high=own.high, digits=3)
            cells += [None if own is None else own.error, brier]
        rows.append(tuple(cells))
    return Table(
        columns=tuple(columns),
        rows=tuple(rows),
        title="Calibration",
        caption=f"Error: mean gap between confidence and accuracy over {BINS} bins of equally many test records, 0 is "
        "best. Brier score: 0 is best, 2 is worst. By labels per class. The strength of a probe is chosen for "
        "accuracy, so that it may be less sure than it could be; calibrate a classifier that is to be trusted.",
    )
