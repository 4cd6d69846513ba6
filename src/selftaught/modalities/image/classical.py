"""What an expert would have computed from pictures before representation learning.

Every feature set works at one standard side, fits on the training rows, and returns float32 arrays (records, features).
Shape letters: B records, C channels, s standard side, P values per patch, K centres.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from selftaught.core.modality import Classical, Fitted, Rows
from selftaught.modalities.image.views import show_whole
from selftaught.modalities.patchwords import encode_words, learn_words

Pixels = Callable[[Rows], Tensor]
Fit = Callable[[Iterable[Rows]], Fitted]

CHUNK = 256
PCA_RECORDS = 10_000
PCA_COMPONENTS = 256
ROUNDING = 1e-5
"""Spread of an axis by that of the first, below which float32 holds nothing but rounding."""


def feature_sets(pixels: Pixels, fit: Fit) -> tuple[Classical, ...]:
    """HOG with colour histogram, PCA of pixels, random-patch k-means. pixels: of some rows; fit: their value range."""

    def hog(train: Rows, other: Rows) -> tuple[np.ndarray, np.ndarray]:
        first, second, fitted = pixels(train), pixels(other), fit([train])
        return _collect(first, fitted, describe), _collect(second, fitted, describe)

    def components(train: Rows, other: Rows) -> tuple[np.ndarray, np.ndarray]:
        first, second, fitted = pixels(train), pixels(other), fit([train])
        known = torch.cat(list(standardise(_spread_over(first, PCA_RECORDS), fitted, 32))).flatten(1)
        mean, axes = principal_axes(known, PCA_COMPONENTS)

        def project(x: Tensor) -> Tensor:
            return (x.flatten(1) - mean) @ axes

        return _collect(first, fitted, project, 32), _collect(second, fitted, project, 32)

    def words(train: Rows, other: Rows) -> tuple[np.ndarray, np.ndarray]:
        first, second, fitted = pixels(train), pixels(other), fit([train])
        known = learn_words(torch.cat(list(standardise(_spread_over(first, PCA_RECORDS), fitted, 32))))

        def encode(x: Tensor) -> Tensor:
            return encode_words(x, known)

        return _collect(first, fitted, encode, 32), _collect(second, fitted, encode, 32)

    return (
        Classical(name="HOG and colour histogram", features=hog),
        Classical(name="PCA of pixels", features=components),
        Classical(name="random-patch k-means", features=words),
    )


def standardise(pixels: Tensor, fitted: Fitted, side: int) -> Iterator[Float[Tensor, "b c s s"]]:
    """Chunks of pictures resized to a square of `side`, with values in 0..1."""
    low, high = (torch.from_numpy(fitted.arrays[name])[:, None, None] for name in ("low", "high"))
    for part in pixels.cpu().split(CHUNK):
        yield ((show_whole(part, side) - low) / (high - low)).clamp(0, 1)


def describe(x: Float[Tensor, "b c s s"]) -> Float[Tensor, "b features"]:
    """HOG of 8 x 8 cells beside the square root of the colour histogram."""
    return torch.cat([orient(x, x.shape[-1] // 8), colour_histogram(x).sqrt()], 1)


def orient(x: Float[Tensor, "b c s s"], cell: int, bins: int = 9) -> Float[Tensor, "b features"]:
    """Histograms of oriented gradients (Dalal 2005): cells of `cell` pixels, blocks of 2 x 2 cells, L2-Hys.

    As in scikit-image: unsigned orientations without interpolation, the channel of the strongest gradient, no gradient
    at the border. Order of the features: block row, block column, cell row, cell column, bin.
    """
    down, right = torch.zeros_like(x), torch.zeros_like(x)
    down[:, :, 1:-1] = x[:, :, 2:] - x[:, :, :-2]
    right[:, :, :, 1:-1] = x[:, :, :, 2:] - x[:, :, :, :-2]
    strength, strongest = down.square().add_(right.square()).max(1, keepdim=True)
    down, right = down.gather(1, strongest), right.gather(1, strongest)
    angle = torch.atan2(down, right).mul_(bins / torch.pi)
    index = torch.where(angle < 0, angle + bins, angle).floor_().remainder_(bins)
    size = strength.sqrt()
    cells = torch.cat([F.avg_pool2d(size * (index == place), cell) for place in range(bins)], 1)
    blocks = cells.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 4, 5, 1).flatten(3)
    for limit in (0.2, None):
        blocks = blocks / (blocks.square().sum(3, keepdim=True) + 1e-10).sqrt()
        blocks = blocks if limit is None else blocks.clamp(max=limit)
    return blocks.flatten(1)


def colour_histogram(x: Float[Tensor, "b c s s"]) -> Float[Tensor, "b bins"]:
    """Shares of pixels: of 4 x 4 x 4 joint colours for three channels, else of 16 values per channel."""
    count, channels = x.shape[:2]
    flat = x.flatten(2)
    if channels == 3:
        level = (flat * 4).long().clamp(0, 3)
        index, bins = (level[:, :1] * 16 + level[:, 1:2] * 4 + level[:, 2:]), 64
    else:
        offset = torch.arange(channels)[:, None] * 16
        index, bins = (flat * 16).long().clamp(0, 15) + offset, 16 * channels
    index = index + torch.arange(count)[:, None, None] * bins
    return torch.bincount(index.flatten(), minlength=count * bins).view(count, bins).float() / flat.shape[2]


def principal_axes(x: Float[Tensor, "n d"], count: int) -> tuple[Float[Tensor, " d"], Float[Tensor, "d k"]]:
    """The mean and the leading axes of variance, by subspace iteration (Halko 2011, algorithm 4.4).

    Axes of rounding are left out, such as the last of as many axes as rows: a probe would blow them up.
    """
    count = min(count, *x.shape)
    mean = x.mean(0)
    centred = x - mean
    start = torch.randn(x.shape[1], min(count + 16, *x.shape), generator=torch.Generator().manual_seed(0))
    basis = torch.linalg.qr(centred @ start).Q
    for _ in range(4):
        basis = torch.linalg.qr(centred @ torch.linalg.qr(centred.T @ basis).Q).Q
    _, spread, axes = torch.linalg.svd(basis.T @ centred, full_matrices=False)
    real = max(1, int((spread[:count] > ROUNDING * spread[0]).sum()))
    return mean, axes[:real].T


def _collect(
    pixels: Tensor, fitted: Fitted, function: Callable[[Tensor], Tensor], side: int | None = None
) -> np.ndarray:
    side = side or (64 if pixels.shape[-1] >= 48 else 32)
    with torch.inference_mode():
        parts = [function(part) for part in standardise(pixels, fitted, side)]
    return torch.cat(parts).numpy()


def _spread_over(pixels: Tensor, most: int) -> Tensor:
    # Evenly spread records, so that memory stays flat however many there are.
    return pixels if len(pixels) <= most else pixels[torch.linspace(0, len(pixels) - 1, most).long()]
