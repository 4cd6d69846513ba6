"""What the audit and the report get: facts with units, and WAV bytes."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest
import torch
from tests.modalities.audio.makers import RATE, prepare, rows_of, sixteen, sound

from selftaught.modalities.audio import Audio


def test_the_audit_counts_durations_rates_channels_silence_and_clipping() -> None:
    values = [
        sixteen(sound(0.5)),
        sixteen((9 * sound(1.0)).clip(-1, 1)),
        np.zeros(4000, np.int16),
        np.stack([sixteen(sound(1.5))] * 2),
    ]
    audio, _, rows = prepare(values)
    facts = {name: value for name, value, unit in audio.audit([rows])}
    assert facts["recordings"] == 4
    assert facts["duration in all"] == pytest.approx(3.5 / 3600)
    assert facts["shortest"] == pytest.approx(0.5)
    assert facts["median"] == pytest.approx(0.75)
    assert facts["longest"] == pytest.approx(1.5)
    assert facts["sampling rates of the files"] == "8,000 (4)"
    assert facts["sampling rate in the store"] == RATE
    assert facts["channels of the files"] == "1 (3), 2 (1)"
    assert facts["silent"] == 1
    assert facts["clipped"] == 1
    assert all(unit for _, _, unit in audio.audit([rows]))
    assert audio.audit([]) == (("recordings", 0.0, "records"),)


@pytest.mark.parametrize("depth", ["int16", "float32"])
def test_portraits_are_wav_files_of_at_most_three_seconds(depth: str) -> None:
    audio = Audio(rate=RATE, window=0.5, frames=48, depth=depth)
    loud = 3 * sound(0.5)
    rows = rows_of(audio, [sound(0.4), sound(5.0), loud] if depth == "float32" else [sound(0.4), sound(5.0)])
    portraits = audio.portray(rows, 48)
    assert [portrait.kind for portrait in portraits] == ["audio"] * len(portraits)
    lengths = []
    for portrait in portraits:
        with wave.open(io.BytesIO(portrait.content)) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
            lengths.append(file.getnframes())
    assert lengths[:2] == [3200, 24_000]
    with wave.open(io.BytesIO(portraits[0].content)) as file:
        heard = np.frombuffer(file.readframes(3200), "<i2") / 32767
    assert np.abs(heard - sound(0.4)).max() < 1e-3
    assert isinstance(rows.fields["source"], torch.Tensor)
