"""Axes of figures: from data values to fractions of the drawing area, with round tick values."""

import math
from dataclasses import dataclass

from selftaught.reports.blocks import LinePlot, Number
from selftaught.reports.formats import format_number

Ticks = tuple[tuple[float, str], ...]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A linear or logarithmic axis from `low` to `high` in data units, and its (position, label) ticks."""

    low: float
    high: float
    log: bool
    ticks: Ticks = ()

    def fraction(self, value: Number) -> float:
        """Return where `value` lies between low (0) and high (1)."""
        low, high, at = (math.log10(v) if self.log else float(v) for v in (self.low, self.high, value))
        return (at - low) / (high - low) if high > low else 0.5


def x_scale(plot: LinePlot) -> Scale:
    """Return the x axis of `plot`: its data and given ticks, without padding."""
    values = [float(x) for curve in plot.curves for x in curve.x] + [float(x) for x, _ in plot.ticks]
    low, high = _span(values)
    log = plot.x_scale == "log"
    given = tuple((float(x), label) for x, label in plot.ticks)
    return Scale(low=low, high=high, log=log, ticks=given or make_ticks(low, high, log))


def y_scale(plot: LinePlot) -> Scale:
    """Return the y axis of `plot`: data, bands and thresholds with some air, or the range that the plot asks for."""
    log = plot.y_scale == "log"
    if plot.y_range is not None:
        low, high = (float(value) for value in plot.y_range)
        return Scale(low=low, high=high, log=log, ticks=make_ticks(low, high, log))
    columns = [values for curve in plot.curves for values in (curve.y, curve.low, curve.high) if values is not None]
    values = [float(value) for column in columns for value in column]
    low, high = _span(values + [float(threshold.value) for threshold in plot.thresholds])
    if log:
        low, high = low / 1.15, high * 1.15
    else:
        air = 0.05 * (high - low) or 0.5
        low, high = (0.0 if 0 <= low < 0.15 * high else low - air), high + air
    return Scale(low=low, high=high, log=log, ticks=make_ticks(low, high, log))


def make_ticks(low: Number, high: Number, log: bool, about: int = 5) -> Ticks:
    """Return about `about` round ticks within [low, high]."""
    ticks = _log_ticks(low, high) if log else ()
    return ticks if len(ticks) >= 2 else _linear_ticks(low, high, about)


def _span(values: list[float]) -> tuple[float, float]:
    finite = [value for value in values if math.isfinite(value)]
    return (min(finite), max(finite)) if finite else (1.0, 2.0)


def _linear_ticks(low: Number, high: Number, about: int) -> Ticks:
    if high <= low:
        return ((low, format_number(low)),)
    raw = (high - low) / about
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= raw * 0.999)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    digits += step / 10**-digits % 1 > 1e-6
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple((index * step, format_number(index * step, digits)) for index in range(first, last + 1))


def _log_ticks(low: Number, high: Number) -> Ticks:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    wide = len(decades) > 4
    values = (factor * 10.0**power for power in decades for factor in ((1,) if wide else (1, 2, 5)))
    kept = [value for value in values if low * 0.999 <= value <= high * 1.001]
    scientific = any(value < 0.001 or value >= 1e6 for value in kept)
    return tuple((value, _scientific(value) if scientific else f"{value:,g}") for value in kept)


def _scientific(value: float) -> str:
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")
