"""Kinds are told from cells, whatever spelling a CSV or a frame gives them."""

import math
from datetime import UTC, date, datetime, time
from decimal import Decimal

import numpy as np
import pytest

from selftaught.modalities.table.kinds import clean_cell, infer_kind, name_of, read_flag, read_moment, read_number

RANDOM = np.random.default_rng(0)
MANY = [f"cat {number}" for number in RANDOM.integers(100_000, size=200)]
COLUMNS = {
    "continuous": [f"{value:.3f}" for value in RANDOM.normal(size=50)],
    "count": ["0", "1", "2", "0", "4", "1", "9", "3", "0", "2"] * 5,
    "ordinal": ["1", "2", "3", "4", "5"] * 10,
    "categorical": ["red", "green", "blue", "green"] * 12,
    "boolean": ["yes", "no", "No", "YES"] * 10,
    "datetime": [f"2024-03-{day:02d} {day % 24:02d}:30:00" for day in range(1, 29)],
    "date": [f"{day:02d}.03.2024" for day in range(1, 29)],
    "time": [f"{hour:02d}:15" for hour in range(24)],
    "text": MANY,
    "constant": ["cm"] * 40,
    "identifier": [f"row{place:04d}" for place in range(40)],
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_each_kind_is_told_from_text_with_some_cells_missing(kind):
    cells = list(COLUMNS[kind])
    assert infer_kind("column", cells) == kind
    if kind != "constant":
        cells[3], cells[7] = "", None
        assert infer_kind("column", cells) == kind


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([1.5, 2.5, None, float("nan")] * 10, "continuous"),
        ([True, False, None] * 10, "boolean"),
        ([0, 1, 1, 0] * 10, "boolean"),
        ([f"{place * 7919 % 50_000 + 1000:,}" for place in range(60)], "continuous"),
        (["01234", "02345", "11111"] * 10, "categorical"),
        ([date(2024, 1, day) for day in range(1, 29)], "date"),
        ([datetime(2024, 1, 1, hour) for hour in range(24)], "datetime"),
        ([None, "", "nan", "?"], "constant"),
        ([], "constant"),
        (["only", "only", ""], "categorical"),
        ([5_000, 7_000, 0, 99_999] * 10, "continuous"),
        (["1.5", "2.5", "3.5"] * 10 + ["a lot"], "continuous"),
        ([float("inf"), 1.5, 2.5, 3.5] * 5, "continuous"),
    ],
)
def test_kinds_of_odd_columns(cells, kind):
    assert infer_kind("column", cells) == kind


def test_an_array_has_no_identifiers_and_a_rising_column_of_it_is_a_feature():
    rising = [float(place) for place in range(100)]
    assert infer_kind("x0", rising) == "identifier"
    assert infer_kind("x0", rising, named=False) == "continuous"


@pytest.mark.parametrize(
    ("name", "kind"), [("customer_id", "identifier"), ("PassengerId", "identifier"), ("paid", "continuous")]
)
def test_a_name_can_give_an_identifier_away(name, kind):
    numbers = np.random.default_rng(1).permutation(1_000_000)[:100] + 1
    assert infer_kind(name, numbers.tolist()) == kind


@pytest.mark.parametrize(
    ("cell", "number"),
    [("1,234.5", 1234.5), ("-12", -12), ("1e3", 1000), ("+7", 7), ("1,23", None), ("1_000", None), ("ten", None)],
)
def test_numbers_are_read_with_thousands_commas_and_nothing_else(cell, number):
    assert read_number(cell) == number


def test_cells_of_any_type_are_cleaned():
    assert clean_cell(np.float32("nan")) is None
    assert clean_cell(np.int64(3)) == 3.0
    assert clean_cell(Decimal("1.5")) == 1.5
    assert clean_cell(" N/A ") is None
    assert clean_cell(b"\xff\xfeabc").endswith("abc")
    assert clean_cell("\ufeffname") == "name"
    assert clean_cell(10**400) == math.inf
    assert clean_cell(np.datetime64("2024-01-02")) == datetime(2024, 1, 2)
    assert clean_cell(np.datetime64("NaT")) is None


def test_one_category_has_one_name_in_a_csv_and_in_a_typed_table():
    assert {name_of(clean_cell(cell)) for cell in (3, 3.0, "3", np.int8(3))} == {"3"}
    assert name_of(clean_cell(True)) == "true"


def test_flags_and_moments_are_read_or_refused():
    assert [read_flag(cell) for cell in ("Yes", "F", 1.0, False, "2")] == [1.0, 0.0, 1.0, 0.0, None]
    assert read_moment("2024-03-31T10:00") == datetime(2024, 3, 31, 10)
    assert read_moment("03/31/2024 10:00") == datetime(2024, 3, 31, 10)
    assert read_moment("10:30") == time(10, 30)
    assert read_moment(86_400.0) == datetime(1970, 1, 2, tzinfo=UTC)
    assert read_moment("soon") is None
    assert read_moment(1e300) is None
