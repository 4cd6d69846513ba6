"""What cameras, weather and codecs do to a picture that keeps its label, in five severities (Hendrycks 2019).

Differs: amounts are shares of the side and of the range, so that they hold for any size; draws are each record's own
and do not depend on the severity. Shape letters: B records, C channels, S side of the canvas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from selftaught.core.errors import UsageError
from selftaught.core.rng import Rng
from selftaught.modalities.image.geometry import blur

Pictures = Float[Tensor, "b c s s"]
Change = Callable[[Tensor, Tensor, float, Rng], Tensor]
"""(pictures in 0..1, record ids, amount, rng) to pictures."""


def _noise(x: Tensor, ids: Tensor, amount: float, rng: Rng) -> Tensor:
    return x + amount * rng.normal(ids, "noise", tuple(x.shape[1:]))


def _specks(x: Tensor, ids: Tensor, amount: float, rng: Rng) -> Tensor:
    draw = rng.uniform(ids, "specks", (1, *x.shape[2:]))
    return torch.where(draw < amount / 2, 0.0, torch.where(draw >= 1 - amount / 2, 1.0, x))


def _blur(x: Tensor, ids: Tensor, amount: float, rng: Rng) -> Tensor:
    sigma = amount * x.shape[-1]
    return blur(x, x.new_full((len(x),), sigma), 2 * math.ceil(2 * sigma) + 1)


def _brightness(x: Tensor, ids: Tensor, amount: float, rng: Rng) -> Tensor:
    return x + amount


def _contrast(x: Tensor, ids: Tensor, amount: float, rng: Rng) -> Tensor:
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + amount * (x - mean)


def _pixelate(x: Tensor, ids: Tensor, amount: float, rng: Rng) -> Tensor:
    side = x.shape[-1]
    return F.interpolate(F.interpolate(x, size=max(1, round(amount * side)), mode="area"), size=side)


def _occlusion(x: Tensor, ids: Tensor, amount: float, rng: Rng) -> Tensor:
    """A grey square over a share of the area."""
    start = (1 - amount**0.5) * rng.uniform(ids, "square", (2, 1))
    place = (torch.arange(x.shape[-1], device=x.device) + 0.5) / x.shape[-1]
    high, wide = ((place >= start) & (place < start + amount**0.5)).unbind(1)
    return torch.where(high[:, None, :, None] & wide[:, None, None, :], 0.5, x)


# Every corruption with its amounts: of the range 0..1, of the side, of the pixels, of the contrast that stays.
LADDERS: Mapping[str, tuple[Change, tuple[float, ...]]] = {
    "noise": (_noise, (0.03, 0.06, 0.1, 0.15, 0.22)),
    "specks": (_specks, (0.01, 0.03, 0.06, 0.1, 0.17)),
    "blur": (_blur, (0.01, 0.02, 0.03, 0.045, 0.06)),
    "brightness": (_brightness, (0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": (_contrast, (0.7, 0.5, 0.4, 0.3, 0.2)),
    "pixelate": (_pixelate, (0.75, 0.6, 0.5, 0.35, 0.25)),
    "occlusion": (_occlusion, (0.04, 0.08, 0.14, 0.22, 0.32)),
}


def corrupt_pixels(x: Pictures, ids: Int[Tensor, " b"], name: str, severity: int, rng: Rng) -> Pictures:
    """Pictures with values in 0..1 through a corruption at a severity of 1 to 5. Raises UsageError for others."""
    if name not in LADDERS or severity not in range(1, 6):
        known = ", ".join(LADDERS)
        raise UsageError(f"Image has no corruption {name!r} of severity {severity}; it has {known}, 1 to 5 each.")
    change, ladder = LADDERS[name]
    return change(x, ids, ladder[severity - 1], rng.fold(name)).clamp(0, 1)
