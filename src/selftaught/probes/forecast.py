"""Forecasting from frozen features of every time step: ridge regression beside seasonal naive and regression on lags.

Shape letters: T time steps, C channels, D features, N origins (steps that a forecast is made from), H steps ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from selftaught.core.errors import DataError
from selftaught.probes.ridge import PENALTIES, decompose
from selftaught.probes.statistics import Estimate, bootstrap_mean

LONGEST_SEASON = 400
"""Steps up to which a season is looked for: more than two weeks of hours."""
LAGS = 96
"""Past steps that the regression control reads, 96 as is usual for hourly data (Zeng 2023)."""
LARGEST = 1 << 27
"""Numbers (8 bytes each) of features or targets that one regression may hold; origins are thinned out above it."""


@dataclass(frozen=True)
class ForecastScore:
    """The error of one way to forecast, on values brought to mean 0 and deviation 1 over the training part."""

    name: str
    horizon: int
    """Steps ahead."""
    mse: Estimate
    """Mean squared error over steps ahead and channels; squared training deviations; by blocks of a horizon."""
    mae: Estimate
    """Mean absolute error; training deviations."""
    penalty: float | None
    """Ridge penalty chosen on the validation part; None where nothing is fitted."""


@dataclass(frozen=True)
class TimeParts:
    """Where the parts end, in steps: training is [0, train), validation [train, validation), then test."""

    train: int
    validation: int


def forecast(
    features: Float[np.ndarray, "steps d"],
    values: Float[np.ndarray, "t c"],
    horizon: int,
    parts: TimeParts,
    season: int | None = None,
    seed: int = 0,
) -> tuple[ForecastScore, ...]:
    """Scores on the test part of the encoder's features, of a regression on lags, and of seasonal naive.

    features: of each step, from that step and earlier ones only. season: steps; None finds it in the training part.
    Raises DataError where a part is too short for the horizon or holds too few complete steps.
    """
    if len(features) != len(values):
        raise DataError(f"Every step needs features and values; got {len(features)} and {len(values)} steps.")
    scaled = standardise(values, parts.train)
    season = season or find_season(scaled[: parts.train])
    first = min(LAGS, parts.train // 2)
    rng = np.random.default_rng(seed)
    sets = [origins(start, stop, horizon, len(values)) for start, stop in _bounds(parts, first, len(values))]
    ways = {"encoder": np.asarray(features, np.float64), "regression on lags": lagged(scaled, first)}
    scores = []
    for name, table in ways.items():
        guess, penalty = _ridge_forecast(table, scaled, sets, horizon)
        scores.append(_score(name, guess, future(scaled, sets[2], horizon), penalty, rng))
    naive = seasonal_naive(scaled, sets[2], horizon, season)
    scores.append(_score(f"seasonal naive ({season})", naive, future(scaled, sets[2], horizon), None, rng))
    return tuple(scores)


def _bounds(parts: TimeParts, first: int, steps: int) -> tuple[tuple[int, int], ...]:
    return ((first, parts.train), (parts.train, parts.validation), (parts.validation, steps))


def origins(start: int, stop: int, horizon: int, steps: int) -> Int[np.ndarray, " n"]:
    """The steps from which all of the next `horizon` steps lie in [start, stop)."""
    found = np.arange(max(0, start - 1), min(stop, steps) - horizon)
    if len(found) < 3:
        raise DataError(
            f"The part of steps {start} to {stop} holds {len(found)} forecasts of {horizon} steps; 3 are needed. "
            f"Use a shorter horizon or other parts."
        )
    return found


def standardise(values: Float[np.ndarray, "t c"], train: int) -> Float[np.ndarray, "t c"]:
    """Values less the mean and over the deviation of each channel's first `train` steps; constant channels stay 0."""
    known = np.asarray(values[:train], np.float64)
    if not np.isfinite(known).any(0).all():
        raise DataError("A channel has no observed value in the training part; leave it out.")
    mean, spread = np.nanmean(known, 0), np.nanstd(known, 0)
    return np.asarray((values - mean) / np.where(spread > 1e-9 * np.abs(mean), np.maximum(spread, 1e-300), 1.0))


def future(values: Float[np.ndarray, "t c"], places: Int[np.ndarray, " n"], horizon: int) -> Float[np.ndarray, "n h c"]:
    """The next `horizon` values after each origin."""
    return values[places[:, None] + np.arange(1, horizon + 1)]


