"""Tables: CSV, TSV, JSON lines, Parquet, Arrow and data frames, whose rows hold records or say where they lie."""

from __future__ import annotations

import csv
import json
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from selftaught.core.errors import DataError
from selftaught.data.files import SUFFIXES
from selftaught.data.findings import name_some, note
from selftaught.data.location import exists, is_remote, open_binary, open_text, read_bytes, stamp_of, suffix_of
from selftaught.data.records import Arrange, Listing, Table, clean_id, stamp_value

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".pq", ".arrow", ".feather"})
FILES = frozenset[str]().union(*SUFFIXES.values())
PATH_NAMES = ("path", "file", "filename", "file_name", "filepath", "image", "image_path", "img", "picture", "audio")
BYTES_NAMES = ("image", "bytes", "img", "picture", "audio", "data", "content")

DECIMAL = re.compile(r"^\s*([+-]?\d+),(\d+(?:[eE][+-]?\d+)?)\s*$")
"""A number with a decimal comma."""

BLOCK_ROWS = 256
BLOCKS_KEPT = 8


def read_table(place: str | Path | bytes, suffix: str | None = None) -> Table:
    """The columns of a table file; those of Parquet are read one by one, the others at once and as text."""
    suffix = suffix_of(place) if suffix is None and not isinstance(place, bytes) else suffix
    if suffix in (".parquet", ".pq"):
        file = open_parquet(place)
        return Table(names=tuple(file.schema_arrow.names), rows=file.metadata.num_rows, column=partial(_column, place))
    try:
        if suffix in (".arrow", ".feather"):
            content = place if isinstance(place, bytes) else read_bytes(place)
            return frame_table(pyarrow.ipc.open_file(pyarrow.BufferReader(content)).read_all())
        with open_text(place) as text:
            columns = _json_columns(text) if suffix in (".jsonl", ".ndjson") else _csv_columns(text, suffix == ".tsv")
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError, pyarrow.ArrowException) as problem:
        name = "the table" if isinstance(place, bytes) else repr(str(place))
        raise DataError(f"{name} is not a readable {suffix} table: {problem}. Save it again, as UTF-8.") from problem
    rows = len(next(iter(columns.values()), ()))
    return Table(names=tuple(columns), rows=rows, column=columns.__getitem__)


def _csv_columns(text: Any, tabs: bool) -> dict[str, list[Any]]:
    csv.field_size_limit(1 << 30)  # of the whole process; a text may be longer than the usual 131,072 characters
    first = text.readline()
    text.seek(0)
    # A spreadsheet of a country with decimal commas writes semicolons between its cells.
    mark = "\t" if tabs else ";" if ";" in first and "," not in first else ","
    lines = csv.reader(text, delimiter=mark, strict=True)
    names = next(lines, [])
    if len(set(names)) < len(names):
        raise DataError(f"The table names a column twice: {', '.join(names)}. Rename one.")
    columns: list[list[str]] = [[] for _ in names]
    for cells in lines:
        if not cells:
            continue
        if len(cells) != len(names):
            raise DataError(f"Line {lines.line_num} has {len(cells)} cells; the first line names {len(names)} columns.")
        for column, cell in zip(columns, cells, strict=True):
            column.append(DECIMAL.sub(r"\1.\2", cell) if mark == ";" else cell)
    return dict(zip(names, columns, strict=True))


