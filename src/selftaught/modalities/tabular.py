"""How the rows of a table become records: lists of numbers, recordings of a long format, texts, or the rows themselves.

What was asked for decides; where nothing was, what the columns look like does, the most particular way first.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from selftaught.core.errors import DataError
from selftaught.data.files import SUFFIXES, is_junk
from selftaught.data.findings import name_some
from selftaught.data.labels import SPLITS
from selftaught.data.location import is_remote
from selftaught.data.records import Listing, Table, stamp_value
from selftaught.data.tables import TABLE_SUFFIXES, CellReader, choose_column, read_table, row_ids
from selftaught.modalities.series.choose import choose_time
from selftaught.modalities.series.read import to_numbers, to_seconds

TEXT_NAMES = ("text", "sentence", "document", "body", "content", "utterance")
RECORDING_NAMES = (
    *("recording", "recording_id", "series", "series_id", "sequence", "sequence_id", "unique_id"),
    *("trial", "session", "case", "id"),
)
COUNTERS = frozenset({"index", "step"})
"""Names of times that the numbers of a table's rows have too."""

PART = "split"
"""The column that names the part of a row, where tables were joined."""
HEAD = 200
PROSE_WORDS = 3.0
"""Words that a text has on average, at least."""
FEW = 3
"""Columns that a text may have beside it; where there are more, the rows are the records."""
MOSTLY = 0.8
ALIKE = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """A table and what is known of it. names: columns that may be inputs. asked: the kind of data was. sure: it was, or
    the column."""

    table: Table
    kind: str
    names: tuple[str, ...]
    id_column: str | None
    asked: bool
    sure: bool


def arrange(
    table: Table,
    kind: str,
    *,
    reads: frozenset[str] | None = None,
    column: str | None = None,
    id_column: str | None = None,
    apart: Collection[str] = (),
) -> Listing:
    """The records of a table that names no files. kind: what it is, such as "csv table".

    reads: what the modality that was asked for can read, None where the data decides. apart: columns that must stay out
    of the records: labels, groups and splits. Raises DataError where the table has nothing of what was asked for.
    """
    names = tuple(name for name in table.names if name not in (*apart, id_column, table.split))
    for each in (column, id_column):
        choose_column(table, (), (), each)  # which refuses what is not there
    look = Look(
        table=table,
        kind=kind,
        names=names if column is None else (column,),
        id_column=id_column,
        asked=reads is not None,
        sure=reads is not None or column is not None,
    )
    ways = {"arrays": list_arrays, "series": list_recordings, "text": list_texts, "rows": list_cells}
    for way, build in ways.items():
        found = build(look) if reads is None or way in reads else None
        if found is not None:
            return replace(found, split=table.split)
    named = " or ".join(sorted(reads or ways))
    if column is not None:
        empty = all(_is_missing(cell) for cell in table.column(column))
        why = "all its cells are empty" if empty else f"it names no files that exist, and cannot be read as {named}"
        raise DataError(f"Column {column!r} of the {kind} holds no records: {why}. Name another one with --column.")
    raise DataError(
        f"No column of the {kind} names files that exist, and none can be read as {named}; it has "
        f"{', '.join(table.names)}. Name the column with --column, or the kind of data with --modality."
    )


def join_parts(data: Any) -> Any:
    """The tables of a folder that are named for their parts, such as train.csv and test.csv, as one; else `data`.

    Only a few texts (README.txt) may lie beside them, and they share half of their columns or more. One that lacks
    some, such as a test.csv without labels, is no part to be tested on: its rows are more to learn from.
    """
    if not isinstance(data, (str, Path)) or is_remote(data) or not Path(data).is_dir():
        return data
    files = [path for path in sorted(Path(data).iterdir()) if not is_junk(path.name)]
    known = {path: SPLITS.get(path.stem.lower()) for path in files if path.suffix.lower() in TABLE_SUFFIXES}
    texts = [path for path in files if path.suffix.lower() in SUFFIXES["texts"]]
    few = len(known) > 1 and len(texts) <= len(known) and len(texts) + len(known) == len(files)
    if not few or None in known.values():
        return data
    tables = [read_table(path) for path in known]
    names = list(dict.fromkeys(name for table in tables for name in table.names))
    shared = set(names).intersection(*(table.names for table in tables))
    if 2 * len(shared) < len(names) or PART in names:
        return data
    whole = [
        part if set(names) == set(table.names) else None for table, part in zip(tables, known.values(), strict=True)
    ]
    parts = [part for table, part in zip(tables, whole, strict=True) for _ in range(table.rows)]

    def column(name: str) -> list[Any]:
        if name == PART:
            return parts
        cells = [table.column(name) if name in table.names else [None] * table.rows for table in tables]
        return [cell for part in cells for cell in part]

    kind = f"{' and '.join(path.name for path in known)}, a table"
    return Table(names=(*names, PART), rows=len(parts), column=column, kind=kind, split=PART)


