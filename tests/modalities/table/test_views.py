"""What views do to cells, against their definitions; targets; embeddings."""

import math

import pytest
import torch
from tests.modalities.table.makers import RNG, place_of, prepare, shown

from selftaught.core.batch import View
from selftaught.core.errors import UsageError
from selftaught.core.modality import Rows
from selftaught.core.targets import Categorical, Circular, Continuous, Counts
from selftaught.modalities.table import Augmentation, Table
from selftaught.modalities.table.cells import cells_of
from selftaught.modalities.table.views import choose_each, choose_exactly, unit_of


def changed(view, clean):
    return (view.x != clean.x) & ~(view.x.isnan() & clean.x.isnan())


def with_augmentation(table, **options):
    return Table(columns=table.columns, vocabulary=4, words=3, augmentation=Augmentation(**options))


def test_a_strong_view_swaps_the_same_number_of_columns_in_every_row_for_cells_of_the_marginal():
    table, fitted, rows, _ = prepare()
    clean, strong = shown("clean", table, fitted, rows), shown("strong", table, fitted, rows)
    marginal = torch.from_numpy(fitted.arrays["marginal"])
    unit = unit_of(cells_of(table.columns, table.words), clean.x)
    ids, share = rows.record, table.augmentation.swap
    chosen = choose_exactly(ids, unit, "swap", share, RNG)
    columns = int(unit.max()) + 1
    per_row = torch.stack([chosen[:, unit == column][:, 0] for column in range(columns)], 1).sum(1)
    assert per_row.tolist() == [round(share * columns)] * len(ids)
    assert not (changed(strong, clean) & ~chosen).any()
    assert 0.5 < changed(strong, clean)[chosen].float().mean() < 1
    for place in range(len(unit)):
        known = set(marginal[:, place].nan_to_num(-9).tolist())
        assert set(strong.x[:, place][chosen[:, place]].nan_to_num(-9).tolist()) <= known


def test_the_parts_of_a_date_are_swapped_together_and_from_one_row():
    table, fitted, rows, _ = prepare()
    strong = shown("strong", table, fitted, rows)
    marginal = torch.from_numpy(fitted.arrays["marginal"])
    first = place_of(table, "seen (date)", fitted)
    known = {tuple(line) for line in marginal[:, first : first + 4].nan_to_num(-9).tolist()}
    own = {tuple(line) for line in shown("clean", table, fitted, rows).x[:, first : first + 4].nan_to_num(-9).tolist()}
    assert {tuple(line) for line in strong.x[:, first : first + 4].nan_to_num(-9).tolist()} <= known | own


def test_strength_is_a_dial_from_nothing_to_all_but_one_column():
    table, fitted, rows, _ = prepare()
    shares = []
    for strength in (0.0, 0.5, 1.0, 2.5):
        dialled = Table(columns=table.columns, vocabulary=4, words=3, strength=strength)
        view, clean = shown("strong", dialled, fitted, rows), shown("clean", dialled, fitted, rows)
        shares.append(changed(view, clean).float().mean().item())
    assert shares[0] == 0
    assert shares == sorted(shares)


def test_a_noisy_view_swaps_its_share_and_leaves_all_else_to_the_bit():
    table, fitted, rows, _ = prepare(2_000)
    clean, noisy = shown("clean", table, fitted, rows), shown("noisy", table, fitted, rows)
    unit = unit_of(cells_of(table.columns, table.words), clean.x)
    flag = choose_each(rows.record, unit, "noise", 0.3, RNG)
    assert flag.float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert not (changed(noisy, clean) & ~flag).any()
    assert torch.equal(noisy.pos, clean.pos)


def test_weak_and_span_views_only_lose_cells():
    table, fitted, rows, _ = prepare(1_000)
    clean = shown("clean", table, fitted, rows).x
    for kind, low, high in (("weak", 0.01, 0.12), ("span", 0.3, 0.6)):
        view = shown(kind, table, fitted, rows).x
        lost = view.isnan() & ~clean.isnan()
        assert torch.equal(view[~view.isnan()], clean[~view.isnan()])
        assert low < lost.float().mean() / (~clean.isnan()).float().mean() < high


