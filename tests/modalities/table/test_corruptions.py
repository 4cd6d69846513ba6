"""Eight corruptions with five severities; what an audit says; rows as a person reads them."""

import pytest
import torch
from tests.modalities.table.makers import RNG, place_of, prepare, rows_of
from tests.modalities.table.samples import ODD

from selftaught.core.errors import UsageError
from selftaught.core.modality import Rows
from selftaught.modalities.table import Table

WHOLE = ("lost", "unit", "offset")


def moved(before, after):
    first, second = before.fields["cells"], after.fields["cells"]
    return (first != second) & ~(first.isnan() & second.isnan())


@pytest.mark.parametrize("name", Table.corruptions)
def test_every_corruption_changes_cells_and_more_of_them_or_further_with_severity(name):
    table, fitted, rows, _ = prepare(400)
    sizes = []
    for severity in range(1, 6):
        after = table.corrupt(rows, name, severity, RNG)
        assert after.fields["cells"].shape == rows.fields["cells"].shape
        assert not after.fields["cells"].isinf().any()
        assert torch.equal(after.record, rows.record)
        change = moved(rows, after)
        assert change.any()
        x, y = (table.batch(each, fitted).x[0].nan_to_num(9.0) for each in (rows, after))
        sizes.append((x - y).abs().mean().item())
    assert name == "unit" or sizes[-1] > 1.2 * sizes[0]  # any other unit is off the scale


@pytest.mark.parametrize("name", Table.corruptions)
def test_a_corruption_drawn_twice_is_equal_and_another_seed_is_not(name):
    table, _, rows, _ = prepare(100)
    first, second = (table.corrupt(rows, name, 3, RNG).fields["cells"] for _ in range(2))
    assert torch.equal(first.nan_to_num(-9), second.nan_to_num(-9))
    others = [table.corrupt(rows, name, 3, RNG.fold(place)).fields["cells"].nan_to_num(-9) for place in range(5)]
    assert name in ("rounding",) or not all(torch.equal(first.nan_to_num(-9), other) for other in others)


@pytest.mark.parametrize("name", [name for name in Table.corruptions if name != "swapped"])
def test_a_rows_draws_do_not_depend_on_its_batch(name):
    table, _, rows, _ = prepare(100)
    twice = Rows(fields={"cells": rows.fields["cells"].repeat(2, 1)}, record=rows.record.repeat(2))
    after = table.corrupt(twice, name, 3, RNG).fields["cells"].nan_to_num(-9)
    assert torch.equal(after[:100], after[100:])


def test_whole_columns_are_lost_or_moved_in_all_rows_alike():
    table, _, rows, _ = prepare(100)
    for name in WHOLE:
        change = moved(rows, table.corrupt(rows, name, 5, RNG))
        seen = ~rows.fields["cells"].isnan()
        columns = change.any(0)
        assert 0 < columns.sum() < len(columns)
        assert change[:, columns][seen[:, columns]].float().mean() > 0.95


def test_unseen_categories_lose_their_name_and_numbers_keep_theirs():
    table, fitted, rows, _ = prepare(300)
    after = table.corrupt(rows, "unseen", 5, RNG)
    place = place_of(table, "town", fitted)
    other = moved(rows, after)[:, place]
    assert 0.25 < other.float().mean() < 0.5
    assert not after.fields["names"][:, 0][other].any()
    assert torch.equal(after.fields["names"][:, 0][~other], rows.fields["names"][:, 0][~other])
    x = table.batch(after, fitted).x[0][:, place]
    assert (x[other] == table.vocabulary).all()
    assert torch.equal(table.corrupt(rows, "noise", 5, RNG).fields["names"], rows.fields["names"])


def test_counts_stay_whole_and_dates_keep_their_angles_under_noise():
    table, fitted, rows, _ = prepare(300)
    after = table.corrupt(rows, "noise", 5, RNG)
    counts = after.fields["cells"][:, place_of(table, "children", fitted)]
    counts = counts[~counts.isnan()]
    assert torch.equal(counts, counts.round())
    assert counts.min() >= 0
    assert not moved(rows, after)[:, place_of(table, "seen (time of day)", fitted)].any()


@pytest.mark.parametrize(("name", "severity"), [("blur", 1), ("noise", 0), ("noise", 6)])
def test_unknown_corruptions_are_refused_with_the_known_ones(name, severity):
    table, _, rows, _ = prepare(20)
    with pytest.raises(UsageError, match="missing, lost, swapped"):
        table.corrupt(rows, name, severity, RNG)


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", Table.corruptions)
def test_odd_rows_survive_every_corruption(kind, name):
    table, _, _, _ = prepare(20)
    rows = rows_of(table, ODD[kind])
    assert not table.corrupt(rows, name, 5, RNG).fields["cells"].isinf().any()


def test_the_audit_counts_what_is_missing_repeated_and_different():
    table, _, _, _ = prepare(20)
    values = [{"town": "Oslo", "height": "1.7"}, {"town": "Oslo", "height": "1.7"}, {"town": "Bergen"}, {"town": ""}]
    facts = {name: value for name, value, _ in table.audit([rows_of(table, values)])}
    assert facts["rows"] == 4
    assert facts["repeated rows"] == 1
    assert facts["rows with a missing cell"] == 100
    assert facts["cells missing"] == pytest.approx(100 * (1 - 5 / 32))
    assert facts["different patterns of missing cells"] == 3
    assert facts["categories of town"] == 2
    assert facts["categorical columns"] == "town"
    assert table.audit([]) == (("rows", 0.0, ""),)


def test_a_row_is_shown_by_name_as_it_was_read():
    table, _, _, _ = prepare(20)
    row = {
        "height": "1.75", "income": "12,500", "town": "Tromsø", "owner": "yes", "seen": "2021-05-04 10:30",
        "note": "old red desk", "children": "2",
    }  # fmt: skip
    (portrait,) = table.portray(rows_of(table, [row]), 48)
    assert portrait.kind == "row"
    assert portrait.content == {
        "height": "1.75", "income": "12,500", "grade": "missing", "children": "2", "town": "Tromsø", "owner": "yes",
        "seen": "2021-05-04 10:30", "note": "old red desk",
    }  # fmt: skip
