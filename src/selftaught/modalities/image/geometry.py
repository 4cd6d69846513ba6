"""Where a view looks: windows drawn per record, and resampling as two batched matrix products.

Shape letters: B records, C channels, S side of the stored canvas, s side of a view, N tokens of a view.
A window is given in fractions of the picture, so the squash to a square canvas is undone by the window's shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

TRIES = 10


@dataclass(frozen=True, kw_only=True)
class Window:
    """The part of each picture that a view shows; every tensor is (B,).

    top, left, height, width: fractions of the picture. mirrored: left and right swapped. upside: top and bottom.
    transposed: rows and columns swapped after the mirroring. angle: degrees counter-clockwise, applied last.
    """

    top: Float[Tensor, " b"]
    left: Float[Tensor, " b"]
    height: Float[Tensor, " b"]
    width: Float[Tensor, " b"]
    mirrored: Bool[Tensor, " b"] | None = None
    upside: Bool[Tensor, " b"] | None = None
    transposed: Bool[Tensor, " b"] | None = None
    angle: Float[Tensor, " b"] | None = None


def whole_window(count: int, device: torch.device) -> Window:
    """The window that shows all of every picture."""
    zero, one = torch.zeros(count, device=device), torch.ones(count, device=device)
    return Window(top=zero, left=zero, height=one, width=one)


def place_window(
    uniform: Float[Tensor, "b draws"],
    aspect: Float[Tensor, " b"],
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> Window:
    """Windows of random area and shape, from draws in [0, 1) of shape (B, 2 * TRIES + 2).

    aspect: width / height of the true picture. scale: range of the area, as a fraction of the picture. ratio: range of
    the window's own width / height. The first of ten tries that fits is taken, else the largest centred window of legal
    shape, as torchvision's RandomResizedCrop does (Szegedy 2015, section 6).
    """
    area = scale[0] + (scale[1] - scale[0]) * uniform[:, :TRIES]
    low, high = math.log(ratio[0]), math.log(ratio[1])
    shape = (low + (high - low) * uniform[:, TRIES : 2 * TRIES]).exp() / aspect[:, None]
    width, height = (area * shape).sqrt(), (area / shape).sqrt()
    fits = (width <= 1) & (height <= 1)
    first = fits.to(torch.uint8).argmax(1, keepdim=True)
    found = fits.any(1)
    legal = aspect.clamp(*ratio) / aspect
    width = torch.where(found, width.gather(1, first)[:, 0], legal.clamp(max=1))
    height = torch.where(found, height.gather(1, first)[:, 0], (1 / legal).clamp(max=1))
    place = torch.where(found[:, None], uniform[:, 2 * TRIES :], 0.5)
    return Window(top=(1 - height) * place[:, 0], left=(1 - width) * place[:, 1], height=height, width=width)


def turn_window(window: Window, turns: Int[Tensor, " b"]) -> Window:
    """The same windows turned counter-clockwise by quarter turns (0..3), after their own mirroring."""
    odd, upside, mirrored = turns % 2 == 1, (turns == 1) | (turns == 2), turns >= 2
    # rot90 is a transposition followed by mirroring; mirroring moved before the transposition swaps its axes.
    first = torch.where(odd, mirrored, upside)
    second = torch.where(odd, upside, mirrored)
    return replace(
        window,
        upside=first if window.upside is None else first ^ window.upside,
        mirrored=second if window.mirrored is None else second ^ window.mirrored,
        transposed=odd,
    )


def resample_matrix(
    start: Float[Tensor, " b"], extent: Float[Tensor, " b"], source: int, size: int, swapped: Tensor | None = None
) -> Float[Tensor, "b size source"]:
    """Rows of triangle-filter weights that resample the pixels [start, start + extent) of `source` to `size` pixels.

    The filter widens with the reduction (antialias) and sees nothing outside the window, as in a crop that is resized.
    """
    step = extent / size
    reach = step.clamp(min=1)[:, None]
    target = torch.arange(size, device=start.device, dtype=torch.float32) + 0.5
    centre = start[:, None] + target * step[:, None]
    if swapped is not None:
        centre = torch.where(swapped[:, None], centre.flip(1), centre)
    pixel = torch.arange(source, device=start.device, dtype=torch.float32)
    # The tolerance keeps a neighbour out that only rounding of the fractions brought in.
    outside = (pixel + 1 <= start[:, None] + 1e-3) | (pixel >= (start + extent)[:, None] - 1e-3)
    place = ((pixel + 0.5) / reach).masked_fill(outside, 1e9)
    weight = torch.sub(place[:, None, :], (centre / reach)[:, :, None]).abs_().clamp_(max=1).neg_().add_(1)
    return weight.div_(weight.sum(2, keepdim=True))


def blur_matrix(sigma: Float[Tensor, " b"], kernel: int, size: int) -> Float[Tensor, "b size size"]:
    """Rows of Gaussian weights (sigma in pixels, `kernel` taps, reflected at the border) along one axis."""
    tap = torch.arange(kernel, device=sigma.device, dtype=torch.float32) - kernel // 2
    weight = (-0.5 * (tap / sigma[:, None]) ** 2).exp()
    weight = weight / weight.sum(1, keepdim=True)
    pixel = torch.arange(size, device=sigma.device)
    reached = (pixel[None, :] + tap.long()[:, None]).abs()
    reached = torch.minimum(reached, 2 * (size - 1) - reached).clamp(min=0)
    spread = (reached[:, :, None] == pixel).to(torch.float32)
    return (weight @ spread.view(kernel, size * size)).view(-1, size, size)


def resample(
    x: Tensor, rows: Float[Tensor, "b size source"], columns: Float[Tensor, "b size source"]
) -> Float[Tensor, "b c size size"]:
    """Pictures (B, C, S, S) through a matrix per record and axis: rows @ x @ columns.T, in the matrices' precision."""
    count, channels, height, width = x.shape
    wide = torch.bmm(x.to(rows.dtype).reshape(count, channels * height, width), columns.transpose(1, 2))
    return torch.matmul(rows[:, None], wide.view(count, channels, height, -1)).float()


