"""Drop patterns: whole units, never padding, the right number, and blind to batching and packing."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.toys.samples import SAMPLES

from selftaught.core.batch import Axis, Batch, Facts, View
from selftaught.core.rng import Rng
from selftaught.pretexts.drop import random_drop

RNG = Rng(seed=2)


def a_batch(rows, width=None, first_record=0, dense=False):
    """rows: per row the documents, each a list of unit sizes."""
    lines = []
    for documents in rows:
        segment = [number for number, sizes in enumerate(documents, 1) for size in sizes for _ in range(size)]
        unit = [place for sizes in documents for place, size in enumerate(sizes) for _ in range(size)]
        lines.append((segment, unit))
    width = width or max(len(segment) for segment, _ in lines)
    segment, unit = (
        torch.tensor([part + [0] * (width - len(part)) for part in parts]) for parts in zip(*lines, strict=True)
    )
    documents = sum(map(len, rows))
    shape = (*segment.shape, 1)
    return Batch(
        x=torch.zeros(segment.shape),
        stream="toy",
        segment=segment,
        pos=torch.zeros(shape),
        axes=(Axis(name="time"),),
        origin=torch.zeros(shape),
        unit=unit,
        facts=Facts(record=torch.arange(documents) + first_record),
        dense=dense,
    )


def chosen(ids, flags, row):
    return [int(index) for place, index in enumerate(ids[row]) if flags is None or flags[row, place]]


def kept_units(batch, pattern):
    """(segment, unit) pairs that stay, by row."""
    rows = []
    for row in range(batch.rows):
        places = chosen(pattern.keep, pattern.kept, row)
        rows.append({(int(batch.segment[row, place]), int(batch.unit[row, place])) for place in places})
    return rows


DOCUMENT = st.lists(st.integers(1, 3), min_size=1, max_size=5)
ROWS = st.lists(st.lists(DOCUMENT, min_size=1, max_size=3), min_size=1, max_size=4)
SHARES = st.sampled_from([0.15, 0.5, 0.75, 0.95])


@given(ROWS, SHARES, st.integers(0, 3))
def test_every_valid_token_is_either_kept_or_dropped_and_padding_is_neither(rows, share, extra):
    tight = a_batch(rows)
    batch = a_batch(rows, tight.segment.shape[1] + extra)
    pattern = random_drop(batch, share, RNG)
    for row in range(batch.rows):
        keep, drop = chosen(pattern.keep, pattern.kept, row), chosen(pattern.drop, pattern.dropped, row)
        assert sorted(keep + drop) == batch.valid[row].nonzero()[:, 0].tolist()


@given(ROWS, SHARES)
def test_units_stay_or_go_whole(rows, share):
    batch = a_batch(rows)
    pattern = random_drop(batch, share, RNG)
    for row, stays in enumerate(kept_units(batch, pattern)):
        for place in chosen(pattern.drop, pattern.dropped, row):
            assert (int(batch.segment[row, place]), int(batch.unit[row, place])) not in stays


@given(ROWS, SHARES)
def test_every_document_keeps_a_unit_and_loses_one_if_it_has_two(rows, share):
    batch = a_batch(rows)
    for stays, documents in zip(kept_units(batch, random_drop(batch, share, RNG)), rows, strict=True):
        for number, sizes in enumerate(documents, 1):
            own = [unit for segment, unit in stays if segment == number]
            assert 1 <= len(own) <= max(1, len(sizes) - 1)


@given(st.integers(1, 40), SHARES)
def test_the_share_of_single_tokens_is_exact(count, share):
    pattern = random_drop(a_batch([[[1] * count]] * 3), share, RNG)
    wanted = 1 if count == 1 else min(max(1, round(count * (1 - share))), count - 1)
    for row in range(3):
        assert len(chosen(pattern.keep, pattern.kept, row)) == wanted


@given(st.lists(DOCUMENT, min_size=2, max_size=5), SHARES)
def test_a_document_loses_the_same_wherever_it_is_packed(documents, share):
    packed = a_batch([documents])
    alone = a_batch([[sizes] for sizes in documents])
    together = kept_units(packed, random_drop(packed, share, RNG))[0]
    for row, stays in enumerate(kept_units(alone, random_drop(alone, share, RNG))):
        assert {unit for _, unit in stays} == {unit for segment, unit in together if segment == row + 1}


def test_one_token_rows_keep_their_token_and_lose_nothing():
    for dense in (False, True):
        pattern = random_drop(a_batch([[[1]]] * 3, dense=dense), 0.75, RNG)
        for row in range(3):
            assert chosen(pattern.keep, pattern.kept, row) == [0]
            assert chosen(pattern.drop, pattern.dropped, row) == []


def test_a_document_of_one_unit_stays_whole():
    pattern = random_drop(a_batch([[[4]], [[1, 1, 1, 1]]]), 0.75, RNG)
    assert sorted(chosen(pattern.keep, pattern.kept, 0)) == [0, 1, 2, 3]
    assert len(chosen(pattern.keep, pattern.kept, 1)) == 1


def test_dense_rows_of_single_tokens_need_no_flags():
    pattern = random_drop(a_batch([[[1] * 16]] * 5, dense=True), 0.75, RNG)
    assert pattern.kept is None
    assert pattern.dropped is None
    assert pattern.keep.shape == (5, 4)
    assert pattern.drop.shape == (5, 12)


def test_every_unit_is_dropped_as_often_as_its_neighbours():
    batch = a_batch([[[1] * 8]] * 4000, dense=True)
    pattern = random_drop(batch, 0.75, RNG)
    often = torch.bincount(pattern.drop.flatten(), minlength=8) / 4000
    torch.testing.assert_close(often, torch.full((8,), 0.75), atol=0.04, rtol=0)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.75])
def test_units_of_several_tokens_come_near_the_share_on_average(share):
    batch = a_batch([[[2] * 10]] * 500)
    pattern = random_drop(batch, share, RNG)
    assert pattern.dropped.sum().item() / batch.valid.sum().item() == pytest.approx(share, abs=0.051)


def test_another_stream_drops_other_tokens():
    batch = a_batch([[[1] * 16]] * 4, dense=True)
    first, second = (random_drop(batch, 0.5, rng) for rng in (RNG, RNG.at(1)))
    assert not torch.equal(first.keep.sort(1).values, second.keep.sort(1).values)
    assert torch.equal(first.keep, random_drop(batch, 0.5, RNG).keep)


def test_the_words_of_packed_documents_go_in_pairs():
    sample = SAMPLES["documents"]
    view = View(kind="clean", packed=True)
    batch = sample.modality.augment(sample.modality.batch(sample.rows(8), sample.fitted()), view, RNG)
    pattern = random_drop(batch, 0.5, RNG)
    assert batch.rows < 8
    for row, stays in enumerate(kept_units(batch, pattern)):
        gone = chosen(pattern.drop, pattern.dropped, row)
        assert {(int(batch.segment[row, n]), int(batch.pos[row, n, 0]) // 2) for n in gone}.isdisjoint(stays)
