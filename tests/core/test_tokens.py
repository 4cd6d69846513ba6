"""Tokens and batches: take, replace, shuffle, cat, pooling and documents against slow loops."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from selftaught.core.batch import Axis, Batch, Facts, cat_batches, document_index
from selftaught.core.pretext import Representation, cat_representations
from selftaught.core.targets import Categorical
from selftaught.core.tokens import Tokens, pool_segments, tokens_of

PACKED = torch.tensor([[1, 1, 2, 0], [1, 2, 3, 3], [1, 0, 0, 0]])


def a_batch(segment=PACKED, **changes):
    b, n = segment.shape
    document = int(document_index(segment).max()) + 1
    content = Batch(
        x=torch.randint(9, (b, n)),
        stream="toy",
        segment=segment,
        pos=torch.randn(b, n, 1),
        axes=(Axis(name="time"),),
        origin=torch.rand(b, n, 1),
        unit=torch.arange(n).expand(b, n),
        facts=Facts(record=torch.arange(document) + 100, label=torch.arange(document) * 2),
        target=Categorical(values=torch.randint(9, (b, n)), valid=segment > 0, size=9),
    )
    return replace(content, **changes)


def some_tokens(segment=PACKED, dense=False):
    return replace(tokens_of(a_batch(segment), torch.randn(*segment.shape, 5)), dense=dense)


def segments():
    """Packed rows as lists of documents' lengths, and padding."""
    row = st.tuples(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 3))
    return st.lists(row, min_size=1, max_size=5).map(_laid_out)


def _laid_out(rows):
    lines = [[n for n, size in enumerate(sizes, 1) for _ in range(size)] + [0] * rest for sizes, rest in rows]
    width = max(map(len, lines))
    return torch.tensor([line + [0] * (width - len(line)) for line in lines])


@given(segments())
def test_documents_are_numbered_in_row_order_then_by_segment(segment):
    expected, number = torch.full_like(segment, -1), 0
    for b in range(len(segment)):
        for own in range(1, int(segment[b].max()) + 1):
            expected[b][segment[b] == own] = number
            number += 1
    assert torch.equal(document_index(segment), expected)


@given(segments())
def test_pooling_equals_the_mean_over_each_documents_tokens(segment):
    content = torch.randn(*segment.shape, 3)
    slow = []
    for b in range(len(segment)):
        for own in range(1, int(segment[b].max()) + 1):
            members = [content[b, n] for n in range(segment.shape[1]) if segment[b, n] == own]
            slow.append(sum(members) / len(members))
    torch.testing.assert_close(pool_segments(content, segment, dense=False), torch.stack(slow))


def test_pooling_a_dense_batch_equals_pooling_it_as_if_it_were_ragged():
    content, segment = torch.randn(3, 4, 5), torch.ones(3, 4, dtype=torch.long)
    torch.testing.assert_close(
        pool_segments(content, segment, dense=True), pool_segments(content, segment, dense=False)
    )


def test_a_row_of_padding_alone_pools_to_zero_and_keeps_its_place():
    segment = torch.tensor([[1, 1], [0, 0], [1, 0]])
    pooled = pool_segments(torch.ones(3, 2, 4), segment, dense=False)
    assert pooled[:, 0].tolist() == [1, 0, 1]
    assert document_index(segment).tolist() == [[0, 0], [-1, -1], [2, -1]]


def test_taking_tokens_equals_a_loop_and_unwanted_places_become_padding():
    tokens = some_tokens()
    ids = torch.tensor([[2, 0], [3, 3], [0, 1]])
    wanted = torch.tensor([[True, True], [True, False], [True, False]])
    taken = tokens.take(ids, wanted)
    for b in range(3):
        for m in range(2):
            for part in ("content", "pos", "origin", "unit"):
                assert torch.equal(getattr(taken, part)[b, m], getattr(tokens, part)[b, ids[b, m]])
            assert taken.segment[b, m] == (tokens.segment[b, ids[b, m]] if wanted[b, m] else 0)
    assert torch.equal(tokens.take(ids).segment, tokens.segment.gather(1, ids))


def test_taking_keeps_density_only_where_nothing_becomes_padding():
    tokens = some_tokens(torch.ones(2, 4, dtype=torch.long), dense=True)
    ids = torch.zeros(2, 1, dtype=torch.long)
    assert tokens.take(ids).dense
    assert not tokens.take(ids, torch.ones(2, 1).bool()).dense


