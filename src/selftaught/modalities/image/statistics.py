"""Per-channel statistics of the training part, merged chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from selftaught.core.errors import DataError
from selftaught.core.modality import Fitted
from selftaught.modalities.image.decode import Depth


def fit_pixels(chunks: Iterable[Tensor], channels: int, depth: Depth) -> Fitted:
    """low and high (raw values that become 0 and 1), mean and std (of what results), each (C,), from (B, C, S, S)."""
    count, mean, spread = 0.0, torch.zeros(channels).double(), torch.zeros(channels).double()
    least, most = torch.full((channels,), torch.inf), torch.full((channels,), -torch.inf)
    for chunk in chunks:
        if not chunk.numel():
            continue
        values = chunk.float().transpose(0, 1).flatten(1)
        least, most = torch.minimum(least, values.amin(1).cpu()), torch.maximum(most, values.amax(1).cpu())
        variance, centre = (part.double().cpu() for part in torch.var_mean(values, 1, correction=0))
        more = float(values.shape[1])
        shift = centre - mean
        # Merging of two sets' moments (Chan 1979, eq. 2.1): exact where a sum of squares would cancel.
        spread += variance * more + shift**2 * count * more / (count + more)
        mean += shift * more / (count + more)
        count += more
    if not count:
        raise DataError("There are no pictures in the training part; nothing can be fitted.")
    low, high = value_range(least.double(), most.double(), depth)
    std = (spread / count).sqrt() / (high - low)
    std = torch.where(std < 1e-4, 1.0, std)  # a constant channel must not be blown up
    arrays = {"low": low, "high": high, "mean": (mean - low) / (high - low), "std": std}
    return Fitted(
        arrays={name: value.numpy().astype(np.float32) for name, value in arrays.items()},
        facts={"channels": channels, "depth": depth},
    )


def value_range(least: Tensor, most: Tensor, depth: Depth) -> tuple[Tensor, Tensor]:
    """The raw values that become 0 and 1: all of 8 bits, the bits in use of 16, the range seen of floats beyond 0..1.

    Grey and colour channels share one range, so that colours keep their meaning; other bands have one each.
    """
    if len(least) in (1, 3):
        least, most = least.min().expand_as(least), most.max().expand_as(most)
    zero = torch.zeros_like(least)
    if depth == "uint8":
        return zero, zero + 255
    if depth == "uint16":
        return zero, 2 ** (most.clamp(min=255) + 1).log2().ceil() - 1
    inside = (least >= 0) & (most <= 1)
    high = torch.where(most > least, most, least + 1)
    return torch.where(inside, zero, least), torch.where(inside, zero + 1, high)
