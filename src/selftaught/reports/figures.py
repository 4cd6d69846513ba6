"""Line plots as SVG, drawn here so that a page shows them without a script; the script only adds reading by pointer."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from selftaught.reports.blocks import Curve, LinePlot, Number
from selftaught.reports.formats import display_width, format_number, with_unit
from selftaught.reports.samples import path_data
from selftaught.reports.scales import Scale, x_scale, y_scale

POINT_LIMIT = 240
MARKER_LIMIT = 16
LETTER = 6.7  # mean width in pixels of one letter at the 13 px of labels
COLOURS = 8
MARKERS: tuple[str, ...] = ("circle", "square", "triangle", "diamond")


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The size of a drawing and its margins in pixels."""

    width: float
    height: float
    left: float
    right: float
    top: float = 34.0
    bottom: float = 46.0

    @property
    def inner_width(self) -> float:
        """Width of the plotting area in pixels."""
        return self.width - self.left - self.right

    @property
    def inner_height(self) -> float:
        """Height of the plotting area in pixels."""
        return self.height - self.top - self.bottom


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What drawing functions share: plot, axes, frame, and whether curves are named at their ends."""

    plot: LinePlot
    frame: Frame
    x: Scale
    y: Scale
    named: bool

    def at(self, x: Number, y: Number) -> tuple[float, float]:
        """Return the pixel of a data point; y is kept within the frame so that no line leaves it."""
        across, down = self.x.fraction(x), 1 - self.y.fraction(y)
        if math.isfinite(down):
            down = min(1.02, max(-0.02, down))
        return self.frame.left + across * self.frame.inner_width, self.frame.top + down * self.frame.inner_height


def element(name: str, attributes: Mapping[str, object], *children: str) -> Markup:
    """Return one SVG element; attribute values and plain text are escaped, floats get one decimal."""
    shown = ((key, f"{value:.1f}" if isinstance(value, float) else value) for key, value in attributes.items())
    inside = Markup("").join(escape(child) for child in children)
    opening = Markup("").join(Markup(' {}="{}"').format(key, value) for key, value in shown)
    return Markup("<{}{}>{}</{}>").format(name, opening, inside, name)


def appearance(plot: LinePlot) -> tuple[int, ...]:
    """Return the colour number of each curve: 0 is kept for the main ones, controls take 1, 2, ..."""
    numbers, controls = [], 0
    for curve in plot.curves:
        controls += curve.style == "control"
        numbers.append(0 if curve.style == "main" else (controls - 1) % (COLOURS - 1) + 1)
    return tuple(numbers)


def names_fit(plot: LinePlot) -> bool:
    """Return whether every curve can carry its name at its right end in a wide drawing."""
    longest = max((display_width(curve.name) for curve in plot.curves), default=0)
    return plot.width == "full" and 2 <= len(plot.curves) <= 12 and longest * LETTER <= 190


def draw_wide(plot: LinePlot) -> Markup:
    """Return the drawing for a screen of 720 px and more."""
    named = names_fit(plot)
    longest = max((display_width(curve.name) for curve in plot.curves), default=0)
    right = longest * LETTER + 30 if named else 18.0
    return draw(plot, Frame(width=920.0, height=420.0, left=_left_margin(plot), right=right), "wide", named)


def draw_narrow(plot: LinePlot) -> Markup:
    """Return the drawing for a phone, and for plots of half width."""
    return draw(plot, Frame(width=400.0, height=290.0, left=_left_margin(plot), right=16.0), "narrow", False)


def draw(plot: LinePlot, frame: Frame, name: str, named: bool) -> Markup:
    """Return `plot` as one SVG element of class `name` and size `frame`."""
    drawing = Drawing(plot=plot, frame=frame, x=x_scale(plot), y=y_scale(plot), named=named)
    colours = appearance(plot)
    order = sorted(range(len(plot.curves)), key=lambda index: plot.curves[index].style == "main")
    layers = [_axes(drawing), _thresholds(drawing)]
    layers += [_band(drawing, plot.curves[index], colours[index], index) for index in order]
    layers += [_line(drawing, plot.curves[index], colours[index], index) for index in order]
    if named:
        layers.append(_end_labels(drawing, colours))
    area = f"{frame.left:.1f} {frame.top:.1f} {frame.inner_width:.1f} {frame.inner_height:.1f}"
    attributes = {
        "class": f"drawing {name}",
        "viewBox": f"0 0 {frame.width:.0f} {frame.height:.0f}",
        "role": "img",
        "aria-label": description(plot),
        "data-area": area,
    }
    return element("svg", attributes, *layers)


def description(plot: LinePlot) -> str:
    """Return one sentence that tells a screen reader what the plot shows."""
    names = ", ".join(curve.name for curve in plot.curves)
    return f"Line plot of {plot.y_label} over {plot.x_label}. Curves: {names}."


def _left_margin(plot: LinePlot) -> float:
    longest = max((len(label) for _, label in y_scale(plot).ticks), default=1)
    return 16 + longest * LETTER


def _axes(drawing: Drawing) -> Markup:
    frame, plot = drawing.frame, drawing.plot
    bottom, right = frame.height - frame.bottom, frame.width - frame.right
    parts: list[Markup] = []
    for value, label in drawing.y.ticks:
        y = frame.top + (1 - drawing.y.fraction(value)) * frame.inner_height
        parts.append(element("line", {"class": "grid", "x1": frame.left, "x2": right, "y1": y, "y2": y}))
        parts.append(element("text", {"class": "tick", "x": frame.left - 9, "y": y + 4, "text-anchor": "end"}, label))
    for x, label in _uncrowded(drawing):
        parts.append(element("line", {"class": "mark", "x1": x, "x2": x, "y1": bottom, "y2": bottom + 5}))
        parts.append(element("text", {"class": "tick", "x": x, "y": bottom + 19, "text-anchor": "middle"}, label))
    parts.append(element("line", {"class": "base", "x1": frame.left, "x2": right, "y1": bottom, "y2": bottom}))
    y_name, x_name = axis_name(plot.y_label, plot.y_unit), axis_name(plot.x_label, plot.x_unit)
    middle = frame.left + frame.inner_width / 2
    parts.append(element("text", {"class": "axis", "x": 2, "y": 16}, y_name))
    parts.append(
        element("text", {"class": "axis", "x": middle, "y": frame.height - 6, "text-anchor": "middle"}, x_name)
    )
    return element("g", {"class": "axes"}, *parts)


def axis_name(label: str, unit: str) -> str:
    """Return the label of an axis with its unit in brackets."""
    return f"{label} ({unit})" if unit else label


def _uncrowded(drawing: Drawing) -> list[tuple[float, str]]:
    """Return (pixel, label) of the x ticks that do not touch each other; the last tick always stays."""
    frame = drawing.frame
    kept: list[tuple[float, str]] = []
    edge = math.inf
    for value, label in reversed(drawing.x.ticks):
        x, half = frame.left + drawing.x.fraction(value) * frame.inner_width, display_width(label) * LETTER / 2
        if x + half + 7 <= edge:
            kept.append((x, label))
            edge = x - half
    return kept[::-1]


def _thresholds(drawing: Drawing) -> Markup:
    frame, parts = drawing.frame, []
    for threshold in drawing.plot.thresholds:
        share = drawing.y.fraction(threshold.value)
        if not 0 <= share <= 1:
            continue
        y = frame.top + (1 - share) * frame.inner_height
        right = frame.width - frame.right
        parts.append(element("line", {"class": "threshold", "x1": frame.left, "x2": right, "y1": y, "y2": y}))
        place = {"class": "remark", "x": right - 4, "y": y - 6, "text-anchor": "end"}
        parts.append(element("text", place, threshold.name))
    return element("g", {"class": "thresholds"}, *parts)


def _band(drawing: Drawing, curve: Curve, colour: int, index: int) -> Markup:
    if curve.low is None or curve.high is None:
        return Markup("")
    kept = thin(curve)
    high = [drawing.at(curve.x[i], curve.high[i]) for i in kept if math.isfinite(curve.high[i] + curve.low[i])]
    low = [drawing.at(curve.x[i], curve.low[i]) for i in kept if math.isfinite(curve.high[i] + curve.low[i])]
    shape = path_data(high + low[::-1]) + "Z" if high else ""
    return element("path", {"class": f"band c{colour} {curve.style}", "data-curve": index, "d": shape})


def _line(drawing: Drawing, curve: Curve, colour: int, index: int) -> Markup:
    kept = thin(curve)
    points = [drawing.at(curve.x[i], curve.y[i]) for i in kept]
    parts = [element("path", {"class": "stroke", "d": path_data(points)})]
    finite = [(x, y) for x, y in points if math.isfinite(y)]
    if not is_long(curve):
        size = 4.6 if curve.style == "main" else 3.6
        parts += [marker(x, y, size, "circle" if curve.style == "main" else marker_of(colour)) for x, y in finite]
    return element(
        "g", {"class": f"curve c{colour} {curve.style}{' long' if is_long(curve) else ''}", "data-curve": index}, *parts
    )


def is_long(curve: Curve) -> bool:
    """Return whether a curve has too many points for markers; its strokes are then dashed by colour number."""
    return len(curve.x) > MARKER_LIMIT


def marker_of(colour: int) -> str:
    """Return the marker shape that goes with a colour, so that colour is never the only difference."""
    return MARKERS[colour % len(MARKERS)]


def marker(x: Number, y: Number, size: Number, shape: str) -> Markup:
    """Return a marker of half-width `size` pixels centred at (x, y)."""
    corners = {
        "square": ((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)),
        "triangle": ((0, -1.15), (1.1, 0.8), (-1.1, 0.8)),
        "diamond": ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
    }.get(shape)
    if corners is None:
        return element("circle", {"class": "marker", "cx": x, "cy": y, "r": size})
    path = path_data([(x + size * across, y + size * down) for across, down in corners]) + "Z"
    return element("path", {"class": "marker", "d": path})


def _end_labels(drawing: Drawing, colours: Sequence[int]) -> Markup:
    """Name each curve at its last point; labels that would overlap are moved apart, with a thread to their curve."""
    ends = []
    for index, curve in enumerate(drawing.plot.curves):
        finite = [drawing.at(x, y) for x, y in zip(curve.x, curve.y, strict=True) if math.isfinite(y)]
        if finite:
            ends.append((finite[-1], index))
    ends.sort(key=lambda end: end[0][1])
    frame = drawing.frame
    heights = spread([end[0][1] for end in ends], 18, frame.top, frame.height - frame.bottom)
    parts = []
    for ((x, y), index), height in zip(ends, heights, strict=True):
        curve, colour = drawing.plot.curves[index], colours[index]
        start = frame.width - frame.right + 22
        thread = path_data([(x + 7, y), (start - 5, height)])
        parts.append(element("path", {"class": f"thread c{colour}", "d": thread}))
        name = {"class": f"name {curve.style}", "x": start, "y": height + 4.5, "data-curve": index}
        parts.append(element("text", name, curve.name))
    return element("g", {"class": "names"}, *parts)


def spread(places: Sequence[Number], gap: Number, low: Number, high: Number) -> list[float]:
    """Return ascending `places` moved as little as needed to lie `gap` pixels apart, within [low, high] if they fit."""
    groups: list[tuple[float, list[Number]]] = []
    for place in places:
        members: list[Number] = [place]
        centre = float(place)
        while groups and centre - gap * len(members) / 2 < groups[-1][0] + gap * len(groups[-1][1]) / 2:
            members = groups.pop()[1] + members
            centre = sum(members) / len(members)
        half = gap * (len(members) - 1) / 2
        groups.append((max(low + half, min(high - half, centre)), members))
    return [
        centre + gap * (index - (len(members) - 1) / 2) for centre, members in groups for index in range(len(members))
    ]


def thin(curve: Curve) -> list[int]:
    """Return the indices of points to draw: all, or first, last and the extremes of POINT_LIMIT / 2 equal stretches."""
    count = len(curve.x)
    if count <= POINT_LIMIT:
        return list(range(count))
    kept = {0, count - 1}
    stretch = 2 * count / POINT_LIMIT
    for part in range(POINT_LIMIT // 2):
        inside = range(int(part * stretch), min(count, int((part + 1) * stretch)))
        finite = [index for index in inside if math.isfinite(curve.y[index])]
        value: Callable[[int], Number] = curve.y.__getitem__
        kept.update((min(finite, key=value), max(finite, key=value)) if finite else inside[:1])
    return sorted(kept)


def readings(plot: LinePlot) -> dict[str, Any]:
    """Return what the pointer reads: per curve the points as fractions of the drawing area and as words."""
    x, y = x_scale(plot), y_scale(plot)
    labels = {float(value): label for value, label in plot.ticks}
    curves = []
    for curve, colour in zip(plot.curves, appearance(plot), strict=True):
        kept = [index for index in thin(curve) if math.isfinite(curve.y[index])]
        curves.append(
            {
                "name": curve.name,
                "colour": colour,
                "x": [round(x.fraction(curve.x[i]), 4) for i in kept],
                "y": [round(1 - y.fraction(curve.y[i]), 4) for i in kept],
                "at": [labels.get(float(curve.x[i])) or number_words(curve.x[i]) for i in kept],
                "value": [with_unit(format_number(curve.y[i]), plot.y_unit) for i in kept],
                "band": [interval(curve, i) for i in kept],
            }
        )
    return {"x": plot.x_label, "unit": plot.x_unit, "curves": curves}


def number_words(value: Number) -> str:
    """Return a position on an axis in words: whole numbers without decimals."""
    return format_number(int(value)) if math.isfinite(value) and float(value).is_integer() else format_number(value)


def interval(curve: Curve, index: int) -> str:
    """Return the band at one point as "[low, high]", or "" where it has none."""
    if curve.low is None or curve.high is None or not math.isfinite(curve.low[index] + curve.high[index]):
        return ""
    return f"[{format_number(curve.low[index])}, {format_number(curve.high[index])}]"


def reading(curve: Curve, index: int) -> str:
    """Return the value of one point with its interval, in words; "" where nothing was measured."""
    if not math.isfinite(curve.y[index]):
        return ""
    return f"{format_number(curve.y[index])} {interval(curve, index)}".rstrip()
