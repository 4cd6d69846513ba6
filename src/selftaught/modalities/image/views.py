"""The views of a batch of pictures: what is drawn per record, and the few passes over the pixels that apply it.

Shape letters: B records, C channels, S side of the canvas, s side of the view.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from selftaught.core.batch import map_tensors
from selftaught.core.rng import Rng
from selftaught.modalities.image.colour import colour_matrix, fuse, solarise
from selftaught.modalities.image.geometry import (
    TRIES,
    Window,
    crop_resize,
    place_window,
    rotate,
    turn_window,
    whole_window,
)

CACHED = 2**20  # pixel values of the larger of source and view, in one piece of a batch


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How a picture may be changed without becoming another one. Probabilities are per record and view.

    crop, ratio: area of a random crop as a fraction of the picture, and its width / height in true pixels. span: area
    of the smaller crops of "span" views. mirror: probability of swapping left and right; vertical_flip: top and bottom,
    for pictures without an up. right_angles: turn by 0, 90, 180 or 270 degrees. rotation: largest free rotation,
    degrees. jitter: probability of all colour changes together; brightness, contrast, saturation: factors within
    1 +- this; hue: turn within +- this fraction of the circle. grey, blur, solarise: probabilities. blur None: 0.5 from
    a side of 48 pixels on, else 0. sigma: of the blur, in pixels of the view. noise: standard deviation of the pixel
    noise of "noisy" views, 0..1 being black..white. Saturation, hue and grey need three channels. precision: of the
    resampling products; auto takes bfloat16 for 8-bit pictures where the machine multiplies it natively (error below
    2 / 255).
    """

    crop: tuple[float, float] = (0.2, 1.0)
    ratio: tuple[float, float] = (0.75, 1.3333)
    span: tuple[float, float] = (0.05, 0.25)
    mirror: float = 0.5
    vertical_flip: float = 0.0
    right_angles: bool = False
    rotation: float = 0.0
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    grey: float = 0.2
    blur: float | None = None
    sigma: tuple[float, float] = (0.1, 2.0)
    solarise: float = 0.0
    noise: float = 0.1
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def scaled(self, strength: float) -> Augmentation:
        """The same with the crops' smallest area and the colour amounts moved by a strength."""
        return replace(
            self,
            crop=(max(0.05, 1 - (1 - self.crop[0]) * strength), self.crop[1]),
            brightness=self.brightness * strength,
            contrast=self.contrast * strength,
            saturation=self.saturation * strength,
            hue=self.hue * strength,
        )


def draw_window(
    ids: Int[Tensor, " b"],
    aspect: Float[Tensor, " b"],
    scale: tuple[float, float],
    augmentation: Augmentation,
    rng: Rng,
) -> Window:
    """A random crop per record, mirrored by chance."""
    draws = 2 * TRIES + 2
    uniform = rng.uniform(ids, "window", (draws + 2,))
    window = place_window(uniform[:, :draws], aspect, scale, augmentation.ratio)
    upside = uniform[:, draws + 1] < augmentation.vertical_flip if augmentation.vertical_flip else None
    return replace(window, mirrored=uniform[:, draws] < augmentation.mirror, upside=upside)


def turn_freely(window: Window, ids: Int[Tensor, " b"], augmentation: Augmentation, rng: Rng) -> Window:
    """The windows with the quarter turns and the free rotation that the augmentation asks for."""
    if augmentation.right_angles:
        window = turn_window(window, rng.integers(ids, "turns", 4))
    if augmentation.rotation:
        limit = augmentation.rotation
        window = replace(window, angle=rng.uniform(ids, "angle", low=-limit, high=limit))
    return window


