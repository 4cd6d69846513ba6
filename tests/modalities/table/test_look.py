"""What a person is told of a table: kinds by name, missing cells, and rows as they can be read."""

import numpy as np
from tests.modalities.table.makers import prepare, rows_of
from tests.modalities.table.samples import NAMES

from selftaught.core.rng import Rng
from selftaught.modalities.table import Table
from selftaught.modalities.table.look import describe_columns


def facts_of(table, rows):
    return {name: (value, unit) for name, value, unit in table.audit([rows])}


def test_the_sentence_names_kinds_columns_and_what_is_left_out():
    numbers = [(f"n{place}", "continuous") for place in range(5)]
    columns = (*numbers, ("id", "identifier"), ("town", "categorical"))
    said = describe_columns(columns)
    assert said == (
        "rows of 6 columns: 5 continuous (n0, n1, n2, 2 more), 1 categorical (town); left out: id (identifier)"
    )


def test_the_audit_names_every_column_under_its_kind():
    table, _, rows, _ = prepare(60)
    facts = facts_of(table, rows)
    shown = [name for kind, (value, _) in facts.items() if kind.endswith(" columns") for name in value.split(", ")]
    assert sorted(shown) == sorted(NAMES)
    assert facts["constant columns"][0] == "unit"


def test_missing_cells_repeated_rows_and_categories_are_counted():
    table = Table(columns=(("a", "continuous"), ("b", "categorical")), vocabulary=4, words=1)
    values = [{"a": 1, "b": "x"}, {"a": 1, "b": "x"}, {"b": "y"}, {"a": 2, "b": ""}]
    facts = facts_of(table, rows_of(table, values))
    assert facts["cells missing"] == (25.0, "%")
    assert facts["rows with a missing cell"] == (50.0, "%")
    assert facts["different patterns of missing cells"][0] == 3
    assert facts["repeated rows"][0] == 1
    assert facts["categories of b"][0] == 2
    assert facts["missing in a"] == (25.0, "%")


def test_rows_are_shown_as_a_person_wrote_them():
    columns = (
        ("age", "continuous"), ("town", "categorical"), ("owner", "boolean"), ("seen", "datetime"), ("at", "time"),
    )  # fmt: skip
    table = Table(columns=columns, vocabulary=4, words=1)
    values = [
        {"age": "1,041.5", "town": "Tromsø", "owner": "no", "seen": "2024-03-31 18:05", "at": "06:30"},
        {"age": None},
    ]
    first, second = (portrait.content for portrait in table.portray(rows_of(table, values), 64))
    assert first == {"age": "1,041.5", "town": "Tromsø", "owner": "no", "seen": "2024-03-31 18:05", "at": "06:30"}
    assert set(second.values()) == {"missing"}


def test_a_corrupted_category_shows_no_name_that_is_not_its_own():
    table, _, rows, _ = prepare(40)
    changed = table.corrupt(rows, "unseen", 5, Rng(seed=0))
    before, after = (np.array([each.content["town"] for each in table.portray(part, 64)]) for part in (rows, changed))
    assert (after[before != after] == "unknown").all()
    assert (before != after).any()
