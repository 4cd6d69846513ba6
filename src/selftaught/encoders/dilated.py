"""A residual network of dilated convolutions over time: one vector per time step, and their maximum as the pooled one.

Shape letters: B rows, T time steps, C channels, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from selftaught.core.batch import Batch
from selftaught.core.encoder import Encoded, Encoder, EncoderConfig
from selftaught.core.errors import IllegalPair, UsageError
from selftaught.core.modality import Fitted, Modality
from selftaught.core.targets import gather_tokens
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
    rows, steps, channels = x.shape
    taps = x.new_empty(rows, steps, 3, channels)
    taps[:, :dilation, 0] = 0
    taps[:, dilation:, 0] = x[:, :-dilation]
    taps[:, :, 1] = x
    taps[:, :-dilation, 2] = x[:, dilation:]
    taps[:, -dilation:, 2] = 0
    return taps.flatten(2)


class _Product(torch.autograd.Function):
    """The convolution as one matrix product over the joined taps; gradients are checked in the tests."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, dilation: int) -> Tensor:
        kernel = weight.to(x.dtype)
        # The taps are joined anew in backward: keeping them would cost three times the memory of every layer.
        ctx.save_for_backward(x, kernel)
        ctx.dilation = dilation
        return F.linear(join_taps(x, dilation), kernel.permute(0, 2, 1).flatten(1), bias.to(x.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        x, kernel = ctx.saved_tensors
        outputs, inputs, _ = kernel.shape
        flat = grad.reshape(-1, outputs)
        weight = flat.T @ join_taps(x, ctx.dilation).flatten(0, 1)
        weight = weight.view(outputs, 3, inputs).permute(0, 2, 1).float()
        back = join_taps(grad, ctx.dilation) @ kernel.flip(2).permute(2, 0, 1).flatten(0, 1)
        return back, weight, flat.sum(0, dtype=torch.float32), None


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

    def forward(self, x: Float[Tensor, "b t c"], stride: int = 1) -> Float[Tensor, "b t d"]:
        """The convolution. stride: steps of the recording between two of x, a divisor of the dilation."""
        dilation = self.dilation // stride
        if dilation >= x.shape[1]:
            return F.linear(x, self.weight[:, :, 1], self.bias)
        if x.device.type == "cpu":
            product: Tensor = _Product.apply(x, self.weight, self.bias, dilation)
            return product
        out = F.conv1d(x.transpose(1, 2), self.weight, self.bias, padding=dilation, dilation=dilation)
        return out.transpose(1, 2)


class Residual(nn.Module):
    """Two convolutions of one dilation, each after a GELU, beside a shortcut; padding is zero before each."""

    def __init__(self, inputs: int, outputs: int, dilation: int, project: bool) -> None:
        super().__init__()
        self.conv1 = TemporalConv(inputs, outputs, dilation)
        self.conv2 = TemporalConv(outputs, outputs, dilation)
        self.shortcut = nn.Linear(inputs, outputs) if project else nn.Identity()

    def forward(
        self, x: Float[Tensor, "b t c"], valid: Bool[Tensor, "b t 1"] | None, stride: int = 1
    ) -> Float[Tensor, "b t d"]:
        """The block's output."""
        y = self.conv1(_keep(F.gelu(x), valid), stride)
        y = self.conv2(_keep(F.gelu(y), valid), stride)
        out: Tensor = self.shortcut(x) + y
        return out


def drop_some(x: Tensor, share: float) -> Tensor:
    """Dropout (Srivastava 2014) that draws one byte a number, so the share is rounded to 1/256; 10 times as fast."""
    kept = max(1, round(256 * (1 - share)))
    drawn = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device).random_(-(1 << 63), None)
    keep = drawn.view(torch.uint8)[: x.numel()].view(x.shape) < kept
    return x * (keep * (256 / kept)).to(x.dtype) if kept < 256 else x


def _first_of(count: int, most: int) -> list[int]:
    first = min(count, max(1, most))
    return [first, count - first]


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
        self.depth = len(self.blocks)
        self.dropout = config.dropout

    def encode(self, batch: Batch, layers: Sequence[int] = ()) -> Encoded:
        """One token per time step, their maximum over each row's steps, and the outputs of the asked blocks."""
        if not isinstance(batch.x, Tensor):
            raise UsageError("The encoder reads views; call Series.augment(batch, View(kind='clean'), rng) first.")
        places = step_tokens(batch)
        valid = None if batch.dense else places.valid[..., None]
        read = self._trunk if torch.is_grad_enabled() else self._read_pieces
        content, *kept = read(batch.x, valid, layers)
        content = drop_some(content, self.dropout) if self.training and self.dropout else content
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

    def _read_pieces(self, x: Tensor, valid: Tensor | None, layers: Sequence[int]) -> list[Tensor]:
        """What `_trunk` gives, a few rows of like length at a time, without their padding; content there is 0.

        The joined taps of the last layer are the largest tensor.
        """
        steps = x.shape[1]
        length = torch.full((len(x),), steps, device=x.device) if valid is None else valid.sum((1, 2)).clamp(min=1)
        order, parts = length.argsort(descending=True, stable=True), []
        while len(order):
            longest = int(length[order[0]])
            here, order = order.split_with_sizes(_first_of(len(order), PIECE // (3 * self.dim * longest)))
            part = self._trunk(x[here, :longest], None if valid is None else valid[here, :longest], layers)
            parts.append([here, *(F.pad(each, (0, 0, 0, steps - longest)) for each in part)])
        places, *found = (torch.cat(column) for column in zip(*parts, strict=True))
        return [each[places.argsort()] for each in found]

    def _trunk(self, x: Tensor, valid: Tensor | None, layers: Sequence[int]) -> list[Tensor]:
        """Content of every step, then the outputs of the asked blocks."""
        h = self._enter(x)
        kept: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            h = block(h, valid)
            if index in layers:
                kept.append(h)
        return [h, *kept]

    def _enter(self, x: Tensor) -> Tensor:
        gap = x.isnan()
        entered: Tensor = self.enter(x.masked_fill(gap, 0.0)) + self.missing(gap.to(x.dtype))
        return entered

    def encode_last(self, x: Float[Tensor, "b t c"], count: Int[Tensor, " b"]) -> Float[Tensor, "b d"]:
        """The token of each row's last step, as `encode` gives it where rows are whole tokens. count: their steps.

        Dilations double, so that past block k the last step depends on every 2^(k+1)-th one alone: the others are left
        out, and all blocks together cost as much as two.
        """
        steps = x.shape[1]
        place = torch.arange(steps, device=x.device) - (steps - count)[:, None]  # last steps are brought to one place
        h, inside = self._enter(gather_tokens(x, place.clamp(min=0))), (place >= 0)[..., None]
        valid = None if bool(inside.all()) else inside
        for index, block in enumerate(self.blocks):
            h = block(h, valid, 2**index)
            first = (h.shape[1] - 1) % 2
            h, valid = h[:, first::2], None if valid is None else valid[:, first::2]
        return h[:, -1]


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
