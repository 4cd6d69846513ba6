"""Residual networks for pictures, with the parameter names of torchvision so that its state dicts load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.core.batch import Batch
from selftaught.core.encoder import Encoded, Encoder, EncoderConfig
from selftaught.core.errors import UsageError
from selftaught.core.modality import Fitted, Modality
from selftaught.encoders.pictures import map_tokens, picture_shape
from selftaught.encoders.products import SpatialConv

BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


@dataclass(frozen=True, kw_only=True)
class ResNet(EncoderConfig):
    """ResNet (He 2016) of depth 10, 18, 34 or 50; the pooled vector is the spatial mean of the last map.

    width: channels of the first stage (64 in the paper). stem: "imagenet" (7x7 stride 2 and max-pool), "cifar" (3x3
    stride 1, Chen 2020 appendix B.9) or "auto": cifar for views up to 64 pixels.
    """

    depth: int = 18
    width: int = 64
    stem: Literal["auto", "cifar", "imagenet"] = "auto"

    can: ClassVar[frozenset[str]] = frozenset({"tokens", "layers"})
    layout: ClassVar[Literal["any", "picture"]] = "picture"

    def __post_init__(self) -> None:
        if self.depth not in BLOCKS:
            raise UsageError(f"ResNet has depth {', '.join(map(str, BLOCKS))}; got {self.depth}.")

    def build(self, modality: Modality, fitted: Fitted) -> Encoder:
        """A freshly initialised network for the modality's channels and view size."""
        channels, size, _ = picture_shape(modality, "ResNet")
        small = self.stem == "cifar" or (self.stem == "auto" and size <= 64)
        return ResNetEncoder(self, channels, small)


class Basic(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = SpatialConv(inputs, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = SpatialConv(width, width, 1)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """The block's output."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around a shortcut; four times the width comes out."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = SpatialConv(width, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = _shortcut(inputs, 4 * width, stride)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """The block's output."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if inputs == outputs and stride == 1:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class ResNetEncoder(Encoder):
    """The module that `ResNet` builds."""

    can = ResNet.can

    def __init__(self, config: ResNet, channels: int, small: bool) -> None:
        super().__init__()
        width = config.width
        self.small = small
        self.conv1 = nn.Conv2d(channels, width, 3 if small else 7, 1 if small else 2, 1 if small else 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inputs, expansion = width, 4 if config.depth >= 50 else 1
        for stage, count in enumerate(BLOCKS[config.depth]):
            blocks: list[nn.Module] = []
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                out = width * 2**stage
                blocks.append(Bottleneck(inputs, out, stride) if expansion == 4 else Basic(inputs, out, stride))
                inputs = out * expansion
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.dim, self.depth = inputs, 4
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

    def encode(self, batch: Batch, layers: Sequence[int] = ()) -> Encoded:
        """The last map as tokens on the batch's grid, its spatial mean, and the pooled outputs of the asked stages."""
        x = F.relu(self.bn1(self.conv1(batch.x)))
        if not self.small:
            x = F.max_pool2d(x, 3, 2, 1)
        kept: list[Tensor] = []
        for index in range(self.depth):
            x = self.get_submodule(f"layer{index + 1}")(x)
            if index in layers:
                kept.append(x.flatten(2).transpose(1, 2))
        return Encoded(pooled=x.mean((2, 3)), tokens=map_tokens(x, batch), layers=tuple(kept))
