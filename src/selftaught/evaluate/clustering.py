"""Whether the classes lie apart without any label: clusters of the test records against their classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from selftaught.core.errors import DataError
from selftaught.probes.clusters import cluster_agreement
from selftaught.probes.curve import Contestant, Predictions
from selftaught.reports.blocks import Cell, Column, Table
from selftaught.trials.parts import Parts

MOST = 2_000
"""Test records that are clustered, at most."""


@dataclass(frozen=True, kw_only=True)
class Clustered:
    """One contestant, means over its seeds. nmi, ari: agreement of clusters with classes, 1 is perfect and 0 chance
    for the second. silhouette: how far the clusters lie apart, -1 to 1."""

    name: str
    nmi: float
    ari: float
    silhouette: float


def score_clusters(contestants: Mapping[str, Contestant], parts: Parts) -> tuple[Clustered, ...]:
    """Every contestant with features; none where the records are too few for as many clusters as classes."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(parts.test))[:MOST])
    codes, found = parts.labels[1][chosen], []
    for name, contestant in contestants.items():
        if isinstance(contestant, Predictions):
            continue
        try:
            seeds = [cluster_agreement(test[chosen], codes) for _, test in contestant]
        except DataError:
            return ()
        nmi, ari, silhouette = np.mean(seeds, axis=0).tolist()
        found.append(Clustered(name=name, nmi=nmi, ari=ari, silhouette=silhouette))
    return tuple(found)


def cluster_table(found: Sequence[Clustered]) -> Table:
    """One line per contestant."""
    rows: tuple[tuple[Cell, ...], ...] = tuple((each.name, each.nmi, each.ari, each.silhouette) for each in found)
    names = ("normalised mutual information", "adjusted Rand index", "silhouette")
    return Table(
        columns=("contestant", *(Column(name=name, digits=3) for name in names)),
        rows=rows,
        title="Clusters without labels",
        caption="k-means of the test records with as many clusters as classes; the first two compare clusters with "
        "classes.",
    )
