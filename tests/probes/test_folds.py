"""The folds inside a labelled set, which every contestant shares."""

import numpy as np
import pytest

from selftaught.probes.budgets import Budget
from selftaught.probes.protocol import FOLDS, inner_folds

LABELS = np.arange(60) % 3


def test_folds_cut_the_labelled_rows_and_hold_every_one_out_once():
    budget = Budget(10, 0, np.arange(0, 60, 2))
    folds = inner_folds(LABELS, budget, None, 0)
    assert len(folds) == FOLDS
    assert sorted(np.concatenate([held for _, held in folds]).tolist()) == budget.rows.tolist()
    for kept, held in folds:
        assert not set(kept.tolist()) & set(held.tolist())
        assert set(LABELS[kept].tolist()) == {0, 1, 2}


def test_folds_keep_groups_whole_and_are_alike_each_time():
    groups = np.arange(60) // 6
    budget = Budget(None, 0, np.arange(60))
    folds = inner_folds(LABELS, budget, groups, 0)
    for kept, held in folds:
        assert not set(groups[kept].tolist()) & set(groups[held].tolist())
    again = inner_folds(LABELS, budget, groups, 0)
    assert all(np.array_equal(one[1], other[1]) for one, other in zip(folds, again, strict=True))


@pytest.mark.parametrize("case", ["one label a class", "one group"])
def test_there_are_no_folds_where_nothing_can_be_held_out(case):
    rows = np.arange(3) if case == "one label a class" else np.arange(60)
    groups = None if case == "one label a class" else np.zeros(60, np.int64)
    assert inner_folds(LABELS, Budget(1, 0, rows), groups, 0) == []
