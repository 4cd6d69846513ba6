"""Weights and inputs that a name and a shape decide, so that a peer and we can hold the same ones without a file."""

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np


def seeded(name: str, shape: Sequence[int]) -> np.ndarray:
    """Uniform draws in [-1, 1), float32, from numpy's PCG64 seeded with the name's CRC-32."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    return (2 * generator.random(tuple(shape), np.float32) - 1).astype(np.float32)


def weights_for(shapes: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray]:
    """A state dict for these shapes whose activations neither vanish nor explode and whose norms all matter."""
    return {name: _weight(name, shape) for name, shape in shapes.items()}


def _weight(name: str, shape: Sequence[int]) -> np.ndarray:
    if name.endswith("num_batches_tracked"):
        return np.zeros((), np.int64)
    drawn = seeded(name, shape)
    if name.endswith("running_var"):
        return (1 + 0.5 * drawn).astype(np.float32)
    if len(shape) > 1:
        return (drawn * math.sqrt(6 / math.prod(shape[1:]))).astype(np.float32)
    return (1 + 0.2 * drawn if name.endswith("weight") else 0.1 * drawn).astype(np.float32)
