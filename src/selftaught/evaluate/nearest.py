"""Weighted nearest neighbours on frozen features: the probe with nothing to tune, beside the curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from selftaught.probes.curve import Contestant, Predictions
from selftaught.probes.knn import NEIGHBOURS, knn_predict
from selftaught.probes.statistics import bootstrap_mean
from selftaught.reports.blocks import Column, Estimate, Table
from selftaught.trials.parts import Parts


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """Test accuracy of one contestant's features, mean over its seeds, with a 95 % interval over test records."""

    name: str
    value: float
    low: float
    high: float


def score_nearest(contestants: Mapping[str, Contestant], parts: Parts) -> tuple[Nearest, ...]:
    """All labelled training records are the bank, for each contestant with features."""
    groups = None if parts.kin is None else parts.kin[1]
    known, asked = parts.labels
    found = []
    for name, contestant in contestants.items():
        if not isinstance(contestant, Predictions):
            right = [knn_predict(train, known, test) == asked for train, test in contestant]
            mean = bootstrap_mean(np.mean(right, axis=0), np.random.default_rng(0), groups)
            found.append(Nearest(name=name, value=mean.value, low=mean.low, high=mean.high))
    return tuple(found)


def nearest_table(found: tuple[Nearest, ...]) -> Table:
    """One line per contestant."""
    rows = tuple((each.name, Estimate(value=each.value, low=each.low, high=each.high, digits=3)) for each in found)
    return Table(
        columns=("contestant", Column(name="test accuracy", digits=3)),
        rows=rows,
        title="Nearest neighbours",
        caption=f"Weighted vote of the {NEIGHBOURS} labelled training records with the most similar features.",
    )
