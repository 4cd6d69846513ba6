"""Statistics of a recording that an expert would look at first: level, spread, shape, memory, rhythm, change.

In the spirit of catch22 (Lubba 2019: a few features of many kinds), but of our own choice and without its code.
Shape letters: T time steps, C channels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

LAGS = (1, 2, 4, 8, 16)
BANDS = (0.0625, 0.125, 0.25, 0.5)  # upper ends but the last, of the largest frequency
PAIRED = 8  # channels up to which all correlations between channels are given
Column = Float[np.ndarray, " t"]


def summarise(values: Float[np.ndarray, "t c"]) -> Float[np.ndarray, " features"]:
    """All statistics of one complete recording."""
    found = [describe(values[:, place]) for place in range(values.shape[1])]
    if 1 < values.shape[1] <= PAIRED:
        z = (values - values.mean(0)) / np.maximum(values.std(0), 1e-12)  # a constant channel correlates with none
        found.append((z.T @ z / len(z))[np.triu_indices(values.shape[1], 1)])
    return np.asarray(np.nan_to_num(np.concatenate([*found, [np.log(len(values))]]), posinf=0.0, neginf=0.0))


def describe(x: Column) -> Float[np.ndarray, " features"]:
    """Statistics of one channel; those that do not depend on its scale are of the standardised values."""
    mean, spread = float(x.mean()), float(x.std())
    z = (x - mean) / spread if spread > 1e-6 * abs(mean) else np.zeros_like(x)
    level = [mean, spread, *np.quantile(x, [0.0, 0.25, 0.5, 0.75, 1.0])]
    places = [z.argmax() / len(z), z.argmin() / len(z)]
    shape = [(z**3).mean(), (z**4).mean(), (z > 2).mean(), (z < -2).mean(), *places]
    return np.array([*level, *shape, *_memory(z), *_rhythm(z), *_change(z)], np.float64)


def _memory(z: Column) -> list[Any]:
    """Autocorrelation at a few lags and the first lag at which it falls below 1/e, as a share of the length."""
    power = np.abs(np.fft.rfft(z, 2 * len(z))) ** 2
    correlation = np.fft.irfft(power, 2 * len(z))[: len(z)] / max(1e-12, float((z**2).sum()))
    low = np.flatnonzero(correlation < np.exp(-1))
    lags = [correlation[lag] if lag < len(z) else 0.0 for lag in LAGS]
    return [*lags, low[0] / len(z) if len(low) else 1.0]


def _rhythm(z: Column) -> list[Any]:
    """Shares of power in bands that double, the strongest frequency and its share, centroid and entropy."""
    power = np.abs(np.fft.rfft(z * np.hanning(len(z))))[1:] ** 2
    if not power.sum() > 0:
        return [0.0] * (len(BANDS) + 5)
    share = power / power.sum()
    frequency = np.arange(1, len(share) + 1) / len(share)
    bands = np.bincount(np.searchsorted(BANDS, frequency), share, len(BANDS) + 1)
    entropy = -(share * np.log(share + 1e-12)).sum() / max(1.0, np.log(len(share)))
    return [*bands, frequency[share.argmax()], share.max(), (share * frequency).sum(), entropy]


def _change(z: Column) -> list[Any]:
    """Size of steps and turns, crossings of the mean, longest runs, trend, how unlike the quarters are."""
    step = np.diff(z, prepend=z[0])
    runs = [longest_run(flag) / len(z) for flag in (z > 0, step > 0, step == 0)]
    trend = (z * np.linspace(-1, 1, len(z))).mean()
    quarters = [part for part in np.array_split(z, 4) if len(part)]
    unlike = [np.std([part.mean() for part in quarters]), np.std([part.std() for part in quarters])]
    sizes = [np.abs(step).mean(), (step**2).mean(), np.abs(np.diff(step)).sum() / len(z)]
    return [*sizes, (z[1:] * z[:-1] < 0).sum() / len(z), *runs, trend, *unlike]


def longest_run(flag: np.ndarray) -> int:
    """Length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flag.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))
