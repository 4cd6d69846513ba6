"""The sample maker of conformance: tones of three pitches in noise, of unequal length, as arrays.

tests/toys/samples.py takes MODALITY, values and ODD into its table; `Sample.decoded` must keep fields of unequal shape
as tuples.
"""

from __future__ import annotations

import numpy as np

from selftaught.modalities.audio import Audio

CLASSES = 3
RATE = 2000

MODALITY = Audio(rate=RATE, window=0.16, frames=16, mels=16, patch=4, depth="int16")


def values(count: int, numbers: np.random.Generator) -> tuple[list[object], list[int]]:
    """What `Record.read` returns, and the hidden class of each: 120, 280 or 440 Hz."""
    label = numbers.integers(CLASSES, size=count)
    lengths = numbers.integers(150, 500, size=count)
    waves: list[object] = []
    for pitch, length in zip(label, lengths, strict=True):
        time = np.arange(length) / RATE
        tone = np.sin(2 * np.pi * (120 + 160 * pitch) * time + numbers.uniform(0, 6))
        waves.append((6000 * (tone + 0.3 * numbers.normal(size=length))).clip(-32768, 32767).astype(np.int16))
    return waves, label.tolist()


ODD: dict[str, list[object]] = {
    "silent": [np.zeros(320, np.int16)] * 2,
    "shortest and long": [np.full(20, 900, np.int16), np.arange(3000, dtype=np.int16) % 300],
}
