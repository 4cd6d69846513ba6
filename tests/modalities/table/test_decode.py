"""From rows to fixed arrays: every kind of cell, and what cannot be read."""

import json
import math

import numpy as np
import pytest
import torch
from tests.modalities.table.samples import ODD, recognised, records_of, table_rows

from selftaught.core.config import from_dict, to_dict
from selftaught.core.errors import DataError, UsageError
from selftaught.core.modality import Record
from selftaught.modalities.table import Augmentation, Table
from selftaught.modalities.table.cells import BUCKETS, cells_of, split_moment
from selftaught.modalities.table.kinds import number_of_name, read_moment

COLUMNS = (
    ("age", "continuous"), ("children", "count"), ("town", "categorical"), ("owner", "boolean"), ("seen", "datetime"),
    ("note", "text"), ("id", "identifier"),
)  # fmt: skip
MADE = Table(columns=COLUMNS, vocabulary=4, words=2)
ROW = {
    "age": "1,041.5", "children": 2, "town": " Oslo ", "owner": True, "seen": "2024-03-31 18:00", "note": "Red lamp",
    "id": "7",
}  # fmt: skip


def decoded(row, table=MADE):
    return table.decode(Record(id="7", read=lambda: row))


def cell(stored, name, table=MADE):
    names = [each.name for each in cells_of(table.columns, table.words)]
    return stored.fields["cells"][names.index(name)]


def test_every_kind_of_cell_becomes_its_number():
    stored = decoded(ROW)
    assert stored.findings == ()
    assert cell(stored, "age") == 1041.5
    assert cell(stored, "children") == 2
    assert cell(stored, "town") == number_of_name("Oslo")
    assert cell(stored, "owner") == 1
    assert cell(stored, "seen (time of day)") == pytest.approx(math.pi / 2)
    assert cell(stored, "seen (date)") == pytest.approx(19_813.75)
    assert cell(stored, "note (word 2)") == number_of_name("lamp") % BUCKETS
    assert stored.fields["names"][0].tobytes().rstrip(b"\0") == b"Oslo"


def test_what_is_missing_is_nan_in_every_part_of_its_column():
    stored = decoded({"note": "one"})
    assert cell(stored, "note (word 1)") >= 0
    assert np.isnan(stored.fields["cells"]).sum() == len(stored.fields["cells"]) - 1


def test_a_row_without_one_of_the_columns_is_a_finding_and_one_without_all_of_them_is_refused():
    assert decoded({"age": "", "note": "one"}).findings == ("column-missing",)
    assert decoded(dict.fromkeys(ROW)).findings == ()
    with pytest.raises(DataError, match=r"7: this row has none of the table's columns age, children, .*; it has size"):
        decoded({"size": 3})


def test_cells_that_cannot_be_read_are_missing_with_a_finding():
    wrong = {"age": "old", "children": -1, "owner": "perhaps", "seen": "soon", "town": "Oslo", "note": None}
    stored = decoded(wrong)
    assert stored.findings == ("not-a-count", "not-a-flag", "not-a-number", "not-a-time")
    assert np.isnan(cell(stored, "age"))
    infinite = decoded({**ROW, "age": float("inf")})
    assert infinite.findings == ("infinite-cell",)


def test_the_parts_of_a_date_are_one_unit_and_identifiers_have_no_token():
    layout = cells_of(COLUMNS, 2)
    assert [each.unit for each in layout] == [0, 1, 2, 3, 4, 4, 4, 4, 5, 5]
    assert {each.column for each in layout} == {name for name, _ in COLUMNS} - {"id"}
    assert MADE.axes[0].size == len(layout) == MADE.shape[0]


def test_a_time_of_day_has_no_date():
    parts = split_moment(read_moment("06:00"))
    assert parts["time of day"] == pytest.approx(-math.pi / 2)
    assert math.isnan(parts["date"])