def test_losing_makes_cells_missing():
    table, fitted, rows, _ = prepare(1_000)
    losing = with_augmentation(table, swap=0.0, lose=0.5)
    lost = shown("strong", losing, fitted, rows).x.isnan() & ~shown("clean", losing, fitted, rows).x.isnan()
    assert 0.35 < lost.float().mean() < 0.55


def test_targets_have_the_kind_of_their_column_and_the_cells_that_are_shown():
    table, fitted, rows, _ = prepare()
    view = shown("weak", table, fitted, rows, target=True)
    target = view.target
    kinds = [type(part) for part in target.parts]
    assert kinds == [Continuous, Categorical, Counts, Circular]
    layout = cells_of(table.columns, table.words)
    of = {cell.name: kinds[int(target.part[0, place])] for place, cell in enumerate(layout)}
    assert (of["height"], of["town"], of["children"]) == (Continuous, Categorical, Counts)
    assert (of["seen (date)"], of["seen (time of day)"], of["grade"]) == (Continuous, Circular, Continuous)
    assert not target.valid[view.x.isnan()].any()
    assert not target.valid[:, place_of(table, "note (word 1)", fitted)].any()
    place = place_of(table, "children", fitted)
    raw = rows.fields["cells"][:, place][target.valid[:, place]]
    torch.testing.assert_close(target.parts[2].values[:, place][target.valid[:, place]].double(), raw)


def test_an_unseen_category_is_no_target():
    table, fitted, rows, _ = prepare()
    place = place_of(table, "town", fitted)
    cells = rows.fields["cells"].clone()
    cells[:, place] = -1.0
    view = shown("clean", table, fitted, Rows(fields={"cells": cells}, record=rows.record), target=True)
    assert not target_of(view)[:, place].any()


def target_of(view):
    return view.target.valid


def test_a_view_of_a_view_is_refused():
    table, fitted, rows, _ = prepare(20)
    view = shown("clean", table, fitted, rows)
    with pytest.raises(UsageError, match=r"Table\.batch"):
        table.augment(view, View(kind="clean"), RNG)
    with pytest.raises(UsageError, match=r"Table\.augment"):
        table.stem(8, fitted)(table.batch(rows, fitted))


def test_content_equals_a_slow_loop_over_cells():
    table, fitted, rows, _ = prepare(30)
    stem, view = table.stem(6, fitted), shown("clean", table, fitted, rows)
    content = stem(view)
    layout = cells_of(table.columns, table.words)
    places = [place for place, cell in enumerate(layout) if cell.role in ("number", "count")]
    numbers = stem.readers["number"]
    frequency = numbers.frequency.view(len(places), -1)
    for row in range(5):
        for own, place in enumerate(places):
            value = view.x[row, place]
            if value.isnan():
                expected = stem.missing.view(len(layout), -1)[place]
            else:
                angle = 2 * math.pi * value * frequency[own]
                waves = torch.relu(numbers.wave(torch.cat([angle.cos(), angle.sin()])))
                expected = waves + value * numbers.slope.view(-1, 6)[own] + numbers.shift.view(-1, 6)[own]
            torch.testing.assert_close(content[row, place], expected)
        place = place_of(table, "town", fitted)
        if not view.x[row, place].isnan():
            classes = stem.readers["class"].table.view(-1, 6)
            torch.testing.assert_close(content[row, place], classes[int(view.x[row, place])])


def test_the_tables_of_the_stem_are_vectors_to_the_optimiser():
    table, fitted, _, _ = prepare(20)
    shapes = {name: part.ndim for name, part in table.stem(6, fitted).named_parameters()}
    assert {name for name, axes in shapes.items() if axes == 2} == {
        "readers.number.wave.weight", "readers.angle.turn.weight"
    }  # fmt: skip
