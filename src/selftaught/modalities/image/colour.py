"""Colour operations on whole batches, one factor per record, and their fusion into one matrix per record.

Pictures are (B, C, H, W) with values in 0..1; factors are (B,). The single operations follow torchvision's functional
ones; `fuse` differs from their chain in two stated ways: values are clamped once, at the end, and hue is a rotation in
YIQ instead of a shift in HSV.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

LUMINANCE = (0.2989, 0.587, 0.114)
_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))

Pictures = Float[Tensor, "b c h w"]
Factor = Float[Tensor, " b"]


def luminance(x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b k ..."]:
    """ITU-R 601 luminance (B, 1, ...) of three channels; of any other number, every channel's own value."""
    if x.shape[1] != 3:
        return x
    red, green, blue = x.unbind(1)
    return (LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue)[:, None]


def brightness(x: Pictures, factor: Factor) -> Pictures:
    """Values times the factor."""
    return (x * _spread(factor)).clamp(0, 1)


def contrast(x: Pictures, factor: Factor) -> Pictures:
    """Values moved away from (factor > 1) or towards the picture's mean luminance."""
    return _blend(x, luminance(x).mean((2, 3), keepdim=True), factor)


def saturation(x: Pictures, factor: Factor) -> Pictures:
    """Values moved away from or towards their own luminance; three channels only."""
    return _blend(x, luminance(x), factor)


def hue(x: Pictures, turns: Factor) -> Pictures:
    """Colours turned by a fraction of the colour circle, as a rotation of the YIQ chroma plane; three channels only.

    Differs from torchvision's shift in HSV: luminance is kept, and a saturated colour turns by a slightly other angle.
    """
    one, zero = torch.ones_like(turns), torch.zeros_like(turns)
    matrix = colour_matrix(brightness=one, saturation=one, turns=turns, grey=zero > 0)
    return torch.einsum("bij,bjhw->bihw", matrix, x).clamp(0, 1)


def greyscale(x: Pictures, chosen: Bool[Tensor, " b"]) -> Pictures:
    """The chosen pictures in grey, with as many channels as before."""
    return torch.where(_spread(chosen), luminance(x), x)


def solarise(x: Pictures, chosen: Bool[Tensor, " b"], threshold: float = 0.5) -> Pictures:
    """In the chosen pictures, values at or above the threshold are inverted."""
    return torch.where(_spread(chosen) & (x >= threshold), 1 - x, x)


def colour_matrix(
    *, brightness: Factor, saturation: Factor, turns: Factor, grey: Bool[Tensor, " b"]
) -> Float[Tensor, "b 3 3"]:
    """Brightness, saturation, hue and grey, in this order, as one 3x3 matrix per record."""
    device = turns.device
    to_yiq = torch.tensor(_YIQ, device=device)
    from_yiq = torch.linalg.inv(torch.tensor(_YIQ)).to(device)
    angle = -2 * math.pi * turns  # from red to yellow, as in HSV
    one, zero = torch.ones_like(turns), torch.zeros_like(turns)
    chroma = saturation * (~grey)
    cosine, sine = chroma * angle.cos(), chroma * angle.sin()
    rows = [one, zero, zero, zero, cosine, -sine, zero, sine, cosine]
    turned = from_yiq @ torch.stack(rows, 1).view(-1, 3, 3) @ to_yiq
    matrix: Tensor = brightness[:, None, None] * turned
    return matrix


def fuse(
    x: Pictures,
    matrix: Float[Tensor, "b 3 3"] | Factor,
    factor: Factor,
    low: Float[Tensor, "b c"],
    high: Float[Tensor, "b c"],
) -> Pictures:
    """Raw values brought to 0..1, through a colour matrix (or brightness alone), then contrast; clamped once.

    low, high: raw values that become 0 and 1. All is one product per record: factor * M u + (1 - factor) * mean(M u).
    """
    gain, shift = 1 / (high - low), -low / (high - low)
    mean = x.mean((2, 3)) * gain + shift
    if matrix.ndim == 1:
        mean = mean * matrix[:, None]
        gain = gain * (factor * matrix)[:, None]
        shift = shift * (factor * matrix)[:, None] + (1 - factor)[:, None] * luminance(mean)
        return x.mul_(_spread(gain)).add_(_spread(shift)).clamp_(0, 1)
    mean = torch.bmm(matrix, mean[:, :, None])
    offset = factor[:, None, None] * torch.bmm(matrix, shift[:, :, None])
    offset = offset + (1 - factor)[:, None, None] * luminance(mean)
    scale = factor[:, None, None] * matrix * gain[:, None, :]
    return torch.baddbmm(offset, scale, x.flatten(2)).clamp_(0, 1).view_as(x)


def _blend(x: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    factor = _spread(factor)
    return (factor * x + (1 - factor) * other).clamp(0, 1)


def _spread(values: Tensor) -> Tensor:
    return values.view(*values.shape, *([1] * (4 - values.ndim)))
