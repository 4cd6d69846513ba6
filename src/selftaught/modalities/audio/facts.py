"""What an audit says of decoded recordings: durations, rates, channels, silence, clipping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from selftaught.modalities.audio.decode import QUIET, is_clipped

Fact = tuple[str, float | str, str]


def sound_facts(sounds: Iterable[tuple[np.ndarray, int, int]], rate: int) -> tuple[Fact, ...]:
    """(fact, value, unit) of waves (n,) in -1..1 at `rate`, each with the rate and channels that its file had."""
    rows = [
        (len(wave) / rate, known, channels, float(size.max()), is_clipped(size), float(np.square(wave).mean() ** 0.5))
        for wave, known, channels in sounds
        for size in [np.abs(wave)]
    ]
    if not rows:
        return (("recordings", 0.0, "records"),)
    seconds, known, channels, loudest, clipped, level = (np.array(column) for column in zip(*rows, strict=True))
    silent = loudest < QUIET
    low, high = np.quantile(20 * np.log10(level.clip(min=QUIET)), [0.05, 0.95])
    return (
        ("recordings", float(len(rows)), "records"),
        ("duration in all", float(seconds.sum() / 3600), "hours"),
        ("shortest", float(seconds.min()), "s"),
        ("median", float(np.median(seconds)), "s"),
        ("longest", float(seconds.max()), "s"),
        ("sampling rates of the files", _counted(known), "Hz (records)"),
        ("sampling rate in the store", float(rate), "Hz"),
        ("channels of the files", _counted(channels), "channels (records)"),
        ("silent", float(silent.sum()), "records"),
        ("clipped", float((clipped & ~silent).sum()), "records"),
        ("level of 90 % of the records", f"{low:.0f} to {high:.0f}", "dB of full scale"),
    )


def _counted(values: np.ndarray) -> str:
    return ", ".join(f"{value:,} ({count:,})" for value, count in Counter(values.tolist()).most_common(5))
