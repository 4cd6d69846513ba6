"""Views of documents against slow loops: windows, deletion, replacement, swapped halves, and packing."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from selftaught.core.rng import Rng
from selftaught.modalities.text.views import (
    Shown,
    cut,
    delete_words,
    draw_window,
    number_words,
    pack,
    replace_pieces,
    spread,
    swap_halves,
)

RNG = Rng(seed=3)
RECORD = torch.tensor([5, 11, 7_000_000_001])
WORDS = [[0, 0, 1, 2, 2, 2, 3], [0, 1], [0]]


def documents(words=WORDS):
    """Pieces 10, 11, ... with the given word numbers."""
    width = max(map(len, words))
    ids = torch.tensor([[10 + place if place < len(row) else 0 for place in range(width)] for row in words])
    word = torch.tensor([row + [0] * (width - len(row)) for row in words])
    total = torch.tensor([len(row) for row in words])
    return ids, word, total


def whole(words=WORDS) -> Shown:
    ids, word, total = documents(words)
    return cut(ids, word, torch.zeros_like(total), total)


def listed(shown, row):
    return shown.ids[row][shown.valid[row]].tolist()


def test_a_cut_holds_the_asked_tokens_and_knows_their_places():
    ids, word, _ = documents()
    shown = cut(ids, word, torch.tensor([2, 0, 0]), torch.tensor([3, 2, 1]))
    assert [listed(shown, row) for row in range(3)] == [[12, 13, 14], [10, 11], [10]]
    assert shown.place[0].tolist() == [2, 3, 4]
    assert shown.word[0].tolist() == [1, 2, 2]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(1, 20), st.sampled_from([0.1, 0.5, 1.0]))
def test_windows_lie_within_their_documents_and_have_the_asked_share(lengths, most, low):
    total, record = torch.tensor(lengths), torch.arange(len(lengths)) * 13
    start, count = draw_window(record, total, most, (low, 1.0), RNG)
    assert bool((start >= 0).all())
    assert bool((start + count <= total).all())
    assert bool((count >= 1).all())
    assert bool((count <= most).all())
    assert bool((count >= (low * total).floor().clamp(max=most)).all())


def test_windows_reach_every_place():
    record, total = torch.arange(2_000), torch.full((2_000,), 10)
    start, _ = draw_window(record, total, 4, (1.0, 1.0), RNG)
    assert set(start.tolist()) == set(range(7))


def test_deleted_words_go_whole_and_the_order_of_the_rest_stays():
    words = [[number for number in range(30) for _ in range(1 + number % 3)]] * 200
    shown = delete_words(whole(words), torch.arange(200), 0.3, RNG)
    left = 0
    for row in range(200):
        kept = shown.word[row][shown.valid[row]].tolist()
        assert kept == sorted(kept)
        assert all(kept.count(number) == 1 + number % 3 for number in set(kept))
        left += len(set(kept))
    assert left / (200 * 30) == pytest.approx(0.7, abs=0.03)


def test_a_document_of_which_nothing_would_stay_stays_whole():
    shown = delete_words(whole(), RECORD, 1.0, RNG)
    assert [listed(shown, row) for row in range(3)] == [list(range(10, 17)), [10, 11], [10]]


def test_replaced_pieces_are_the_asked_share_and_never_special():
    words = [list(range(40))] * 100
    before = whole(words)
    after = replace_pieces(before, torch.arange(100), torch.full((100,), 1_000), 0.2, RNG)
    changed = after.ids != before.ids
    assert changed.float().mean().item() == pytest.approx(0.2, abs=0.02)
    assert after.ids.min() >= 2
    assert after.ids.max() < 1_000
    assert torch.equal(after.word, before.word)


@pytest.mark.parametrize("size", [2, 3])
def test_the_smallest_vocabularies_have_something_to_replace_by(size):
    after = replace_pieces(whole(), RECORD, torch.full((3,), size), 0.9, RNG)
    assert after.ids[after.ids < 10].max() < size


def test_halves_are_swapped_at_the_sentence_end_nearest_to_the_middle():
    closes = torch.tensor([[0, 1, 0, 0, 0, 1, 1], [0, 1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0]])
    swapped = swap_halves(whole(), closes, torch.tensor([True, True, True]))
    # Of 7 tokens, ends stand after 2 and after 6: the first is nearer to the middle of 3.5.
    assert listed(swapped, 0) == [12, 13, 14, 15, 16, 10, 11]
    assert swapped.place[0].tolist() == [2, 3, 4, 5, 6, 0, 1]
    assert listed(swapped, 1) == [11, 10]
    assert listed(swapped, 2) == [10]
    kept = swap_halves(whole(), closes, torch.tensor([False, False, False]))
    assert [listed(kept, row) for row in range(3)] == [list(range(10, 17)), [10, 11], [10]]


def test_words_are_numbered_anew_without_gaps():
    assert number_words(torch.tensor([[4, 4, 7, 9, 9], [2, 3, 3, 3, 5]])).tolist() == [[0, 0, 1, 2, 2], [0, 1, 1, 1, 2]]
    assert number_words(torch.tensor([[3]])).tolist() == [[0]]


def test_places_are_the_middles_of_tokens_in_their_document():
    origin = spread(torch.tensor([4, 2]), torch.tensor([[0, 3], [0, 1]]))
    torch.testing.assert_close(origin[..., 0], torch.tensor([[0.125, 0.875], [0.25, 0.75]]))


COUNTS = st.lists(st.integers(1, 12), min_size=1, max_size=30)


@given(COUNTS, st.integers(1, 30))
def test_packed_documents_never_overlap_and_are_numbered_as_they_lie(counts, room):
    packing = pack(counts, room)
    used = {}
    for document, count in enumerate(counts):
        row, start = int(packing.row[document]), int(packing.start[document])
        assert start + count <= packing.width <= max(room, *counts)
        for column in range(start, start + count):
            assert (row, column) not in used
            used[row, column] = document
    # One after the other in the order of `Facts`, each row from its left end without a gap.
    order = packing.order.tolist()
    assert [used[place] for place in sorted(used)] == [document for document in order for _ in range(counts[document])]
    assert sorted(order) == list(range(len(counts)))
    for row in range(packing.rows):
        own = [column for place, column in sorted(used) if place == row]
        assert own == list(range(len(own)))
        here = packing.segment[packing.order][packing.row[packing.order] == row]
        assert here.tolist() == list(range(1, len(here) + 1))


@given(COUNTS, st.integers(12, 30))
def test_all_packed_rows_but_one_are_more_than_half_full_and_one_is_full(counts, room):
    packing = pack(counts, room)
    held = torch.bincount(packing.row, weights=torch.tensor(counts).double())
    assert int((2 * held <= packing.width).sum()) <= 1
    assert int(held.max()) == packing.width


def test_short_documents_waste_little_of_packed_rows():
    counts = torch.randint(4, 24, (256,), generator=torch.Generator().manual_seed(0)).tolist()
    packing = pack(counts, 128)
    assert sum(counts) / (packing.rows * packing.width) > 0.98


def test_laid_values_stand_where_the_packing_says():
    packing = pack([2, 1, 3], 3)
    assert packing.order.tolist() == [2, 0, 1]
    valid = torch.tensor([[True, True, False], [True, False, False], [True, True, True]])
    values = torch.tensor([[1, 2, 9], [3, 9, 9], [4, 5, 6]])
    assert packing.lay(values, valid).tolist() == [[4, 5, 6], [1, 2, 3]]
    wide = packing.lay(values[..., None].float().expand(-1, -1, 2), valid)
    assert wide.shape == (2, 3, 2)
    assert wide[0, 2].tolist() == [6.0, 6.0]
