"""Operations on whole batches of waves: cutting, noise, reverberation. What is random comes from the caller's `rng`.

Shape letters: B waves, T stored samples, K samples of a view, R samples of an impulse response.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from selftaught.core.rng import Rng
from selftaught.modalities.audio.mel import Spectrum

# Samples of the noise that every record draws its own stretch of: drawing each sample apart takes longer than the
# transform. Longer stretches repeat.
TABLE = 1 << 18
SIXTY_DECIBELS = 6.9078  # ln(1000): what the amplitude is divided by after the decay time


@dataclass(frozen=True, kw_only=True)
class Waves:
    """What the views of a batch are made of.

    wave: (B, T) as stored. other: the middle of another recording, likewise. table: length (samples) and gain of both,
    then mean and spread of log-mel pictures. frames: of the modality's window.
    """

    wave: Tensor
    other: Tensor
    table: Float[Tensor, "b 6"]
    ids: Int[Tensor, " b"]
    spectrum: Spectrum
    frames: int

    @property
    def length(self) -> Int[Tensor, " b"]:
        """Samples of each recording."""
        return self.table[:, 0].long()

    @property
    def level(self) -> Float[Tensor, " b"]:
        """Root mean square of each recording, times its gain."""
        return (self.wave.float().square().sum(1) / self.table[:, 0]).sqrt() * self.table[:, 1]


def pad_waves(parts: Iterable[Tensor]) -> tuple[Tensor, Int[Tensor, " b"]]:
    """Waves of unequal length as one tensor (B, T) in their own type, filled up with zeros, and their lengths."""
    rows = list(parts)
    length = torch.tensor([len(part) for part in rows], device=rows[0].device)
    return pad_sequence(rows, batch_first=True), length


def cut(
    wave: Tensor, length: Int[Tensor, " b"], start: Int[Tensor, " b"], count: int, speed: Tensor | None = None
) -> Float[Tensor, "b k"]:
    """`count` samples of each wave (B, T) from its sample `start` on; silence before the first and after the last.

    speed: samples passed per sample heard (B,), by linear interpolation: 1.1 is a tenth faster and higher.
    """
    step = torch.arange(count, device=wave.device)
    if speed is None:
        return _samples_at(wave, length, start[:, None] + step)
    place = step * speed[:, None]
    whole = place.floor()
    index = start[:, None] + whole.long()
    return torch.lerp(_samples_at(wave, length, index), _samples_at(wave, length, index + 1), place - whole)


def _samples_at(wave: Tensor, length: Tensor, index: Tensor) -> Tensor:
    inside = (index >= 0) & (index < length[:, None])
    return wave.gather(1, index.clamp(0, wave.shape[1] - 1)).float() * inside


def amplitude(decibels: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """The factor of the amplitude that decibels stand for: 20 dB are a factor of 10."""
    return torch.pow(10.0, decibels / 20)


def loudness(wave: Float[Tensor, "b k"]) -> Float[Tensor, " b"]:
    """Root mean square over the samples that are not exactly zero; 0 for silence."""
    heard = (wave != 0).sum(1).clamp(min=1)
    return (wave.square().sum(1) / heard).sqrt()


def draw_noise(ids: Int[Tensor, " b"], key: str, count: int, rng: Rng) -> Float[Tensor, "b k"]:
    """White Gaussian noise of standard deviation 1, a stretch of its own for every record id."""
    table = torch.randn(TABLE, generator=rng.generator(key, ids.device), device=ids.device)
    circle = table.repeat(count // TABLE + 2)[: TABLE + count]
    return circle.unfold(0, count, 1)[rng.integers(ids, key, TABLE)]


def add_noise(
    wave: Float[Tensor, "b k"], noise: Float[Tensor, "b k"], ratio: Float[Tensor, " b"]
) -> Float[Tensor, "b k"]:
    """The waves with noise at a ratio of signal to noise in decibels; a silent wave stays silent."""
    gain = loudness(wave) / loudness(noise).clamp(min=1e-12) * amplitude(-ratio)
    return wave + gain[:, None] * noise


def impulse_response(
    noise: Float[Tensor, "b r"], decay: Float[Tensor, " b"], ratio: Float[Tensor, " b"], rate: int
) -> Float[Tensor, "b r"]:
    """A room: the direct sound, then noise that decays exponentially (Polack 1988).

    decay: seconds until the tail has lost 60 dB. ratio: energy of the direct sound over that of the tail, decibels.
    """
    seconds = torch.arange(noise.shape[1], device=noise.device) / rate
    tail = noise * (-SIXTY_DECIBELS * seconds / decay[:, None]).exp()
    tail[:, 0] = 0
    energy = tail.square().sum(1).clamp(min=1e-12)
    tail = tail * (amplitude(-ratio) / energy.sqrt())[:, None]
    tail[:, 0] = 1
    return tail


def convolve(wave: Float[Tensor, "b k"], response: Float[Tensor, "b r"]) -> Float[Tensor, "b k"]:
    """Each wave through its own impulse response, as long as before."""
    size = 1 << (wave.shape[1] + response.shape[1] - 2).bit_length()
    product = torch.fft.rfft(wave, size) * torch.fft.rfft(response, size)
    heard: Tensor = torch.fft.irfft(product, size)
    return heard[:, : wave.shape[1]]
