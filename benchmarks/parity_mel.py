"""Records what librosa computes on small fixed waves, for tests/parity/test_recorded_mel.py.

    PYTHON benchmarks/parity_mel.py

PYTHON: of an environment with librosa, numpy and safetensors. Writes tests/parity/recorded/mel.safetensors and mel.json
(versions, options, tolerance).
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import sys
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import librosa
import numpy as np
from safetensors.numpy import save_file
from tests.parity.seeded import seeded

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "tests" / "parity" / "recorded"
OPTIONS = {"rate": 8000, "frame": 200, "hop": 80, "mels": 40, "low": 20.0, "high": 4000.0}
POINTS = 512
SAMPLES = 2000
TOLERANCE = 1e-4
"""Nats of log-mel, and share of the largest weight of a filter."""


def record(scale: str) -> dict[str, np.ndarray]:
    """Filters and mel powers on one scale: HTK with triangles of height 1, Slaney with triangles of area 1."""
    filters = librosa.filters.mel(
        sr=OPTIONS["rate"],
        n_fft=POINTS,
        n_mels=int(OPTIONS["mels"]),
        fmin=OPTIONS["low"],
        fmax=OPTIONS["high"],
        htk=scale == "htk",
        norm="slaney" if scale == "slaney" else None,
    )
    frame, hop = int(OPTIONS["frame"]), int(OPTIONS["hop"])
    aside = (POINTS - frame) // 2  # librosa puts the window into the middle of each stretch of POINTS
    powers = []
    for wave in 0.5 * seeded("mel/wave", (2, SAMPLES)):
        around = np.pad(np.asarray(wave, np.float64), aside)
        bins = librosa.stft(around, n_fft=POINTS, hop_length=hop, win_length=frame, window="hann", center=False)
        powers.append(filters @ np.square(np.abs(bins)))
    return {
        f"{scale}.filters": np.asarray(filters, np.float32),
        f"{scale}.power": np.asarray(np.stack(powers), np.float32),
    }


def main() -> None:
    arrays = record("htk") | record("slaney")
    OUT.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, OUT / "mel.safetensors")
    facts = {
        "versions": {name: importlib.metadata.version(name) for name in ("librosa", "numpy")},
        "date": datetime.date.today().isoformat(),
        "command": "python benchmarks/parity_mel.py",
        "options": OPTIONS,
        "samples": SAMPLES,
        "tolerance": TOLERANCE,
    }
    (OUT / "mel.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(f"{len(arrays)} arrays in {OUT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