def list_arrays(look: Look) -> Listing | None:
    """Records that are lists of numbers, or several lists by name; None where no column holds lists."""
    lists = [name for name in look.names if _holds_lists(look.table.column(name))]
    if not lists:
        return None
    columns = [[_as_array(cell) for cell in look.table.column(name)] for name in lists]
    return Listing(
        ids=row_ids(look.table, look.id_column),
        stamps=["".join(map(stamp_value, row)) for row in zip(*columns, strict=True)],
        read=CellReader(columns[0]) if len(lists) == 1 else RowReader(tuple(lists), columns),
        kind=f"{look.kind} of {look.table.rows:,} rows with lists in {name_some(lists)}",
        table=look.table,
    )


def list_recordings(look: Look) -> Listing | None:
    """Recordings of a long format: rows of one id, or all rows where a regular time says that they are one.

    None where there is neither.
    """
    key = _recording_column(look)
    names = [name for name in look.names if name != key]
    if key is None and (look.id_column is not None or not (look.asked or _is_one_recording(look))):
        return None
    columns = {name: _as_column(look.table.column(name)) for name in names}
    ids, owner = _number(look.table, key)
    order = np.argsort(owner, kind="stable")
    bounds = np.searchsorted(owner[order], np.arange(len(ids) + 1)).tolist()
    slices = [order[low:high] for low, high in pairwise(bounds)]
    parts = [{name: column[own] for name, column in columns.items()} for own in slices]
    if not names or not (look.asked or key == look.id_column or any(map(_has_clock, parts[:8]))):
        return None
    by = f"{len(ids):,} recordings by column {key!r}" if key else "one recording"
    return Listing(
        ids=ids,
        stamps=[_stamp(part) for part in parts],
        read=parts.__getitem__,
        kind=f"{look.kind} of {look.table.rows:,} rows, {by}",
        table=Table(names=look.table.names, rows=len(ids), column=partial(_one_each, look.table, ids, owner)),
    )


def list_texts(look: Look) -> Listing | None:
    """Texts of the one column that holds prose; None where rows have many other columns, or no prose.

    Raises DataError where several columns could each be it.
    """
    known = _find_texts(look, False) or (_find_texts(look, True) if look.sure else {})
    named = [name for each in TEXT_NAMES for name in known if name.lower() == each]
    prose = [name for name, count in known.items() if count >= PROSE_WORDS or len(look.names) == 1]
    if not known or not (named or look.sure or 0 < len(prose) >= len(look.names) - FEW):
        return None
    if len(prose) > 1 and not (named or look.sure):
        raise DataError(
            f"Columns {name_some(prose)} of the {look.kind} could each hold the text. Name one with --column, or read "
            "whole rows with --modality table."
        )
    name = named[0] if named else max(known, key=known.__getitem__)
    cells = look.table.column(name)
    return Listing(
        ids=row_ids(look.table, look.id_column),
        stamps=[stamp_value(cell) for cell in cells],
        read=CellReader(cells),
        kind=f"{look.kind} of {look.table.rows:,} rows with text in column {name!r}",
        table=look.table,
    )


def list_cells(look: Look) -> Listing | None:
    """The rows themselves, as mappings from column to cell; None where no column is left."""
    columns = [look.table.column(name) for name in look.names]
    if not columns:
        return None
    return Listing(
        ids=row_ids(look.table, look.id_column),
        stamps=[stamp_value(row) for row in zip(*columns, strict=True)],
        read=RowReader(look.names, columns),
        kind=f"{look.kind} of {look.table.rows:,} rows",
        table=look.table,
    )


@dataclass(frozen=True)
class RowReader:
    """Reads rows of columns that are in memory already."""

    names: tuple[str, ...]
    columns: Sequence[Sequence[Any]] = field(repr=False)

    def __call__(self, index: int) -> dict[str, Any]:
        return {name: cells[index] for name, cells in zip(self.names, self.columns, strict=True)}


def _holds_lists(cells: Sequence[Any]) -> bool:
    known = [cell for cell in cells[:HEAD] if cell is not None]
    return bool(known) and all(isinstance(cell, (list, tuple, np.ndarray)) for cell in known)


def _as_array(cell: Any) -> Any:
    """A list as an array; what is no rectangle of numbers stays, and is explained when it is decoded."""
    try:
        array = cell if cell is None else np.asarray(cell)
        return np.asarray(cell, np.float64) if array is not None and array.dtype.kind == "O" else array
    except (TypeError, ValueError):
        return cell


