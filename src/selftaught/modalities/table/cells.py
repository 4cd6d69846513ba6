"""Rows as fixed arrays: one number per cell token, whatever the column holds.

Shape letters: N cell tokens, C columns that are named rather than measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from selftaught.core.errors import DataError
from selftaught.modalities.table.kinds import (
    LEFT_OUT,
    Columns,
    Kind,
    clean_cell,
    name_of,
    number_of_name,
    read_flag,
    read_moment,
    read_number,
)

Role = Literal["number", "count", "angle", "class", "word"]

BUCKETS = 512
"""Hashed words; two words of a column meet in one bucket now and then."""
NAME_BYTES = 24
"""Bytes of a name that are kept for a person to read."""
EPOCH = datetime(1970, 1, 1).toordinal()

_NUMBER: tuple[tuple[str, Role], ...] = (("", "number"),)
_DAYS: tuple[tuple[str, Role], ...] = (("date", "number"), ("day of week", "angle"), ("day of year", "angle"))
_CLOCK: tuple[tuple[str, Role], ...] = (("time of day", "angle"),)
_CLASS: tuple[tuple[str, Role], ...] = (("", "class"),)
PARTS: Mapping[str, tuple[tuple[str, Role], ...]] = {
    "continuous": _NUMBER,
    "ordinal": _NUMBER,
    "count": (("", "count"),),
    "boolean": _CLASS,
    "categorical": _CLASS,
    "date": _DAYS,
    "time": _CLOCK,
    "datetime": (*_DAYS, *_CLOCK),
}
NAMED = frozenset({"categorical", "text"})
MEASURED = frozenset({"continuous", "ordinal", "count", "boolean"})


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One token of a row. part: what of the column it is, "" for all of it. role: what its number means. unit: place of
    its column among those in use; the parts of a date share one, so that they are dropped and swapped together."""

    column: str
    part: str
    kind: Kind
    role: Role
    unit: int

    @property
    def name(self) -> str:
        """Column and part."""
        return f"{self.column} ({self.part})" if self.part else self.column


def parts_of(kind: Kind, words: int) -> tuple[tuple[str, Role], ...]:
    """The cell tokens that a column of this kind becomes."""
    if kind == "text":
        return tuple((f"word {place + 1}", "word") for place in range(words))
    return PARTS[kind]


@lru_cache(maxsize=16)
def cells_of(columns: Columns, words: int) -> tuple[Cell, ...]:
    """The cell tokens of a table, column by column; constants and identifiers have none."""
    used = [(column, kind) for column, kind in columns if kind not in LEFT_OUT]
    return tuple(
        Cell(column=column, part=part, kind=kind, role=role, unit=unit)
        for unit, (column, kind) in enumerate(used)
        for part, role in parts_of(kind, words)
    )


def column_name(place: int) -> str:
    """What the columns of an array are called."""
    return f"x{place}"


