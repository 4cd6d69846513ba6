"""What was noticed about the data and did not stop the run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing noticed: a stable code, a sentence for the user, how many records it touches, and which."""

    code: str
    message: str
    count: int = 1
    ids: tuple[str, ...] = ()


def note(code: str, ids: Sequence[object], message: str) -> tuple[Finding, ...]:
    """One finding on these records, or none where there are none."""
    return (Finding(code=code, message=message, count=len(ids), ids=tuple(map(str, ids))),) if len(ids) else ()


def name_some(names: Iterable[object], shown: int = SHOWN) -> str:
    """The first few names in quotes, and how many more there are: `'a', 'b' and 3 more`."""
    every = [repr(str(name)) for name in names]
    head = ", ".join(every[:shown])
    return head if len(every) <= shown else f"{head} and {len(every) - shown:,} more"


def format_bytes(count: int) -> str:
    """Bytes for people: 1.5 GB."""
    size, units = float(count), ["bytes", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"
