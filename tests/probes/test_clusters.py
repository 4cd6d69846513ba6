"""Clusters without labels: known answers, and what a collapse does."""

import numpy as np
import pytest

from selftaught.core.errors import DataError
from selftaught.probes.clusters import cluster_agreement, cluster_learnability, cluster_stability, view_consistency

RNG = np.random.default_rng(0)
CENTRES = 4 * np.eye(6, 16)


def blobs(spread: float, count: int = 240, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (CENTRES[np.arange(count) % 6] + spread * rng.normal(size=(count, 16))).astype(np.float32)


def test_clusters_that_lie_apart_can_be_learned_and_noise_cannot() -> None:
    assert cluster_learnability(blobs(0.05)) > 0.6
    apart, noise = cluster_learnability(blobs(0.3)), cluster_learnability(blobs(50.0))
    assert apart > noise + 0.1
    assert noise < 0.8


def test_clusters_that_hold_under_a_small_change_are_stable_and_those_of_other_records_are_not() -> None:
    first = blobs(0.5)
    near = first + 0.05 * RNG.normal(size=first.shape).astype(np.float32)
    assert cluster_stability(first, first) == pytest.approx(1.0)
    assert cluster_stability(first, near) > 0.7
    assert abs(cluster_stability(first, RNG.permutation(first))) < 0.1


def test_clusters_agree_with_classes_where_those_lie_apart() -> None:
    codes = np.arange(240) % 6
    apart = cluster_agreement(blobs(0.05), codes)
    assert apart[:2] == pytest.approx((1.0, 1.0))
    assert apart[2] > 0.8
    nmi, ari, silhouette = cluster_agreement(blobs(50.0), codes)
    assert abs(ari) < 0.05
    assert nmi < 0.2
    assert silhouette < 0.3
    with pytest.raises(DataError, match="records a class"):
        cluster_agreement(blobs(0.05)[:20], codes[:20])


def test_a_view_is_found_among_all_others_or_not() -> None:
    first = RNG.normal(size=(200, 16)).astype(np.float32)
    assert view_consistency(first, first + 0.01) == 1.0
    assert view_consistency(first, RNG.normal(size=(200, 16)).astype(np.float32)) < 0.05
    same = np.ones((200, 16), np.float32)
    assert view_consistency(same, same) <= 0.01


def test_collapse_and_few_records() -> None:
    same = np.ones((40, 8), np.float32)
    assert cluster_learnability(same) == 1.0  # one cluster is told always: other metrics have to see the collapse
    assert cluster_stability(same, same) == 1.0
    with pytest.raises(DataError, match="10 records"):
        cluster_learnability(same[:8])
    with pytest.raises(DataError, match="finite"):
        cluster_stability(np.full((40, 8), np.nan, np.float32), same)
