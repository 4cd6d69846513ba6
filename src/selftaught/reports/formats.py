"""Numbers and cells as words, the same in text and HTML."""

import math
import unicodedata
from collections.abc import Iterable

from selftaught.reports.blocks import Cell, Estimate, NotApplicable, Number

NOT_MEASURED = "not measured"
NOT_APPLICABLE = "n/a"


def decimals(value: Number) -> int:
    """Return how many decimals show `value` with about three significant digits; integers get none."""
    size = abs(value)
    if isinstance(value, int) or not math.isfinite(value):
        return 0
    if size < 1.0005:
        return 3
    if size < 10:
        return 2
    if size < 100:
        return 1
    return 0 if float(value).is_integer() or size >= 1000 else 1


def format_number(value: Number, digits: int | None = None) -> str:
    """Return `value` with thousands separated and `digits` decimals; very small numbers in scientific notation."""
    if not math.isfinite(value):
        return NOT_MEASURED if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if digits is None and 0 < abs(value) < 0.001:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    text = f"{value:,.{decimals(value) if digits is None else digits}f}"
    return text.replace("-", "−") if any(char in "123456789" for char in text) else text.replace("-", "")


def with_unit(text: str, unit: str) -> str:
    """Return `text` followed by its unit; a percent sign stands close."""
    if not unit:
        return text
    return f"{text}%" if unit == "%" else f"{text} {unit}"


def shown_count(estimate: Estimate) -> str:
    """Return what an estimate rests on, as "n=5", or "" where it was not given."""
    return "" if estimate.n is None else f"n={estimate.n:,}"


def estimate_parts(estimate: Estimate, digits: int | None = None) -> tuple[str, str, str]:
    """Return value with bound and unit, interval in brackets, and count; absent parts are empty.

    `digits` is the column's choice; the estimate's own comes first. Value and interval have the same decimals.
    """
    if math.isnan(estimate.value):
        return NOT_MEASURED, "", ""
    digits = digits if estimate.digits is None else estimate.digits
    if digits is None:
        digits = 6 if 0 < abs(estimate.value) < 0.001 else decimals(estimate.value)
    bound = f"{estimate.bound} " if estimate.bound else ""
    value = with_unit(bound + format_number(estimate.value, digits), estimate.unit)
    interval = ""
    if estimate.low is not None and estimate.high is not None:
        interval = f"[{format_number(estimate.low, digits)}, {format_number(estimate.high, digits)}]"
    return value, interval, shown_count(estimate)


def common_count(cells: Iterable[Cell]) -> str:
    """Return the count that all estimates among `cells` share, so that it is said once; "" where they differ."""
    counts = {shown_count(cell) for cell in cells if isinstance(cell, Estimate) and not cell.bound}
    return counts.pop() if len(counts) == 1 else ""


def is_number(cell: Cell) -> bool:
    """Return whether the cell holds a number, so that its column stands to the right."""
    return isinstance(cell, int | float | Estimate) and not isinstance(cell, bool)


def format_cell(cell: Cell, digits: int | None = None, unit: str = "") -> str:
    """Return one cell in one line of plain text; `digits` and `unit` apply to what was measured."""
    match cell:
        case None:
            return NOT_MEASURED
        case NotApplicable():
            return NOT_APPLICABLE
        case Estimate():
            value, interval, _ = estimate_parts(cell, digits)
            return f"{with_unit(value, unit)} {interval}".rstrip()
        case str():
            return with_unit(cell, unit)
        case bool():
            return "yes" if cell else "no"
        case _:
            return format_number(cell) if math.isnan(cell) else with_unit(format_number(cell, digits), unit)


def display_width(text: str) -> int:
    """Return how many terminal columns `text` takes: wide East Asian characters two, combining marks none."""
    return sum(
        0 if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf") else _columns(char)
        for char in text
    )


def _columns(char: str) -> int:
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def printable(text: str) -> str:
    """Return `text` without control characters, so that a label can neither move the cursor nor colour a terminal."""
    shown = (" " if char in "\t\r\n" else char for char in text)
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) == "Cc" else char for char in shown)
