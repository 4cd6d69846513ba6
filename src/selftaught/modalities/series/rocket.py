"""A transform in the manner of MiniRocket, written from the paper (Dempster 2021, section 3).

The 84 kernels of length 9 with three weights of 2 and six of -1, at exponentially spaced dilations; every feature is
the share of steps at which a kernel's output lies above a bias, which is a quantile of that output on one training
record. Differs: recordings of unequal length (shares over each one's own steps), and as many features as FEATURES.

Shape letters: B records, T time steps, C channels, K kernels, Q biases of a kernel at one dilation.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

FEATURES = 84 * 30  # the paper takes 9,996; a fourth of it keeps the probe's grid affordable
DILATIONS = 32
CHUNK = 1 << 24  # outputs of all kernels (4 bytes each) held at once
GOLDEN = (math.sqrt(5) + 1) / 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """The kernels at one dilation. weight: (K, 9 * C), tap by tap. bias: (K, Q). turn: every other kernel, beginning
    with this one, counts the steps whose taps reach beyond the recording."""

    dilation: int
    weight: Float[Tensor, "k taps"]
    bias: Float[Tensor, "k q"]
    turn: int


def kernels() -> Float[Tensor, "84 9"]:
    """All kernels of nine weights with three of 2 and six of -1, whose weights add up to 0."""
    chosen = itertools.combinations(range(9), 3)
    return torch.tensor([[2.0 if tap in places else -1.0 for tap in range(9)] for places in chosen])


def choose_dilations(length: int, features: int) -> list[tuple[int, int]]:
    """(dilation, features a kernel) pairs: exponents evenly from 0 to where a kernel spans a recording of `length`."""
    each = features // 84
    most = math.log2(max(1.0, (length - 1) / 8))
    values, often = np.unique((2 ** np.linspace(0, most, min(each, DILATIONS))).astype(int), return_counts=True)
    ends = np.round(np.cumsum([0, *often]) * each / often.sum()).astype(int)
    return [(int(value), int(share)) for value, share in zip(values, np.diff(ends), strict=True) if share]


def learn_rocket(recordings: Sequence[Tensor], features: int = FEATURES, seed: int = 0) -> list[Layer]:
    """Kernels and biases from complete training recordings (T, C).

    Each kernel at each dilation reads a random set of channels, nine at most; its biases are quantiles of its output on
    one random recording, at places of a low-discrepancy sequence.
    """
    channels, rng, drawn = recordings[0].shape[1], np.random.default_rng(seed), 0
    layers: list[Layer] = []
    for dilation, share in choose_dilations(int(np.median([len(each) for each in recordings])), features):
        count = (2 ** rng.uniform(0, math.log2(min(channels, 9) + 1), 84)).astype(int)
        read = rng.random((84, channels)).argsort(1).argsort(1) < count[:, None]
        weight = (kernels()[:, :, None] * torch.from_numpy(read)[:, None, :]).flatten(1)
        place = torch.from_numpy(np.arange(drawn, drawn + 84 * share) * GOLDEN % 1).float().view(84, share)
        bias = torch.empty(84, share)
        for row, chosen in enumerate(rng.integers(len(recordings), size=84).tolist()):
            one = recordings[chosen][None]
            out, own = respond(one, torch.tensor([one.shape[1]]), dilation, weight[row : row + 1], row + len(layers))
            bias[row] = torch.quantile(out[own], place[row])
        layers.append(Layer(dilation=dilation, weight=weight, bias=bias, turn=len(layers)))
        drawn += 84 * share
    return layers


def apply_rocket(recordings: Sequence[Tensor], layers: Sequence[Layer]) -> Float[np.ndarray, "n features"]:
    """The share of steps above each bias, for complete recordings (T, C) of any lengths."""
    found = np.empty((len(recordings), sum(layer.bias.numel() for layer in layers)), np.float32)
    # Recordings of like length share a batch, so that little of it is padding; the longest of it sets how many.
    order = sorted(range(len(recordings)), key=lambda place: -len(recordings[place]))
    while order:
        count = min(64, max(1, CHUNK // (84 * len(recordings[order[0]]))))
        part, order = order[:count], order[count:]
        chosen = [recordings[place] for place in part]
        batch, length = pad_sequence(chosen, batch_first=True), torch.tensor([len(each) for each in chosen])
        found[part] = torch.cat([_shares(batch, length, layer) for layer in layers], 1).numpy()
    return found


def respond(
    x: Float[Tensor, "b t c"], length: Tensor, dilation: int, weight: Float[Tensor, "k taps"], turn: int
) -> tuple[Float[Tensor, "b k t"], Tensor]:
    """The kernels' outputs at every step, zero padded, and which of them count (b, k, t)."""
    reach, steps = 4 * dilation, x.shape[1]
    wide = torch.nn.functional.pad(x.transpose(1, 2), (reach, reach))
    taps = torch.stack([wide[:, :, tap * dilation : tap * dilation + steps] for tap in range(9)], 1)
    line, length = torch.arange(steps), length[:, None]
    inside = (line >= reach) & (line < length - reach)
    # A recording too short for a dilated kernel to lie inside it is read with its padding after all.
    padded = ((torch.arange(len(weight)) + turn) % 2 == 0)[:, None] | ~inside.any(1)[:, None, None]
    return weight @ taps.flatten(1, 2), torch.where(padded, (line < length)[:, None], inside[:, None])


def _shares(x: Tensor, length: Tensor, layer: Layer) -> Float[Tensor, "b features"]:
    out, own = respond(x, length, layer.dilation, layer.weight, layer.turn)
    columns = [((out > bias[:, None]) & own).sum(2) / own.sum(2) for bias in layer.bias.unbind(1)]
    return torch.stack(columns, 2).flatten(1)
