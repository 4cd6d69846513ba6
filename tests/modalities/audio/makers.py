"""Generated sounds, WAV files written byte by byte, and a resolved modality on some values."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from selftaught.core.modality import Fitted, Record, Rows
from selftaught.modalities.audio import Audio

RATE = 8000


def sound(seconds: float = 0.5, hertz: float = 440.0, level: float = 0.2, *, seed: int = 0, rate: int = RATE) -> Any:
    """A tone with two overtones and some noise, (n,) float32."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    tones = sum(np.sin(2 * np.pi * hertz * order * time + random.uniform(0, 6)) / order for order in (1, 2, 3))
    return (level * (tones + 0.3 * random.normal(size=len(time)))).astype(np.float32)


def sixteen(values: np.ndarray) -> np.ndarray:
    """The same as 16-bit integers."""
    return np.rint(values * 32768).clip(-32768, 32767).astype(np.int16)


def wav(values: np.ndarray, rate: int = RATE, kind: str = "int16") -> bytes:
    """A WAV file of samples (n,) or (n, channels) in -1..1, as 16-bit integers or as floats."""
    table = values[:, None] if values.ndim == 1 else values
    data = sixteen(table).astype("<i2") if kind == "int16" else table.astype("<f4")
    code, width = (1, 2) if kind == "int16" else (3, 4)
    channels = table.shape[1]
    head = struct.pack("<HHIIHH", code, channels, rate, rate * channels * width, channels * width, 8 * width)
    body = data.tobytes()
    chunks = b"fmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def record(value: Any, name: str = "sound.wav") -> Record:
    """A record that holds a value."""
    return Record(id=name, read=lambda: value)


def rows_of(audio: Audio, values: list[Any]) -> Rows:
    """What the store would hand out for these values."""
    stored = [audio.decode(record(value, str(index))).fields for index, value in enumerate(values)]
    waves = [torch.from_numpy(part["wave"].copy()) for part in stored]
    alike = len({len(wave) for wave in waves}) == 1
    source = torch.from_numpy(np.stack([part["source"] for part in stored]))
    fields: dict[str, Tensor | tuple[Tensor, ...]] = {
        "wave": torch.stack(waves) if alike else tuple(waves),
        "source": source,
    }
    return Rows(fields=fields, record=torch.arange(len(values)) * 7_919_000_033 + 5)


def prepare(values: list[Any], audio: Audio | None = None) -> tuple[Audio, Fitted, Rows]:
    """A resolved modality, its fit and the rows of some values; arrays are at 8,000 Hz."""
    records = [record(value, str(index)) for index, value in enumerate(values)]
    audio = (audio or Audio(rate=RATE)).recognise(records)
    rows = rows_of(audio, values)
    return audio, audio.fit([rows]), rows


def pick(rows: Rows, index: list[int]) -> Rows:
    """Some of the rows, with the record ids they had."""
    chosen = torch.tensor(index)
    fields = {
        name: part[chosen] if isinstance(part, Tensor) else tuple(part[place] for place in index)
        for name, part in rows.fields.items()
    }
    return Rows(fields=fields, record=rows.record[chosen])


def write_sounds(folder: Path, count: int = 40) -> Path:
    """A folder of short recordings of three pitches."""
    folder.mkdir()
    for number in range(count):
        tone = sound(0.3 + 0.01 * (number % 7), 200 + 150 * (number % 3), seed=number)
        (folder / f"{number:03d}.wav").write_bytes(wav(tone))
    return folder
