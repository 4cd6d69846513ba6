"""Blocks refuse what could not be drawn truthfully."""

import math

import numpy as np
import pytest

from selftaught.core.errors import UsageError
from selftaught.reports import (
    Curve,
    Estimate,
    LinePlot,
    Neighbours,
    NotApplicable,
    Sample,
    ScatterMap,
    Table,
    as_numbers,
)
from selftaught.reports.formats import common_count, display_width, format_cell, format_number, printable


def test_as_numbers_turns_any_flat_array_into_plain_floats() -> None:
    assert as_numbers(np.array([1, 2], dtype=np.float32)) == (1.0, 2.0)
    assert all(type(value) is float for value in as_numbers(range(3)))


def test_a_curve_refuses_unequal_lengths_half_bands_and_places_that_are_not_finite() -> None:
    with pytest.raises(UsageError, match="2 x values but 1 y"):
        Curve(name="a", x=(1.0, 2.0), y=(1.0,))
    with pytest.raises(UsageError, match="both low and high"):
        Curve(name="a", x=(1.0,), y=(1.0,), low=(0.5,))
    with pytest.raises(UsageError, match="not finite"):
        Curve(name="a", x=(math.nan,), y=(1.0,))


def test_a_log_axis_refuses_zero_and_says_what_to_do() -> None:
    curve = Curve(name="a", x=(0.0, 1.0), y=(0.0, 1.0))
    with pytest.raises(UsageError, match="x_scale='linear'"):
        LinePlot(curves=(curve,), x_label="x", y_label="y", x_scale="log")
    with pytest.raises(UsageError, match="y_scale='linear'"):
        LinePlot(curves=(curve,), x_label="x", y_label="y", y_scale="log")


def test_a_table_refuses_ragged_rows_and_marks_outside_it() -> None:
    with pytest.raises(UsageError, match="row 1 has 1 cells"):
        Table(columns=("a", "b"), rows=((1, 2), (3,)))
    with pytest.raises(UsageError, match="outside"):
        Table(columns=("a",), rows=((1,),), best=((1, 0),))


def test_a_map_refuses_unknown_categories_and_unequal_lengths() -> None:
    with pytest.raises(UsageError, match="codes outside"):
        ScatterMap(x=(0.0,), y=(0.0,), codes=(1,), names=("a",))
    with pytest.raises(UsageError, match="1 points but 2 y"):
        ScatterMap(x=(0.0,), y=(0.0, 1.0))
    with pytest.raises(UsageError, match="not finite"):
        ScatterMap(x=(math.inf,), y=(0.0,))


def test_a_sample_refuses_content_of_another_kind() -> None:
    with pytest.raises(UsageError, match="needs bytes"):
        Sample(kind="picture", content="cat.png")
    with pytest.raises(UsageError, match="marks of agreement"):
        Neighbours(query=Sample(kind="text", content="a"), found=(), agrees=(True,))


def test_not_measured_not_applicable_and_zero_read_differently() -> None:
    words = [format_cell(cell) for cell in (None, math.nan, NotApplicable(reason="no labels"), 0, 0.0)]
    assert words == ["not measured", "not measured", "n/a", "0", "0.000"]


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (Estimate(value=0.8931, low=0.88, high=0.905), "0.893 [0.880, 0.905]"),
        (Estimate(value=400, bound=">", unit="labels"), "> 400 labels"),
        (Estimate(value=93.14, unit="%"), "93.1%"),
        (Estimate(value=1.0, digits=1), "1.0"),
        (Estimate(value=math.nan, low=0.1, high=0.2), "not measured"),
    ],
)
def test_an_estimate_reads_as_value_bound_unit_and_interval(estimate: Estimate, words: str) -> None:
    assert format_cell(estimate) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(10_000, "10,000"), (-0.25, "−0.250"), (-0.00001, "−1.0e−5"), (1234.5, "1,234"), (math.inf, "∞"), (2.5, "2.50")],
)
def test_numbers_keep_three_digits_and_separate_thousands(value: float, words: str) -> None:
    assert format_number(value) == words


def test_a_count_is_said_once_only_where_all_estimates_share_it() -> None:
    same = (Estimate(value=0.1, n=5), Estimate(value=0.2, n=5), None, "a")
    assert common_count(same) == "n=5"
    assert common_count((*same, Estimate(value=0.3, n=4))) == ""
    assert common_count((*same, Estimate(value=0.3))) == ""


def test_width_counts_terminal_columns_and_control_characters_are_removed() -> None:
    assert display_width("猫cat") == 5
    assert display_width("e\N{COMBINING ACUTE ACCENT}") == 1
    assert "\x1b" not in printable("\x1b[31mred\x07")
