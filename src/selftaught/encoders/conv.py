"""A small residual network for short budgets: whitened fixed first layer, matrix products where maps are small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.core.batch import Batch
from selftaught.core.encoder import Encoded, Encoder, EncoderConfig
from selftaught.core.modality import Fitted, Modality
from selftaught.encoders.pictures import map_tokens, picture_shape
from selftaught.encoders.products import PointConv, SpatialConv

SIZES = {
    "xs": (32, 64, 128, 192),
    "s": (48, 96, 192, 256),
    "m": (64, 128, 256, 512),
    "l": (96, 192, 384, 768),
}


@dataclass(frozen=True, kw_only=True)
class ConvNet(EncoderConfig):
    """A residual network whose first layer is the data's own PCA whitening, fixed (Coates & Ng 2011; Jordan 2024).

    widths: channels of the stages; each but the first and the last halves the map. stride: of the first layer, pixels;
    None: 2 for views up to 48 pixels (kernel 4), else 4 (kernel 6).
    """

    widths: tuple[int, ...] = (48, 96, 192, 256)
    stride: int | None = None

    can: ClassVar[frozenset[str]] = frozenset({"tokens", "layers"})
    layout: ClassVar[Literal["any", "picture"]] = "picture"

    @classmethod
    def of_size(cls, size: str) -> ConvNet:
        """The network at one mark of the size dial."""
        return cls(widths=SIZES[size])

    def build(self, modality: Modality, fitted: Fitted) -> Encoder:
        """A freshly initialised network; the first layer whitens by `fitted.arrays["covariance"]` where present."""
        channels, size, _ = picture_shape(modality, "ConvNet")
        stride = self.stride or (2 if size <= 48 else 4)
        return ConvNetEncoder(self, channels, stride, fitted.arrays.get("covariance"))


class Residual(nn.Module):
    """Two 3x3 convolutions around a 1x1 shortcut where shapes change."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = SpatialConv(inputs, width, stride)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = SpatialConv(width, width, 1)
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut = PointConv(inputs, width, stride) if inputs != width or stride > 1 else nn.Identity()

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """The block's output."""
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class ConvNetEncoder(Encoder):
    """The module that `ConvNet` builds."""

    can = ConvNet.can

    def __init__(self, config: ConvNet, channels: int, stride: int, covariance: np.ndarray | None) -> None:
        super().__init__()
        width = config.widths[0]
        kernel = 4 if stride == 2 else 6
        self.stem = nn.Conv2d(channels, width, kernel, stride, (kernel - stride) // 2, bias=False)
        if covariance is not None:
            self._whiten(torch.from_numpy(covariance).double(), channels, kernel)
        self.norm = nn.BatchNorm2d(width)
        blocks: list[nn.Module] = []
        inputs = width
        for index, out in enumerate(config.widths):
            halve = 0 < index < len(config.widths) - 1
            blocks.append(Residual(inputs, out, 2 if halve else 1))
            inputs = out
        self.blocks = nn.ModuleList(blocks)
        self.dim, self.depth = inputs, len(blocks)

    @torch.no_grad()
    def _whiten(self, covariance: Tensor, channels: int, kernel: int) -> None:
        """First-layer weights: leading whitened principal directions, then their negatives as far as the width goes.

        covariance: of 6 x 6 patches in (channel, y, x) order; a smaller kernel takes the part of the centre. What the
        directions leave over keeps its random weights; the whole layer is fixed.
        """
        side = slice((6 - kernel) // 2, (6 - kernel) // 2 + kernel)
        grid = covariance.view(channels, 6, 6, channels, 6, 6)[:, side, side, :, side, side]
        count = channels * kernel**2
        values, vectors = torch.linalg.eigh(grid.reshape(count, count))
        directions = (vectors / (values.clamp(min=0) + 1e-2).sqrt()).T.flip(0)
        both = torch.cat([directions, -directions])[: self.stem.out_channels].float()
        self.stem.weight[: len(both)] = both.view(-1, *self.stem.weight.shape[1:])
        self.stem.weight.requires_grad_(False)

    def encode(self, batch: Batch, layers: Sequence[int] = ()) -> Encoded:
        """The last map as tokens, its spatial mean, and the outputs of the asked blocks."""
        x = F.relu(self.norm(self.stem(batch.x)))
        kept: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in layers:
                kept.append(x.flatten(2).transpose(1, 2))
        return Encoded(pooled=x.float().mean((2, 3)), tokens=map_tokens(x, batch), layers=tuple(kept))
