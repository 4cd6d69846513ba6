"""The rank correlation of predicted numbers, beside R2."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from selftaught.evaluate.numbers import rank_estimate, rank_table
from selftaught.probes.statistics import resample
from selftaught.reports.blocks import Estimate, NotApplicable


def test_only_the_order_of_predictions_counts_and_seeds_are_averaged() -> None:
    rng = np.random.default_rng(0)
    asked = rng.normal(size=80)
    noisy = np.round(asked + rng.normal(size=80), 1)
    weights = resample(None, 80, 200, rng)
    assert rank_estimate(np.exp(3 * asked)[None], asked, weights).value == pytest.approx(1)
    found = rank_estimate(np.stack([np.exp(asked), noisy]), asked, weights)
    assert found.value == pytest.approx((1 + spearmanr(noisy, asked).statistic) / 2)
    assert found.low < found.value < found.high
    assert found.high - found.low < 0.2


def test_records_of_a_group_are_drawn_together() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(8), 20)
    asked = rng.normal(size=160)
    guesses = asked * (groups % 2 * 2 - 1) + rng.normal(size=160)  # right in every other group
    alone = rank_estimate(guesses[None], asked, resample(None, 160, 200, rng))
    grouped = rank_estimate(guesses[None], asked, resample(groups, 160, 200, rng))
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)


def test_constant_predictions_have_no_rank_correlation_and_a_constant_resample_is_left_out() -> None:
    asked = np.arange(12.0)
    weights = np.stack([np.ones(12), np.eye(12)[0] * 12])
    table = rank_table({"encoder": asked[None], "ridge": np.zeros((1, 12))}, asked, weights)
    assert table.main == (0,)
    assert [row[0] for row in table.rows] == ["encoder", "ridge"]
    own, constant = (row[1] for row in table.rows)
    assert isinstance(own, Estimate)
    assert (own.value, own.low, own.high) == pytest.approx((1, 1, 1))
    assert isinstance(constant, NotApplicable)