def row_of(value: Any) -> Mapping[str, Any]:
    """A record as a mapping from column to cell. Raises DataError for what is no row."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "biuf":
        return {column_name(place): cell for place, cell in enumerate(value)}
    what = f"an array {value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
    raise DataError(f"a table needs rows: a mapping from column to cell, or a line of numbers; this is {what}")


def decode_row(value: Any, columns: Columns, words: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """cells (N,) float64 with NaN where missing, names (C, 24) uint8 (UTF-8, cut) and codes of what was odd.

    A number stays as it is; a category is the hash of its name; a word its bucket; a time its days since 1970 and
    angles in radians. Raises DataError for what is no row of these columns.
    """
    kinds = {kind for _, kind in columns} - LEFT_OUT
    if isinstance(value, np.ndarray) and value.ndim == 1 and len(value) != len(columns):
        raise DataError(f"this row has {len(value)} columns, the table has {len(columns)}")
    if isinstance(value, np.ndarray) and kinds <= MEASURED and value.ndim == 1 and value.dtype.kind in "biuf":
        return _decode_numbers(value, columns)
    row, findings = row_of(value), set[str]()
    absent = [column for column, kind in columns if kind not in LEFT_OUT and column not in row]
    if len(absent) == sum(kind not in LEFT_OUT for _, kind in columns):
        raise DataError(f"this row has none of the table's columns {', '.join(absent[:5])}; it has {_heads(row)}")
    if absent:
        findings.add("column-missing")
    cells: list[float] = []
    names: list[bytes] = []
    for column, kind in columns:
        if kind in LEFT_OUT:
            continue
        cell = clean_cell(row.get(column))
        if kind == "text":
            cells += read_words(cell, words)
        else:
            cells += _read(cell, kind, findings)
        if kind in NAMED:
            names.append(b"" if cell is None else name_of(cell)[:NAME_BYTES].encode("utf-8", "replace")[:NAME_BYTES])
    joined = b"".join(name.ljust(NAME_BYTES, b"\0") for name in names)
    shown = np.frombuffer(joined, np.uint8).reshape(len(names), NAME_BYTES).copy()
    return np.array(cells, np.float64), shown, tuple(sorted(findings))


def _heads(row: Mapping[str, Any]) -> str:
    return ", ".join(list(row)[:5]) or "none"


def _decode_numbers(value: np.ndarray, columns: Columns) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    used = [place for place, (_, kind) in enumerate(columns) if kind not in LEFT_OUT]
    cells = value[used].astype(np.float64)
    infinite = np.isinf(cells)
    cells[infinite] = np.nan
    return cells, np.zeros((0, NAME_BYTES), np.uint8), ("infinite-cell",) if infinite.any() else ()


def _read(cell: Any, kind: Kind, findings: set[str]) -> list[float]:
    """The numbers of one cell, NaN where it is missing or cannot be read."""
    nothing = [math.nan] * len(PARTS[kind])
    if cell is None:
        return nothing
    if kind == "categorical":
        return [number_of_name(name_of(cell))]
    if kind in ("datetime", "date", "time"):
        moment = read_moment(cell)
        found = None if moment is None else split_moment(moment)
        if found is None:
            findings.add("not-a-time")
            return nothing
        return [found[part] for part, _ in PARTS[kind]]
    number = read_flag(cell) if kind == "boolean" else read_number(cell)
    if number is None or (kind == "count" and number < 0):
        findings.add({"boolean": "not-a-flag", "count": "not-a-count"}.get(kind, "not-a-number"))
        return nothing
    if math.isinf(number):
        findings.add("infinite-cell")
        return nothing
    return [number]


def split_moment(moment: datetime | time) -> dict[str, float]:
    """date: days since 1970; the others are angles in radians; NaN where a time of day has no date."""
    clock = (moment.hour + moment.minute / 60 + moment.second / 3600) / 24
    if isinstance(moment, time):
        nowhere = {"date": math.nan, "day of week": math.nan, "day of year": math.nan}
        return {**nowhere, "time of day": _angle(clock)}
    return {
        "date": moment.toordinal() - EPOCH + clock,
        "day of week": _angle(moment.weekday() / 7),
        "day of year": _angle((moment.timetuple().tm_yday - 1) / 366),
        "time of day": _angle(clock),
    }


def _angle(share: float) -> float:
    return math.tau * share - math.pi


def read_words(cell: Any, count: int) -> list[float]:
    """The buckets of a text's first words, NaN where it has fewer."""
    words = [] if cell is None else name_of(cell)[:1000].lower().split()[:count]
    return [number_of_name(word) % BUCKETS for word in words] + [math.nan] * (count - len(words))


def count_words(cell: Any) -> int:
    """Words of a cell as they come, 0 where it is missing."""
    cleaned = clean_cell(cell)
    return 0 if cleaned is None else len(name_of(cleaned)[:1000].split())


def named_places(layout: Sequence[Cell]) -> list[int]:
    """The first token of every column whose names are kept, in the order in which they are kept."""
    first: dict[int, int] = {}
    for place, cell in enumerate(layout):
        if cell.kind in NAMED:
            first.setdefault(cell.unit, place)
    return list(first.values())