def render(
    pixels: Tensor,
    bounds: Float[Tensor, "b 4 c"],
    window: Window | None,
    size: int,
    augmentation: Augmentation,
    draw: Float[Tensor, "b 9"] | None = None,
) -> Float[Tensor, "b c size size"]:
    """What the windows show, normalised.

    window None: the whole picture, exactly. draw: for blur and colour, see `recolour`. bounds: low, high (raw values
    that become 0 and 1), mean, std (of what results). On a CPU the batch is taken in pieces that stay in the cache,
    which at 96 pixels is twice as fast.
    """
    each = max(pixels[0].numel(), pixels.shape[1] * size * size)
    step = max(1, CACHED // each) if pixels.device.type == "cpu" else len(pixels)
    if len(pixels) <= step:
        return _render(pixels, bounds, window, size, augmentation, draw)
    out = torch.empty(len(pixels), pixels.shape[1], size, size, device=pixels.device)
    for start in range(0, len(pixels), step):
        here = slice(start, start + step)
        part, limits, place, chance = map_tensors((pixels, bounds, window, draw), lambda values: values[here])  # noqa: B023
        out[here] = _render(part, limits, place, size, augmentation, chance)
    return out


def show_whole(pixels: Tensor, size: int) -> Float[Tensor, "b c size size"]:
    """All of every picture, squashed to a square of `size`, in float32 and the unit of the pixels."""
    if pixels.shape[-2:] == (size, size):
        return pixels.float()
    return crop_resize(pixels, whole_window(len(pixels), pixels.device), size)


def recolour(
    view: Float[Tensor, "b c s s"],
    low: Float[Tensor, "b c"],
    high: Float[Tensor, "b c"],
    augmentation: Augmentation,
    draw: Float[Tensor, "b 9"],
) -> Float[Tensor, "b c s s"]:
    """Raw values recoloured by one draw in [0, 1) per record and decision, 0..1; writes into `view`.

    Order: brightness, saturation, hue, grey, contrast, solarise.
    """
    amount = (2 * draw[:, 2:6] - 1) * (draw[:, 6:7] < augmentation.jitter)
    matrix = (1 + augmentation.brightness * amount[:, 0]).clamp(min=0)
    factor = (1 + augmentation.contrast * amount[:, 1]).clamp(min=0)
    if view.shape[1] == 3:
        saturation = (1 + augmentation.saturation * amount[:, 2]).clamp(min=0)
        turns, grey = augmentation.hue * amount[:, 3], draw[:, 7] < augmentation.grey
        matrix = colour_matrix(brightness=matrix, saturation=saturation, turns=turns, grey=grey)
    view = fuse(view, matrix, factor, low, high)
    return solarise(view, draw[:, 8] < augmentation.solarise) if augmentation.solarise else view


def _render(
    pixels: Tensor, bounds: Tensor, window: Window | None, size: int, augmentation: Augmentation, draw: Tensor | None
) -> Tensor:
    low, high, mean, std = bounds.unbind(1)
    if window is None:
        view = show_whole(pixels, size)
    else:
        sigma = None if draw is None else _draw_sigma(draw, size, augmentation)
        view = crop_resize(pixels, window, size, choose_dtype(pixels, augmentation.precision), sigma)
        view = view if window.angle is None else rotate(view, window.angle)
    if draw is None:
        # One gain and one shift: (x - low) / (high - low), then (x - mean) / std.
        gain = 1 / ((high - low) * std)
        shift = -low * gain - mean / std
        return view.mul(gain[:, :, None, None]).add_(shift[:, :, None, None])
    view = recolour(view, low, high, augmentation, draw)
    return view.sub_(mean[:, :, None, None]).mul_((1 / std)[:, :, None, None])


def _draw_sigma(draw: Tensor, size: int, augmentation: Augmentation) -> Tensor | None:
    probability = augmentation.blur
    if probability is None:
        probability = 0.5 if size >= 48 else 0.0
    low, high = augmentation.sigma
    return (low + (high - low) * draw[:, 0]) * (draw[:, 1] < probability) if probability else None


def choose_dtype(pixels: Tensor, precision: Literal["auto", "float32", "bfloat16"]) -> torch.dtype:
    """The precision of the resampling products; bfloat16 holds 8-bit values exactly, but no finer ones."""
    fast = precision == "bfloat16" or (precision == "auto" and multiplies_bfloat16(pixels.device.type))
    return torch.bfloat16 if fast and pixels.dtype == torch.uint8 else torch.float32


@cache
def multiplies_bfloat16(device: str) -> bool:
    """Whether this kind of device has bfloat16 products in hardware."""
    if device == "cpu":
        known = torch.cpu.get_capabilities()
        return bool(known.get("avx512_bf16") or known.get("amx_bf16") or known.get("bf16"))
    return device == "cuda" and torch.cuda.get_device_capability()[0] >= 8
