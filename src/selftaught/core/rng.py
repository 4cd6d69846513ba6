"""Counter-based randomness: every draw is a pure function of seed, epoch, key and record id.

Neither workers nor processes nor the make-up of a batch can change what a record gets. The generator is a chain of
integer mixes (the 32-bit finaliser of Wellons 2018, 'lowbias32', whose bias is 0.17), which runs on whole tensors on
any device.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

_LOW32 = 0xFFFFFFFF
_WEYL = 0x9E3779B9


@dataclass(frozen=True, kw_only=True)
class Rng:
    """A stream of random numbers that is addressed, not consumed."""

    seed: int
    epoch: int = 0
    path: tuple[int, ...] = ()

    def at(self, epoch: int) -> Rng:
        """The stream of another epoch."""
        return replace(self, epoch=epoch)

    def fold(self, key: str | int) -> Rng:
        """An independent stream for a named purpose, such as the second view."""
        return replace(self, path=(*self.path, _number(key)))

    def uniform(
        self, ids: Int[Tensor, " b"], key: str, size: Sequence[int] = (), low: float = 0.0, high: float = 1.0
    ) -> Float[Tensor, "b ..."]:
        """Uniform draws in [low, high) of shape (B, *size), one independent row per record id."""
        count = math.prod(size)
        start = self._start(key)
        row = _mix(_mix((ids & _LOW32) ^ start) + ((ids >> 32) & _LOW32) & _LOW32)
        counter = (torch.arange(count, device=ids.device) * _WEYL) & _LOW32
        bits = _mix(_mix((row[:, None] + counter[None, :]) & _LOW32) ^ start)
        unit = (bits >> 8).to(torch.float32) * 2.0**-24
        return (low + (high - low) * unit).view(ids.shape[0], *size)

    def normal(self, ids: Int[Tensor, " b"], key: str, size: Sequence[int] = ()) -> Float[Tensor, "b ..."]:
        """Standard normal draws of shape (B, *size) by the Box-Muller transform."""
        radius = (-2 * (1 - self.uniform(ids, key + "/radius", size)).log()).sqrt()
        return radius * (2 * math.pi * self.uniform(ids, key + "/angle", size)).cos()

    def integers(self, ids: Int[Tensor, " b"], key: str, high: int, size: Sequence[int] = ()) -> Int[Tensor, "b ..."]:
        """Whole numbers in [0, high) of shape (B, *size)."""
        return (self.uniform(ids, key, size) * high).long().clamp(max=high - 1)

    def permutation(self, ids: Int[Tensor, " b"], key: str, count: int) -> Int[Tensor, "b n"]:
        """A random order of 0..count-1 for every record."""
        return self.uniform(ids, key, (count,)).argsort(dim=1)

    def chance(self, ids: Int[Tensor, " b"], key: str, probability: float) -> Tensor:
        """True with the given probability, one draw per record: (B,) bool."""
        return self.uniform(ids, key) < probability

    def generator(self, key: str, device: torch.device | str = "cpu") -> torch.Generator:
        """A torch generator for what must be equal on all ranks and does not belong to a record."""
        return torch.Generator(device=device).manual_seed(self._start(key))

    def _start(self, key: str) -> int:
        state = _mix_number(self.seed & _LOW32) ^ _mix_number((self.seed >> 32) & _LOW32)
        for part in (self.epoch, *self.path, _number(key)):
            state = _mix_number((state + part + _WEYL) & _LOW32)
        return state


def _number(key: str | int) -> int:
    return key & _LOW32 if isinstance(key, int) else zlib.crc32(key.encode())


def _mix_number(x: int) -> int:
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _LOW32
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _LOW32
    return x ^ (x >> 16)


def _mix(x: Tensor) -> Tensor:
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _LOW32
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _LOW32
    return x ^ (x >> 16)
