"""What is decided by looking at some recordings: the time column, the channels, the rate, window and patch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from selftaught.core.errors import DataError
from selftaught.modalities.series.archive import holds_many
from selftaught.modalities.series.clock import own_rate
from selftaught.modalities.series.read import Raw, read_value, to_numbers, to_seconds

TIME_NAMES = "time timestamp datetime date t ts ds seconds second ms epoch date_time sample_time step index"
LONGEST_WINDOW = 512
LARGEST_PATCH = 16
ODD = 0.1
"""Share of the recordings that a channel must be in."""
Table = Mapping[str, np.ndarray]


def choose_time(tables: Sequence[Table]) -> str:
    """The name of the time column: one with a usual name, else the first of dates; "" where there is none."""
    names = dict.fromkeys(name for table in tables for name in table)
    plain = {name: name.lower().split("(")[0].split("[")[0].strip() for name in names}  # `Time (s)` is `time`
    usual = [name for each in TIME_NAMES.split() for name in names if plain[name] == each]
    first = {name: next(table[name][:20] for table in tables if name in table) for name in names}
    dates = [name for name in names if to_numbers(first[name]) is None and to_seconds(first[name]) is not None]
    for name in (*usual, *dates):
        times = [to_seconds(table[name]) for table in tables if name in table]
        known = [each for each in times if each is not None]
        if len(known) == len(times) and any(own_rate(each) > 0 for each in known):
            return name
    return ""


def choose_channels(tables: Sequence[Table], time: str) -> tuple[str, ...]:
    """The usual columns of numbers, but for the time and what is constant within recordings and differs between them.

    Such a column (an age, a code of the device) tells of the recording as a whole; as a channel it would give away
    who was recorded. Raises DataError where no channel is left.
    """
    chosen = []
    names = [name for name in dict.fromkeys(name for table in tables for name in table) if name != time]
    for name in names:
        numbers = [to_numbers(table[name]) for table in tables if name in table]
        seen = [column[np.isfinite(column)] for column in numbers if column is not None]
        several = [column for column in seen if len(column) > 1]
        fixed = len(several) > 1 and all(np.ptp(column) == 0 for column in several)
        differs = len({float(column[0]) for column in several}) > 1
        # One odd recording in ten, or one in four with a cell of text, must not decide for the others.
        usual = len(numbers) > ODD * len(tables) and len(seen) >= 0.75 * len(numbers)
        if usual and any(len(column) for column in seen) and not (fixed and differs):
            chosen.append(name)
    if not chosen:
        raise DataError(
            f"No column of numbers varies over time; the recordings have {', '.join(names) or 'no other column'}. "
            f"Name the channels with Series(channels=...)."
        )
    return tuple(chosen)


def choose_rate(tables: Sequence[Table], time: str) -> float:
    """The median number of rows per unit of time (Hz where times are dates or seconds); 0 without a time."""
    times = [to_seconds(table[time]) for table in tables if time in table]
    rates = sorted(rate for each in times if each is not None and (rate := own_rate(each)))
    return float(f"{rates[len(rates) // 2]:.6g}") if rates else 0.0


def choose_order(arrays: Sequence[np.ndarray]) -> bool:
    """Whether arrays hold channels first: the axis of the same length in all is the channels', else the shorter one."""
    shapes = [array.shape for array in arrays if array.ndim == 2]
    first, last = {shape[0] for shape in shapes}, {shape[1] for shape in shapes}
    if (len(first) == 1) != (len(last) == 1):
        return len(first) == 1
    return max(first, default=1) < max(last, default=1)


def usual_window(lengths: Sequence[int]) -> int:
    """Steps of a training view: the median length of the recordings, 512 at most."""
    return max(1, min(LONGEST_WINDOW, sorted(lengths)[len(lengths) // 2]))


def usual_patch(window: int) -> int:
    """Steps of a token: a divisor of the window near a 16th of it, else a power of two; 16 at most."""
    wanted = min(float(LARGEST_PATCH), max(1.0, window / 16))
    divisors = [value for value in range(1, LARGEST_PATCH + 1) if window % value == 0]
    near = [value for value in divisors if wanted / 3 <= value <= 2 * wanted]
    return min(near, key=lambda value: abs(math.log(value / wanted)), default=2 ** int(math.log2(wanted)))


def looks_like_series(name: str, value: object) -> bool:
    """Whether a record's value is a recording: columns over time, an array much longer than wide, a file of either."""
    if holds_many(name):
        return True
    try:
        raw: Raw = read_value(value, name)
        if isinstance(raw, np.ndarray):
            return _varies_slowly(raw)
        channels = choose_channels([raw], choose_time([raw]))
    except DataError:
        return False
    return len(raw[channels[0]]) > 1


def _varies_slowly(values: np.ndarray) -> bool:
    """Whether it is a curve: several times as long as wide, or of one axis along which neighbours are alike.

    A table's row and a picture are neither.
    """
    if values.dtype == np.uint8 or values.size < 8:
        return False
    if values.ndim == 2:
        return bool(max(values.shape) >= 4 * min(values.shape))
    curve = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    curve -= curve.mean()
    return float((curve[1:] * curve[:-1]).sum()) > 0.5 * float((curve**2).sum())
