"""Generated rows of every kind of column, for the conformance suite: a hidden class moves most of them."""

from datetime import datetime, timedelta

import numpy as np

from selftaught.core.modality import Record
from selftaught.modalities.table import Table

CLASSES = 3
TOWNS = ("Oslo", "Bergen", "Trondheim", "Tromsø", "Molde")
THINGS = ("red lamp", "blue chair", "old red desk", "green lamp", "chair", "small blue desk")


def table_rows(count: int, numbers: np.random.Generator) -> tuple[list[object], list[int]]:
    """Rows as a CSV gives them, some cells missing, and the hidden class of each."""
    label = numbers.integers(CLASSES, size=count)
    start = datetime(2021, 3, 1, 6)
    rows: list[object] = []
    for place, kind in enumerate(label.tolist()):
        hours = int(numbers.integers(24 * 200))
        row = {
            "id": f"r{place:05d}",
            "height": f"{1.6 + 0.1 * kind + 0.05 * numbers.normal():.3f}",
            "income": f"{int(1000 * np.exp(2 + kind + 0.4 * numbers.normal())):,}",
            "grade": str(1 + int(numbers.integers(3)) + kind),
            "children": str(int(numbers.poisson(0.5 + kind))),
            "town": TOWNS[(kind + int(numbers.integers(2))) % len(TOWNS)],
            "owner": "yes" if numbers.random() < 0.2 + 0.3 * kind else "no",
            "note": " ".join((THINGS[int(numbers.integers(len(THINGS)))], f"no{numbers.integers(10_000)}")),
            "seen": (start + timedelta(hours=hours)).isoformat(" "),
            "unit": "cm",
        }
        for name in list(row)[1:-1]:
            if numbers.random() < 0.12:
                row[name] = ""
        rows.append(row)
    return rows, label.tolist()


def recognised(count: int = 200) -> Table:
    """The table of some of these rows."""
    rows, _ = table_rows(count, np.random.default_rng(5))
    return Table().recognise(records_of(rows))


def records_of(values: list[object]) -> list[Record]:
    """Records that hold these values."""
    return [Record(id=str(place), read=lambda value=value: value) for place, value in enumerate(values)]


NAMES = ("id", "height", "income", "grade", "children", "town", "owner", "note", "seen", "unit")
ODD = {
    "all missing": [dict.fromkeys(NAMES, "")] * 2,
    "one cell": [dict.fromkeys(NAMES, "") | {"height": "1.7"}] * 2,
    "never seen": [dict.fromkeys(NAMES, "elsewhere")] * 2,
    "one column": [{"height": "1.7"}] * 2,
}
