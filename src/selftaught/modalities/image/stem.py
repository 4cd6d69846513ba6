"""The patch embedding: one linear map per patch, for a view of any size.

Shape letters: B records, C channels, s side of the view, N tokens, D width.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.core.batch import Batch
from selftaught.core.errors import UsageError


def patches(x: Float[Tensor, "b c h w"], side: int) -> Float[Tensor, "b n values"]:
    """The patches of pictures, row by row; each holds its values as (y, x, channel)."""
    count, channels, height, width = x.shape
    grid = x.view(count, channels, height // side, side, width // side, side)
    return grid.permute(0, 2, 4, 3, 5, 1).reshape(count, -1, side * side * channels)


class PatchStem(nn.Module):
    """Token content (B, N, D) of a view: the same linear map of every patch."""

    def __init__(self, dim: int, side: int, channels: int) -> None:
        super().__init__()
        self.side = side
        self.project = nn.Linear(side * side * channels, dim)
        nn.init.trunc_normal_(self.project.weight, std=self.project.in_features**-0.5)
        nn.init.zeros_(self.project.bias)

    def forward(self, batch: Batch) -> Float[Tensor, "b n d"]:
        """Content without positions."""
        if not isinstance(batch.x, Tensor) or not torch.is_floating_point(batch.x):
            raise UsageError("The stem reads views; call Image.augment(batch, View(kind='clean'), rng) first.")
        return F.linear(patches(batch.x, self.side), self.project.weight, self.project.bias)
