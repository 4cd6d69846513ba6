import numpy as np
import pytest

from selftaught.core.errors import DataError
from selftaught.probes.labelfree import (
    alignment,
    alpha_req,
    lidar,
    mean_cosine,
    measure,
    rankme,
    spread,
    uniformity,
)

RNG = np.random.default_rng


def orthogonal(n: int, spectrum: np.ndarray) -> np.ndarray:
    """Rows whose covariance has exactly these eigenvalues (times n) and whose mean is zero."""
    rows = RNG(0).normal(size=(n, len(spectrum)))
    basis = np.linalg.qr(rows - rows.mean(0))[0]
    return basis * np.sqrt(spectrum)


def test_rankme_counts_equal_directions() -> None:
    assert rankme(orthogonal(50, np.ones(7))) == pytest.approx(7)
    assert rankme(np.outer(np.arange(1, 9.0), np.ones(5))) == pytest.approx(1, abs=1e-4)


def test_rankme_equals_its_equation() -> None:
    rows = RNG(0).normal(size=(30, 10))
    share = np.linalg.svd(rows, compute_uv=False)
    share /= share.sum()
    assert rankme(rows) == pytest.approx(np.exp(-(share * np.log(share)).sum()), rel=1e-6)


def test_alpha_is_the_exponent_of_a_planted_power_law() -> None:
    assert alpha_req(orthogonal(200, np.arange(1, 33.0) ** -1.3)) == pytest.approx(1.3, abs=1e-6)
    assert alpha_req(orthogonal(200, np.ones(32))) == pytest.approx(0, abs=1e-6)


def test_alpha_of_a_line_is_infinite_and_of_a_point_not_a_number() -> None:
    assert alpha_req(np.outer(np.arange(9.0), np.ones(4))) == np.inf
    assert np.isnan(alpha_req(np.full((9, 4), 0.3)))


def test_lidar_counts_directions_that_tell_records_apart() -> None:
    centres = orthogonal(100, np.r_[np.ones(3) * 1e4, np.zeros(5)])
    views = centres[:, None] + 0.1 * RNG(1).normal(size=(100, 4, 8))
    assert lidar(views) == pytest.approx(3, abs=0.1)


def test_lidar_equals_its_equation() -> None:
    views = RNG(0).normal(size=(40, 3, 5)) + RNG(1).normal(size=(40, 1, 5))
    centres = views.mean(1)
    around = (views - centres[:, None]).reshape(-1, 5)
    within = around.T @ around / 80 + 1e-4 * np.eye(5)
    values, vectors = np.linalg.eigh(within)
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    energy = np.linalg.eigvalsh(root @ np.cov(centres.T) @ root)
    share = energy / energy.sum()
    assert lidar(views) == pytest.approx(np.exp(-(share * np.log(share)).sum()), rel=1e-6)


def test_alignment_of_equal_and_opposite_views() -> None:
    rows = RNG(0).normal(size=(9, 4))
    assert alignment(rows, 3 * rows) == pytest.approx(0, abs=1e-12)
    assert alignment(rows, -rows) == pytest.approx(4)


def test_uniformity_equals_a_slow_loop() -> None:
    rows = RNG(0).normal(size=(12, 4))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    pairs = [np.exp(-2 * np.square(unit[i] - unit[j]).sum()) for i in range(12) for j in range(i)]
    assert uniformity(rows) == pytest.approx(np.log(np.mean(pairs)))
    assert uniformity(np.ones((5, 3))) == pytest.approx(0, abs=1e-9)


def test_cosine_and_spread_of_a_collapse_and_of_isotropic_rows() -> None:
    rows = RNG(0).normal(size=(4000, 16))
    assert mean_cosine(np.ones((5, 3))) == pytest.approx(1)
    assert spread(np.ones((5, 3))) == pytest.approx(0, abs=1e-12)
    assert mean_cosine(rows) == pytest.approx(0, abs=0.01)
    assert spread(rows) == pytest.approx(0.25, abs=0.005)


def test_what_needs_views_is_not_measured_without_them() -> None:
    rows = RNG(0).normal(size=(50, 6)).astype(np.float32)
    without = measure(rows, RNG(1))
    assert without.lidar is None
    assert without.alignment is None
    several = measure(rows, RNG(1), np.stack([rows, rows + 0.1], 1))
    assert several.lidar is not None
    assert several.alignment is not None
    assert several.n == 50


def test_nan_one_record_and_one_view_are_refused() -> None:
    with pytest.raises(DataError, match="finite"):
        measure(np.full((4, 3), np.nan, np.float32), RNG(0))
    with pytest.raises(DataError, match="two records"):
        rankme(np.ones((1, 3)))
    with pytest.raises(DataError, match="two views"):
        lidar(np.ones((4, 1, 3)))
