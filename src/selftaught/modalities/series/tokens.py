"""The places of a view's tokens. Shape letters: B records, S steps of the view, N tokens."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from selftaught.core.batch import Axis, Batch, Facts
from selftaught.modalities.series.views import Path


def token_origin(path: Path, patch: int) -> Float[Tensor, "b n"]:
    """Centres of a view's tokens in the record's own coordinates, 0..1; a token's centre is that of its own steps."""
    rows, steps = path.place.shape
    own = torch.arange(steps, device=path.place.device) < path.count[:, None]
    place, own = path.place.reshape(rows, -1, patch), own.view(rows, -1, patch)
    own = own | ~own.any(2, keepdim=True)
    return ((place * own).sum(2) / own.sum(2) + 0.5) / path.length[:, None]


def with_tokens(
    x: Tensor | tuple[Tensor, ...], path: Path, patch: int, axes: tuple[Axis, ...], by_channel: bool, facts: Facts
) -> Batch:
    """The batch of a view whose steps lie along a path.

    A token is valid when its first step is within the view. With a second axis there is one token for each channel of
    a stretch, channel by channel; by_channel: all of a channel are one unit, else every token is its own.
    """
    device, (rows, steps) = path.place.device, path.place.shape
    count, parts = steps // patch, (axes[1].size or 1) if len(axes) > 1 else 1
    own = (path.count + patch - 1).div(patch, rounding_mode="floor")
    line = torch.arange(count * parts, device=device)
    channel, place = line.div(count, rounding_mode="floor"), line % count
    pos, centre = torch.stack([place, channel], 1).float(), ((channel + 0.5) / parts).expand(rows, -1)
    origin = torch.stack([token_origin(path, patch).repeat(1, parts), centre], 2)
    return Batch(
        x=x,
        stream="series",
        segment=(place < own[:, None]).long(),
        pos=pos[:, : len(axes)].expand(rows, -1, -1),
        axes=axes,
        origin=origin[..., : len(axes)],
        unit=(channel if by_channel else line).expand(rows, -1),
        facts=facts,
        dense=bool((own == count).all()),
    )
