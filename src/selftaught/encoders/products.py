"""3x3 and 1x1 convolutions that run as bf16 matrix products on CPU where that is faster than the library's kernels.

Shape letters: B rows, C channels in, D channels out, H height, W width.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


def columns(x: Float[Tensor, "b h w c"], stride: int) -> Float[Tensor, "r c9"]:
    """Every 3x3 neighbourhood of a channels-last map as one row, (B*I*J, 9*C), zero padded by one."""
    b, h, w, c = x.shape
    padded = F.pad(x, (0, 0, 1, 1, 1, 1))
    i, j = (h - 1) // stride + 1, (w - 1) // stride + 1
    rows, line, pixel, channel = padded.stride()
    # A row of three neighbouring pixels is contiguous in channels-last memory: one strided copy moves 3*C values.
    view = padded.as_strided((b, i, j, 3, 3 * c), (rows, line * stride, pixel * stride, line, channel))
    return view.reshape(b * i * j, 9 * c)


TINY = 4
"""Pixels of a map up to which most taps of a 3x3 kernel would see padding only."""


@cache
def tap_table(h: int, w: int, stride: int) -> Int[Tensor, "hw ij"]:
    """Which of the nine taps leads from an input pixel to an output pixel; 9: none."""
    i, j = (h - 1) // stride + 1, (w - 1) // stride + 1
    down = torch.arange(h)[:, None] - stride * torch.arange(i) + 1
    right = torch.arange(w)[:, None] - stride * torch.arange(j) + 1
    tap = 3 * down[:, None, :, None] + right[None, :, None, :]
    near = (down.clamp(0, 2) == down)[:, None, :, None] & (right.clamp(0, 2) == right)[None, :, None, :]
    return torch.where(near, tap, 9).view(h * w, i * j)


class _Whole(torch.autograd.Function):
    """conv2d(x, weight, stride, padding=1) of a tiny map as one product from all its pixels to all of the result."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        b, c, h, w = x.shape
        d, table = len(weight), tap_table(h, w, stride)
        taps = weight.permute(0, 2, 3, 1).reshape(d, 9, c)[:, table.clamp(max=8).flatten()].to(x.dtype)
        taps.masked_fill_((table == 9).view(1, -1, 1), 0)
        matrix = taps.view(d, h * w, -1, c).permute(2, 0, 1, 3).reshape(-1, h * w * c)
        rows = x.permute(0, 2, 3, 1).reshape(b, -1)
        ctx.save_for_backward(rows, matrix)
        ctx.shape, ctx.table = (b, h, w, c, d), table
        i = (h - 1) // stride + 1
        return (rows @ matrix.T).view(b, i, -1, d).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, None]:
        rows, matrix = ctx.saved_tensors
        (b, h, w, c, d), tap = ctx.shape, ctx.table.flatten()
        flat = grad.permute(0, 2, 3, 1).reshape(b, -1)
        pairs = (flat.T @ rows).view(-1, d, h * w, c).permute(1, 2, 0, 3).reshape(d, -1, c).float()
        # In the memory order of a channels-last weight, so that autograd need not copy it into that order.
        weight = pairs.new_zeros(d, 9, c).index_add_(1, tap[tap < 9], pairs[:, tap < 9])
        inputs = (flat @ matrix).view(b, h, w, c).permute(0, 3, 1, 2) if ctx.needs_input_grad[0] else None
        return inputs, weight.view(d, 3, 3, c).permute(0, 3, 1, 2), None


class _Product(torch.autograd.Function):
    """conv2d(x, weight, stride, padding=1) by matrix products; gradients checked against conv2d in the tests."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        kernel = weight.to(x.dtype)
        last = x.permute(0, 2, 3, 1).contiguous()
        b, h, w, _ = last.shape
        i, j = (h - 1) // stride + 1, (w - 1) // stride + 1
        # Columns are rebuilt in backward: keeping them would cost nine maps of memory a layer.
        ctx.save_for_backward(last, kernel)
        ctx.stride = stride
        out = columns(last, stride) @ kernel.permute(2, 3, 1, 0).reshape(-1, kernel.shape[0])
        return out.view(b, i, j, -1).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, None]:
        last, kernel = ctx.saved_tensors
        d, c = kernel.shape[:2]
        b, h, w, _ = last.shape
        grad_last = grad.permute(0, 2, 3, 1).contiguous()
        flat = grad_last.view(-1, d)
        weight = (columns(last, ctx.stride).T @ flat).view(3, 3, c, d).permute(3, 2, 0, 1).float()
        if not ctx.needs_input_grad[0]:
            return None, weight, None
        if ctx.stride == 1:
            flipped = kernel.flip(2, 3).permute(2, 3, 0, 1).reshape(-1, c)
            inputs = (columns(grad_last, 1) @ flipped).view(b, h, w, c)
        else:
            spread = flat @ kernel.permute(2, 3, 1, 0).reshape(-1, d).T
            inputs = _scatter(spread, grad_last.shape, (h, w, c), ctx.stride)
        return inputs.permute(0, 3, 1, 2), weight, None


def _scatter(columns_grad: Tensor, out: tuple[int, ...], shape: tuple[int, int, int], stride: int) -> Tensor:
    b, i, j, _ = out
    h, w, c = shape
    parts = columns_grad.view(b, i, j, 9, c)
    padded = columns_grad.new_zeros(b, h + 2, w + 2, c)
    for tap in range(9):
        y, x = tap // 3, tap % 3
        padded[:, y : y + stride * (i - 1) + 1 : stride, x : x + stride * (j - 1) + 1 : stride] += parts[:, :, :, tap]
    return padded[:, 1 : h + 1, 1 : w + 1]


class SpatialConv(nn.Conv2d):
    """A 3x3 convolution with padding 1; `product_sides` holds the map heights at which it runs as a matrix product."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(inputs, outputs, 3, stride, 1, bias=False)
        self.product_sides: frozenset[int] = frozenset()

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """The convolution."""
        if x.shape[2] in self.product_sides and self.training:
            way = _Whole if x.shape[2] * x.shape[3] <= TINY else _Product
            product: Tensor = way.apply(x, self.weight, self.stride[0])
            return product
        return F.conv2d(x, self.weight.to(x.dtype), stride=self.stride, padding=1)


class PointConv(nn.Conv2d):
    """A 1x1 convolution on the average-pooled map, as one matrix product."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """The convolution; a stride averages what it skips."""
        if self.stride[0] > 1:
            x = F.avg_pool2d(x, self.stride[0], ceil_mode=True)
        out = F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1).to(x.dtype))
        return out.permute(0, 3, 1, 2)
