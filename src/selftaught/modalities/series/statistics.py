"""What is learned from the training part (the scale of every channel), and what an audit says of some recordings.

Shape letters: B records, T time steps, C channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from selftaught.core.errors import DataError
from selftaught.core.modality import Fitted, Rows
from selftaught.modalities.series.clock import span_unit

CONSTANT = 1e-7  # a deviation below this share of the mean is rounding of float32, not a signal
Fact = tuple[str, float | str, str]


def recordings_of(rows: Rows) -> list[Tensor]:
    """The values (T, C) of every row, whether the store gave one tensor or several."""
    return list(rows.fields["values"])


def fit_channels(chunks: Iterable[Sequence[Tensor]], channels: int) -> Fitted:
    """mean and std of the observed values of every channel, (C,) float32; std is 1 where a channel does not vary.

    Raises DataError where nothing was observed.
    """
    count, mean, spread = np.zeros(channels), np.zeros(channels), np.zeros(channels)
    for values in (each for chunk in chunks for each in chunk):
        more, centre, variance = moments(values.double().cpu().numpy())
        total, shift = np.maximum(count + more, 1), centre - mean
        # Merging of two sets' moments (Chan 1979, eq. 2.1): exact where a sum of squares would cancel.
        spread += variance * more + shift**2 * count * more / total
        mean += shift * more / total
        count += more
    if not count.any():
        raise DataError("No value was observed in the training part; nothing can be fitted.")
    std = np.sqrt(spread / np.maximum(count, 1))
    std = np.where(std > np.maximum(CONSTANT * np.abs(mean), 1e-30), std, 1.0)
    return Fitted(arrays={"mean": mean.astype(np.float32), "std": std.astype(np.float32)}, facts={"channels": channels})


def moments(values: Float[np.ndarray, "t c"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number, mean and variance of the observed values of every channel, (C,) each; 0 where there are none."""
    seen = np.isfinite(values)
    count = seen.sum(0).astype(np.float64)
    mean = np.where(seen, values, 0.0).sum(0) / np.maximum(count, 1)
    return count, mean, (np.where(seen, values - mean, 0.0) ** 2).sum(0) / np.maximum(count, 1)


def standardise(values: Float[Tensor, "b t c"], fitted: Fitted, own: bool) -> Float[Tensor, "b t c"]:
    """Values less the mean and over the std of the training part, or (own) of each record's own observed values."""
    mean, std = (torch.from_numpy(fitted.arrays[name]).to(values.device) for name in ("mean", "std"))
    if own:
        mean = values.nanmean(1, keepdim=True)
        std = (values - mean).square().nanmean(1, keepdim=True).sqrt()
        std = torch.where(std > 10 * CONSTANT * mean.abs(), std, 1.0)
    return (values - mean) / std


def audit_recordings(chunks: Iterable[Rows], names: Sequence[str], rate: float) -> tuple[Fact, ...]:
    """Facts on lengths, durations, rates, missing values and constant channels, in one pass."""
    lengths: list[float] = []
    rates: list[float] = []
    seen, absent, constant = np.zeros(len(names)), np.zeros(len(names)), np.zeros(len(names))
    for rows in chunks:
        rates += [float(own) for own in rows.fields["rate"] if float(own) > 0]
        for values in recordings_of(rows):
            count, _, variance = moments(values.double().cpu().numpy())
            lengths.append(float(len(values)))
            seen += count
            absent += count == 0
            constant += (count > 1) & (variance == 0)
    steps = max(1.0, sum(lengths))
    facts: list[Fact] = [("recordings", float(len(lengths)), ""), ("channels", ", ".join(names), "")]
    facts += _spread("length", lengths, "steps")
    if rate:
        size, unit = span_unit(float(np.median(lengths)) / rate)
        facts += _spread("duration", [length / rate / size for length in lengths], unit)
    facts += _spread("rate", rates if rate >= 1 else [], "Hz")
    facts += [("values missing", 100 * (1 - float(seen.sum()) / steps / len(names)), "%")]
    for what, counts in (("without", absent), ("of constant", constant)):
        worst = np.argsort(-counts, kind="stable")[:3]
        facts += [(f"recordings {what} {names[place]}", float(counts[place]), "") for place in worst if counts[place]]
    return tuple(facts)


def _spread(what: str, values: Sequence[float], unit: str) -> list[Fact]:
    if not values:
        return []
    words = ("least", "median", "largest")
    found = np.quantile(values, [0.0, 0.5, 1.0]).tolist()
    return [(f"{word} {what}", value, unit) for word, value in zip(words, found, strict=True)]
