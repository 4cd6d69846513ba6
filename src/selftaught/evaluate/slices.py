"""Accuracy by group: every site, speaker or camera on its own, and the worst of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from selftaught.core.errors import MissingExtra
from selftaught.probes.curve import Curve
from selftaught.probes.statistics import bootstrap_mean
from selftaught.reports.blocks import Cell, Column, Estimate, Table, Text

FEWEST = 10
"""Test records below which a group is counted among the others."""
SHOWN = 12
"""Groups that are shown, the worst ones."""
OTHERS = "all others"


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One group. values: (contestant, accuracy, low, high), 95 % intervals over its records, or over the groups of
    records that are drawn together."""

    group: str
    records: int
    values: tuple[tuple[str, float, float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Slices:
    """Accuracy by the values of one column at one budget. worst: (contestant, lowest accuracy of a group, gap to the
    highest), over groups of FEWEST records or more. missing: why there is nothing, where so."""

    column: str
    per_class: int | None
    groups: tuple[Slice, ...]
    worst: tuple[tuple[str, float, float], ...]
    missing: str = ""


def metric_frame(asked: bool) -> Any:
    """fairlearn's MetricFrame; None where it is not installed and nothing was asked for. Raises MissingExtra."""
    try:
        from fairlearn.metrics import MetricFrame
    except ImportError as missing:
        if asked:
            raise MissingExtra("fairlearn", "fair", "Accuracy by group") from missing
        return None
    return MetricFrame


def slice_by(
    column: str,
    codes: np.ndarray,
    names: Sequence[str],
    curve: Curve,
    per_class: int | None,
    contestants: Sequence[str],
    kin: np.ndarray | None,
    asked: bool,
) -> Slices | None:
    """Accuracy of some contestants by group; None where there is one group and nothing was asked for.

    codes: of the test records, -1 where unknown. kin: groups that are drawn together; where a slice is
    one of them, its records are drawn.
    """
    known = np.flatnonzero(codes >= 0)
    often = np.bincount(codes[known], minlength=len(names))
    large = often >= FEWEST
    missing, frame = "", metric_frame(asked)
    if np.count_nonzero(often) < 2 or not large.any():
        if not asked:
            return None
        missing = f"The test part has too few records of different values of {column!r} to compare accuracies."
    elif frame is None:
        missing = str(MissingExtra("fairlearn", "fair", "Accuracy by group"))
    if missing:
        return Slices(column=column, per_class=per_class, groups=(), worst=(), missing=missing)
    group = np.array([names[code] if large[code] else OTHERS for code in codes[known]])
    right = {name: curve.at(name, per_class).outcome.correct.mean((0, 1))[known] for name in contestants}
    rows, worst = [], []
    for each in sorted(set(group.tolist()), key=lambda name: (name == OTHERS, name)):
        inside = np.flatnonzero(group == each)
        values = []
        drawn = None if kin is None else kin[known][inside]
        together = None if drawn is None or len(np.unique(drawn)) < 2 else drawn
        for name, own in right.items():
            mean = bootstrap_mean(own[inside], np.random.default_rng(0), together)
            values.append((name, mean.value, mean.low, mean.high))
        rows.append(Slice(group=each, records=len(inside), values=tuple(values)))
    for name, own in right.items():
        told = group != OTHERS
        table = frame(metrics=_mean, y_true=own[told], y_pred=own[told], sensitive_features=group[told])
        worst.append((name, float(table.group_min()), float(table.difference())))
    return Slices(column=column, per_class=per_class, groups=tuple(rows), worst=tuple(worst))


def slice_table(found: Slices) -> Table | Text:
    """The worst groups first, by the first contestant; the last line is the gap between the best and the worst."""
    if found.missing:
        return Text(text=found.missing)
    names = [name for name, *_ in found.worst]
    order = sorted(found.groups, key=lambda each: (each.group == OTHERS, each.values[0][1]))
    rows: list[tuple[Cell, ...]] = [
        (each.group, each.records, *(Estimate(value=value, low=low, high=high, digits=3) for _, value, low, high in
        each.values)) for each in order[:SHOWN]
    ]  # fmt: skip
    rows.append(("gap, best to worst", None, *(gap for *_, gap in found.worst)))
    more = f" The {SHOWN} worst of {len(order)} are shown." if len(order) > SHOWN else ""
    return Table(
        columns=(found.column, "test records", *(Column(name=name, digits=3) for name in names)),
        rows=tuple(rows),
        title=f"Accuracy by {found.column}",
        caption=f"At {found.per_class or 'all'} labels{' a class' if found.per_class else ''}. Groups of fewer than "
        f"{FEWEST} records are counted together and not as the worst.{more}",
    )


def _mean(right: np.ndarray, _: np.ndarray) -> float:
    """fairlearn hands a metric two columns; both are which share of seeds and draws has a record right."""
    return float(np.mean(right))
