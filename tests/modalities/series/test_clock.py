"""Rows at any times end on a regular grid, and what was odd about them is said."""

import numpy as np
import pytest

from selftaught.core.errors import DataError
from selftaught.modalities.series.clock import bin_means, interpolate, own_rate, regularise

TIMES = np.arange(6.0) / 4
VALUES = np.stack([np.arange(6.0), 10 + np.arange(6.0)], 1)


def test_regular_rows_stay_as_they_are():
    values, findings = regularise(TIMES + 1e9, VALUES, 4.0)
    np.testing.assert_array_equal(values, VALUES)
    assert findings == []
    assert own_rate(TIMES) == 4.0


def test_unsorted_rows_are_sorted():
    order = np.array([3, 0, 5, 1, 2, 4])
    values, findings = regularise(TIMES[order], VALUES[order], 4.0)
    np.testing.assert_array_equal(values, VALUES)
    assert findings == ["time-unsorted"]


def test_rows_of_one_time_are_averaged_over_what_was_observed():
    times = np.concatenate([TIMES, TIMES[2:3]])
    values, findings = regularise(times, np.concatenate([VALUES, [[4.0, np.nan]]]), 4.0)
    np.testing.assert_array_equal(values[2], [3.0, 12.0])
    assert set(findings) == {"time-unsorted", "time-duplicated"}


def test_gaps_become_missing_steps_and_rows_without_a_time_are_left_out():
    times = np.array([0.0, 0.25, np.nan, 1.0, 1.25, 1.5])
    values, findings = regularise(times, VALUES, 4.0)
    np.testing.assert_array_equal(values[:, 0], [0, 1, np.nan, np.nan, 3, 4, 5])
    assert findings == ["time-missing", "time-gaps"]


def test_faster_recordings_are_averaged_and_slower_ones_interpolated():
    fast, findings = regularise(np.arange(8.0) / 8, np.arange(8.0)[:, None], 4.0)
    np.testing.assert_array_equal(findings, ["resampled"])
    assert 4 <= len(fast) <= 5
    assert (np.diff(fast[:, 0]) > 0).all()
    slow, findings = regularise(np.arange(4.0), np.arange(4.0)[:, None], 4.0)
    np.testing.assert_allclose(slow[:, 0], np.arange(13) / 4)
    assert findings == ["resampled"]


def test_nothing_is_interpolated_across_a_gap_or_beyond_the_ends():
    times, values = np.array([0.0, 1.0, 2.0, 9.0]), np.array([[0.0], [1.0], [np.nan], [9.0]])
    found = interpolate(times, values, np.array([-1.0, 0.5, 1.0, 5.0, 9.0, 9.5]), 1.5)
    np.testing.assert_array_equal(found[:, 0], [np.nan, 0.5, 1.0, np.nan, 9.0, np.nan])


def test_clocks_that_drift_a_little_count_as_one_rate():
    values, findings = regularise(np.arange(200.0) * 1.02, np.arange(200.0)[:, None], 1.0)
    assert len(values) == 200
    assert findings == []


@pytest.mark.parametrize(("times", "rate"), [(np.zeros(3), 1.0), (np.array([5.0]), 1.0), (np.arange(3.0), 0.0)])
def test_times_that_say_nothing_leave_the_order_of_the_file(times, rate):
    values, _ = regularise(times, VALUES[: len(times)], rate)
    assert len(values) in (1, 3)


def test_no_time_at_all_is_a_finding():
    values, findings = regularise(np.full(6, np.nan), VALUES, 1.0)
    np.testing.assert_array_equal(values, VALUES)
    assert findings == ["time-missing"]


def test_a_recording_that_is_nearly_all_gap_is_refused_with_a_remedy():
    with pytest.raises(DataError, match="Cut the recording at its gaps"):
        regularise(np.array([0.0, 1.0, 2.0, 1e12]), VALUES[:4], 1.0)


def test_bins_without_an_observed_value_are_missing():
    found = bin_means(np.array([0, 0, 2]), np.array([[1.0], [3.0], [np.nan]]), 4)
    np.testing.assert_array_equal(found[:, 0], [2.0, np.nan, np.nan, np.nan])
