"""Who looks ahead where there are no labels: ranks by label-free metrics, averaged. A sign, not a measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import ClassVar

import numpy as np

from selftaught.compare.judge import Standing
from selftaught.core.errors import DataError
from selftaught.data.store import Store
from selftaught.engine.embedding import embed_records
from selftaught.probes.clusters import FEWEST, cluster_learnability, cluster_stability, view_consistency
from selftaught.probes.labelfree import lidar, rankme
from selftaught.probes.statistics import RESAMPLES, interval
from selftaught.runs.encoder import Pretrained
from selftaught.trials.watch import views_of

AGREEMENT: tuple[int, float, float, float] = (2, -0.09, -0.83, 0.64)
"""Sets of our own on which this order was held against that of probes on the test part, and the rank correlation of the
two: mean over the sets and its 95 % interval (benchmarks/results/race.csv)."""
MOST = 512
"""Held-out records that are looked at, at most."""


@dataclass(frozen=True, kw_only=True)
class Signs:
    """Label-free metrics of one encoder on held-out records; more is better of each.

    lidar (Thilak 2024) and rankme (Garrido 2023): directions that are used. learnability: of clusters (Lu 2023).
    stability: of clusters under other views. consistency: a view is nearest to the other view of its record.
    """

    lidar: float
    rankme: float
    learnability: float
    stability: float
    consistency: float


SIGNS = tuple(field.name for field in fields(Signs))


@dataclass(frozen=True, kw_only=True, eq=False)
class Blind:
    """Ranks candidates without labels. rows: held-out records."""

    protocol: ClassVar[str] = "selftaught-blind-1"

    store: Store
    rows: np.ndarray

    def encoders(self, name: str, encoders: Sequence[Pretrained]) -> list[Signs]:
        """The signs of encoders (seeds of one candidate)."""
        return [read_signs(each, self.store, self.rows) for each in encoders]

    def standings(self, found: Mapping[str, Sequence[Signs]]) -> dict[str, Standing]:
        """The mean over the signs of the share of rivals that a candidate is ahead of, 0 to 1.

        Intervals come from drawing the signs anew: they say how far the signs agree, not how far they can be trusted.
        """
        names = list(found)
        table = np.array([np.mean([astuple(each) for each in found[name]], axis=0) for name in names])
        ahead = (table[:, None] > table[None]).sum(1) + 0.5 * ((table[:, None] == table[None]).sum(1) - 1)
        share = ahead / max(1, len(names) - 1)
        picks = np.random.default_rng(0).integers(len(SIGNS), size=(RESAMPLES, len(SIGNS)))
        standings = {}
        for name, own in zip(names, share, strict=True):
            drawn = own[picks].mean(1)
            low, high = interval(drawn)
            standings[name] = Standing(
                name=name, seeds=len(found[name]), value=float(own.mean()), low=low, high=high, by_size={}, drawn=drawn,
                drawn_by_size={},
            )  # fmt: skip
        return standings


def make_blind(store: Store, held: np.ndarray) -> Blind:
    """A ranking on at most MOST held-out records. Raises DataError where they are too few for clusters."""
    if len(held) < 2 * FEWEST:
        raise DataError(
            f"The validation part has {len(held)} records; a race without labels needs {2 * FEWEST}. Give labels with "
            f"--labels NAME|FILE, or more data."
        )
    return Blind(store=store, rows=np.sort(np.random.default_rng(0).permutation(held)[:MOST]))


def read_signs(encoder: Pretrained, store: Store, rows: np.ndarray) -> Signs:
    """All signs of one encoder; NaN vectors give signs below those of any other."""
    vectors, views = embed_records(encoder, store, rows), views_of(encoder, store, rows)
    if not (np.isfinite(vectors).all() and np.isfinite(views).all()):
        return Signs(**dict.fromkeys(SIGNS, -np.inf))
    return Signs(
        lidar=lidar(views),
        rankme=rankme(vectors),
        learnability=cluster_learnability(vectors),
        stability=cluster_stability(views[:, 0], views[:, 1]),
        consistency=view_consistency(views[:, 0], views[:, 1]),
    )