def _json_columns(text: Any) -> dict[str, list[Any]]:
    rows = [json.loads(line) for line in text if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise DataError("Every line of a JSONL table is an object of named values; some lines are not.")
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def open_parquet(place: str | Path | bytes) -> Any:
    """A Parquet file open for reading; DataError if it is none."""
    file: Any = place
    try:
        if isinstance(place, bytes):
            file = pyarrow.BufferReader(place)
        elif is_remote(place):
            file = open_binary(place)
        return pyarrow.parquet.ParquetFile(file, memory_map=file is place, buffer_size=1 << 20, pre_buffer=False)
    except (pyarrow.ArrowException, OSError) as problem:
        name = "the table" if isinstance(place, bytes) else repr(str(place))
        raise DataError(f"{name} is not a readable Parquet file; copy it again. {problem}") from problem


def _column(place: str | Path | bytes, name: str) -> list[Any]:
    return list(open_parquet(place).read(columns=[name]).column(0).to_pylist())


@dataclass
class ParquetReader:
    """Reads one column of a Parquet file by row, a block at a time, so that a huge row group is never in memory."""

    place: str | Path
    column: str
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    blocks: OrderedDict[int, list[Any]] = field(default_factory=OrderedDict, repr=False)
    ahead: Iterator[list[Any]] = field(default=iter(()), repr=False)
    following: int = field(default=1 << 62, repr=False)

    def __call__(self, index: int) -> Any:
        block, row = divmod(index, BLOCK_ROWS)
        with self.lock:
            if block not in self.blocks:
                self._fetch(block)
            cell = self.blocks[block][row]
        return cell_bytes(cell)

    def _fetch(self, block: int) -> None:
        """Brings a block in: by reading on when it lies just ahead, else from the start of its row group."""
        if not 0 <= block - self.following < BLOCKS_KEPT:
            self.ahead, self.following = self._from(block), block
        while block not in self.blocks:
            try:
                cells = next(self.ahead, [])
            except (pyarrow.ArrowException, OSError) as problem:
                raise DataError(f"Row {block * BLOCK_ROWS} of {self.place} cannot be read: {problem}.") from problem
            self.blocks[self.following] = cells
            self.following += 1
            if len(self.blocks) > BLOCKS_KEPT:
                self.blocks.popitem(last=False)

    def _from(self, block: int) -> Iterator[list[Any]]:
        """Blocks from `block` on, re-cut to BLOCK_ROWS where row groups end elsewhere."""
        file = open_parquet(self.place)
        starts = np.cumsum([0] + [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)])
        group = max(0, int(np.searchsorted(starts, block * BLOCK_ROWS, side="right")) - 1)
        skip = block * BLOCK_ROWS - int(starts[group])
        held: list[Any] = []
        groups = range(group, file.num_row_groups)
        for batch in file.iter_batches(BLOCK_ROWS, row_groups=groups, columns=[self.column]):
            passed = min(skip, len(batch))
            skip -= passed
            held += batch.column(0)[passed:].to_pylist()
            while len(held) >= BLOCK_ROWS:
                yield held[:BLOCK_ROWS]
                held = held[BLOCK_ROWS:]
        yield held

    def __getstate__(self) -> tuple[Any, ...]:
        return self.place, self.column

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.__init__(*state)  # type: ignore[misc]


def cell_bytes(cell: Any) -> Any:
    """The encoded bytes (or array) of a cell: bytes, or the `{bytes, path}` of Hugging Face."""
    value = cell.get("bytes") if isinstance(cell, Mapping) else cell
    if value is None:
        raise DataError("the cell is empty")
    return value


@dataclass(frozen=True)
class PathReader:
    """Reads the files that a column names, relative to the folder of the table."""

    base: str
    paths: Sequence[str] = field(repr=False)

    def __call__(self, index: int) -> bytes:
        return read_bytes(self.place(index))

    def place(self, index: int) -> str:
        """The path or url of a row's file."""
        path = self.paths[index]
        return path if is_remote(path) or Path(path).is_absolute() else f"{self.base}/{path}"


@dataclass(frozen=True)
class CellReader:
    """Reads values that are in memory already."""

    cells: Sequence[Any] = field(repr=False)

    def __call__(self, index: int) -> Any:
        return cell_bytes(self.cells[index])


def list_table(place: str | Path, column: str | None, id_column: str | None, arrange: Arrange | None) -> Listing:
    """The records of a table file: rows with encoded bytes (Parquet), the path of a file, or what `arrange` makes."""
    table = read_table(place)
    if not table.rows:
        raise DataError(f"{str(place)!r} has no rows. Give a table that does.")
    base = str(place).rpartition("/")[0] if is_remote(place) else str(Path(place).parent)
    if suffix_of(place) in (".parquet", ".pq"):
        schema = open_parquet(place).schema_arrow
        encoded = [name for name in schema.names if _holds_bytes(schema.field(name).type)]
        name = choose_column(table, encoded, BYTES_NAMES, column)
        if name is not None and name in encoded:
            version = stamp_of(place)
            return Listing(
                ids=row_ids(table, id_column),
                stamps=[version] * table.rows,
                read=ParquetReader(place, name),
                kind=f"Parquet table of {table.rows:,} rows with encoded files in column {name!r}",
                table=table,
            )
    return _list_columns(table, base, column, id_column, f"{suffix_of(place)[1:]} table", arrange)


def _holds_bytes(kind: Any) -> bool:
    if pyarrow.types.is_struct(kind):
        return any(field.name == "bytes" for field in kind)
    return bool(pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind))


