"""Sounds as a page shows them: WAV bytes read back, and a small spectrogram that fits light and dark pages."""

import io
import math
import wave

import numpy as np
from jaxtyping import Float
from PIL import Image

WIDTH, HEIGHT = 120, 40
"""Frames and bands, pixels."""
SPECTROGRAM_BYTES = 4_000
"""What a picture of so many pixels in 16 levels takes at most, in base64."""
LEVELS = 16
RANGE = 60.0
"""Decibels below the loudest that are still drawn."""
INK = (58, 134, 196)
"""One blue that is seen on white and on black; the levels are its opacity."""
SHORTEST, LONGEST = 32, 512
"""Samples of a frame."""
SCALES = {1: ("u1", 128.0, 128.0), 2: ("<i2", 0.0, 32_768.0), 4: ("<i4", 0.0, 2_147_483_648.0)}
"""Type, middle and full scale of WAV values by their bytes."""


def read_sound(data: bytes) -> tuple[Float[np.ndarray, " n"], int] | None:
    """Return the mean over channels in -1..1 and the rate (Hz) of WAV bytes; None where they are no plain WAV."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            frames = file.readframes(file.getnframes())
    except (wave.Error, EOFError):
        return None
    if width not in SCALES or rate < 1:
        return None
    kind, middle, full = SCALES[width]
    values = np.frombuffer(frames[: len(frames) // (width * channels) * width * channels], kind)
    return ((values.astype(np.float64) - middle) / full).reshape(-1, channels).mean(1), rate


def draw_spectrogram(data: bytes) -> bytes:
    """Return a PNG of WAV bytes: time to the right, frequency upwards in octaves; empty where there is no sound."""
    sound = read_sound(data)
    if sound is None or len(sound[0]) < SHORTEST or not np.abs(sound[0]).max() > 0:
        return b""
    values = sound[0]
    size = min(LONGEST, max(SHORTEST, 2 ** int(math.log2(len(values) / 8))))
    starts = np.linspace(0, len(values) - size, WIDTH).round().astype(np.int64)
    frames = values[starts[:, None] + np.arange(size)] * np.hanning(size)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    edges = np.geomspace(1, size // 2, HEIGHT + 1)
    places = np.clip(np.sqrt(edges[:-1] * edges[1:]), 1, size // 2)
    low = np.floor(places).astype(np.int64)
    high = np.minimum(low + 1, size // 2)
    share = places - low
    bands = power[:, low] * (1 - share) + power[:, high] * share
    if not bands.max() > 0:
        return b""
    loudness = 10 * np.log10(np.maximum(bands / bands.max(), 1e-12)) / RANGE + 1
    return _encode(np.clip((LEVELS - 1) * loudness, 0, LEVELS - 1).round().astype(np.uint8).T[::-1])


def _encode(levels: np.ndarray) -> bytes:
    """One colour in LEVELS opacities as PNG, so that either ground shows through."""
    picture = Image.frombytes("P", (levels.shape[1], levels.shape[0]), np.ascontiguousarray(levels).tobytes())
    picture.putpalette(bytes(INK) * LEVELS)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True, transparency=bytes(255 * level // (LEVELS - 1) for level in range(LEVELS)))
    return file.getvalue()
