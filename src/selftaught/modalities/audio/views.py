"""The views of a batch of recordings: how they may be changed, and the passes over waves and pictures that do it.

Shape letters: B records, K samples heard, M mel bands, F frames, h and w sides of the view, N tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from selftaught.core.batch import View
from selftaught.core.rng import Rng
from selftaught.modalities.audio import windows
from selftaught.modalities.audio.mel import log_mel, mel_power
from selftaught.modalities.audio.waves import Waves, amplitude, convolve, cut, draw_noise, impulse_response
from selftaught.modalities.audio.windows import WHOLE, Range, Window, between

ROOM_SECONDS = 0.5  # length of an impulse response; what decays longer is cut off


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How a recording may be changed without becoming another one. Probabilities are per record and view.

    stretch, bands: time and mel bands that a strong view shows, as shares of the window and of all bands (1 at most),
    resized to the view: the random resize crop of Niizumi 2021. reach: how much of what a recording is longer than the
    window may be shown too, squeezed as "clean" shows it. span: time that a "span" view shows. speed: factor of speed
    and pitch within 1 +- this. gain: decibels within +- this. noise: probability of white noise at a signal to
    noise ratio within `ratio`, decibels. mixed: probability that another record is mixed in behind, with a share of the
    power up to `background`. reverberation: probability of a room with a decay time (60 dB) within `decay`, seconds,
    and direct sound over reverberation within `direct`, decibels. drops: bands hidden along each axis, each up to
    `dropped` of the axis wide (Park 2019).
    """

    stretch: Range = (0.7, 1.3)
    bands: Range = (0.7, 1.2)
    reach: float = 1.0
    span: Range = (0.3, 0.6)
    speed: float = 0.1
    gain: float = 6.0
    noise: float = 0.5
    ratio: Range = (5.0, 40.0)
    mixed: float = 0.5
    background: float = 0.4
    reverberation: float = 0.2
    decay: Range = (0.1, 0.5)
    direct: Range = (0.0, 12.0)
    drops: int = 1
    dropped: float = 0.2

    def scaled(self, strength: float) -> Augmentation:
        """The same with crops, amounts and probabilities moved by a strength; 0 leaves only where the window lies."""
        return replace(
            self,
            stretch=_widened(self.stretch, strength),
            bands=_widened(self.bands, strength),
            reach=min(1.0, self.reach * strength),
            speed=min(0.9, self.speed * strength),
            gain=self.gain * strength,
            noise=self.noise * strength,
            background=min(0.9, self.background * strength),
            reverberation=self.reverberation * strength,
            dropped=min(0.9, self.dropped * strength),
        )


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One view. inside: tokens with anything of the recording in them. turned: 1 where time runs backwards."""

    picture: Float[Tensor, "b 1 h w"]
    origin: Float[Tensor, "b n 2"]
    inside: Bool[Tensor, "b n"]
    turned: Int[Tensor, " b"] | None


def make_view(waves: Waves, view: View, grid: tuple[int, int], patch: int, how: Augmentation, rng: Rng) -> Shown:
    """One view of (bands, columns) = grid * patch."""
    window = _window_of(waves, view, how, rng)
    heard = windows.listen(waves, window)
    if view.kind == "strong":
        heard = disturb(heard, waves, how, rng)
    if view.kind == "noisy":
        noise = draw_noise(waves.ids, "noise", heard.shape[1], rng)
        heard = heard + (waves.level * amplitude(torch.tensor(-how.ratio[0])))[:, None] * noise
    power = mel_power(heard, waves.spectrum)
    if view.kind == "strong":
        power = mix_background(power, waves, how, rng)
    picture = windows.show(log_mel(power, waves.spectrum), window, (grid[0] * patch, grid[1] * patch))[:, None]
    picture = (picture - waves.table[:, 4, None, None, None]) / waves.table[:, 5, None, None, None]
    if view.kind == "strong":
        picture = drop_bands(picture, waves.ids, how, rng)
    turned = rng.integers(waves.ids, "transform", 2) if view.kind == "transform" else None
    if turned is not None:
        picture = torch.where(turned[:, None, None, None] > 0, picture.flip(3), picture)
    origin, inside = windows.place_tokens(window, waves, grid, turned)
    return Shown(picture=picture, origin=origin, inside=inside, turned=turned)


def _window_of(waves: Waves, view: View, how: Augmentation, rng: Rng) -> Window:
    if view.kind == "clean":
        return windows.whole_window(waves)
    if view.kind == "strong":
        return windows.draw_window(
            waves, rng, how.stretch, how.bands, speed=how.speed, reach=how.reach, area=view.scale
        )
    return windows.draw_window(waves, rng, how.span if view.kind == "span" else WHOLE, area=view.scale)


def disturb(wave: Float[Tensor, "b k"], waves: Waves, how: Augmentation, rng: Rng) -> Float[Tensor, "b k"]:
    """Waves with reverberation, noise and gain, each by chance."""
    ids, rate = waves.ids, waves.spectrum.rate
    draw = rng.uniform(ids, "sound", (6,))
    chosen = (draw[:, 0] < how.reverberation).nonzero()[:, 0]
    if len(chosen):
        tail = draw_noise(ids[chosen], "tail", max(1, round(ROOM_SECONDS * rate)), rng)
        decay, direct = between(how.decay, draw[chosen, 1]), between(how.direct, draw[chosen, 2])
        wave = wave.index_copy(0, chosen, convolve(wave[chosen], impulse_response(tail, decay, direct, rate)))
    chosen = (draw[:, 3] < how.noise).nonzero()[:, 0]
    if len(chosen):
        noise = draw_noise(ids[chosen], "noise", wave.shape[1], rng)
        level = waves.level[chosen] * amplitude(-between(how.ratio, draw[chosen, 4]))
        wave = wave.index_copy(0, chosen, wave[chosen] + level[:, None] * noise)
    return wave * amplitude(how.gain * (2 * draw[:, 5] - 1))[:, None]


def mix_background(power: Float[Tensor, "b m f"], waves: Waves, how: Augmentation, rng: Rng) -> Float[Tensor, "b m f"]:
    """Mel powers with a part of the other recording behind, by chance.

    (1 - share) exp(a) + share exp(b) of two log-mel pictures a and b (Niizumi 2021, 'mixup'), before the logarithm. The
    other recording travels with the record (see `Audio.batch`) instead of coming from a queue of the last 2,048.
    """
    draw = rng.uniform(waves.ids, "background", (3,))
    chosen = (draw[:, 0] < how.mixed).nonzero()[:, 0]
    if not len(chosen) or not how.background:
        return power
    length, gain = waves.table[chosen, 2].long(), waves.table[chosen, 3]
    count = waves.spectrum.samples(power.shape[2])
    # Where it begins must not depend on how long the longest view of the batch is.
    start = ((length - waves.spectrum.samples(waves.frames)) * draw[chosen, 2]).round().long()
    behind = mel_power(cut(waves.other[chosen], length, start, count) * gain[:, None], waves.spectrum)
    share = (how.background * draw[chosen, 1])[:, None, None]
    return power.index_copy(0, chosen, torch.lerp(power[chosen], behind, share))


def drop_bands(
    x: Float[Tensor, "b 1 h w"], ids: Int[Tensor, " b"], how: Augmentation, rng: Rng
) -> Float[Tensor, "b 1 h w"]:
    """Pictures with whole bands of frequency and of time set to the mean, 0 (Park 2019, section 2)."""
    if not how.drops or not how.dropped:
        return x
    draw = rng.uniform(ids, "bands", (2, how.drops, 2))
    for axis in (2, 3):
        size = x.shape[axis]
        width = how.dropped * size * draw[:, axis - 2, :, 0]
        first = (size - width) * draw[:, axis - 2, :, 1]
        place = torch.arange(size, device=x.device) + 0.5
        hidden = ((place >= first[:, :, None]) & (place < (first + width)[:, :, None])).any(1)
        x = x.masked_fill(hidden[:, None, :, None] if axis == 2 else hidden[:, None, None, :], 0)
    return x


def _widened(limits: Range, strength: float) -> Range:
    return max(0.1, 1 - (1 - limits[0]) * strength), max(0.1, 1 + (limits[1] - 1) * strength)
