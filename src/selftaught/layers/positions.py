"""Position codes by axes: sinusoids for metric axes, learned rows for index axes.

Shape letters: B rows, N tokens, K coordinates, D width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from selftaught.core.batch import Axis


class PositionCode(nn.Module):
    """Adds up one code per axis, each over the whole width's share.

    Metric axes (time, y, x) share the width and get sines and cosines of the coordinate at geometric frequencies
    (Vaswani 2017, section 3.5), so any number of tokens and any view size is served. An index axis (columns of a table)
    gets a learned vector per index over the full width.
    """

    def __init__(self, dim: int, axes: Sequence[Axis]) -> None:
        super().__init__()
        self.dim = dim
        self.axes = tuple(axes)
        self.metric = [index for index, axis in enumerate(axes) if axis.size is None]
        self.tables = nn.ModuleDict({axis.name: nn.Embedding(axis.size, dim) for axis in axes if axis.size is not None})
        for table in self.tables.values():
            if isinstance(table, nn.Embedding):
                nn.init.normal_(table.weight, std=0.02)

    def forward(self, pos: Float[Tensor, "b n k"]) -> Float[Tensor, "b n d"]:
        """Codes of the given coordinates."""
        code = pos.new_zeros(*pos.shape[:2], self.dim)
        if self.metric:
            share = 2 * (self.dim // (2 * len(self.metric)))
            waves = [sinusoids(pos[..., index], share) for index in self.metric]
            joined = torch.cat(waves, -1)
            code = nn.functional.pad(joined, (0, self.dim - joined.shape[-1]))
        for index, axis in enumerate(self.axes):
            if axis.size is not None:
                code = code + self.tables[axis.name](pos[..., index].long().clamp(0, axis.size - 1))
        return code


def sinusoids(coordinate: Float[Tensor, "b n"], dim: int) -> Float[Tensor, "b n d"]:
    """Sines then cosines of a coordinate at `dim / 2` frequencies from 1 to 1/10,000 per unit."""
    half = dim // 2
    steps = torch.arange(half, device=coordinate.device, dtype=torch.float32)
    angle = coordinate.float()[..., None] * torch.exp(steps * (-math.log(10_000) / max(1, half)))
    return torch.cat([angle.sin(), angle.cos()], -1)
