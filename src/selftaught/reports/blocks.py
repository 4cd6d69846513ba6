"""The vocabulary of every report: plain, frozen data that the renderers draw and never change.

A stage collects what it measured into these blocks; text, HTML and JSON are made from them afterwards. Nothing here
knows a modality: a picture, a sentence, a sound, a time series and a table row are all a `Sample`.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from selftaught.core.errors import UsageError

Number: TypeAlias = int | float
Numbers: TypeAlias = tuple[Number, ...]
Tone: TypeAlias = Literal["good", "bad", "neutral", "warning"]
Severity: TypeAlias = Literal["error", "warning", "info", "passed", "not applicable"]
SampleKind: TypeAlias = Literal["picture", "text", "audio", "line", "row"]


def as_numbers(values: NDArray[Any] | Iterable[Number]) -> Numbers:
    """Return `values` (a flat array or iterable of numbers) as a tuple of plain floats, the form that blocks hold."""
    return tuple(float(value) for value in np.asarray(values if isinstance(values, np.ndarray) else list(values)))


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One measured number with its interval.

    `low` and `high` bound the interval that the protocol states, in the unit of `value`; `n` counts what the number
    rests on (draws, samples or seeds). `bound=">"` says "more than value": the point was never reached, and nothing
    was extrapolated. `digits` fixes the decimals; left out, they follow the size of the number.
    """

    value: Number
    low: Number | None = None
    high: Number | None = None
    n: int | None = None
    unit: str = ""
    bound: Literal["", ">", "<"] = ""
    digits: int | None = None


@dataclass(frozen=True, kw_only=True)
class NotApplicable:
    """A cell to which the question does not apply, told apart from `None`, which means *not measured*."""

    reason: str = ""


