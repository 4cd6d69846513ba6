"""Random-patch k-means features (Coates & Ng 2011, 'An analysis of single-layer networks').

Shape letters: B records, C channels, s side, P values per patch, K centres.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

PATCH = 6  # pixels
STRIDE = 2  # pixels
WORDS = 400
SAMPLES = 50_000
ROUNDS = 12
_SMALL_BATCH = 32  # keeps the distances of one product in the cache


@dataclass(frozen=True, kw_only=True)
class Words:
    """Centres in the whitened space of patches: whitened = (patch - mean) @ whiten."""

    mean: Float[Tensor, " p"]
    whiten: Float[Tensor, "p p"]
    centres: Float[Tensor, "k p"]


def learn_words(x: Float[Tensor, "b c s s"], count: int = WORDS) -> Words:
    """Centres of random whitened patches of pictures with values in 0..1."""
    random = torch.Generator().manual_seed(0)
    across = x.shape[-1] - PATCH + 1
    share = min(100, -(-SAMPLES // len(x)))
    owner = torch.arange(len(x)).repeat_interleave(share)[:SAMPLES]
    top, left = (torch.randint(across, owner.shape, generator=random) for _ in range(2))
    step = torch.arange(PATCH)
    rows, columns = (top[:, None] + step)[:, :, None], (left[:, None] + step)[:, None, :]
    found = _normalise(x[owner[:, None, None], :, rows, columns].permute(0, 3, 1, 2).flatten(1))
    mean = found.mean(0)
    centred = found - mean
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    whiten = (vectors * (values.clamp(min=0) + 0.1).rsqrt()) @ vectors.T
    return Words(mean=mean, whiten=whiten, centres=_centres(centred @ whiten, min(count, len(found)), random))


def encode_words(x: Float[Tensor, "b c s s"], words: Words) -> Float[Tensor, "b features"]:
    """For each quadrant of a picture, how much nearer than on average its patches are to each centre (B, 4 K)."""
    return torch.cat([_encode(part, words) for part in x.split(_SMALL_BATCH)])


def _encode(x: Tensor, words: Words) -> Tensor:
    found = F.unfold(x, PATCH, stride=STRIDE).transpose(1, 2)
    across = int(found.shape[1] ** 0.5)
    whitened = (_normalise(found) - words.mean) @ words.whiten
    half = words.centres.square().sum(1)
    # |w - c|^2 without the differences; the triangle of eq. 3 keeps what is nearer than the mean distance.
    distance = torch.matmul(whitened, words.centres.T).mul_(-2).add_(half)
    distance = distance.add_(whitened.square().sum(2, keepdim=True)).clamp_(min=0).sqrt_()
    near = distance.neg_().sub_(distance.mean(2, keepdim=True)).clamp_(min=0)
    grid = near.view(len(x), across, across, -1).permute(0, 3, 1, 2)
    return F.adaptive_avg_pool2d(grid, 2).flatten(1)


def _normalise(found: Tensor) -> Tensor:
    # Brightness and contrast of each patch; 10 grey levels squared is the paper's constant.
    variance, mean = torch.var_mean(found, -1, correction=0, keepdim=True)
    return (found - mean) / (variance + 10 / 255**2).sqrt()


def _centres(points: Tensor, count: int, random: torch.Generator) -> Tensor:
    centres = points[torch.randperm(len(points), generator=random)[:count]]
    for _ in range(ROUNDS):
        nearest = (centres.square().sum(1) - 2 * points @ centres.T).argmin(1)
        size = torch.bincount(nearest, minlength=count)[:, None]
        total = torch.zeros_like(centres).index_add_(0, nearest, points)
        centres = torch.where(size > 0, total / size.clamp(min=1), centres)
    return centres
