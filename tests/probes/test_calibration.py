"""Calibration: known answers, and what a probe on real features gives."""

import numpy as np
import pytest

from selftaught.core.errors import DataError
from selftaught.probes.budgets import nested_budgets
from selftaught.probes.calibration import brier_losses, calibration_error
from selftaught.probes.protocol import probe


def test_confidence_that_is_earned_has_no_error_and_overconfidence_has_the_gap() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1.0, 20_000)
    earned = rng.uniform(size=20_000) < confidence
    assert calibration_error(confidence, earned) < 0.02
    assert calibration_error(np.full(1000, 0.9), np.arange(1000) % 2 == 0) == pytest.approx(0.4)


def test_bins_hold_equally_many_records() -> None:
    # One sure record that is wrong among 99 of even chance: with bins of equal width it would have a bin of its own.
    confidence = np.array([0.5] * 99 + [0.99])
    correct = np.array([True, False] * 49 + [True, False])
    assert calibration_error(confidence, correct, bins=2) < 0.02


def test_no_record_has_no_calibration() -> None:
    with pytest.raises(DataError, match="at least one"):
        calibration_error(np.zeros(0), np.zeros(0, bool))


def test_the_brier_score_is_the_squared_distance_from_the_true_class() -> None:
    chances = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    truth = np.array([[True, False], [True, False], [True, False]])
    assert brier_losses(chances, truth).tolist() == [0.0, 0.5, 2.0]
    never_learned = np.zeros((3, 2), bool)
    assert brier_losses(chances, never_learned).tolist() == [2.0, 1.5, 2.0]


def test_a_probe_tells_how_sure_it_is() -> None:
    rng = np.random.default_rng(1)
    codes = np.arange(600) % 3
    near = (np.eye(3)[codes] + 0.4 * rng.normal(size=(600, 3))).astype(np.float32)
    noise = rng.normal(size=(600, 3)).astype(np.float32)
    found = []
    for features in (near, noise):
        sets = nested_budgets(codes[:300], (None,))
        result = probe(features[:300], codes[:300], features[300:], codes[300:], sets)[0]
        assert result.confidence.shape == result.brier.shape == (300,)
        assert (result.confidence >= 1 / 3 - 1e-6).all()
        found.append(result)
    assert found[1].brier.mean() == pytest.approx(2 / 3, abs=0.05)
    assert found[0].brier.mean() < found[1].brier.mean() - 0.05
