"""What clusters say of a representation without labels: can they be learned, do they hold, do views stay together."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from selftaught.core.errors import DataError
from selftaught.probes.knn import knn_predict
from selftaught.probes.labelfree import check, on_sphere

COUNTS = (5, 10, 20)
"""Numbers of clusters, over which is averaged: that of the classes is not known. Fewer where a cluster would have
fewer than FEWEST records."""
FEWEST = 5


def cluster_learnability(features: Float[np.ndarray, "n d"], seed: int = 0) -> float:
    """Return how well nearest neighbours tell the clusters of other records, 0 to 1 (Lu 2023, "CLID", section 3.1).

    k-means of all records gives the clusters; each half is predicted from the other one. The paper predicts each record
    from those before it and adds the intrinsic dimension; halves need no order. Raises DataError below 2 * FEWEST
    records.
    """
    half = np.random.default_rng(seed).permutation(len(features)) % 2 == 0
    right = []
    for count in COUNTS:
        codes = _cluster(features, count, seed)[0]
        right.append(knn_predict(features[half], codes[half], features[~half]) == codes[~half])
        right.append(knn_predict(features[~half], codes[~half], features[half]) == codes[half])
    return float(np.concatenate(right).mean())


def cluster_stability(first: Float[np.ndarray, "n d"], second: Float[np.ndarray, "n d"], seed: int = 0) -> float:
    """Return the adjusted Rand index of the clusters of one view of records and of another, at most 1; 0 is chance.

    The clusters are those of the first view (Hubert 1985 for the index). Raises DataError below 2 * FEWEST records.
    """
    from sklearn.metrics import adjusted_rand_score

    found = []
    for count in COUNTS:
        codes, centres = _cluster(first, count, seed)
        other = np.square(on_sphere(second)[:, None] - centres).sum(2).argmin(1)
        found.append(adjusted_rand_score(codes, other))
    return float(np.mean(found))


def cluster_agreement(
    features: Float[np.ndarray, "n d"], codes: Int[np.ndarray, " n"], seed: int = 0
) -> tuple[float, float, float]:
    """Return how well k-means clusters, as many as classes, agree with the classes, and how far they lie apart.

    Normalised mutual information (Strehl & Ghosh 2002, arithmetic mean), adjusted Rand index (Hubert 1985), silhouette
    by cosine (Rousseeuw 1987). Raises DataError below 2 * FEWEST records, or below FEWEST a class on average.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score

    count = len(np.unique(codes))
    if len(codes) < FEWEST * count or count < 2:
        raise DataError(f"Clusters need two classes and {FEWEST} records a class; got {len(codes)} of {count} classes.")
    found, _ = _cluster(features, count, seed)
    apart = silhouette_score(on_sphere(features), found) if len(np.unique(found)) > 1 else 0.0
    return (
        float(normalized_mutual_info_score(codes, found)),
        float(adjusted_rand_score(codes, found)),
        float(apart),
    )


def view_consistency(first: Float[np.ndarray, "n d"], second: Float[np.ndarray, "n d"]) -> float:
    """Return the share of records whose view is nearest, by cosine, to their own other view among all other views."""
    check(first)
    check(second)
    return float(((on_sphere(second) @ on_sphere(first).T).argmax(1) == np.arange(len(first))).mean())


def _cluster(
    features: Float[np.ndarray, "n d"], count: int, seed: int
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "k d"]]:
    """The clusters of unit rows by k-means, and their centres."""
    from sklearn.cluster import KMeans

    check(features)
    if len(features) < 2 * FEWEST:
        raise DataError(f"Clusters need {2 * FEWEST} records; got {len(features)}. Give more data.")
    rows = on_sphere(features)
    count = min(count, len(np.unique(rows, axis=0)), len(rows) // FEWEST)
    found = KMeans(count, n_init=3, random_state=seed).fit(rows)
    return found.labels_.astype(np.int64), found.cluster_centers_
