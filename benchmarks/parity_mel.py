"""Records what librosa computes on small fixed waves, for tests/parity/test_recorded_mel.py.

    /tmp/peers/bin/python benchmarks/parity_mel.py

The peer needs an environment of its own: pip install librosa safetensors torch. Writes tests/parity/recorded/
librosa.safetensors and librosa.json (version, options, tolerance). Frames of librosa begin at the first point of the
transform, ours at the first sample under the window: librosa gets the wave with the difference as zeros on both sides.
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
TOLERANCE = 1e-3
"""Nats of log-mel, and share of the largest weight of a filter."""


def record(scale: str) -> dict[str, np.ndarray]:
    """Filters and mel powers on one scale: HTK with triangles of height 1, Slaney with triangles of area 1."""
    how = {
        "sr": OPTIONS["rate"],
        "n_fft": POINTS,
        "n_mels": OPTIONS["mels"],
        "fmin": OPTIONS["low"],
        "fmax": OPTIONS["high"],
        "htk": scale == "htk",
        "norm": "slaney" if scale == "slaney" else None,
    }
    side = (POINTS - OPTIONS["frame"]) // 2
    waves = np.pad(0.5 * seeded("mel/wave", (2, SAMPLES)), ((0, 0), (side, POINTS - OPTIONS["frame"] - side)))
    power = librosa.feature.melspectrogram(
        y=waves, hop_length=OPTIONS["hop"], win_length=OPTIONS["frame"], window="hann", center=False, power=2.0, **how
    )
    return {
        f"{scale}.filters": np.asarray(librosa.filters.mel(**how), np.float32),
        f"{scale}.power": np.asarray(power, np.float32),
    }


def main() -> None:
    arrays = record("htk") | record("slaney")
    OUT.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, OUT / "librosa.safetensors")
    facts = {
        "versions": {name: importlib.metadata.version(name) for name in ("librosa", "numpy")},
        "date": datetime.date.today().isoformat(),
        "command": "python benchmarks/parity_mel.py",
        "options": OPTIONS,
        "samples": SAMPLES,
        "tolerance": TOLERANCE,
    }
    (OUT / "librosa.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(f"{len(arrays)} arrays in {OUT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
