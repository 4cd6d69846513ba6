"""What a race lets one expect of more time, and whether that would turn its answer."""

from __future__ import annotations

import numpy as np
import pytest

from selftaught.compare.advice import FARTHEST, expect, minutes_to_level
from selftaught.compare.judge import Standing


def standing(value: float) -> Standing:
    drawn = value + np.linspace(-0.01, 0.01, 201)
    return Standing(
        name="one", seeds=1, value=value, low=value - 0.01, high=value + 0.01, by_size={}, drawn=drawn, drawn_by_size={}
    )


RISING = ((2.0, standing(0.50)), (4.0, standing(0.58)))


def test_each_doubling_gains_half_of_what_the_one_before_it_did() -> None:
    assert expect(RISING, 8.0)[0] == pytest.approx(0.62)
    assert expect(RISING, 16.0)[0] == pytest.approx(0.64)
    assert expect(((1.0, standing(0.42)), RISING[1]), 8.0)[0] == pytest.approx(0.62)
    assert expect(RISING, 3.0)[0] == pytest.approx(0.58)
    value, low, high = expect(RISING, 30.0)
    assert low < value < high


def test_what_a_rising_course_lacks_is_made_up_by_doublings_of_its_time() -> None:
    assert minutes_to_level(RISING, 0.03) == 8.0
    assert minutes_to_level(RISING, 0.05) == 16.0


def test_more_than_all_doublings_together_gain_is_never_made_up() -> None:
    assert minutes_to_level(RISING, 0.09) is None
    assert minutes_to_level(((2.0, standing(0.6)), (4.0, standing(0.6))), 0.001) is None
    assert minutes_to_level(((2.0, standing(0.6)), (4.0, standing(0.5))), 0.001) is None
    nearly_all = 0.08 * (1 - 0.5**FARTHEST) - 1e-9
    assert minutes_to_level(RISING, nearly_all) == 4.0 * 2**FARTHEST
