"""From rows at any times to values on a regular grid: sorted, duplicates merged, gaps missing, one rate for all.

Shape letters: T rows as recorded, N steps of the grid, C channels.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from selftaught.core.errors import DataError

ALIKE = 0.05  # rates that differ by less are one rate: clocks drift, and resampling would only blur
GAP_LIMIT = 20  # steps of the grid per recorded row, above which a recording is mostly gap


UNITS = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))


def span_unit(seconds: float) -> tuple[float, str]:
    """The largest unit of time that a span reaches, in seconds, and its name."""
    return next((unit for unit in UNITS if abs(seconds) >= 0.999 * unit[0]), UNITS[-1])


def pace_of(rate: float) -> str:
    """A rate (steps a second) in words; 0 is none."""
    if rate >= 1 or not rate:
        return f"{rate:.4g} steps a second" if rate else "steps without times"
    size, name = span_unit(1 / rate)
    count = f"{1 / rate / size:.4g}"
    return f"a step every {name.removesuffix('s')}" if count == "1" else f"a step every {count} {name}"


def own_rate(times: Float[np.ndarray, " t"]) -> float:
    """Rows per unit of time by the median distance of neighbours; 0 where there are no two different times."""
    known = np.unique(times[np.isfinite(times)])
    return float(1 / np.median(np.diff(known))) if len(known) > 1 else 0.0


def regularise(
    times: Float[np.ndarray, " t"], values: Float[np.ndarray, "t c"], rate: float
) -> tuple[Float[np.ndarray, "n c"], list[str]]:
    """Values on a grid of `rate` steps per unit of time from the first row on, and codes of what was odd.

    A faster recording is averaged within steps, a slower one interpolated between its rows, never across a gap. Raises
    DataError where nearly all of the grid would be gaps.
    """
    known = np.isfinite(times)
    findings = [] if known.all() else ["time-missing"]
    if not known.any():
        return values, findings
    times, values = times[known], values[known]
    findings += ["time-unsorted"] if (np.diff(times) < 0).any() else []
    unique, place = np.unique(times, return_inverse=True)
    if len(unique) < len(times):
        findings.append("time-duplicated")
        times, values = unique, bin_means(place, values, len(unique))
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    own = own_rate(times)
    if not own or not rate:
        return values, findings
    alike = abs(own / rate - 1) <= ALIKE
    rate, odd = (own, []) if alike else (rate, ["resampled"])
    findings += odd
    wanted = float((times[-1] - times[0]) * rate)
    if wanted > GAP_LIMIT * len(times) + 1000:
        raise DataError(
            f"{len(times):,} rows span {wanted:,.0f} steps of its rate, so nearly all would be missing. Cut the "
            f"recording at its gaps (one id each), or set Series(rate=) to the rate of its rows."
        )
    count = int(np.rint(wanted)) + 1
    if own < rate:
        return interpolate(times, values, times[0] + np.arange(count) / rate, 1.5 / own), findings
    if count > len(times):
        findings.append("time-gaps")
    elif alike and np.abs(np.diff(times) * rate - 1).max(initial=0) < 0.5:
        return values, findings
    return bin_means(np.rint((times - times[0]) * rate).astype(np.int64), values, count), findings


def bin_means(place: Int[np.ndarray, " t"], values: Float[np.ndarray, "t c"], count: int) -> Float[np.ndarray, "n c"]:
    """The mean of the observed values of every bin; NaN where there are none. place: which bin each row falls into."""
    seen = np.isfinite(values)
    sums, often = np.zeros((count, values.shape[1])), np.zeros((count, values.shape[1]))
    np.add.at(sums, place, np.where(seen, values, 0))
    np.add.at(often, place, seen)
    return np.where(often > 0, sums / np.maximum(often, 1), np.nan)


def interpolate(
    times: Float[np.ndarray, " t"], values: Float[np.ndarray, "t c"], grid: Float[np.ndarray, " n"], gap: float
) -> Float[np.ndarray, "n c"]:
    """Values at the times of the grid, linear between observed neighbours that are at most `gap` apart, else NaN."""
    found = np.full((len(grid), values.shape[1]), np.nan)
    for channel in np.flatnonzero(np.isfinite(values).any(0)):
        seen = np.isfinite(values[:, channel])
        known = np.concatenate([[-np.inf], times[seen], [np.inf]])
        apart = known[np.searchsorted(known, grid, "left")] - known[np.searchsorted(known, grid, "right") - 1]
        found[:, channel] = np.where(apart <= gap, np.interp(grid, times[seen], values[seen, channel]), np.nan)
    return found
