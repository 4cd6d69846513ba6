"""Which row each of many lengths goes to, so that few rows hold them all."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence


def fit_rows(lengths: Sequence[int], room: int) -> tuple[list[int], list[int], int]:
    """The row and the first column of each length, and the number of rows of `room` places.

    Best fit, the longest first (Johnson 1974): at most 11/9 of the fewest rows, and a few more.
    """
    row, start = [0] * len(lengths), [0] * len(lengths)
    free: list[tuple[int, int]] = []
    rows = 0
    for index in sorted(range(len(lengths)), key=lambda each: -lengths[each]):
        place = bisect_left(free, (lengths[index], 0))
        if place == len(free):
            left, row[index], rows = room, rows, rows + 1
        else:
            left, row[index] = free.pop(place)
        start[index] = room - left
        insort(free, (left - lengths[index], row[index]))
    return row, start, rows
