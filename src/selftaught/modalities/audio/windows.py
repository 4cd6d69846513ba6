"""Where a view looks: windows drawn per record, and log-mel pictures resized to the view.

Shape letters: B records, M mel bands, F frames, h and w sides of the view, N tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from selftaught.core.rng import Rng
from selftaught.modalities.audio.waves import Waves, cut

Range = tuple[float, float]

WHOLE: Range = (1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Window:
    """The part of each recording that a view shows.

    start: its first sample, negative where silence comes before. span: frames shown. top, height: of the mel bands, as
    shares of all. speed: samples passed per sample heard. frames: to compute, the longest span. whole: all bands and
    all frames are shown.
    """

    start: Int[Tensor, " b"]
    span: Float[Tensor, " b"]
    top: Float[Tensor, " b"]
    height: Float[Tensor, " b"]
    frames: int
    speed: Float[Tensor, " b"] | None = None
    whole: bool = False


def whole_window(waves: Waves) -> Window:
    """All of every recording, in the middle of silence where it is shorter than the modality's window."""
    hop = waves.spectrum.hop
    span = (waves.length / hop).clamp(min=waves.frames)
    most = max(waves.frames, math.ceil(float(span.max())))
    start = ((waves.length - span * hop) / 2).round().long()
    one = torch.ones_like(span)
    return Window(start=start, span=span, top=one - 1, height=one, frames=most, whole=most == waves.frames)


def draw_window(
    waves: Waves,
    rng: Rng,
    share: Range = WHOLE,
    bands: Range = WHOLE,
    *,
    speed: float = 0.0,
    reach: float = 0.0,
    area: Range | None = None,
) -> Window:
    """A window per record that lies anywhere within a longer recording, or anywhere around a shorter one.

    share, bands: ranges of its time, as a share of the modality's window, and of its mel bands, as a share of all.
    speed: factor within 1 +- this. reach: how much of what a recording is longer than the window may be shown too.
    area: range of what time and bands cover of the whole recording together, shared alike by them, instead.
    """
    draw = rng.uniform(waves.ids, "window", (5,))
    extent = (waves.length / (waves.frames * waves.spectrum.hop)).clamp(min=1)
    low, high = share[0] * torch.ones_like(extent), share[1] + reach * (extent - 1)
    if area is not None:
        bands = (math.sqrt(area[0]), math.sqrt(area[1]))
        low, high = bands[0] * extent, bands[1] * extent
        draw[:, 1] = draw[:, 0]
    span = (low + (high - low) * draw[:, 0]) * waves.frames
    height = between(bands, draw[:, 1]).clamp(max=1)
    factor = 1 + speed * (2 * draw[:, 2] - 1) if speed else None
    covered = _samples(span, factor, waves.spectrum.hop)
    most = max(1, math.ceil(waves.frames * float(high.max()) - 1e-3))
    return Window(
        start=((waves.length - covered) * draw[:, 3]).round().long(),
        span=span,
        top=(1 - height) * draw[:, 4],
        height=height,
        frames=most,
        speed=factor,
        whole=share == bands == WHOLE and most == waves.frames,
    )


def between(limits: Range, draw: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Draws in [0, 1) brought between the limits."""
    return draw * (limits[1] - limits[0]) + limits[0]


def listen(waves: Waves, window: Window) -> Float[Tensor, "b k"]:
    """The samples that the frames of a window need, times the gain.

    Frame f is centred in the f-th hop of the window, so the first one begins before it.
    """
    spectrum, gain = waves.spectrum, waves.table[:, 1]
    early = torch.full_like(gain, (spectrum.frame - spectrum.hop) / 2)
    early = early if window.speed is None else early * window.speed
    start, count = window.start - early.floor().long(), spectrum.samples(window.frames)
    return cut(waves.wave, waves.length, start, count, window.speed) * gain[:, None]


def resampling(
    start: Float[Tensor, " b"], extent: Float[Tensor, " b"], source: int, size: int
) -> Float[Tensor, "b size source"]:
    """Rows of triangle-filter weights that bring the part [start, start + extent) of `source` places to `size` places.

    The filter widens where places are merged, so that none is skipped.
    """
    step = (extent / size)[:, None]
    centre = start[:, None] + (torch.arange(size, device=start.device) + 0.5) * step
    place = torch.arange(source, device=start.device) + 0.5
    distance = (place - centre[:, :, None]).abs() / step.clamp(min=1)[:, :, None]
    weight: Tensor = (1 - distance).clamp(min=0)
    return weight / weight.sum(2, keepdim=True)


def show(picture: Float[Tensor, "b m f"], window: Window, size: tuple[int, int]) -> Float[Tensor, "b h w"]:
    """The window's bands and frames, resized to (bands, columns) of the view."""
    if window.whole and size == tuple(picture.shape[1:]):
        return picture
    bands, frames = picture.shape[1:]
    rows = resampling(window.top * bands, window.height * bands, bands, size[0])
    columns = resampling(torch.zeros_like(window.span), window.span, frames, size[1])
    return torch.bmm(torch.bmm(rows, picture), columns.transpose(1, 2))


def place_tokens(
    window: Window, waves: Waves, grid: tuple[int, int], turned: Tensor | None
) -> tuple[Float[Tensor, "b n 2"], Bool[Tensor, "b n"]]:
    """Centres (frequency, time) of tokens in the recording's own coordinates, and whether any of it lies in them.

    grid: rows and columns of tokens, row by row, the lowest bands first. Time runs from 0 to 1 over the recording, or
    over the modality's window with a shorter one in its middle. turned: 1 where time runs backwards, (B,).
    """
    length, hop = waves.length[:, None], waves.spectrum.hop
    step = torch.arange(grid[1] + 1, device=length.device) / grid[1]
    edge = window.start[:, None] + _samples(window.span, window.speed, hop)[:, None] * step
    inside = (edge[:, 1:] > 0) & (edge[:, :-1] < length)
    extent = length.clamp(min=waves.frames * hop)
    time = ((edge[:, 1:] + edge[:, :-1] + extent - length) / (2 * extent)).clamp(-0.5, 1.5)
    if turned is not None:
        time = torch.where(turned[:, None] > 0, time.flip(1), time)
        inside = torch.where(turned[:, None] > 0, inside.flip(1), inside)
    row = (torch.arange(grid[0], device=edge.device) + 0.5) / grid[0]
    frequency = window.top[:, None] + window.height[:, None] * row
    origin = torch.stack([frequency.repeat_interleave(grid[1], 1), time.repeat(1, grid[0])], 2)
    return origin, inside.repeat(1, grid[0])


def _samples(span: Tensor, speed: Tensor | None, hop: int) -> Tensor:
    """Samples of the recording that a span of frames passes."""
    return span * hop if speed is None else span * hop * speed
