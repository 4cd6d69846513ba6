"""Recordings as small WAV files for reports."""

from __future__ import annotations

import io
import wave as container

import numpy as np
from torch import Tensor

from selftaught.core.modality import Portrait

HEARD_SECONDS = 3.0
HEARD_RATE = 12_000
"""Seconds, and Hz at most: a page holds dozens of portraits, and is kept small."""


def portray_wave(wave: Tensor, rate: int) -> Portrait:
    """The beginning of a wave (n,) in -1..1 as 16-bit WAV bytes; what is louder than full scale is turned down.

    Above HEARD_RATE, means of neighbouring samples are kept: enough to hear what it is.
    """
    values = wave[: round(HEARD_SECONDS * rate)].float().cpu().numpy()
    every = -(-rate // HEARD_RATE)
    values = values[: max(1, len(values) // every) * every]
    values = values.reshape(-1, every).mean(1) if len(values) >= every else values
    values = values / max(1.0, float(np.abs(values).max(initial=0.0)))
    file = io.BytesIO()
    with container.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(max(1, rate // every))
        writer.writeframes((values * 32_767).round().astype("<i2").tobytes())
    return Portrait(kind="audio", content=file.getvalue())