def lagged(values: Float[np.ndarray, "t c"], lags: int) -> Float[np.ndarray, "t lags_c"]:
    """The last `lags` values of all channels at every step, missing ones and those before the start as 0 (the mean)."""
    filled = np.concatenate([np.zeros((lags - 1, values.shape[1])), np.nan_to_num(values)])
    windows = np.lib.stride_tricks.sliding_window_view(filled, lags, axis=0)
    return windows.reshape(len(values), -1)


def seasonal_naive(
    values: Float[np.ndarray, "t c"], places: Int[np.ndarray, " n"], horizon: int, season: int
) -> Float[np.ndarray, "n h c"]:
    """For every step ahead the value of the last known step at the same point of the season; 0 where it is missing."""
    ahead = np.arange(1, horizon + 1)
    back = ahead - season * np.ceil(ahead / season).astype(np.int64)
    return np.asarray(np.nan_to_num(values[np.maximum(places[:, None] + back, 0)]))


def find_season(values: Float[np.ndarray, "t c"]) -> int:
    """The lag with the largest autocorrelation after the first dip, mean over channels; 1 where none is above 0.2."""
    filled = np.nan_to_num(values - np.nanmean(values, 0))
    size = 2 ** int(np.ceil(np.log2(max(2, 2 * len(filled)))))
    power = np.abs(np.fft.rfft(filled, size, axis=0)) ** 2
    curve = np.fft.irfft(power, size, axis=0)[: min(LONGEST_SEASON, len(filled) // 2) + 1]
    curve = (curve / np.maximum(curve[:1], 1e-12)).mean(1)
    rising = np.flatnonzero(np.diff(curve) > 0)
    if not len(rising):
        return 1
    best = int(rising[0]) + int(curve[rising[0] :].argmax())
    return best if best > 1 and curve[best] > 0.2 else 1


def _ridge_forecast(
    table: np.ndarray, values: np.ndarray, sets: Sequence[np.ndarray], horizon: int
) -> tuple[np.ndarray, float]:
    """Forecasts (N, H, C) of the test origins; the penalty has the least squared error on the validation part."""
    widest = max(table.shape[1], horizon * values.shape[1])
    kept = []
    for places in sets[:2]:
        whole = np.isfinite(future(values, places, horizon)).all((1, 2)) & np.isfinite(table[places]).all(1)
        most = max(3, LARGEST // widest)
        chosen = places[whole]
        kept.append(chosen[:: max(1, -(-len(chosen) // most))])
    train, held = kept
    if len(train) < 3 or not len(held):
        raise DataError("Too few steps have complete features and values; fill the gaps or leave the channel out.")
    mean, spread = table[train].mean(0), table[train].std(0)
    spread = np.where(spread > 1e-6 * np.abs(mean), spread, np.inf)
    wanted = future(values, train, horizon).reshape(len(train), -1)
    energy, left, right = decompose((table[train] - mean) / spread)
    loads = left.T @ (wanted - wanted.mean(0))
    known, truth = (table[held] - mean) / spread @ right, future(values, held, horizon).reshape(len(held), -1)
    errors = []
    for penalty in PENALTIES:
        guess = known @ (_shrink(energy, penalty)[:, None] * loads) + wanted.mean(0)
        errors.append(float(np.mean((guess - truth) ** 2)))
    penalty = PENALTIES[int(np.argmin(errors))]
    asked = (np.nan_to_num(table[sets[2]]) - mean) / spread @ right
    guess = asked @ (_shrink(energy, penalty)[:, None] * loads) + wanted.mean(0)
    return guess.reshape(len(asked), horizon, -1), penalty


def _shrink(energy: np.ndarray, penalty: float) -> np.ndarray:
    return np.asarray(np.sqrt(energy) / (energy + penalty))


def _score(
    name: str, guess: np.ndarray, wanted: np.ndarray, penalty: float | None, rng: np.random.Generator
) -> ForecastScore:
    # Neighbouring origins share nearly all of their future, so blocks of a horizon are what is drawn.
    known = np.isfinite(wanted).any((1, 2))
    if not known.any():
        raise DataError("The test part has no observed value; nothing can be measured.")
    miss = (guess - wanted)[known]
    blocks = np.arange(len(wanted))[known] // wanted.shape[1]
    return ForecastScore(
        name=name,
        horizon=wanted.shape[1],
        mse=bootstrap_mean(np.nanmean(miss**2, (1, 2)), rng, blocks),
        mae=bootstrap_mean(np.nanmean(np.abs(miss), (1, 2)), rng, blocks),
        penalty=penalty,
    )