Cell: TypeAlias = Estimate | NotApplicable | str | int | float | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The answer in plain words, shown first: a headline, a few sentences and the numbers that carry it."""

    headline: str
    sentences: tuple[str, ...] = ()
    tone: Tone = "neutral"
    facts: tuple[tuple[str, Cell], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Text:
    """Plain prose; an empty line starts a new paragraph."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A key and value table; each row is (label, value, unit), the unit may be empty."""

    rows: tuple[tuple[str, Cell, str], ...]
    title: str = ""
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a `Table`; `align="auto"` puts numbers to the right, `digits` fixes their decimals."""

    name: str
    unit: str = ""
    digits: int | None = None
    align: Literal["auto", "left", "right"] = "auto"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells.

    `best` lists (row, column) of the cells to mark as best, `main` the rows of the thing judged; both are decided by
    whoever measured, never by a renderer.
    """

    columns: tuple[Column | str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    caption: str = ""
    best: tuple[tuple[int, int], ...] = ()
    main: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        width, height = len(self.columns), len(self.rows)
        for index, row in enumerate(self.rows):
            if len(row) != width:
                raise UsageError(
                    f"Table {self.title!r} has {width} columns; row {index} has {len(row)} cells. "
                    "Fill missing cells with None (not measured) or NotApplicable()."
                )
        outside = [mark for mark in self.best if not (0 <= mark[0] < height and 0 <= mark[1] < width)]
        if outside:
            raise UsageError(f"Table {self.title!r} is {height} x {width}; best marks {outside} lie outside it.")


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line of a `LinePlot`: equally long `x` and `y`, optional band `low`..`high`; NaN in `y` leaves a gap."""

    name: str
    x: Numbers
    y: Numbers
    low: Numbers | None = None
    high: Numbers | None = None
    style: Literal["main", "control"] = "control"

    def __post_init__(self) -> None:
        for field, values in (("y", self.y), ("low", self.low), ("high", self.high)):
            if values is not None and len(values) != len(self.x):
                raise UsageError(f"Curve {self.name!r} has {len(self.x)} x values but {len(values)} {field} values.")
        if not all(math.isfinite(x) for x in self.x):
            raise UsageError(f"Curve {self.name!r} has x values that are not finite; leave those points out.")
        if (self.low is None) != (self.high is None):
            raise UsageError(f"Curve {self.name!r} has only one side of its band; give both low and high, or neither.")


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A horizontal line at `value` (unit of the y axis), such as chance level."""

    value: Number
    name: str


@dataclass(frozen=True, kw_only=True)
class LinePlot:
    """Curves over one x axis.

    `ticks` are (position, label) pairs that replace the computed ticks; with them a log axis can end in "all", and a
    linear axis with positions 0, 1, 2 becomes a categorical one.
    """

    curves: tuple[Curve, ...]
    x_label: str
    y_label: str
    title: str = ""
    caption: str = ""
    x_unit: str = ""
    y_unit: str = ""
    x_scale: Literal["linear", "log"] = "linear"
    y_scale: Literal["linear", "log"] = "linear"
    y_range: tuple[Number, Number] | None = None
    ticks: tuple[tuple[Number, str], ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    width: Literal["full", "half"] = "full"

    def __post_init__(self) -> None:
        if self.x_scale == "log":
            positions = [x for curve in self.curves for x in curve.x] + [x for x, _ in self.ticks]
            _require_positive(self.title or self.y_label, "x", positions)
        if self.y_scale == "log":
            bands = [y for curve in self.curves for values in (curve.y, curve.low, curve.high) for y in values or ()]
            bands += [threshold.value for threshold in self.thresholds]
            _require_positive(self.title or self.y_label, "y", [*bands, *(self.y_range or ())])


def _require_positive(plot: str, axis: str, values: Sequence[Number]) -> None:
    smallest = min((value for value in values if math.isfinite(value)), default=1.0)
    if smallest <= 0:
        raise UsageError(f"Plot {plot!r} has {axis} = {smallest} on a log axis; use {axis}_scale='linear'.")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One thing the user may look at, of any modality.

    `content` by `kind`: "picture" PNG, JPEG, WebP or GIF bytes; "audio" WAV bytes; "text" a string; "line" a tuple of
    channels, each a tuple of numbers; "row" a tuple of (name, value) strings; None where it was left out for the size
    of the page. `caption` may name the record.
    """

    kind: SampleKind
    content: bytes | str | tuple[Numbers, ...] | tuple[tuple[str, str], ...] | None
    caption: str = ""

    def __post_init__(self) -> None:
        wanted = {"picture": bytes, "audio": bytes, "text": str, "line": tuple, "row": tuple}[self.kind]
        if self.content is not None and not isinstance(self.content, wanted):
            given = type(self.content).__name__
            raise UsageError(f"Sample of kind {self.kind!r} needs {wanted.__name__} as content; got {given}.")


@dataclass(frozen=True, kw_only=True)
class ScatterMap:
    """A two-dimensional map of records: point i lies at (x[i], y[i]) and belongs to category `codes[i]`.

    `codes` index `names`, -1 is "no label"; leave both empty when there are no labels. `samples`, one per point or
    empty, are shown on hover or tap.
    """

    x: Numbers
    y: Numbers
    codes: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()
    title: str = ""
    caption: str = ""
    category: str = "label"

    def __post_init__(self) -> None:
        count = len(self.x)
        for field, values in (("y", self.y), ("codes", self.codes), ("samples", self.samples)):
            if len(values) != count and (values or field == "y"):
                raise UsageError(f"Map {self.title!r} has {count} points but {len(values)} {field}.")
        if not all(math.isfinite(x) and math.isfinite(y) for x, y in zip(self.x, self.y, strict=True)):
            raise UsageError(f"Map {self.title!r} has points that are not finite; leave those records out.")
        if any(not -1 <= code < len(self.names) for code in self.codes):
            raise UsageError(f"Map {self.title!r} has codes outside -1..{len(self.names) - 1}; names are {self.names}.")


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """One query and the samples found nearest to it, nearest first; `agrees` says which share the query's label."""

    query: Sample
    found: tuple[Sample, ...]
    agrees: tuple[bool | None, ...] = ()

    def __post_init__(self) -> None:
        if self.agrees and len(self.agrees) != len(self.found):
            raise UsageError(f"Neighbours has {len(self.found)} samples but {len(self.agrees)} marks of agreement.")


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Nearest neighbours, one row per query."""

    rows: tuple[Neighbours, ...]
    title: str = ""
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one check: a stable `code`, what was found in how many `count` units, and what to do about it.

    `names` are those of the first records it is about, `samples` a few of them to look at; names are withheld where
    samples are.
    """

    code: str
    severity: Severity
    message: str
    count: int | None = None
    unit: str = "records"
    remedy: str = ""
    samples: tuple[Sample, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def counted(self) -> str:
        """How many of what, such as "1 record"; empty where nothing was counted."""
        unit = self.unit.removesuffix("s") if self.count == 1 else self.unit
        return "" if self.count is None else f"{self.count:,} {unit}"

    def told(self, samples: bool) -> str:
        """The message, with the names where they may be shown."""
        if not (samples and self.names):
            return self.message
        more = "" if self.count is None or self.count <= len(self.names) else ", ..."
        return f"{self.message} ({', '.join(self.names)}{more})"


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Findings in the order of importance that the caller chose."""

    items: tuple[Finding, ...]
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Code:
    """Text to copy: a recipe, a command; `language` is "toml", "sh", "python" or empty."""

    code: str
    title: str = ""
    language: str = ""


Block: TypeAlias = Text | Facts | Table | LinePlot | ScatterMap | Gallery | Findings | Code


@dataclass(frozen=True, kw_only=True)
class Section:
    """A titled part of a report; `note` says in one sentence how to read it.

    `brief` is what the text form shows instead of `blocks`, where a terminal would repeat or drown what matters; with
    an empty one the text form leaves the section out.
    """

    title: str
    blocks: tuple[Block, ...]
    note: str = ""
    brief: tuple[Block, ...] | None = None