def _as_column(cells: Sequence[Any]) -> np.ndarray:
    """Cells as float64 where all are numbers or missing, else as they are."""
    column = np.empty(len(cells), object)
    column[:] = cells
    numbers = to_numbers(column)
    return column if numbers is None else numbers


def _recording_column(look: Look) -> str | None:
    """The column that says which recording a row is of: each of its values comes at least twice on average."""
    usual = [name for each in RECORDING_NAMES for name in look.names if name.lower() == each]
    wanted = [look.id_column] if look.id_column is not None else usual
    for name in wanted:
        cells = look.table.column(name)
        if 2 * len({str(cell) for cell in cells}) <= len(cells):
            return name
    return None


def _number(table: Table, key: str | None) -> tuple[list[str], Int[np.ndarray, " rows"]]:
    """Ids of the recordings in the order of their first rows, and which of them every row is of."""
    if key is None:
        return ["recording"], np.zeros(table.rows, np.int64)
    number: dict[str, int] = {}
    cells = table.column(key)
    without = [place for place, cell in enumerate(cells) if _is_missing(cell)]
    if without:
        raise DataError(f"{len(without):,} rows have no {key!r}, so they belong to no recording. Remove them.")
    owner = [number.setdefault(str(cell), len(number)) for cell in cells]
    return list(number), np.array(owner, np.int64)


def _is_missing(cell: Any) -> bool:
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return not cell if isinstance(cell, str) else isinstance(cell, float) and math.isnan(cell)


def _one_each(table: Table, ids: Sequence[str], owner: np.ndarray, name: str) -> list[Any]:
    """The one value that each recording has in a column, None where it has none. Raises DataError where it has two."""
    found: list[Any] = [None] * len(ids)
    for place, cell in zip(owner.tolist(), table.column(name), strict=True):
        if _is_missing(cell):
            continue
        if found[place] is not None and found[place] != cell:
            raise DataError(
                f"Recording {ids[place]!r} has several values in column {name!r}, such as {found[place]!r} and "
                f"{cell!r}. Give each stretch of one value an id of its own."
            )
        found[place] = cell
    return found


def _clock(part: Mapping[str, np.ndarray]) -> tuple[str, np.ndarray]:
    """The name of the time column, "" without one, and the steps between the rows' times."""
    time = choose_time([part])
    seconds = to_seconds(part[time]) if time else None
    return time, np.diff(seconds[np.isfinite(seconds)]) if seconds is not None else np.zeros(0)


def _has_clock(part: Mapping[str, np.ndarray]) -> bool:
    steps = _clock(part)[1]
    return len(steps) > 0 and float((steps > 0).mean()) >= MOSTLY


def _is_one_recording(look: Look) -> bool:
    """Whether rows follow each other in regular time, with numbers alone beside it."""
    heads = {name: _as_column(look.table.column(name)[:HEAD]) for name in look.names}
    time, steps = _clock(heads)
    if not time or time.lower() in COUNTERS or len(steps) < 2 or len(heads) < 2:
        return False
    usual = float(np.median(steps))
    regular = float((np.abs(steps - usual) <= ALIKE * abs(usual)).mean()) >= MOSTLY
    others = [column for name, column in heads.items() if name != time]
    return usual > 0 and regular and all(to_numbers(column) is not None for column in others)


def _find_texts(look: Look, sure: bool) -> dict[str, float]:
    """The columns of texts and their mean number of words."""
    words = {name: _count_words(look.table.column(name), sure) for name in look.names}
    return {name: count for name, count in words.items() if count > 0}


def _count_words(cells: Sequence[Any], sure: bool) -> float:
    """Mean number of words of some cells, evenly spread; 0 where most are no texts.

    sure: whether any text will do; else they must have letters and be mostly different.
    """
    some = [cells[place * len(cells) // HEAD] for place in range(HEAD)] if len(cells) > HEAD else list(cells)
    known = [cell for cell in some if not _is_missing(cell)]
    texts = [cell for cell in known if isinstance(cell, str)]
    if not sure:
        texts = [text for text in texts if any(letter.isalpha() for letter in text[:HEAD])]
    if 2 * len(texts) <= len(known) or not (sure or 2 * len(set(texts)) > len(texts)):
        return 0.0
    return max(0.01, sum(len(text[:10_000].split()) for text in texts) / len(texts))


def _stamp(part: Mapping[str, np.ndarray]) -> str:
    """A digest of a recording's columns."""
    digest = hashlib.blake2b(digest_size=8)
    for name, column in part.items():
        digest.update(f"{name}{column.dtype}".encode())
        digest.update(repr(column.tolist()).encode() if column.dtype.kind == "O" else column.tobytes())
    return digest.hexdigest()
