"""What an expert would have computed from recordings before representation learning.

Every feature set reads decoded recordings, scales channels by the training rows and returns float32 arrays (records,
features). The nearest neighbour by the third set is the classic of time-series classification.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from selftaught.core.modality import Classical, Fitted, Predictor, Rows
from selftaught.modalities.series.rocket import apply_rocket, learn_rocket
from selftaught.modalities.series.statistics import fit_channels, recordings_of
from selftaught.modalities.series.summary import summarise

PLACES = 128  # values per channel of the set of plain values
Learn = Callable[[Sequence[Tensor]], Callable[[Sequence[Tensor]], np.ndarray]]


def feature_sets(channels: int) -> tuple[Classical | Predictor, ...]:
    """MiniRocket-like shares, summary statistics, values at a common number of places; nearest neighbour by those."""

    def features(learn: Learn, train: Rows, other: Rows) -> tuple[np.ndarray, np.ndarray]:
        fitted = fit_channels([recordings_of(train)], channels)
        describe = learn(complete(train, fitted))
        first, second = (describe(complete(rows, fitted)) for rows in (train, other))
        return first, second

    sets: dict[str, Learn] = {
        "MiniRocket-like": _rocket,
        "summary statistics": lambda _: _statistics,
        "plain values": lambda _: _values,
    }

    def nearest(known: Rows, labels: np.ndarray, asked: Rows) -> np.ndarray:
        first, second = map(torch.from_numpy, features(lambda _: _values, known, asked))
        return np.asarray(labels[torch.cdist(second, first).argmin(1).numpy()])

    classics = [Classical(name=name, features=partial(features, learn)) for name, learn in sets.items()]
    return (*classics, Predictor(name="nearest neighbour", predict=nearest))


def complete(rows: Rows, fitted: Fitted) -> list[Tensor]:
    """The recordings (T, C) scaled by the training rows, missing values interpolated; 0 where a channel has none."""
    mean, std = fitted.arrays["mean"], fitted.arrays["std"]
    return [torch.from_numpy(fill_gaps((each.cpu().numpy() - mean) / std)) for each in recordings_of(rows)]


def fill_gaps(values: Float[np.ndarray, "t c"]) -> Float[np.ndarray, "t c"]:
    """Missing values by linear interpolation between observed ones, held at both ends; 0 where a channel has none."""
    found, line = np.zeros(values.shape, np.float32), np.arange(len(values))
    for channel in np.flatnonzero(np.isfinite(values).any(0)):
        seen = np.isfinite(values[:, channel])
        found[:, channel] = np.interp(line, line[seen], values[seen, channel])
    return found


def _rocket(train: Sequence[Tensor]) -> Callable[[Sequence[Tensor]], np.ndarray]:
    return partial(apply_rocket, layers=learn_rocket(train))


def _statistics(recordings: Sequence[Tensor]) -> np.ndarray:
    return np.stack([summarise(each.double().numpy()) for each in recordings]).astype(np.float32)


def _values(recordings: Sequence[Tensor]) -> np.ndarray:
    curves = [F.interpolate(each.T[None], PLACES, mode="linear", align_corners=True) for each in recordings]
    return np.asarray(torch.cat(curves).flatten(1).numpy())
