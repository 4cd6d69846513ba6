"""What an expert would have computed from sounds before representation learning.

Everything works on whole recordings, however long, fits on the labelled rows, and is float32 (records, features).
Shape letters: B records, K samples, M mel bands, F frames, S segments, C coefficients, D features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn import functional

from selftaught.core.modality import Classical, Predictor, Rows
from selftaught.modalities.audio.mel import Spectrum, log_mel, mel_power

Describe = Callable[[Tensor, Tensor, Spectrum], Tensor]

BANDS = 40
COEFFICIENTS = 20
SEGMENTS = 3
COLUMNS = 16
COST = 10.0  # of the support vector machine: as good as 100 and better than 1 on three validation speakers of fsdd


def sound_controls(
    waves: Callable[[Rows], Iterator[tuple[Tensor, Tensor]]], rate: int
) -> tuple[Classical | Predictor, ...]:
    """MFCC statistics and the log-mel picture for the library's logistic probe, and a support vector machine.

    waves: chunks of the rows' waves (B, K) with their lengths.
    """
    frame, hop = max(2, round(0.025 * rate)), max(1, round(0.01 * rate))
    spectrum = Spectrum(rate=rate, frame=frame, hop=hop, mels=BANDS, low=20.0, high=rate / 2)
    held: dict[int, np.ndarray] = {}  # by content, for a predictor is asked for the same recordings many times

    def collect(describe: Describe, rows: Rows) -> np.ndarray:
        return np.concatenate([describe(wave, length, spectrum).numpy() for wave, length in waves(rows)])

    def statistics(rows: Rows) -> np.ndarray:
        parts = list(rows.fields["wave"])
        keys = [hash(part.cpu().numpy().tobytes()) for part in parts]
        new = [place for place, key in enumerate(keys) if key not in held]
        if new:
            some = Rows(fields={"wave": tuple(parts[place] for place in new)}, record=rows.record[new])
            held.update(zip([keys[place] for place in new], collect(mfcc_statistics, some), strict=True))
        return np.stack([held[key] for key in keys])

    return (
        Classical(name="MFCC statistics", features=lambda train, other: (statistics(train), statistics(other))),
        Predictor(
            name="MFCC statistics, support vectors",
            predict=lambda rows, labels, other: support_vectors(statistics(rows), labels, statistics(other)),
        ),
        Classical(
            name="log-mel picture",
            features=lambda train, other: (collect(mel_picture, train), collect(mel_picture, other)),
        ),
    )


def support_vectors(
    train: Float[np.ndarray, "n d"], labels: Shaped[np.ndarray, " n"], other: Float[np.ndarray, "m d"]
) -> np.ndarray:
    """Labels by a support vector machine with a radial kernel on standardised features (Cortes & Vapnik 1995)."""
    from sklearn.svm import SVC, SVR  # half a second

    mean, spread = train.mean(0), train.std(0)
    known, asked = ((values - mean) / np.where(spread > 1e-6, spread, 1) for values in (train, other))
    if labels.dtype.kind != "f":
        return np.asarray(SVC(C=COST).fit(known, labels).predict(asked))
    unit = labels.std() or 1.0
    return np.asarray(SVR(C=COST).fit(known, (labels - labels.mean()) / unit).predict(asked) * unit + labels.mean())


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


def segment_means(values: Float[Tensor, "b c f"], frames: Int[Tensor, " b"], count: int) -> Float[Tensor, "b s c"]:
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


def _bands(wave: Tensor, length: Tensor, spectrum: Spectrum) -> tuple[Tensor, Tensor]:
    """Log-mel bands (B, M, F), and how many frames of each recording there are, 1 at least."""
    wave = functional.pad(wave, (0, max(0, spectrum.frame - wave.shape[1])))
    frames = ((length - spectrum.frame) // spectrum.hop + 1).clamp(min=1)
    return log_mel(mel_power(wave, spectrum), spectrum), frames
