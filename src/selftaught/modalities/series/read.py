"""From whatever a source hands over to columns of numbers: cells of text, dates, arrays, files of one recording.

Shape letters: T time steps, C channels.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from selftaught.core.errors import DataError
from selftaught.data.tables import read_table

MISSING = frozenset({"", "na", "n/a", "nan", "nat", "null", "none", "?", "-"})
SUFFIXES = (".csv", ".tsv", ".parquet", ".pq")
Raw = Mapping[str, np.ndarray] | np.ndarray


def read_value(value: Any, name: str) -> Raw:
    """The recording that a record holds: columns by name, or an array of numbers with one or two axes.

    name: of the file, where the value is its bytes. Raises DataError for anything else.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = _read_file(bytes(value), name)
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.ndim in (1, 2):
        return value
    columns = {str(key): np.asarray(cells) for key, cells in value.items()} if isinstance(value, Mapping) else {}
    if not columns or {cells.ndim for cells in columns.values()} != {1} or len(set(map(len, columns.values()))) > 1:
        given = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        raise DataError(
            f"A recording is an array of numbers (time, channels), equally long columns, or their file; got {given}. "
            f"Name the id column of a long-format table with --id-column, or use --modality table."
        )
    return columns


def to_numbers(cells: np.ndarray) -> Float[np.ndarray, " t"] | None:
    """Cells as float64, NaN where missing; None where one of them is no number."""
    if cells.dtype.kind in "biuf":
        return cells.astype(np.float64)
    if cells.dtype.kind in "mM":
        return None
    try:
        return np.array([np.nan if is_missing(cell) else float(cell) for cell in cells.tolist()], np.float64)
    except (TypeError, ValueError):
        return None


def to_seconds(cells: np.ndarray) -> Float[np.ndarray, " t"] | None:
    """Times: dates (ISO 8601) as seconds since 1970, numbers in their own unit, NaN where missing; None for others.

    A date without a zone is taken as UTC.
    """
    numbers = to_numbers(cells)
    if numbers is not None:
        return numbers
    found = [_moment(cell) for cell in (cells.astype("datetime64[us]") if cells.dtype.kind == "M" else cells).tolist()]
    return None if None in found else np.array(found, np.float64)


def is_missing(cell: Any) -> bool:
    """Whether a cell stands for a value that was not observed."""
    return cell.strip().lower() in MISSING if isinstance(cell, str) else cell is None or bool(cell != cell)


def _moment(cell: Any) -> float | None:
    if is_missing(cell):
        return float("nan")
    try:
        moment = datetime.fromisoformat(str(cell).strip())
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


def _read_file(content: bytes, name: str) -> Mapping[str, np.ndarray]:
    suffix = ".parquet" if content[:4] == b"PAR1" else PurePosixPath(name).suffix.lower()
    if suffix not in SUFFIXES or not content.strip():
        raise DataError(f"A recording's file must be one of {', '.join(SUFFIXES)} and not empty; got {name!r}.")
    if suffix in (".csv", ".tsv"):
        plain = read_plain(content, "\t" if suffix == ".tsv" else ",")
        if plain is not None:
            return {str(place): column for place, column in enumerate(plain.T)}
    table = read_table(content, suffix)
    return {column: np.asarray(table.column(column)) for column in table.names}


def read_plain(content: bytes, separator: str) -> Float[np.ndarray, "t c"] | None:
    """A text table without a header, whose first line is numbers already; None for one with a header."""
    first = content[: 1 << 20].split(b"\n", 1)[0].decode("utf-8-sig", "replace").strip()
    head = to_numbers(np.array(first.split(separator), object))
    if head is None or np.isnan(head).all():
        return None
    try:
        lines = [line for line in csv.reader(content.decode("utf-8-sig").splitlines(), delimiter=separator) if line]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise DataError(f"The file is not readable text: {problem}. Save it as UTF-8.") from problem
    numbers = to_numbers(np.array([cell for line in lines for cell in line], object))
    if numbers is None or any(len(line) != len(head) for line in lines):
        raise DataError(f"Not every line holds {len(head)} numbers as the first one does. Correct the others.")
    return numbers.reshape(len(lines), len(head))
