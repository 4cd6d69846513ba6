"""What every contestant reached at every budget, and how such a number stands in a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from selftaught.probes.curve import Curve
from selftaught.probes.saved import Labels
from selftaught.probes.statistics import interval
from selftaught.reports.blocks import Estimate

ENCODER = "encoder"
TWIN = "untrained twin"
SCRATCH = "supervised from scratch"
BASELINE = "baseline"
"""What an earlier encoder is called, before its name."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One contestant at one budget. value: accuracy (or R2, mAP) with its 95 % interval; lead: encoder minus this."""

    name: str
    per_class: int | None
    labels: int
    seeds: int
    draws: int
    value: float
    low: float
    high: float
    balanced: float | None
    lead: float | None
    lead_low: float | None
    lead_high: float | None
    strengths: tuple[float, ...] = ()


def score_rows(curve: Curve) -> tuple[Score, ...]:
    """Every point of a curve, without the per-record outcomes."""
    return tuple(
        Score(
            name=point.name,
            per_class=point.per_class,
            labels=point.labels,
            seeds=point.seeds,
            draws=point.draws,
            value=point.accuracy.value,
            low=point.accuracy.low,
            high=point.accuracy.high,
            balanced=point.balanced_accuracy.value,
            lead=None if point.lead is None else point.lead.value,
            lead_low=None if point.lead is None else point.lead.low,
            lead_high=None if point.lead is None else point.lead.high,
            strengths=point.outcome.strengths,
        )
        for point in curve.points
    )


def paired_scores(
    values: Mapping[str, float], drawn: Mapping[str, np.ndarray], seeds: Mapping[str, int], labels: int
) -> tuple[Score, ...]:
    """Every contestant with all labels, and the encoder's lead over it. drawn: values in the same resamples for all."""
    rows = []
    for name, value in values.items():
        low, high = interval(drawn[name])
        lead = lead_low = lead_high = None
        if name != ENCODER:
            lead = values[ENCODER] - value
            lead_low, lead_high = interval(drawn[ENCODER] - drawn[name])
        rows.append(
            Score(
                name=name, per_class=None, labels=labels, seeds=seeds[name], draws=1, value=value, low=low, high=high,
                balanced=None, lead=lead, lead_low=lead_low, lead_high=lead_high,
            )
        )  # fmt: skip
    return tuple(rows)


def estimate(score: Score) -> Estimate:
    """The score as a cell."""
    return Estimate(value=score.value, low=score.low, high=score.high, n=score.seeds * score.draws, digits=3)


def lead_of(score: Score, metric: str = "accuracy") -> Estimate | None:
    """The lead of the encoder as a cell, in points of accuracy or in R2; None where there is none."""
    if score.lead is None or score.lead_low is None or score.lead_high is None:
        return None
    return change(metric, score.lead, score.lead_low, score.lead_high)


def change(metric: str, value: float, low: float, high: float) -> Estimate:
    """A difference of two scores as a cell: points of accuracy, or R2 as it is."""
    scale, digits = (1, 3) if metric == "R2" else (100, 1)
    return Estimate(value=scale * value, low=scale * low, high=scale * high, digits=digits)


def bound(labels: Labels) -> Estimate:
    """A number of labels as a cell, with its bound."""
    sign = {"=": "", ">": ">", "<=": "<"}[labels.relation]
    return Estimate(value=round(labels.count), bound=sign, digits=0)  # type: ignore[arg-type]


def unit_of(metric: str) -> str:
    """The unit of a difference of two scores."""
    return "R2" if metric == "R2" else "points"


def words(budgets: Sequence[int | None], metric: str = "accuracy") -> str:
    """Budgets as words: "1, 5 and all labels a class", or "20 and all labels" where labels are numbers."""
    sizes = sorted(budgets, key=lambda size: size or 10**9)
    names = [str(size) if size is not None else "all" for size in sizes]
    if names == ["all"]:
        return "all labels"
    joined = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{joined} label{'' if names == ['1'] else 's'}{'' if metric == 'R2' else ' a class'}"
