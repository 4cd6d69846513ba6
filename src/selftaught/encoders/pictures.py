"""What picture backbones share: the shape they read, and their last map as tokens.

Shape letters: B rows, C channels, H height, W width, N tokens.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from selftaught.core.batch import Batch
from selftaught.core.errors import IllegalPair
from selftaught.core.modality import Modality
from selftaught.core.tokens import Tokens


def picture_shape(modality: Modality, name: str) -> tuple[int, int, int]:
    """(channels, height, width) of a full view. Raises IllegalPair for modalities that are not pictures."""
    if modality.layout != "picture" or modality.shape is None:
        raise IllegalPair(f"{name} reads pictures, not {modality.name}; use the encoder 'transformer' instead.")
    channels, height, width = modality.shape
    return channels, height, width


def map_tokens(x: Float[Tensor, "b c h w"], batch: Batch) -> Tokens:
    """A feature map as tokens; their origins are the batch's, averaged or interpolated to the map's grid."""
    b, _, h, w = x.shape
    count = h * w
    rows = torch.arange(h, device=x.device, dtype=torch.float32)
    columns = torch.arange(w, device=x.device, dtype=torch.float32)
    pos = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1).view(1, count, 2).expand(b, count, 2)
    known = batch.segment.shape[1]
    high, wide = batch.x.shape[-2:] if isinstance(batch.x, Tensor) else (h, w)
    lines = max(1, round((known * high / wide) ** 0.5))
    if known % lines == 0:
        grid = batch.origin.transpose(1, 2).reshape(b, 2, lines, known // lines)
        origin = F.interpolate(grid, (h, w), mode="bilinear", align_corners=False).flatten(2).transpose(1, 2)
    else:
        origin = (pos + 0.5) / torch.tensor([h, w], device=x.device)
    ones = torch.ones(1, 1, dtype=torch.long, device=x.device).expand(b, count)
    unit = torch.arange(count, device=x.device).expand(b, count)
    content = x.flatten(2).transpose(1, 2)
    return Tokens(content=content, segment=ones, pos=pos, origin=origin, unit=unit, axes=batch.axes, dense=True)
