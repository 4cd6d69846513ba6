"""Faults that sensors have and that leave the label as it was, each in five severities, on decoded recordings.

Shape letters: T time steps, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from selftaught.core.errors import UsageError
from selftaught.core.rng import Rng

Draw = Callable[..., Tensor]  # (key, *size) to uniform numbers in [0, 1)
Fault = Callable[[Tensor, Tensor, float, Draw], Tensor]  # (values (T, C), deviation (1, C), amount, draw) to values


def corrupt_one(
    values: Float[Tensor, "t c"], record: Int[Tensor, " one"], name: str, severity: int, rng: Rng
) -> Float[Tensor, "t c"]:
    """The recording with one fault. Raises UsageError for an unknown fault or a severity beyond 1..5."""
    if name not in FAULTS or not 1 <= severity <= 5:
        known = ", ".join(FAULTS)
        raise UsageError(f"Series has the corruptions {known} in severities 1 to 5; got {name} in {severity}.")

    def draw(key: str, *size: int) -> Tensor:
        return rng.uniform(record, key, size)[0]

    fault, amounts = FAULTS[name]
    spread = (values - values.nanmean(0, keepdim=True)).square().nanmean(0, keepdim=True).sqrt()
    return fault(values, torch.where(spread > 0, spread, 1.0), amounts[severity - 1], draw)


def _noise(x: Tensor, spread: Tensor, amount: float, draw: Draw) -> Tensor:
    # The sum of twelve uniform numbers less six is normal enough here, and has the same deviation of 1.
    return x + amount * spread * (draw("noise", 12, *x.shape).sum(0) - 6)


def _spikes(x: Tensor, spread: Tensor, amount: float, draw: Draw) -> Tensor:
    place = draw("spikes", *x.shape)
    return x + 5 * spread * ((place < amount / 2).float() - (place > 1 - amount / 2).float())


def _drift(x: Tensor, spread: Tensor, amount: float, draw: Draw) -> Tensor:
    line = torch.linspace(0, 1, len(x), device=x.device)[:, None]
    slope, wave, phase = (2 * draw("drift", 3, 1, x.shape[1]) - 1).unbind(0)
    return x + amount * spread * (slope * line + wave * (2 * math.pi * (line + phase)).sin())


def _gain(x: Tensor, spread: Tensor, amount: float, draw: Draw) -> Tensor:
    return x * (1 + amount * (2 * draw("gain", 1, x.shape[1]).round() - 1))


def _stretch(steps: int, share: float, draw: Draw) -> tuple[int, int]:
    count = max(1, round(share * steps))
    start = int(float(draw("stretch")) * (steps - count + 1))
    return start, start + count


def _dropout(x: Tensor, spread: Tensor, amount: float, draw: Draw) -> Tensor:
    start, stop = _stretch(len(x), amount / 2, draw)
    lost = draw("lost", *x.shape) < amount / 2
    lost[start:stop] = True
    return x.masked_fill(lost, float("nan"))


def _stuck(x: Tensor, spread: Tensor, amount: float, draw: Draw) -> Tensor:
    start, stop = _stretch(len(x), amount, draw)
    return torch.cat([x[:start], x[start].expand(stop - start, -1), x[stop:]])


# Each fault with its amounts: deviations of a channel, shares of the values or of the time, factors less 1.
FAULTS: dict[str, tuple[Fault, tuple[float, ...]]] = {
    "noise": (_noise, (0.1, 0.2, 0.4, 0.7, 1.0)),
    "spikes": (_spikes, (0.005, 0.01, 0.02, 0.05, 0.1)),
    "drift": (_drift, (0.3, 0.6, 1.0, 1.5, 2.0)),
    "gain": (_gain, (0.1, 0.2, 0.3, 0.5, 0.7)),
    "dropout": (_dropout, (0.05, 0.1, 0.2, 0.35, 0.5)),
    "stuck": (_stuck, (0.15, 0.25, 0.4, 0.6, 0.8)),
}
