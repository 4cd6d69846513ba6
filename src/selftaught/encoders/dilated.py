"""A residual network of dilated convolutions over time: one vector per time step, and their maximum as the pooled one.

Shape letters: B rows, T time steps, C channels, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.core.batch import Batch
from selftaught.core.encoder import Encoded, Encoder, EncoderConfig
from selftaught.core.errors import IllegalPair, UsageError
from selftaught.core.modality import Fitted, Modality
from selftaught.core.tokens import Tokens

SIZES = {"xs": (32, 7, 160), "s": (64, 10, 320), "m": (128, 10, 512), "l": (256, 10, 768)}
PIECE = 1 << 25
"""Numbers of the widest layer's taps that one forward without gradients may hold (4 bytes each)."""


@dataclass(frozen=True, kw_only=True)
class Dilated(EncoderConfig):
    """The encoder of TS2Vec (Yue 2022, section 3.2): a linear map of every step, then residual pairs of convolutions.

    Block k has kernel 3 and dilation 2^k, so that after ten a step sees 2,046 on either side. width: of the blocks.
    depth: blocks before the last one, which gives `outputs` channels. dropout: of the outputs, while training.
    Differs: a missing value has a learned content where the official code reads the whole step as zero.
    """

    width: int = 64
    depth: int = 10
    outputs: int = 320
    dropout: float = 0.1

    can: ClassVar[frozenset[str]] = frozenset({"tokens", "layers"})
    layout: ClassVar[Literal["any", "picture", "columns", "words", "sequence"]] = "sequence"

    def __post_init__(self) -> None:
        if min(self.width, self.depth, self.outputs) < 1 or not 0 <= self.dropout < 1:
            raise UsageError(
                f"Dilated needs width, depth and outputs of 1 or more and a dropout from 0 to below 1; got {self}."
            )

    @classmethod
    def of_size(cls, size: str) -> Dilated:
        """The network at one mark of the size dial."""
        width, depth, outputs = SIZES[size]
        return cls(width=width, depth=depth, outputs=outputs)

    def build(self, modality: Modality, fitted: Fitted) -> Encoder:
        """A freshly initialised network for the modality's channels. Raises IllegalPair for what is no sequence."""
        if modality.layout != "sequence" or modality.shape is None or len(modality.axes) != 1:
            raise IllegalPair(
                f"Dilated reads values on one time axis, which {modality.name} does not give; use the encoder "
                f"'transformer' instead, or Series(mixing=True)."
            )
        return DilatedEncoder(self, modality.shape[-1])


def join_taps(x: Float[Tensor, "b t c"], dilation: int) -> Float[Tensor, "b t c3"]:
    """The values `dilation` steps before, at, and after every step, side by side; zero beyond the ends."""
    steps = x.shape[1]
    wide = F.pad(x, (0, 0, dilation, dilation))
    return torch.cat([wide[:, :steps], x, wide[:, 2 * dilation :]], 2)


class TemporalConv(nn.Module):
    """A convolution over time with kernel 3, a dilation, and as many steps out as in.

    On CPU it is one matrix product over the joined taps, which in bf16 is several times as fast as the library's
    kernel; where the dilation leaves the outer taps nothing but padding, they are not computed at all.
    """

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        # As the library draws a convolution's weights: uniform, with a variance of 1 / (3 * fan in).
        nn.init.uniform_(self.weight, -((3 * inputs) ** -0.5), (3 * inputs) ** -0.5)

    def forward(self, x: Float[Tensor, "b t c"]) -> Float[Tensor, "b t d"]:
        """The convolution."""
        if self.dilation >= x.shape[1]:
            return F.linear(x, self.weight[:, :, 1], self.bias)
        if x.device.type == "cpu":
            return F.linear(join_taps(x, self.dilation), self.weight.permute(0, 2, 1).flatten(1), self.bias)
        out = F.conv1d(x.transpose(1, 2), self.weight, self.bias, padding=self.dilation, dilation=self.dilation)
        return out.transpose(1, 2)