def list_frame(frame: Any, column: str | None, id_column: str | None, arrange: Arrange | None) -> Listing:
    """The records of a frame: cells with bytes, arrays, paths relative to the working folder, or `arrange`'s."""
    table = frame_table(frame)
    if not table.rows:
        raise DataError("The data frame has no rows. Give one that does.")
    held = (bytes, bytearray, np.ndarray, Mapping)
    encoded = [name for name in table.names if any(isinstance(cell, held) for cell in table.column(name)[:20])]
    if arrange is not None and len(encoded) > 1 and column is None:
        return arrange(table, table.kind)
    name = choose_column(table, encoded, BYTES_NAMES, column)
    if name not in encoded:
        return _list_columns(table, ".", column, id_column, table.kind, arrange)
    cells = table.column(name)
    return Listing(
        ids=row_ids(table, id_column),
        stamps=[stamp_value(cell.get("bytes") if isinstance(cell, Mapping) else cell) for cell in cells],
        read=CellReader(cells),
        kind=f"data frame of {table.rows:,} rows with values in column {name!r}",
        table=table,
    )


def frame_table(frame: Any) -> Table:
    """The columns of a pandas or polars frame, or of a pyarrow table; a table of ours as it is."""
    if isinstance(frame, Table):
        return frame
    if isinstance(frame, pyarrow.Table):
        names = tuple(frame.column_names)
        return Table(names=names, rows=len(frame), column=lambda name: list(frame.column(name).to_pylist()))
    known = {str(name): name for name in frame.columns}
    return Table(names=tuple(known), rows=len(frame), column=lambda name: list(frame[known[name]]))


def _list_columns(
    table: Table, base: str, column: str | None, id_column: str | None, kind: str, arrange: Arrange | None
) -> Listing:
    """The files that a column names; where none does, what `arrange` makes of the rows."""
    possible = _path_columns(table, base, choose_column(table, [], [], column))
    if arrange is not None and not possible:
        return arrange(table, kind)
    name = choose_column(table, possible, PATH_NAMES, column)
    if name is None:
        raise DataError(
            f"No column of the {kind} names files that exist below {base!r}; it has {', '.join(table.names)}. "
            "Name the column with --column; its paths are relative to the table's folder."
        )
    paths = [str(cell).strip() for cell in table.column(name)]
    reader = PathReader(base, paths)
    stamps, missing = [], []
    for index, path in enumerate(paths):
        try:
            stamps.append(stamp_of(reader.place(index)) if not is_remote(reader.place(index)) else "remote")
        except DataError:
            stamps.append("missing")
            missing.append(path)
    if len(missing) == len(paths):
        none = f"None of the {len(paths):,} files that column {name!r} names exists below {base!r}"
        raise DataError(f"{none}: {name_some(missing)}. Paths are relative to the table's folder.")
    message = f"{len(missing):,} files named in column {name!r} do not exist: {name_some(missing)}."
    return Listing(
        ids=[clean_id(path) for path in paths] if id_column is None else row_ids(table, id_column),
        stamps=stamps,
        read=reader,
        kind=f"{kind} of {table.rows:,} rows with paths in column {name!r}",
        table=table,
        findings=note("files-missing", missing, message),
    )


def _path_columns(table: Table, base: str, column: str | None) -> list[str]:
    """Columns whose first texts are paths of files that exist; else those that are named and spelled as paths are."""
    found, spelled = [], []
    for name in table.names if column is None else (column,):
        paths = [str(cell).strip() for cell in table.column(name)[:20] if isinstance(cell, (str, Path))]
        if any(map(_is_file, map(PathReader(base, paths).place, range(len(paths))))):
            found.append(name)
        usual = name == column or name.lower() in PATH_NAMES
        if usual and paths and all(suffix_of(path) in FILES for path in paths):
            spelled.append(name)
    return found or spelled


def _is_file(place: str) -> bool:
    """Whether a file is there; behind a url, where it is spelled like one."""
    spelled = suffix_of(place) in FILES and " " not in place
    return spelled and exists(place) if is_remote(place) else os.path.isfile(place)


def choose_column(table: Table, possible: Sequence[str], usual: Sequence[str], column: str | None) -> str | None:
    """The column that holds the records: the one named, else the only possible one, else the one with a usual name."""
    if column is not None:
        if column not in table.names:
            raise DataError(f"There is no column {column!r}; the table has {', '.join(table.names)}.")
        return column
    if len(possible) < 2:
        return possible[0] if possible else None
    named = [name for each in usual for name in possible if name.lower() == each]
    if not named:
        raise DataError(f"Columns {name_some(possible)} could each hold the records. Name one with --column.")
    return named[0]


def row_ids(table: Table, id_column: str | None) -> list[str]:
    """The ids of the rows: the cells of a column, or the rows' numbers."""
    name = choose_column(table, [], [], id_column)
    return list(map(str, range(table.rows) if name is None else map(clean_id, map(str, table.column(name)))))