@pytest.mark.parametrize("valid", [None, torch.tensor([[True, False], [True, True], [False, False]])])
def test_replacing_equals_a_loop_and_touches_content_only(valid):
    tokens, vector = some_tokens(), torch.full((5,), 9.0)
    ids = torch.tensor([[2, 0], [3, 1], [0, 1]])
    replaced = tokens.replace(ids, vector, valid)
    expected = tokens.content.clone()
    for b in range(3):
        for m in range(2):
            if valid is None or valid[b, m]:
                expected[b, ids[b, m]] = vector
    assert torch.equal(replaced.content, expected)
    assert all(getattr(replaced, part) is getattr(tokens, part) for part in ("segment", "pos", "origin", "unit"))


def test_replacing_twice_named_tokens_counts_when_any_of_the_names_counts():
    tokens, vector = some_tokens(), torch.full((5,), 9.0)
    ids = torch.tensor([[1, 1], [1, 1], [1, 1]])
    for flags in ([True, False], [False, True]):
        replaced = tokens.replace(ids, vector, torch.tensor([flags] * 3))
        assert torch.equal(replaced.content[:, 1], vector.expand(3, 5))


def test_shuffling_moves_content_and_leaves_places():
    tokens = some_tokens()
    ids = torch.tensor([[3, 2, 1, 0]] * 3)
    moved = tokens.shuffle(ids)
    assert torch.equal(moved.content, tokens.content.flip(1))
    assert moved.pos is tokens.pos
    assert moved.origin is tokens.origin


def test_tokens_side_by_side_keep_all_their_parts():
    first, second = some_tokens(), some_tokens()
    both = first.cat(second)
    for part in ("content", "segment", "pos", "origin", "unit"):
        assert torch.equal(getattr(both, part), torch.cat([getattr(first, part), getattr(second, part)], 1))
    assert isinstance(both, Tokens)
    assert not both.dense


@given(segments(), st.data())
def test_rows_of_a_packed_batch_bring_their_documents(segment, data):
    batch = a_batch(segment)
    index = data.draw(st.lists(st.integers(0, len(segment) - 1), min_size=1, max_size=4))
    some = batch.rows_at(torch.tensor(index))
    records = []
    for b in index:
        seen = document_index(segment)[b]
        records += batch.facts.record[seen[seen >= 0].unique()].tolist()
    assert some.facts.record.tolist() == records
    assert torch.equal(some.facts.label, (some.facts.record - 100) * 2)
    assert torch.equal(some.x, batch.x[index])
    assert torch.equal(some.target.values, batch.target.values[index])
    assert len(pool_segments(torch.randn(*some.segment.shape, 2), some.segment, dense=False)) == len(records)


def test_batches_one_below_the_other_keep_rows_facts_and_targets():
    first, second = a_batch(), a_batch()
    both = cat_batches([first, second])
    assert both.rows == 6
    assert torch.equal(both.facts.record, torch.cat([first.facts.record, second.facts.record]))
    assert torch.equal(both.target.values, torch.cat([first.target.values, second.target.values]))
    assert both.facts.group is None
    assert cat_batches([first]) is first


def test_a_fact_or_target_that_one_batch_lacks_is_dropped_for_all():
    first = a_batch()
    second = replace(a_batch(), target=None, facts=replace(first.facts, label=None))
    both = cat_batches([first, second])
    assert both.target is None
    assert both.facts.label is None


def test_batches_of_tuples_are_joined_part_by_part():
    pair = (torch.ones(3, 2), torch.zeros(3, 7))
    both = cat_batches([a_batch(x=pair), a_batch(x=pair)])
    assert [tuple(part.shape) for part in both.x] == [(6, 2), (6, 7)]
    assert a_batch(x=pair).shape == ("toy", 4, ((2,), (7,)))


def test_a_batch_moves_whole():
    moved = a_batch().to("meta")
    assert {moved.x.device.type, moved.facts.record.device.type, moved.target.values.device.type} == {"meta"}


def test_ragged_representations_are_filled_up_with_zeros_on_joining():
    first = Representation({"z": torch.ones(2, 3, 2), "counts": torch.ones(2, 3).bool(), "one": torch.ones(2)})
    second = Representation({"z": torch.ones(1, 5, 2), "counts": torch.ones(1, 5).bool(), "one": torch.ones(1)})
    both = cat_representations([first, second])
    assert both["z"].shape == (3, 5, 2)
    assert both["z"][:2, 3:].eq(0).all()
    assert both["z"].sum() == 22
    assert both["counts"].sum(1).tolist() == [3, 3, 5]
    assert both["counts"].dtype == torch.bool
    assert both["one"].tolist() == [1, 1, 1]
