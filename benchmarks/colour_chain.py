"""Colours as torchvision's ColorJitter makes them, for the probe difference: `bench_quality.py --colours chain`.

Each record has its own random order of brightness, contrast, saturation and hue, hue is a shift in HSV, values are
clamped after every operation, and grey comes last. Ours has one order, turns hue in YIQ and clamps once.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms._functional_tensor import _hsv2rgb, _rgb2hsv

from selftaught.modalities.image import colour, views


def recolour(view: Tensor, low: Tensor, high: Tensor, augmentation: views.Augmentation, draw: Tensor) -> Tensor:
    """What `selftaught.modalities.image.views.recolour` returns, in torchvision's order and definitions."""
    x = ((view - low[:, :, None, None]) / (high - low)[:, :, None, None]).clamp(0, 1)
    amount = (2 * draw[:, 2:6] - 1) * (draw[:, 6:7] < augmentation.jitter)
    jobs = (
        (colour.brightness, 1 + augmentation.brightness * amount[:, 0]),
        (colour.contrast, 1 + augmentation.contrast * amount[:, 1]),
        (colour.saturation, 1 + augmentation.saturation * amount[:, 2]),
        (shift_hue, augmentation.hue * amount[:, 3]),
    )
    # An order of its own for each record: digits of its draws that decide nothing else.
    order = (draw[:, 2:6] * 4096 % 1).argsort(1)
    for place in range(len(jobs)):
        for index, (job, factor) in enumerate(jobs):
            mine = order[:, place] == index
            x[mine] = job(x[mine], factor[mine])
    return colour.greyscale(x, draw[:, 7] < augmentation.grey)


def shift_hue(x: Tensor, turns: Tensor) -> Tensor:
    """The hue channel of HSV moved by a fraction of the circle per record."""
    hue, saturation, value = _rgb2hsv(x).unbind(1)
    return _hsv2rgb(torch.stack([(hue + turns[:, None, None]) % 1, saturation, value], 1))


def install() -> None:
    """Makes every training of this process recolour by this chain."""
    views.recolour = recolour
