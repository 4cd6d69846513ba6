import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from selftaught.core.errors import DataError
from selftaught.probes.budgets import nested_budgets
from selftaught.probes.linear import fit_logistic, predict
from selftaught.probes.protocol import FIXED_STRENGTH, PROTOCOL, balanced_accuracy, probe


def sample(n: int, seed: int, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 3)
    return (2 * np.eye(3, 12)[labels] + noise * rng.normal(size=(n, 12))).astype(np.float32), labels


TRAIN, TEST = sample(120, 0), sample(300, 1)


def test_each_budget_and_draw_gives_one_result_with_its_records() -> None:
    budgets = nested_budgets(TRAIN[1], (1, 2, 5, None), draws=2)
    results = probe(*TRAIN, *TEST, budgets)
    assert [(result.per_class, result.draw) for result in results] == [
        (budget.per_class, budget.draw) for size in (1, 2, 5, None) for budget in budgets.at(size)
    ]
    for result in results:
        assert result.protocol == PROTOCOL
        assert result.converged
        assert result.accuracy == result.correct.mean()
        assert len(result.correct) == 300
    assert results[-1].accuracy > results[0].accuracy


def test_below_four_labels_a_class_the_strength_is_the_stated_one() -> None:
    results = probe(*TRAIN, *TEST, nested_budgets(TRAIN[1], (1, 2, 5), draws=1))
    one, two, five = results
    assert (one.strength, one.chosen_by, one.inner_accuracy) == (FIXED_STRENGTH, "fixed", None)
    assert (two.strength, two.chosen_by) == (FIXED_STRENGTH, "fixed")
    assert two.inner_accuracy is not None
    assert five.chosen_by == "inner cross-validation"


def test_correctness_is_that_of_a_plain_fit_at_the_chosen_strength() -> None:
    budgets = nested_budgets(TRAIN[1], (10,), draws=1)
    (result,) = probe(*TRAIN, *TEST, budgets)
    rows = budgets.sets[0].rows
    fit = fit_logistic(TRAIN[0][rows], TRAIN[1][rows], (result.strength,))
    same = (predict(fit, TEST[0])[0] == TEST[1]) == result.correct
    assert same.mean() > 0.99


def test_the_evaluation_records_choose_nothing() -> None:
    budgets = nested_budgets(TRAIN[1], (5, None), draws=2)
    plain = probe(*TRAIN, *TEST, budgets)
    other = probe(*TRAIN, TEST[0][::-1] * 3, TEST[1], budgets)
    assert [(r.strength, r.inner_accuracy) for r in plain] == [(r.strength, r.inner_accuracy) for r in other]


def test_cross_validation_chooses_a_strong_penalty_for_noise_and_not_for_signal() -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(90, 30)).astype(np.float32), np.arange(90) % 3
    clear = (20 * np.eye(3, 30)[labels] + rng.normal(size=(90, 30))).astype(np.float32)
    budgets = nested_budgets(labels, (None,))
    (signal,) = probe(clear, labels, clear, labels, budgets)
    (noise,) = probe(features, labels, features, labels, budgets)
    assert signal.inner_accuracy == 1
    assert noise.inner_accuracy is not None
    assert noise.inner_accuracy < 0.5


def test_records_of_a_group_never_stand_on_both_sides_of_a_fold() -> None:
    rng = np.random.default_rng(0)
    groups = np.arange(120) // 4
    labels = rng.integers(2, size=30)[groups]
    features = rng.normal(size=(30, 60))[groups].astype(np.float32)
    budgets = nested_budgets(labels, (None,))
    (leaking,) = probe(features, labels, features, labels, budgets)
    (honest,) = probe(features, labels, features, labels, budgets, groups=groups)
    assert leaking.inner_accuracy is not None
    assert honest.inner_accuracy is not None
    assert leaking.inner_accuracy > 0.9
    assert honest.inner_accuracy < 0.8


def test_balanced_accuracy_equals_scikit_learn() -> None:
    truth = np.array([0, 0, 0, 0, 1, 2, 2])
    guess = np.array([0, 0, 1, 0, 1, 0, 2])
    assert balanced_accuracy(guess == truth, truth) == pytest.approx(balanced_accuracy_score(truth, guess))


def test_a_class_of_one_is_probed_without_inner_cross_validation() -> None:
    labels = np.array([0] * 10 + [1] * 10 + [2])
    features = np.random.default_rng(0).normal(size=(21, 4)).astype(np.float32)
    results = probe(features, labels, features, labels, nested_budgets(labels, (1, 2, None), draws=1))
    assert [(result.per_class, result.inner_accuracy) for result in results] == [(1, None), (2, None), (None, None)]


def test_nan_in_the_evaluation_features_is_refused() -> None:
    broken = TEST[0].copy()
    broken[5] = np.inf
    with pytest.raises(DataError, match="row 5"):
        probe(*TRAIN, broken, TEST[1], nested_budgets(TRAIN[1], (1,)))
