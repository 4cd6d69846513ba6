import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score

from selftaught.core.errors import DataError
from selftaught.probes.statistics import (
    average_precision,
    bootstrap_chance,
    bootstrap_difference,
    bootstrap_mean,
    fold_of,
    holm,
    mcnemar,
    rank_correlation,
    resample,
    spearman,
)


def test_interval_of_a_mean_agrees_with_the_normal_one() -> None:
    values = np.random.default_rng(0).random(2000) < 0.7
    estimate = bootstrap_mean(values, np.random.default_rng(1))
    half = 1.96 * values.std() / np.sqrt(2000)
    assert estimate.value == values.mean()
    assert (estimate.low, estimate.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.003)


def test_records_of_a_group_make_the_interval_wider() -> None:
    groups = np.repeat(np.arange(20), 50)
    values = np.random.default_rng(0).normal(size=20)[groups]
    alone = bootstrap_mean(values, np.random.default_rng(1))
    grouped = bootstrap_mean(values, np.random.default_rng(1), groups)
    assert grouped.n == 20
    assert grouped.high - grouped.low > 4 * (alone.high - alone.low)


def test_a_paired_difference_is_tighter_than_two_intervals() -> None:
    rng = np.random.default_rng(0)
    first = rng.random(500) < 0.5
    second = first ^ (rng.random(500) < 0.02)
    paired = bootstrap_difference(first, second, np.random.default_rng(1))
    single = bootstrap_mean(first, np.random.default_rng(1))
    assert paired.low <= paired.value <= paired.high
    assert paired.high - paired.low < 0.5 * (single.high - single.low)


def test_identical_contestants_differ_by_exactly_nothing() -> None:
    same = np.array([True, False, True])
    estimate = bootstrap_difference(same, same, np.random.default_rng(0))
    assert (estimate.value, estimate.low, estimate.high) == (0, 0, 0)


def test_spearman_equals_scipy_with_ties_and_lies_in_its_interval() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(6, size=80)
    second = first + rng.integers(6, size=80)
    estimate = spearman(first, second, np.random.default_rng(1), 300)
    assert estimate.value == pytest.approx(stats.spearmanr(first, second).statistic)
    assert estimate.low < estimate.value < estimate.high


def test_rank_correlation_of_a_constant_is_not_a_number() -> None:
    assert np.isnan(rank_correlation(np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0]])))


def test_average_precision_equals_scikit_learn_with_ties_and_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(60) < 0.3
    scores = (rng.integers(8, size=60) + 2 * truth).astype(np.float32)
    weights = resample(None, 60, 7, rng)
    expected = [average_precision_score(truth, scores, sample_weight=row) for row in weights]
    np.testing.assert_allclose(average_precision(scores, truth, weights), expected)
    monkeypatch.setattr("selftaught.probes.statistics.BLOCK", 60)
    np.testing.assert_allclose(average_precision(scores, truth, weights), expected)


def test_average_precision_of_a_constant_is_the_share_and_without_a_true_record_is_not_a_number() -> None:
    truth = np.array([True, False, False, False])
    found = average_precision(np.zeros(4), truth, np.array([[1.0, 1, 1, 1], [3, 1, 0, 0], [0, 1, 2, 1]]))
    np.testing.assert_allclose(found, [0.25, 0.75, np.nan])


def test_mcnemar_equals_the_binomial_test() -> None:
    first = np.array([1] * 9 + [0] * 2 + [1] * 5, bool)
    second = np.array([0] * 9 + [1] * 2 + [1] * 5, bool)
    result = mcnemar(first, second)
    assert (result.only_first, result.only_second) == (9, 2)
    assert result.p == pytest.approx(stats.binomtest(9, 11).pvalue)
    assert mcnemar(first, first).p == 1


def test_folds_spread_classes_evenly() -> None:
    codes = np.repeat([0, 1, 2], [10, 2, 5])
    fold = fold_of(codes, 2, np.random.default_rng(0))
    for code, size in ((0, 10), (1, 2), (2, 5)):
        counts = np.bincount(fold[codes == code], minlength=2)
        assert counts.max() - counts.min() == size % 2


def test_records_of_a_group_share_a_fold() -> None:
    rng = np.random.default_rng(0)
    groups, codes = rng.integers(12, size=100), rng.integers(3, size=100)
    fold = fold_of(codes, 4, rng, groups)
    assert all(len(np.unique(fold[groups == group])) == 1 for group in np.unique(groups))
    assert np.bincount(fold).min() > 10


def test_nothing_nan_and_unequal_lengths_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="finite"):
        bootstrap_mean(np.array([]), rng)
    with pytest.raises(DataError, match="finite"):
        bootstrap_mean(np.array([1.0, np.nan]), rng)
    with pytest.raises(DataError, match="same records"):
        bootstrap_difference(np.ones(3), np.ones(4), rng)
    with pytest.raises(DataError, match="three finite pairs"):
        spearman(np.ones(2), np.ones(2), rng)


def test_holm_multiplies_the_smallest_by_all_and_never_turns_the_order() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))  # Holm 1979, by hand
    assert holm([0.9, 0.8]) == (1.0, 1.0)
    assert holm([]) == ()


def test_the_chance_of_no_difference_is_even_under_none_and_small_under_a_large_one() -> None:
    rng = np.random.default_rng(0)
    assert bootstrap_chance(rng.normal(0.0, 1.0, 2000)) > 0.9
    assert bootstrap_chance(rng.normal(1.96, 1.0, 20_000)) == pytest.approx(0.05, abs=0.01)
    assert bootstrap_chance(np.full(999, 3.0)) == pytest.approx(0.002)
    assert bootstrap_chance(np.zeros(99)) == 1.0
