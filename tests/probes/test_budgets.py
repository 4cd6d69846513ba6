import numpy as np
import pytest

from selftaught.core.errors import DataError, UsageError
from selftaught.probes.budgets import nested_budgets

LABELS = np.repeat(["a", "b", "c"], [30, 8, 50])


def test_a_larger_budget_contains_the_smaller_ones_of_its_draw() -> None:
    budgets = nested_budgets(LABELS, (1, 2, 5, None), draws=3)
    for draw in range(3):
        small, middle, large = (
            set(budget.rows.tolist()) for budget in budgets.sets if budget.draw == draw and budget.per_class is not None
        )
        assert small < middle < large


def test_every_class_has_exactly_its_budget() -> None:
    for budget in nested_budgets(LABELS, (1, 2, 5), draws=2).sets:
        assert np.unique(LABELS[budget.rows], return_counts=True)[1].tolist() == [budget.per_class] * 3


def test_a_class_with_fewer_rows_than_a_budget_gives_all_that_it_has() -> None:
    for size in (10, 20):
        for budget in nested_budgets(LABELS, (size,), draws=2).sets:
            assert np.unique(LABELS[budget.rows], return_counts=True)[1].tolist() == [size, 8, size]


def test_a_budget_that_most_classes_cannot_fill_is_not_applicable() -> None:
    budgets = nested_budgets(LABELS, (5, 30, 40, None))
    assert budgets.not_applicable == (40,)
    assert {budget.per_class for budget in budgets.sets} == {5, 30, None}


def test_all_labels_are_one_draw() -> None:
    (budget,) = nested_budgets(LABELS, (1, None), draws=5).at(None)
    assert budget.rows.tolist() == list(range(len(LABELS)))


def test_draws_differ_and_the_seed_repeats_them() -> None:
    first, again = nested_budgets(LABELS, (5,), seed=1), nested_budgets(LABELS, (5,), seed=1)
    rows = [budget.rows.tolist() for budget in first.sets]
    assert rows == [budget.rows.tolist() for budget in again.sets]
    assert len({tuple(row) for row in rows}) == 5


def test_groups_are_spread_before_any_gives_a_second_row() -> None:
    labels = np.repeat([0, 1], 20)
    groups = np.tile(np.repeat(np.arange(4), 5), 2)
    for budget in nested_budgets(labels, (4,), groups=groups).sets:
        for label in (0, 1):
            rows = budget.rows[labels[budget.rows] == label]
            assert sorted(groups[rows].tolist()) == [0, 1, 2, 3]


def test_a_class_of_one_still_gives_one_label_and_all() -> None:
    budgets = nested_budgets(np.array([0, 0, 0, 1]), (1, 2, 4, None), draws=2)
    assert budgets.not_applicable == (4,)
    assert [len(budget.rows) for budget in budgets.sets] == [2, 3, 2, 3, 4]


def test_one_class_and_a_budget_of_zero_are_refused() -> None:
    with pytest.raises(DataError, match="two classes"):
        nested_budgets(np.zeros(4, np.int64))
    with pytest.raises(UsageError, match="at least 1"):
        nested_budgets(LABELS, (0, 1))
