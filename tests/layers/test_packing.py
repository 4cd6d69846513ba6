"""Rows that hold many lengths: no overlap, none half empty."""

from hypothesis import given
from hypothesis import strategies as st

from selftaught.layers.packing import fit_rows


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(30, 50))
def test_no_two_lengths_overlap_and_none_leaves_its_row(lengths, room):
    row, start, rows = fit_rows(lengths, room)
    taken = [set() for _ in range(rows)]
    for length, own, first in zip(lengths, row, start, strict=True):
        places = set(range(first, first + length))
        assert not places & taken[own]
        assert first + length <= room
        taken[own] |= places
    # All rows but the last are more than half full: two that are not would have been one.
    assert sum(2 * len(each) <= room for each in taken) <= 1
