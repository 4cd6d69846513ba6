"""Rows as a person reads them, and what an audit says of a table.

Shape letters: B rows, N cell tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import numpy as np

from selftaught.core.modality import Portrait, Rows
from selftaught.modalities.table.cells import NAMED, Cell
from selftaught.modalities.table.kinds import LEFT_OUT, Columns, Kind

SHOWN = 12
"""Columns of a row that are shown."""
LISTED = 3
FARTHEST_DAY = 700_000
Fact = tuple[str, float | str, str]


def portray_rows(cells: np.ndarray, names: np.ndarray | None, layout: Sequence[Cell]) -> tuple[Portrait, ...]:
    """The first columns of every row as text, "missing" where a cell is. names: (B, C, 24) of the named columns."""
    named = list(dict.fromkeys(cell.unit for cell in layout if cell.kind in NAMED))
    first: dict[int, int] = {}
    for place, cell in enumerate(layout):
        first.setdefault(cell.unit, place)
    portraits = []
    for row in range(len(cells)):
        content: dict[str, str] = {}
        for unit, place in list(first.items())[:SHOWN]:
            cell, number = layout[place], float(cells[row, place])
            name = b"" if names is None or unit not in named else names[row, named.index(unit)].tobytes()
            content[cell.column] = show_cell(cell, number, name)
        portraits.append(Portrait(kind="row", content=content))
    return tuple(portraits)


def show_cell(cell: Cell, number: float, name: bytes) -> str:
    """One cell as text. number: of its first token; name: of a named column, padded with zeros."""
    if math.isnan(number):
        return "missing"
    if cell.kind in NAMED:
        return name.rstrip(b"\0").decode("utf-8", "ignore") or "unknown"
    if cell.kind == "boolean":
        return "yes" if number else "no"
    if cell.part == "date" and abs(number) < FARTHEST_DAY:
        moment = datetime(1970, 1, 1) + timedelta(days=number, seconds=1)  # what was rounded down by float64
        return moment.isoformat(" ", "minutes").removesuffix(" 00:00")
    if cell.part == "time of day":
        minutes = round((number + np.pi) / (2 * np.pi) * 24 * 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d}"
    return f"{number:,.6g}"


def describe_columns(columns: Columns) -> str:
    """One line: how many columns of which kind, the first of each by name, and which are left out."""
    kinds = columns_by_kind(columns)
    known = [kind for kind in sorted(kinds, key=lambda kind: -len(kinds[kind])) if kind not in LEFT_OUT]
    used = ", ".join(f"{len(kinds[kind])} {kind} ({_some(kinds[kind], LISTED)})" for kind in known)
    out = [f"{name} ({kind})" for kind in kinds if kind in LEFT_OUT for name in kinds[kind]]
    left = f"; left out: {_some(out, LISTED)}" if out else ""
    return f"rows of {sum(len(kinds[kind]) for kind in known)} columns: {used}{left}"


def columns_by_kind(columns: Columns) -> dict[Kind, list[str]]:
    """The names of the columns of every kind there is."""
    kinds: dict[Kind, list[str]] = {}
    for name, kind in columns:
        kinds.setdefault(kind, []).append(name)
    return kinds


def _some(names: Sequence[str], most: int) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f", {rest} more" if rest > 0 else "")


def audit_rows(rows: Iterable[Rows], layout: Sequence[Cell], columns: Columns) -> tuple[Fact, ...]:
    """Facts as (name, value, unit): kinds, missing cells and their patterns, repeated rows, cardinalities."""
    parts = [np.asarray(part.fields["cells"]) for part in rows]
    cells = np.concatenate(parts) if parts else np.zeros((0, len(layout)))
    if not len(cells):
        return (("rows", 0.0, ""),)
    first = [place for place, cell in enumerate(layout) if place == 0 or cell.unit != layout[place - 1].unit]
    gone = np.isnan(cells[:, first])
    facts: list[Fact] = [
        ("rows", float(len(cells)), ""),
        *((f"{kind} columns", _some(names, SHOWN), "") for kind, names in columns_by_kind(columns).items()),
        ("cells missing", 100 * float(gone.mean()), "%"),
        ("rows with a missing cell", 100 * float(gone.any(1).mean()), "%"),
        ("different patterns of missing cells", float(len(np.unique(gone, axis=0))), ""),
        ("repeated rows", float(len(cells) - len(np.unique(np.nan_to_num(cells, nan=-1e300), axis=0))), ""),
    ]
    worst = np.argsort(-gone.mean(0), kind="stable")[:LISTED]
    facts += [
        (f"missing in {layout[first[place]].column}", 100 * float(gone[:, place].mean()), "%")
        for place in worst
        if gone[:, place].any()
    ]
    classes = [(len(np.unique(cells[~np.isnan(cells[:, place]), place])), place) for place in _classes(layout)]
    for size, place in sorted(classes, key=lambda pair: -pair[0])[:LISTED]:
        facts.append((f"categories of {layout[place].column}", float(size), ""))
    return tuple(facts)


def _classes(layout: Sequence[Cell]) -> list[int]:
    return [place for place, cell in enumerate(layout) if cell.kind == "categorical"]