class Residual(nn.Module):
    """Two convolutions of one dilation, each after a GELU, beside a shortcut; padding is zero before each."""

    def __init__(self, inputs: int, outputs: int, dilation: int, project: bool) -> None:
        super().__init__()
        self.conv1 = TemporalConv(inputs, outputs, dilation)
        self.conv2 = TemporalConv(outputs, outputs, dilation)
        self.shortcut = nn.Linear(inputs, outputs) if project else nn.Identity()

    def forward(self, x: Float[Tensor, "b t c"], valid: Bool[Tensor, "b t 1"] | None) -> Float[Tensor, "b t d"]:
        """The block's output."""
        y = self.conv1(_keep(F.gelu(x), valid))
        y = self.conv2(_keep(F.gelu(y), valid))
        out: Tensor = self.shortcut(x) + y
        return out


def _keep(x: Tensor, valid: Tensor | None) -> Tensor:
    return x if valid is None else x.masked_fill(~valid, 0.0)


class DilatedEncoder(Encoder):
    """The module that `Dilated` builds."""

    can = Dilated.can

    def __init__(self, config: Dilated, channels: int) -> None:
        super().__init__()
        self.dim = config.outputs
        self.enter = nn.Linear(channels, config.width)
        self.missing = nn.Linear(channels, config.width, bias=False)
        blocks = [Residual(config.width, config.width, 2**place, project=False) for place in range(config.depth)]
        self.blocks = nn.ModuleList(blocks)
        self.blocks.append(Residual(config.width, config.outputs, 2**config.depth, project=True))
        self.dropout = nn.Dropout(config.dropout)

    def encode(self, batch: Batch, layers: Sequence[int] = ()) -> Encoded:
        """One token per time step, their maximum over each row's steps, and the outputs of the asked blocks."""
        if not isinstance(batch.x, Tensor):
            raise UsageError("The encoder reads views; call Series.augment(batch, View(kind='clean'), rng) first.")
        places = step_tokens(batch)
        valid = None if batch.dense else places.valid[..., None]
        rows = len(batch.x)
        if not torch.is_grad_enabled():
            # Long recordings are read a few at a time: the joined taps of the last layer are the largest tensor.
            rows = max(1, PIECE // (3 * self.dim * batch.x.shape[1]))
        parts = []
        for start in range(0, len(batch.x), rows):
            here = slice(start, start + rows)
            parts.append(self._trunk(batch.x[here], None if valid is None else valid[here], layers))
        content, *kept = (part[0] if len(part) == 1 else torch.cat(part) for part in zip(*parts, strict=True))
        content = self.dropout(content)
        shown = content if valid is None else content.masked_fill(~valid, float("-inf"))
        tokens = Tokens(
            content=content,
            segment=places.segment,
            pos=places.pos,
            origin=places.origin,
            unit=places.unit,
            axes=batch.axes,
            dense=batch.dense,
        )
        return Encoded(pooled=shown.float().amax(1), tokens=tokens, layers=tuple(kept))

    def _trunk(self, x: Tensor, valid: Tensor | None, layers: Sequence[int]) -> list[Tensor]:
        """Content of every step, then the outputs of the asked blocks."""
        gap = x.isnan()
        h = self.enter(x.masked_fill(gap, 0.0)) + self.missing(gap.to(x.dtype))
        kept: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            h = block(h, valid)
            if index in layers:
                kept.append(h)
        return [h, *kept]


def step_tokens(batch: Batch) -> Tokens:
    """The places of a batch whose every time step is a token; content is empty, (B, T, 0).

    Origins go on within each of the batch's own tokens at the pace of it and the next one.
    """
    x, known = batch.x, batch.segment.shape[1]
    assert isinstance(x, Tensor)  # the caller looked
    rows, steps = x.shape[:2]
    if steps % known:
        raise UsageError(f"A sequence's view must have whole tokens; {steps} steps were cut into {known}.")
    patch = steps // known
    centre = batch.origin[..., 0]
    pace = centre.diff(dim=1)
    pace = torch.cat([pace, pace[:, -1:]], 1) if known > 1 else torch.ones_like(centre)
    within = (torch.arange(patch, device=x.device) + 0.5) / patch - 0.5
    origin = (centre[..., None] + pace[..., None] * within).flatten(1)[..., None]
    line = torch.arange(steps, device=x.device)
    return Tokens(
        content=x.new_zeros(rows, steps, 0),
        segment=batch.segment.repeat_interleave(patch, 1),
        pos=line.float()[:, None].expand(rows, -1, -1),
        origin=origin,
        unit=line.expand(rows, -1),
        axes=batch.axes,
        dense=batch.dense,
    )
