"""Our log-mel against what benchmarks/parity_mel.py recorded of librosa, within the tolerance that it states."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.parity.seeded import seeded

from selftaught.modalities.audio.mel import Spectrum, log_mel, mel_filters, mel_power

FOLDER = Path(__file__).parent / "recorded"

pytestmark = pytest.mark.skipif(
    not (FOLDER / "librosa.json").exists(), reason="not recorded yet: run benchmarks/parity_mel.py"
)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_filters_and_log_mel_equal_those_of_librosa(scale):
    facts = json.loads((FOLDER / "librosa.json").read_text(encoding="utf-8"))
    arrays, tolerance = load_file(FOLDER / "librosa.safetensors"), facts["tolerance"]
    how = Spectrum(scale=scale, **facts["options"])
    filters = mel_filters(how, torch.device("cpu"))
    expected = arrays[f"{scale}.filters"]
    assert (filters - expected).abs().max() < tolerance * expected.max()
    waves = 0.5 * torch.from_numpy(seeded("mel/wave", (2, facts["samples"])))
    ours, theirs = mel_power(waves, how), arrays[f"{scale}.power"]
    assert ours.shape == theirs.shape
    assert (log_mel(ours, how) - log_mel(theirs, how)).abs().max() < tolerance
