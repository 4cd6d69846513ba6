"""What happens to sound on its way through a room, a microphone and a codec, in five severities that keep the label.

The draws do not depend on the severity: a harder corruption is the same one, stronger.
Shape letters: B recordings, K samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from selftaught.core.errors import UsageError
from selftaught.core.rng import Rng
from selftaught.modalities.audio.waves import add_noise, convolve, draw_noise, impulse_response

ROOM_SECONDS = 0.8
PACKET_SECONDS = 0.02
SLOPE = 0.2  # width of the slope of the low pass, as a share of its edge


@dataclass(frozen=True, kw_only=True)
class Clean:
    """Recordings to corrupt. wave: filled up with zeros after `length` samples. rate: Hz."""

    wave: Float[Tensor, "b k"]
    length: Int[Tensor, " b"]
    ids: Int[Tensor, " b"]
    rate: int
    rng: Rng

    def all(self, value: float) -> Float[Tensor, " b"]:
        """One number for all recordings."""
        return torch.full_like(self.wave[:, 0], value)


def noise(clean: Clean, decibels: float) -> Tensor:
    """White noise at a signal to noise ratio."""
    drawn = draw_noise(clean.ids, "noise", clean.wave.shape[1], clean.rng)
    inside = torch.arange(clean.wave.shape[1], device=clean.wave.device) < clean.length[:, None]
    return add_noise(clean.wave, drawn * inside, clean.all(decibels))


def reverberation(clean: Clean, decibels: float) -> Tensor:
    """A room with a decay time of 0.6 s; decibels: direct sound over reverberation."""
    tail = draw_noise(clean.ids, "tail", max(1, round(ROOM_SECONDS * clean.rate)), clean.rng)
    return convolve(clean.wave, impulse_response(tail, clean.all(0.6), clean.all(decibels), clean.rate))


def clipping(clean: Clean, share: float) -> Tensor:
    """Everything above a share of a recording's peak cut off."""
    limit = share * clean.wave.abs().amax(1, keepdim=True)
    return torch.minimum(torch.maximum(clean.wave, -limit), limit)


def muffling(clean: Clean, share: float) -> Tensor:
    """Frequencies above a share of the highest taken away, with a slope."""
    # Twice as long, so that the end does not ring into the beginning.
    size = 1 << (2 * clean.wave.shape[1] - 1).bit_length()
    found = torch.fft.rfft(clean.wave, size)
    place = torch.linspace(0, 1, found.shape[1], device=clean.wave.device)
    kept = ((share * (1 + SLOPE) - place) / (share * SLOPE)).clamp(0, 1)
    heard: Tensor = torch.fft.irfft(found * kept, size)
    return heard[:, : clean.wave.shape[1]]


def dropouts(clean: Clean, share: float) -> Tensor:
    """A share of the packets of 20 ms lost."""
    each = max(1, round(PACKET_SECONDS * clean.rate))
    count = -(-clean.wave.shape[1] // each)
    kept = clean.rng.uniform(clean.ids, "packets", (count,)) >= share
    return clean.wave * kept.repeat_interleave(each, 1)[:, : clean.wave.shape[1]]


def quantisation(clean: Clean, bits: float) -> Tensor:
    """Samples rounded to a few bits of a recording's own range."""
    step: Tensor = clean.wave.abs().amax(1, keepdim=True).clamp(min=1e-9) / 2.0 ** (bits - 1)
    return (clean.wave / step).round() * step


# Every corruption with what its five severities are.
LADDERS: Mapping[str, tuple[Callable[[Clean, float], Tensor], tuple[float, ...]]] = {
    "noise": (noise, (25.0, 20.0, 15.0, 10.0, 5.0)),
    "reverberation": (reverberation, (12.0, 8.0, 4.0, 0.0, -4.0)),
    "clipping": (clipping, (0.6, 0.4, 0.25, 0.15, 0.08)),
    "muffling": (muffling, (0.7, 0.5, 0.35, 0.25, 0.15)),
    "dropouts": (dropouts, (0.05, 0.1, 0.2, 0.3, 0.45)),
    "quantisation": (quantisation, (7.0, 6.0, 5.0, 4.0, 3.0)),
}


def corrupt_waves(clean: Clean, name: str, severity: int) -> Float[Tensor, "b k"]:
    """The recordings through one corruption at a severity of 1 to 5. Raises UsageError for others."""
    if name not in LADDERS or severity not in range(1, 6):
        known = ", ".join(LADDERS)
        raise UsageError(f"There is no corruption {name!r} of severity {severity}; there are {known}, 1 to 5 each.")
    change, ladder = LADDERS[name]
    return change(replace(clean, rng=clean.rng.fold(name)), ladder[severity - 1])