@pytest.mark.parametrize("value", [3.0, "text", [1, 2], np.zeros((2, 2)), np.array(["a"] * 7)])
def test_what_is_no_row_is_refused_with_its_id(value):
    with pytest.raises(DataError, match="7: a table needs rows"):
        decoded(value)


def test_rows_of_an_array_are_read_by_place_and_of_one_length():
    rows = np.random.default_rng(0).normal(size=(40, 3))
    rows[3, 1], rows[4, 2] = np.nan, np.inf
    table = Table().recognise(records_of(list(rows)))
    assert table.columns == tuple((f"x{place}", "continuous") for place in range(3))
    assert np.isnan(decoded(rows[3], table).fields["cells"]).tolist() == [False, True, False]
    assert decoded(rows[4], table).findings == ("infinite-cell",)
    assert "names" not in decoded(rows[0], table).fields
    with pytest.raises(DataError, match="has 2 columns, the table has 3"):
        decoded(rows[0, :2], table)


def test_options_are_recognised_said_and_survive_their_json():
    table = recognised()
    kinds = dict(table.columns)
    assert kinds == {
        "id": "identifier", "height": "continuous", "income": "continuous", "grade": "ordinal", "children": "count",
        "town": "categorical", "owner": "boolean", "seen": "datetime", "note": "text", "unit": "constant",
    }  # fmt: skip
    assert (table.vocabulary, table.words) == (4, 3)
    assert "8 columns" in table.sentence
    assert "id (identifier), unit (constant)" in table.sentence
    assert from_dict(Table, json.loads(json.dumps(to_dict(table)))) == table
    assert table.recognise([]) == table


def test_kinds_can_be_overruled_and_a_wrong_column_is_named():
    records = records_of(table_rows(100, np.random.default_rng(0))[0])
    table = Table(kinds=(("grade", "categorical"), ("note", "identifier"))).recognise(records)
    assert dict(table.columns)["grade"] == "categorical"
    assert "note" not in {each.column for each in cells_of(table.columns, table.words)}
    with pytest.raises(UsageError, match="Did you mean 'grade'"):
        Table(kinds=(("grad", "count"),)).recognise(records)


def test_rows_are_told_from_other_values():
    rows = table_rows(8, np.random.default_rng(0))[0]
    assert Table.recognises([], rows)
    assert Table.recognises([], list(np.zeros((4, 3))))
    others = [["text"], [b"bytes"], [np.zeros((2, 2))], [{"t": np.arange(3)}], [{}], []]
    assert not any(Table.recognises([], values) for values in others)


@pytest.mark.parametrize("values", [[], [b"picture"], [{"a": None}] * 5, [{"a": 1, "b": "x"}] * 5])
def test_tables_without_use_are_refused_with_the_reason(values):
    with pytest.raises(DataError, match=r"could be read as a row|tells records apart"):
        Table().recognise(records_of(values))


def test_open_options_and_wrong_ones_are_refused():
    with pytest.raises(UsageError, match=r"Table\.recognise"):
        Table().axes  # noqa: B018
    with pytest.raises(UsageError, match="at least 1"):
        Table(words=0)
    with pytest.raises(UsageError, match="at most"):
        Table(vocabulary=1000)
    with pytest.raises(UsageError, match="share from 0 to 1"):
        Augmentation(swap=1.5)


@pytest.mark.parametrize("kind", ODD)
def test_odd_rows_are_decoded(kind):
    table = recognised()
    for record in records_of(ODD[kind]):
        stored = table.decode(record)
        assert stored.fields["cells"].shape == table.shape
        assert not np.isinf(stored.fields["cells"]).any()


def test_a_hundred_thousand_categories_and_a_huge_cell_are_read():
    rows = [{"a": f"cat {place * 7919 % 100_003}", "b": str(place % 7)} for place in range(600)]
    table = Table().recognise(records_of(rows))
    assert dict(table.columns)["a"] == "text"
    stored = decoded({"a": "x " * 2_000_000, "b": "1"}, table)
    assert stored.fields["names"].shape == (1, 24)
    assert torch.from_numpy(stored.fields["cells"]).dtype == torch.float64
