"""What an expert would have computed from sounds before representation learning.

Every feature set works on whole recordings, however long, fits on the training rows, and returns float32 arrays
(records, features). Evaluation puts the library's logistic regression on each. For the support vector machine with a
radial kernel that is customary on MFCC statistics there is a set of random Fourier features: a linear model on them is
one in the space of that kernel (Rahimi & Recht 2007).
Shape letters: B records, K samples, M mel bands, F frames, S segments, C coefficients, D features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from selftaught.core.modality import Classical, Rows
from selftaught.modalities.audio.mel import Spectrum, log_mel, mel_power

Describe = Callable[[Tensor, Tensor, Spectrum], Tensor]

BANDS = 40
COEFFICIENTS = 20
SEGMENTS = 3
COLUMNS = 16
RADIAL = 512  # random Fourier features


def feature_sets(waves: Callable[[Rows], Iterator[tuple[Tensor, Tensor]]], rate: int) -> tuple[Classical, ...]:
    """MFCC statistics, alone and in the space of a radial kernel, and the log-mel picture.

    waves: chunks of the rows' waves (B, K) with their lengths.
    """
    frame, hop = max(2, round(0.025 * rate)), max(1, round(0.01 * rate))
    spectrum = Spectrum(rate=rate, frame=frame, hop=hop, mels=BANDS, low=20.0, high=rate / 2)

    def collect(describe: Describe, rows: Rows) -> np.ndarray:
        return np.concatenate([describe(wave, length, spectrum).numpy() for wave, length in waves(rows)])

    def statistics(train: Rows, other: Rows) -> tuple[np.ndarray, np.ndarray]:
        return collect(mfcc_statistics, train), collect(mfcc_statistics, other)

    def radial(train: Rows, other: Rows) -> tuple[np.ndarray, np.ndarray]:
        return radial_features(*statistics(train, other))

    def picture(train: Rows, other: Rows) -> tuple[np.ndarray, np.ndarray]:
        return collect(mel_picture, train), collect(mel_picture, other)

    return (
        Classical(name="MFCC statistics", features=statistics),
        Classical(name="MFCC statistics, radial kernel", features=radial),
        Classical(name="log-mel picture", features=picture),
    )


def mfcc_statistics(
    wave: Float[Tensor, "b k"], length: Int[Tensor, " b"], spectrum: Spectrum
) -> Float[Tensor, "b features"]:
    """Mean and spread of 20 mel-frequency cepstral coefficients in each third of a recording, and its log duration.

    The coefficients are the discrete cosine transform of the log-mel bands (Davis & Mermelstein 1980).
    """
    bands, frames = _bands(wave, length, spectrum)
    # In float64, for a spread is a small difference of large squares.
    values = torch.matmul(cosines(COEFFICIENTS, spectrum.mels).double(), bands.double())
    mean = segment_means(values, frames, SEGMENTS)
    spread = (segment_means(values.square(), frames, SEGMENTS) - mean.square()).clamp(min=0).sqrt()
    duration = (length.double() / spectrum.rate).log()[:, None]
    return torch.cat([mean.flatten(1), spread.flatten(1), duration], 1).float()


def mel_picture(
    wave: Float[Tensor, "b k"], length: Int[Tensor, " b"], spectrum: Spectrum
) -> Float[Tensor, "b features"]:
    """The log-mel bands averaged over 16 equal parts of a recording, as one vector."""
    bands, frames = _bands(wave, length, spectrum)
    return segment_means(bands.double(), frames, COLUMNS).flatten(1).float()


def segment_means(
    values: Float[Tensor, "b c f"], frames: Int[Tensor, " b"], count: int
) -> Float[Tensor, "b s c"]:
    """Means of values over `count` equal parts of the first `frames` frames; a frame on a border counts in shares."""
    part = (frames.to(values.dtype) / count)[:, None, None]
    low = torch.arange(count, device=values.device)[:, None] * part
    place = torch.arange(values.shape[2], device=values.device, dtype=values.dtype)
    weight = (torch.minimum(place + 1, low + part) - torch.maximum(place, low)).clamp(min=0)
    return torch.bmm(weight / part, values.transpose(1, 2))


def cosines(count: int, bands: int) -> Float[Tensor, "c m"]:
    """The first rows of the orthonormal discrete cosine transform, type 2."""
    order, place = torch.arange(count)[:, None], torch.arange(bands) + 0.5
    matrix = (order * place * (math.pi / bands)).cos() * math.sqrt(2 / bands)
    matrix[0] /= math.sqrt(2)
    return matrix


def radial_features(
    train: Float[np.ndarray, "n d"], other: Float[np.ndarray, "m d"]
) -> tuple[np.ndarray, np.ndarray]:
    """Features of standardised x whose products are near exp(-|x - y|^2 / d) (Rahimi & Recht 2007, algorithm 1)."""
    mean, spread = train.mean(0), train.std(0)
    spread = np.where(spread > 1e-6, spread, 1)
    random = np.random.default_rng(0)
    directions = random.normal(0, math.sqrt(2 / train.shape[1]), (train.shape[1], RADIAL))
    phase = random.uniform(0, 2 * math.pi, RADIAL)

    def features(values: np.ndarray) -> np.ndarray:
        turned = (values - mean) / spread @ directions + phase
        return np.asarray(math.sqrt(2 / RADIAL) * np.cos(turned), np.float32)

    return features(train), features(other)


def _bands(wave: Tensor, length: Tensor, spectrum: Spectrum) -> tuple[Tensor, Tensor]:
    """Log-mel bands (B, M, F), and how many frames of each recording there are, 1 at least."""
    wave = functional.pad(wave, (0, max(0, spectrum.frame - wave.shape[1])))
    frames = ((length - spectrum.frame) // spectrum.hop + 1).clamp(min=1)
    return log_mel(mel_power(wave, spectrum), spectrum), frames
