"""What a column holds: cells cleaned, numbers and times read from text, kinds inferred from some of the cells."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal

import numpy as np

Kind = Literal[
    "continuous", "count", "ordinal", "categorical", "boolean", "datetime", "date", "time", "text", "constant",
    "identifier",
]  # fmt: skip
Columns = tuple[tuple[str, Kind], ...]
Moment = datetime | time

LEFT_OUT = frozenset({"constant", "identifier"})
MISSING = frozenset({"", "na", "n/a", "nan", "nat", "null", "none", "?", "-", "--", "."})
TRUE, FALSE = frozenset({"true", "yes", "t", "y", "1"}), frozenset({"false", "no", "f", "n", "0"})

SURE = 0.9
"""Share of the cells that must be numbers, or times, for the column to be taken for such."""
FEWEST = 20
"""Cells below which a column is never taken for an identifier."""
LEVELS = 12
"""Most levels of an ordinal column."""
LARGEST_COUNT = 8.0
"""Mean above which whole numbers from 0 on are taken for continuous: a Poisson loss would drown the others."""
FEW = 8
"""Different names up to which a column of names is categorical, however few its cells."""

_COMMAS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?")
_CODE = re.compile(r"0\d+")
_NAMED_ID = re.compile(r"(?:^|[_\W])(?:id|uuid|guid|index|key)$|^unnamed", re.IGNORECASE)
_HEX_ID = re.compile(r"[0-9a-fA-F-]{16,}")
_FORMATS = ("%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y")
_CLOCKS = ("%H:%M", "%H:%M:%S")


def clean_cell(cell: Any) -> Any:
    """The cell as None (missing), bool, float, datetime, time or stripped text; infinity stays, for it is a finding."""
    if cell is None or type(cell).__name__ in ("NaTType", "NAType"):
        return None
    if isinstance(cell, np.datetime64):
        cell = cell.astype("datetime64[us]").item()
    elif isinstance(cell, np.generic):
        cell = cell.item()
    if cell is None or isinstance(cell, (bool, datetime, time)):
        return cell
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day)
    if isinstance(cell, (int, float, Decimal)):
        number = _as_float(cell)
        return None if math.isnan(number) else number
    text = cell.decode("utf-8", "replace") if isinstance(cell, (bytes, bytearray)) else str(cell)
    text = text.strip().lstrip("\ufeff")
    return None if text.lower() in MISSING else text


def _as_float(cell: int | float | Decimal) -> float:
    try:
        return float(cell)
    except OverflowError:
        return math.inf


def name_of(cell: Any) -> str:
    """A cleaned cell as a category: 3, 3.0 and "3" are one, so that CSV and Parquet give the same."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    return cell.isoformat() if isinstance(cell, (datetime, time)) else str(cell)


def number_of_name(name: str) -> float:
    """A 32-bit number for a name (its CRC-32), which float64 holds exactly: a store needs no vocabulary."""
    return float(zlib.crc32(name.encode("utf-8", "replace")))


def read_number(cell: Any) -> float | None:
    """The number that a cleaned cell says, with thousands commas or without; None where it says none."""
    if isinstance(cell, (bool, float)):
        return float(cell)
    if not isinstance(cell, str) or len(cell) > 40 or "_" in cell:
        return None
    try:
        number = float(cell.replace(",", "") if _COMMAS.fullmatch(cell) else cell)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def read_flag(cell: Any) -> float | None:
    """1 for yes, 0 for no, None for anything else."""
    word = name_of(cell).lower()
    return 1.0 if word in TRUE else 0.0 if word in FALSE else None


def read_moment(cell: Any) -> Moment | None:
    """The date, date and time, or time of day of a cleaned cell; a number counts seconds since 1970 (UTC).

    Text is ISO 8601, 2024/03/31, 31.03.2024 or 03/31/2024 (month first), with a time or without.
    """
    if isinstance(cell, (datetime, time)):
        return cell
    if isinstance(cell, float):
        return datetime.fromtimestamp(cell, UTC) if -6e10 < cell < 1e11 else None
    if not isinstance(cell, str) or not 4 <= len(cell) <= 40 or not cell[0].isdigit():
        return None
    for read in (_iso_datetime, _plain_datetime, _iso_time):
        found = read(cell)
        if found is not None:
            return found
    return None


def _iso_datetime(text: str) -> Moment | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _iso_time(text: str) -> Moment | None:
    try:
        return time.fromisoformat(text)
    except ValueError:
        return None


def _plain_datetime(text: str) -> Moment | None:
    for day in _FORMATS:
        for form in (day, *(f"{day} {clock}" for clock in _CLOCKS)):
            try:
                return datetime.strptime(text, form)
            except ValueError:
                continue
    return None


def infer_kind(name: str, cells: Sequence[Any], *, named: bool = True) -> Kind:
    """The kind of a column from some of its cells, in the order of the records.

    named: whether the table names its columns; a column of a plain array is never taken for an identifier.
    """
    known = [cell for cell in map(clean_cell, cells) if cell is not None]
    names = [name_of(cell) for cell in known]
    distinct = len(set(names))
    if distinct <= 1:
        return "constant" if len(known) in (0, len(cells)) else "categorical"
    if {read_flag(cell) for cell in known} == {0.0, 1.0}:
        return "boolean"
    numbers = [number for cell in known if (number := read_number(cell)) is not None]
    coded = any(isinstance(cell, str) and _CODE.fullmatch(cell) for cell in known)
    if len(numbers) >= SURE * len(known) and not coded:
        return _number_kind(name, [number for number in numbers if math.isfinite(number)], named)
    moments = [moment for cell in known if (moment := read_moment(cell)) is not None]
    if len(moments) >= SURE * len(known) and not coded:
        return _moment_kind(moments)
    unique = named and distinct == len(names) >= FEWEST and not any(" " in each for each in names)
    if unique and (_names_an_id(name) or _rises(names) or all(_HEX_ID.fullmatch(each) for each in names)):
        return "identifier"
    return "text" if distinct > FEW and distinct > len(names) / 2 else "categorical"


def _number_kind(name: str, numbers: Sequence[float], named: bool) -> Kind:
    distinct = len(set(numbers))
    if distinct <= 1:
        return "constant"
    if not all(number.is_integer() for number in numbers):
        return "continuous"
    if named and distinct == len(numbers) >= FEWEST and (_names_an_id(name) or _rises(numbers)):
        return "identifier"
    if min(numbers) >= 1 and distinct <= LEVELS and len(numbers) > distinct:
        return "ordinal"
    if min(numbers) == 0 and sum(numbers) / len(numbers) <= LARGEST_COUNT:
        return "count"
    return "continuous"


def _moment_kind(moments: Sequence[Moment]) -> Kind:
    if all(isinstance(moment, time) for moment in moments):
        return "time"
    midnight = all(moment.hour == moment.minute == moment.second == 0 for moment in moments)
    return "date" if midnight else "datetime"


def _rises(values: Sequence[Any]) -> bool:
    return all(first < second for first, second in pairwise(values))


def _names_an_id(name: str) -> bool:
    return bool(_NAMED_ID.search(name)) or name.endswith(("Id", "ID"))
