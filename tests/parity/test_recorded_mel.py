"""Our log-mel against what benchmarks/parity_mel.py recorded of librosa."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.parity.seeded import seeded

from selftaught.modalities.audio.mel import Spectrum, log_mel, mel_filters, mel_power

FOLDER = Path(__file__).parent / "recorded"


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_filters_and_log_mel_equal_those_that_were_recorded(scale):
    facts = json.loads((FOLDER / "mel.json").read_text(encoding="utf-8"))
    arrays, tolerance = load_file(FOLDER / "mel.safetensors"), facts["tolerance"]
    how = Spectrum(scale=scale, **facts["options"])
    filters = mel_filters(how, torch.device("cpu"))
    expected = arrays[f"{scale}.filters"]
    assert (filters - expected).abs().max() < tolerance * expected.max()
    waves = 0.5 * torch.from_numpy(seeded("mel/wave", (2, facts["samples"])))
    ours, theirs = mel_power(waves, how), arrays[f"{scale}.power"]
    assert ours.shape == theirs.shape
    assert (log_mel(ours, how) - log_mel(theirs, how)).abs().max() < tolerance
    assert (log_mel(ours, how) - log_mel(0.99 * theirs, how)).abs().max() > tolerance, "the tolerance tells 1 % apart"
