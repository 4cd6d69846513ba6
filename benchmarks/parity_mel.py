"""Records what transformers' audio_utils computes on small fixed waves, for tests/parity/test_recorded_mel.py.

    /tmp/peers/bin/python benchmarks/parity_mel.py

It stands in for librosa, which is not at hand: its filters and its short-time transform follow librosa's definitions
(its docstring says of the Slaney filters that they equal librosa's bit by bit). librosa itself was not run. Writes
tests/parity/recorded/mel.safetensors and mel.json (versions, options, tolerance).
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

import numpy as np
from safetensors.numpy import save_file
from tests.parity.seeded import seeded
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "tests" / "parity" / "recorded"
OPTIONS = {"rate": 8000, "frame": 200, "hop": 80, "mels": 40, "low": 20.0, "high": 4000.0}
POINTS = 512
SAMPLES = 2000
TOLERANCE = 1e-4
"""Nats of log-mel, and share of the largest weight of a filter."""


def record(scale: str) -> dict[str, np.ndarray]:
    """Filters and mel powers on one scale: HTK with triangles of height 1, Slaney with triangles of area 1."""
    filters = mel_filter_bank(
        POINTS // 2 + 1,
        int(OPTIONS["mels"]),
        OPTIONS["low"],
        OPTIONS["high"],
        int(OPTIONS["rate"]),
        norm="slaney" if scale == "slaney" else None,
        mel_scale=scale,
    )
    powers = [
        spectrogram(
            wave,
            window_function(int(OPTIONS["frame"]), "hann"),
            int(OPTIONS["frame"]),
            int(OPTIONS["hop"]),
            fft_length=POINTS,
            power=2.0,
            center=False,
            mel_filters=filters,
            mel_floor=0.0,
        )
        for wave in 0.5 * seeded("mel/wave", (2, SAMPLES))
    ]
    return {
        f"{scale}.filters": np.asarray(filters.T, np.float32),
        f"{scale}.power": np.asarray(np.stack(powers), np.float32),
    }


def main() -> None:
    arrays = record("htk") | record("slaney")
    OUT.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, OUT / "mel.safetensors")
    facts = {
        "versions": {name: importlib.metadata.version(name) for name in ("transformers", "numpy")},
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
