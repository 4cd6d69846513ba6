"""Log-mel pictures of whole batches of waves, written on torch.stft.

Shape letters: B waves, K samples, Q frequencies of the transform, M mel bands, F frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Scale = Literal["htk", "slaney"]

KNEE = 1000.0  # Hz up to which Slaney's scale is linear
FLOOR = 1e-8  # share of the power of a full-scale sine at which silence begins: 80 dB below it


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """How a wave becomes mel bands.

    rate: samples per second. frame: samples under the window. hop: samples from one frame to the next. mels: number of
    bands between low and high, Hz. scale: of the mels.
    """

    rate: int
    frame: int
    hop: int
    mels: int
    low: float
    high: float
    scale: Scale = "htk"

    @property
    def points(self) -> int:
        """Points of the transform: a power of two, twice the frame or more, so that narrow low bands hold some."""
        return 1 << (2 * self.frame - 1).bit_length()

    def samples(self, frames: int) -> int:
        """Samples that `frames` frames need."""
        return (frames - 1) * self.hop + self.frame


def to_mel(hertz: Float[Tensor, "*n"], scale: Scale) -> Float[Tensor, "*n"]:
    """Frequencies (Hz) in mels.

    htk: 2595 log10(1 + f / 700) (O'Shaughnessy 1987; the HTK book). slaney: 3 f / 200 up to 1,000 Hz, then 27
    mels for every factor of 6.4 (Slaney 1998, Auditory Toolbox).
    """
    if scale == "htk":
        return 2595 * (1 + hertz / 700).log10()
    above = 15 + 27 * (hertz / KNEE).clamp(min=1).log() / math.log(6.4)
    return torch.where(hertz < KNEE, 3 * hertz / 200, above)


def from_mel(mel: Float[Tensor, "*n"], scale: Scale) -> Float[Tensor, "*n"]:
    """Mels as frequencies (Hz), the inverse of `to_mel`."""
    if scale == "htk":
        return 700 * (torch.pow(10.0, mel / 2595) - 1)
    above = KNEE * ((mel - 15).clamp(min=0) * math.log(6.4) / 27).exp()
    return torch.where(mel < 15, 200 * mel / 3, above)


def mel_filters(spectrum: Spectrum, device: torch.device) -> Float[Tensor, "m q"]:
    """Triangles over the frequencies of the transform, evenly spread in mels (Davis & Mermelstein 1980).

    On the HTK scale every triangle has the height 1, on Slaney's the area 1 in Hz.
    """
    ends = to_mel(torch.tensor([spectrum.low, spectrum.high], dtype=torch.float64), spectrum.scale)
    steps = torch.linspace(0, 1, spectrum.mels + 2, dtype=torch.float64)
    edge = from_mel(ends[0] + (ends[1] - ends[0]) * steps, spectrum.scale)
    hertz = torch.arange(spectrum.points // 2 + 1, dtype=torch.float64) * (spectrum.rate / spectrum.points)
    width = edge.diff()
    rising = (hertz - edge[:-2, None]) / width[:-1, None]
    falling = (edge[2:, None] - hertz) / width[1:, None]
    filters = torch.minimum(rising, falling).clamp(min=0)
    if spectrum.scale == "slaney":
        filters = filters * (2 / (edge[2:] - edge[:-2]))[:, None]
    return filters.float().to(device)


def mel_power(wave: Float[Tensor, "b k"], spectrum: Spectrum) -> Float[Tensor, "b m f"]:
    """Power in every mel band of every frame: squared magnitudes under a periodic Hann window, summed by the triangles.

    Frame f covers the samples from f * hop to f * hop + frame; nothing is padded, so K samples give
    1 + (K - frame) // hop frames.
    """
    left = (spectrum.points - spectrum.frame) // 2
    # torch.stft centres a window that is shorter than the transform; the zeros make its first frame begin at sample 0.
    padded = F.pad(wave, (left, spectrum.points - spectrum.frame - left))
    window = torch.hann_window(spectrum.frame, device=wave.device)
    found = torch.stft(padded, spectrum.points, spectrum.hop, spectrum.frame, window, center=False, return_complex=True)
    power = found.real.square() + found.imag.square()
    return torch.matmul(mel_filters(spectrum, wave.device), power)


def log_mel(power: Float[Tensor, "b m f"], spectrum: Spectrum) -> Float[Tensor, "b m f"]:
    """Natural logarithm of the power over the floor.

    The floor of a band is the strongest frequency of a sine at its centre, 80 dB below full scale. A periodic Hann
    window over n samples sums to n / 2, and half the amplitude of a sine lies at its positive frequency.
    """
    peak = torch.ones(spectrum.mels, device=power.device)
    if spectrum.scale == "slaney":
        peak = mel_filters(spectrum, power.device).amax(1).clamp(min=1e-6)
    return (power + FLOOR * (spectrum.frame / 4) ** 2 * peak[:, None]).log()
