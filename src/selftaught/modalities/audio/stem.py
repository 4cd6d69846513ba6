"""The patch embedding of log-mel pictures, for a view of any size.

Shape letters: B records, h and w sides of the view, N tokens, D width.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from selftaught.core.batch import Batch
from selftaught.core.errors import UsageError


def patches(x: Float[Tensor, "b 1 h w"], side: int) -> Float[Tensor, "b n values"]:
    """The squares of pictures, the lowest bands first and each row in the order of time; values as (band, frame)."""
    return x.unfold(2, side, side).unfold(3, side, side).flatten(4).flatten(1, 3)


class PatchStem(nn.Module):
    """Token content (B, N, D) of a view: the same linear map of every patch."""

    def __init__(self, dim: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.project = nn.Linear(side * side, dim)
        nn.init.trunc_normal_(self.project.weight, std=1 / side)
        nn.init.zeros_(self.project.bias)

    def forward(self, batch: Batch) -> Float[Tensor, "b n d"]:
        """Content without positions."""
        if not isinstance(batch.x, Tensor) or not torch.is_floating_point(batch.x):
            raise UsageError("The stem reads views; call Audio.augment(batch, View(kind='clean'), rng) first.")
        content: Tensor = self.project(patches(batch.x, self.side))
        return content
