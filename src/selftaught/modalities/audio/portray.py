"""Recordings as small WAV files for reports."""

from __future__ import annotations

import io
import wave as container

import numpy as np
from torch import Tensor

from selftaught.core.modality import Portrait

HEARD_SECONDS = 3.0  # a page holds hundreds of portraits


def portray_wave(wave: Tensor, rate: int) -> Portrait:
    """The beginning of a wave (n,) in -1..1 as 16-bit WAV bytes; what is louder than full scale is turned down."""
    values = wave[: round(HEARD_SECONDS * rate)].float().cpu().numpy()
    values = values / max(1.0, float(np.abs(values).max(initial=0.0)))
    file = io.BytesIO()
    with container.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes((values * 32_767).round().astype("<i2").tobytes())
    return Portrait(kind="audio", content=file.getvalue())