def crop_resize(
    x: Tensor, window: Window, size: int, dtype: torch.dtype = torch.float32, sigma: Tensor | None = None
) -> Float[Tensor, "b c size size"]:
    """The windows of pictures (B, C, S, S), resized with antialias to (B, C, size, size), in the unit of x.

    sigma: of a Gaussian blur of the result in its pixels, (B,), 0 for none; it is folded into the products. Mirroring
    and quarter turns of the window are applied; a free angle is not (see `rotate`).
    """
    height, width = x.shape[-2:]
    rows = resample_matrix(window.top * height, window.height * height, height, size, window.upside).to(dtype)
    columns = resample_matrix(window.left * width, window.width * width, width, size, window.mirrored).to(dtype)
    if sigma is not None:
        rows, columns = _blur_into(rows, columns, sigma, size)
    view = resample(x, rows, columns)
    if window.transposed is not None:
        view = torch.where(window.transposed[:, None, None, None], view.transpose(2, 3), view)
    return view


def blur_taps(size: int) -> int:
    """The odd number of taps of SimCLR's blur: a tenth of the side, 3 at least (Chen 2020, appendix A)."""
    return max(3, int(0.1 * size) // 2 * 2 + 1)


def blur(x: Float[Tensor, "b c h w"], sigma: Float[Tensor, " b"], kernel: int) -> Float[Tensor, "b c h w"]:
    """Gaussian blur with a sigma (pixels) per record and reflected borders."""
    rows, columns = blur_matrix(sigma, kernel, x.shape[-2]), blur_matrix(sigma, kernel, x.shape[-1])
    return torch.matmul(torch.matmul(rows[:, None], x), columns[:, None].transpose(2, 3))


def rotate(x: Float[Tensor, "b c h w"], angle: Float[Tensor, " b"]) -> Float[Tensor, "b c h w"]:
    """Square pictures turned counter-clockwise about their centre by degrees (B,); borders are reflected."""
    turn = angle.deg2rad()
    zero = torch.zeros_like(turn)
    matrix = torch.stack([turn.cos(), -turn.sin(), zero, turn.sin(), turn.cos(), zero], 1).view(-1, 2, 3)
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def token_origin(window: Window, count: int) -> Float[Tensor, "b n 2"]:
    """Centres (y, x) of a view's count * count tokens in the picture's coordinates, 0..1 along each axis."""
    centre = (torch.arange(count, device=window.top.device, dtype=torch.float32) + 0.5) / count
    y, x = centre.repeat_interleave(count)[None], centre.repeat(count)[None]
    if window.angle is not None:
        turn = window.angle.deg2rad()[:, None]
        down, right = y - 0.5, x - 0.5
        y, x = right * turn.sin() + down * turn.cos() + 0.5, right * turn.cos() - down * turn.sin() + 0.5
    if window.transposed is not None:
        swap = window.transposed[:, None]
        y, x = torch.where(swap, x, y), torch.where(swap, y, x)
    if window.upside is not None:
        y = torch.where(window.upside[:, None], 1 - y, y)
    if window.mirrored is not None:
        x = torch.where(window.mirrored[:, None], 1 - x, x)
    y = window.top[:, None] + window.height[:, None] * y
    x = window.left[:, None] + window.width[:, None] * x
    return torch.stack([y, x], 2)


def _blur_into(rows: Tensor, columns: Tensor, sigma: Tensor, size: int) -> tuple[Tensor, Tensor]:
    # Blurring a resampled picture is one more matrix per axis; folding it in saves two passes over the pixels.
    # On a device, looking up which records are blurred would wait for it; there all are multiplied.
    chosen = (
        (sigma > 0).nonzero()[:, 0] if sigma.device.type == "cpu" else torch.arange(len(sigma), device=sigma.device)
    )
    soft = blur_matrix(sigma[chosen].clamp(min=1e-3), blur_taps(size), size).to(rows.dtype)
    rows = rows.index_copy(0, chosen, torch.bmm(soft, rows[chosen]))
    columns = columns.index_copy(0, chosen, torch.bmm(soft, columns[chosen]))
    return rows, columns
