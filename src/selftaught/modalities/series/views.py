"""The views of a batch of recordings: where their steps lie in the record, and how values are changed.

Shape letters: B records, L steps of the longest record, S steps of a view, C channels, N tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from selftaught.core.batch import View
from selftaught.core.rng import Rng
from selftaught.core.targets import gather_tokens

FINEST = 256  # places are rounded to this part of a step, so that a whole step is met exactly


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How a recording may be changed without becoming another one. Amounts are in standard deviations of a channel.

    crop: share of the window that a random crop covers. stretch: the most that a shorter crop is slowed down to fill
    the view; what is left of the view stays empty. warp: how much the pace of time may wander, 0..1. permute:
    probability of cutting the view into `pieces` and putting them together in another order. scale: factors within 1 +-
    this, per channel. jitter: standard deviation of noise on every value. frequency: share of the frequencies that are
    taken out. channel: share of the channels that go missing; one stays. chance: probability, per record and view, of
    each of warp, scale, jitter, frequency and channel; "noisy" views are always jittered.
    """

    crop: tuple[float, float] = (0.6, 1.0)
    stretch: float = 1.7
    warp: float = 0.3
    permute: float = 0.2
    pieces: int = 4
    scale: float = 0.3
    jitter: float = 0.1
    frequency: float = 0.1
    channel: float = 0.2
    chance: float = 0.5

    def scaled(self, strength: float) -> Augmentation:
        """The same with the amounts and what a crop may leave out multiplied by a strength; 0 changes nothing."""
        names = ("warp", "permute", "scale", "jitter", "frequency", "channel")
        amounts: dict[str, Any] = {name: min(0.9, strength * getattr(self, name)) for name in names}
        return replace(self, crop=(max(0.1, 1 - (1 - self.crop[0]) * strength), self.crop[1]), **amounts)


@dataclass(frozen=True, kw_only=True)
class Path:
    """Where a view's steps lie. place: in steps of the record. count: steps of each view. length: of each record.

    Beyond `count` the places go on in the same way, so that tokens of padding stand where they would be.
    """

    place: Float[Tensor, "b s"]
    count: Int[Tensor, " b"]
    length: Int[Tensor, " b"]


def whole_path(length: Int[Tensor, " b"], steps: int, patch: int) -> Path:
    """All of every record, in a view of `steps` steps, rounded up to whole tokens."""
    width = -(-steps // patch) * patch
    line = torch.arange(width, device=length.device, dtype=torch.float32)
    return Path(place=line.expand(len(length), width), count=length, length=length)


def draw_path(
    ids: Int[Tensor, " b"], length: Int[Tensor, " b"], view: View, window: int, patch: int, how: Augmentation, rng: Rng
) -> Path:
    """A random crop of every record, of a random share of the window (of the record, where it is shorter).

    span: whole tokens from the record's own grid of tokens on, so that those of two spans can be matched. Other kinds:
    slowed down to fill the view as far as `how.stretch` allows; strong: with pieces moved and the pace bent.
    """
    width = max(1, round(window * view.size / patch)) * patch
    draw = rng.uniform(ids, "crop", (4,))
    low, high = view.scale or ((1.0, 1.0) if view.kind == "span" else how.crop)
    full = (length.clamp(max=window).float() * view.size).clamp(max=width)
    extent = full * (low + (high - low) * draw[:, 0])
    line = torch.arange(width, device=length.device, dtype=torch.float32)
    if view.kind == "span":
        tokens = (extent / patch).round().clamp(min=1, max=width // patch).long()
        count = torch.minimum(tokens * patch, length)
        start = _start((length - count) / patch, draw[:, 1]) * patch
        return Path(place=start[:, None] + line, count=count, length=length)
    extent = extent.clamp(min=1)
    count = torch.minimum(full.round(), (extent * how.stretch).round()).clamp(min=1, max=width).long()
    u = (line + 0.5) / count[:, None]
    if view.kind == "strong":
        u = _permute(u, ids, how.pieces, draw[:, 2] < how.permute, rng)
        u = _warp(u, ids, how.warp * (draw[:, 3] < how.chance), rng)
    place = _start(length - extent, draw[:, 1])[:, None] + u * extent[:, None] - 0.5
    return Path(place=(place * FINEST).round() / FINEST, count=count, length=length)


def _start(room: Float[Tensor, " b"], draw: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    room = room.clamp(min=0).floor()
    return torch.minimum((draw * (room + 1)).floor(), room)


def _permute(u: Float[Tensor, "b s"], ids: Tensor, pieces: int, chosen: Tensor, rng: Rng) -> Float[Tensor, "b s"]:
    piece = (u * pieces).floor().clamp(0, pieces - 1)
    moved = rng.permutation(ids, "pieces", pieces).gather(1, piece.long())
    return torch.where(chosen[:, None], u + (moved - piece) / pieces, u)


def _warp(u: Float[Tensor, "b s"], ids: Tensor, most: Tensor, rng: Rng, waves: int = 3) -> Float[Tensor, "b s"]:
    # The pace 1 + sum of amplitude * cos stays positive, for the amplitudes add up to less than 1; both ends stay.
    amplitude = (2 * rng.uniform(ids, "warp", (waves,)) - 1) * (most / waves)[:, None]
    rates = math.pi * torch.arange(1, waves + 1, device=u.device)
    return u + (amplitude[:, None] * (u[..., None] * rates).sin() / rates).sum(2)


def sample(values: Float[Tensor, "b l c"], path: Path) -> Float[Tensor, "b s c"]:
    """The values along a path, linear between steps, of the nearest step beside a missing one; NaN beyond its end."""
    place, last = path.place.clamp(min=0), (path.length - 1)[:, None]
    low = place.long()
    part = (place - low)[..., None]
    found = gather_tokens(values, torch.minimum(low, last))
    if bool(part.any()):
        after = gather_tokens(values, torch.minimum(low + 1, last))
        between = found + part * (after - found)
        found = torch.where(between.isnan(), torch.where(part < 0.5, found, after), between)
    beyond = torch.arange(place.shape[1], device=place.device) >= path.count[:, None]
    return found.masked_fill(beyond[..., None], float("nan"))


def change_values(x: Float[Tensor, "b s c"], ids: Tensor, how: Augmentation, rng: Rng) -> Float[Tensor, "b s c"]:
    """Scaled, with a share of the frequencies taken out (not the mean), jittered, with channels missing; by chance."""
    steps, channels = x.shape[1:]
    chosen = (rng.uniform(ids, "changes", (4,)) < how.chance).float()
    amount = how.scale * (2 * rng.uniform(ids, "scale", (1, channels)) - 1)
    x = x * (1 + amount * chosen[:, 0, None, None])
    gap = x.isnan()
    waves = torch.fft.rfft(x.masked_fill(gap, 0.0), dim=1)
    keep = rng.uniform(ids, "frequency", (waves.shape[1],)) >= how.frequency * chosen[:, 1, None]
    keep[:, 0] = True
    x = torch.fft.irfft(waves * keep[..., None], n=steps, dim=1).masked_fill(gap, float("nan"))
    x = x + how.jitter * chosen[:, 2, None, None] * rng.normal(ids, "jitter", (steps, channels))
    draw = rng.uniform(ids, "channel", (channels,))
    lost = (draw < how.channel * chosen[:, 3, None]) & (draw < draw.amax(1, keepdim=True))
    return x.masked_fill(lost[:, None, :], float("nan"))
