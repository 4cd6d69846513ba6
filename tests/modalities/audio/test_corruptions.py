"""Corruptions grow with their severity, keep shapes and belong to the record."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from tests.modalities.audio.makers import RATE, pick, prepare, rows_of, sixteen, sound

from selftaught.core.errors import UsageError
from selftaught.core.rng import Rng
from selftaught.modalities.audio import Audio
from selftaught.modalities.audio.corruptions import LADDERS, Clean, corrupt_waves
from selftaught.modalities.audio.waves import pad_waves

RNG = Rng(seed=2)
NAMES = pytest.mark.parametrize("name", Audio.corruptions)


def clean(seconds: float = 2.0) -> Clean:
    waves = [torch.from_numpy(sound(seconds - 0.3 * (seed % 2), 300 + 90 * seed, seed=seed)) for seed in range(6)]
    wave, length = pad_waves(waves)
    return Clean(wave=wave, length=length, ids=torch.arange(6) * 77_777, rate=RATE, rng=RNG)


def test_there_are_at_least_six_with_five_severities_each() -> None:
    assert len(Audio.corruptions) >= 6
    assert all(len(ladder) == 5 for _, ladder in LADDERS.values())


@NAMES
def test_the_signal_to_noise_ratio_falls_with_the_severity(name: str) -> None:
    before = clean()
    heard = torch.arange(before.wave.shape[1]) < before.length[:, None]
    errors = [
        ((corrupt_waves(before, name, severity) - before.wave).square() * heard).sum(1) for severity in range(1, 6)
    ]
    ratios = [10 * (before.wave.square().sum() / error.sum()).log10().item() for error in errors]
    assert all(first > second for first, second in pairwise(ratios)), ratios
    assert all((second >= first * 0.999).all() for first, second in pairwise(errors))


def test_white_noise_lies_at_the_ratio_that_its_ladder_says() -> None:
    before = clean()
    for severity, decibels in enumerate(LADDERS["noise"][1], 1):
        error = corrupt_waves(before, "noise", severity) - before.wave
        ratio = 10 * (before.wave.square().sum(1) / error.square().sum(1)).log10()
        torch.testing.assert_close(ratio, torch.full((6,), decibels), atol=0.05, rtol=0)


@NAMES
def test_rows_keep_their_lengths_types_and_ids(name: str) -> None:
    values = [sixteen(sound(0.3 + 0.1 * seed, seed=seed)) for seed in range(4)]
    audio, _, rows = prepare(values)
    changed = audio.corrupt(rows, name, 5, RNG)
    assert torch.equal(changed.record, rows.record)
    for before, after in zip(rows.fields["wave"], changed.fields["wave"], strict=True):
        assert after.dtype == torch.int16
        assert after.shape == before.shape
        assert not torch.equal(before, after)
    same = prepare([values[0]] * 2)[2]
    assert isinstance(audio.corrupt(same, name, 1, RNG).fields["wave"], torch.Tensor)


@NAMES
def test_a_record_is_corrupted_alike_alone_and_in_a_batch(name: str) -> None:
    audio, _, rows = prepare([sixteen(sound(0.3 + 0.1 * seed, seed=seed)) for seed in range(4)])
    whole = audio.corrupt(rows, name, 3, RNG).fields["wave"][2].float()
    alone = audio.corrupt(pick(rows, [2]), name, 3, RNG).fields["wave"][0].float()
    # The response of the low pass is sampled at other frequencies where the padding is longer.
    limit = 100.0 if name == "muffling" else 2.0
    assert (whole - alone).abs().max() <= limit
    again = audio.corrupt(rows, name, 3, RNG).fields["wave"][2].float()
    assert torch.equal(whole, again)


def test_silence_stays_finite() -> None:
    audio = prepare([sixteen(sound())] * 2)[0]
    rows = rows_of(audio, [np.zeros(800, np.int16)] * 2)
    for name in Audio.corruptions:
        wave = audio.corrupt(rows, name, 5, RNG).fields["wave"]
        assert not torch.stack(list(wave)).any(), name


@pytest.mark.parametrize(("name", "severity"), [("noise", 0), ("noise", 6), ("rain", 1)])
def test_unknown_names_and_severities_are_usage_errors(name: str, severity: int) -> None:
    audio, _, rows = prepare([sixteen(sound())] * 2)
    with pytest.raises(UsageError, match="1 to 5"):
        audio.corrupt(rows, name, severity, RNG)
