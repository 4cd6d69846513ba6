"""From one recording as it was read to the float32 array that is stored, with what was odd about it.

Shape letters: T time steps, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from selftaught.core.errors import DataError
from selftaught.modalities.series.clock import own_rate, regularise
from selftaught.modalities.series.read import Raw, to_numbers, to_seconds


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How recordings become arrays. channels: names, in order. time: name of the time column, "" without one. rate:
    steps per unit of time, 0 without a time. channels_first: of arrays."""

    channels: tuple[str, ...]
    time: str
    rate: float
    channels_first: bool


def decode_raw(raw: Raw, layout: Layout) -> tuple[Float[np.ndarray, "t c"], float, tuple[str, ...]]:
    """Values float32 in the channels and rate of the layout, the recording's own rate (0: unknown), and findings.

    Raises DataError for what has no time steps, or other channels.
    """
    values = matrix(raw, layout).astype(np.float64)
    if not len(values):
        raise DataError("The recording has no time steps. Leave it out.")
    known = np.isfinite(values) & (np.abs(np.nan_to_num(values)) <= np.finfo(np.float32).max)
    findings = ["values-infinite"] if (~known & ~np.isnan(values)).any() else []
    values, rate = np.where(known, values, np.nan), 0.0
    times: np.ndarray | None = None
    if not isinstance(raw, np.ndarray):
        findings += ["channel-missing"] if set(layout.channels) - set(raw) else []
        times = to_seconds(raw[layout.time]) if layout.time in raw else None
    if times is not None:
        rate = own_rate(times)
        values, odd = regularise(times, values, layout.rate)
        findings += odd
    elif layout.time:
        findings.append("time-missing")
    if not np.isfinite(values).any():
        findings.append("all-missing")
    return values.astype(np.float32), rate, tuple(findings)


def matrix(raw: Raw, layout: Layout) -> np.ndarray:
    """A recording as (time, channels), NaN where a channel is missing. Raises DataError where none is there."""
    count = len(layout.channels)
    if isinstance(raw, np.ndarray):
        values = raw[:, None] if raw.ndim == 1 else raw.T if layout.channels_first else raw
        if values.shape[1] == count:
            return values
        raise DataError(f"It has {values.shape[1]} channels, the others {count}. Leave it out, or set Series(order=).")
    if not set(layout.channels) & set(raw):
        raise DataError(f"It has none of the channels {', '.join(layout.channels)}; its columns are {', '.join(raw)}.")
    columns = [to_numbers(raw[name]) if name in raw else np.array(np.nan) for name in layout.channels]
    wrong = [name for name, column in zip(layout.channels, columns, strict=True) if column is None]
    if wrong:
        raise DataError(f"Channel {wrong[0]!r} has cells that are no numbers. Correct them, or leave the channel out.")
    length = len(next(iter(raw.values())))
    return np.stack([np.broadcast_to(column, (length,)) for column in columns if column is not None], 1)


def length_of(raw: Raw, channels_first: bool) -> int:
    """Rows of a recording as read."""
    if isinstance(raw, np.ndarray):
        return raw.shape[-1] if channels_first else len(raw)
    return len(next(iter(raw.values())))
