"""The log-mel picture against slow loops written from the formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.modalities.audio.makers import sound

from selftaught.modalities.audio.mel import Spectrum, from_mel, log_mel, mel_filters, mel_power, to_mel

CPU = torch.device("cpu")
SCALES = pytest.mark.parametrize("scale", ["htk", "slaney"])


def spectrum(scale: str = "htk", mels: int = 20) -> Spectrum:
    return Spectrum(rate=8000, frame=200, hop=80, mels=mels, low=20.0, high=4000.0, scale=scale)


def mel_of(hertz: float, scale: str) -> float:
    if scale == "htk":
        return 2595 * math.log10(1 + hertz / 700)
    return 3 * hertz / 200 if hertz < 1000 else 15 + 27 * math.log(hertz / 1000) / math.log(6.4)


def hertz_of(mel: float, scale: str) -> float:
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    return 200 * mel / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


def slow_filters(scale: str, mels: int, points: int) -> np.ndarray:
    low, high = mel_of(20.0, scale), mel_of(4000.0, scale)
    edges = [hertz_of(low + (high - low) * place / (mels + 1), scale) for place in range(mels + 2)]
    filters = np.zeros((mels, points // 2 + 1))
    for band in range(mels):
        left, middle, right = edges[band : band + 3]
        for place in range(points // 2 + 1):
            hertz = place * 8000 / points
            if left < hertz <= middle:
                filters[band, place] = (hertz - left) / (middle - left)
            elif middle < hertz < right:
                filters[band, place] = (right - hertz) / (right - middle)
        if scale == "slaney":
            filters[band] *= 2 / (right - left)
    return filters


@SCALES
def test_mels_of_known_frequencies_and_back(scale: str) -> None:
    hertz = torch.tensor([0.0, 100.0, 999.0, 1000.0, 6400.0], dtype=torch.float64)
    mel = to_mel(hertz, scale)
    expected = torch.tensor([mel_of(value, scale) for value in hertz.tolist()], dtype=torch.float64)
    torch.testing.assert_close(mel, expected)
    torch.testing.assert_close(from_mel(mel, scale), hertz)
    if scale == "slaney":
        assert mel[3].item() == pytest.approx(15)
        assert mel[4].item() == pytest.approx(42)
    else:
        assert mel[3].item() == pytest.approx(1000, abs=0.1)


@SCALES
def test_filters_agree_with_a_slow_loop(scale: str) -> None:
    how = spectrum(scale)
    np.testing.assert_allclose(mel_filters(how, CPU).numpy(), slow_filters(scale, 20, how.points), atol=1e-6)


@SCALES
def test_mel_power_agrees_with_a_slow_loop(scale: str) -> None:
    how = spectrum(scale)
    waves = np.stack([sound(0.1, seed=seed) for seed in range(2)])
    found = mel_power(torch.from_numpy(waves), how)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(200) / 200)
    frames = 1 + (waves.shape[1] - 200) // 80
    assert found.shape == (2, 20, frames)
    filters = slow_filters(scale, 20, how.points)
    for row in range(2):
        for frame in range(frames):
            part = waves[row, 80 * frame : 80 * frame + 200] * window
            power = np.abs(np.fft.rfft(part, how.points)) ** 2
            np.testing.assert_allclose(found[row, :, frame].numpy(), filters @ power, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@SCALES
def test_no_band_of_the_usual_sixty_four_is_empty(scale: str, rate: int) -> None:
    how = Spectrum(
        rate=rate, frame=round(0.025 * rate), hop=round(0.01 * rate), mels=64, low=20.0, high=rate / 2, scale=scale
    )
    assert (mel_filters(how, CPU).sum(1) > 0).all()


@SCALES
def test_silence_lies_at_a_finite_floor_about_eighty_decibels_below_a_full_sine(scale: str) -> None:
    how = spectrum(scale)
    time = torch.arange(800) / 8000
    quiet = log_mel(mel_power(torch.zeros(1, 800), how), how)
    assert quiet.isfinite().all()
    edges = np.linspace(mel_of(20.0, scale), mel_of(4000.0, scale), 22)
    for band in (5, 15):
        sine = 1e-4 * (2 * math.pi * hertz_of(edges[band + 1], scale) * time).sin()[None]
        above = log_mel(mel_power(sine, how), how)[0, band] - quiet[0, band]
        assert 0.4 < above.mean().item() < 2.0  # ln 2 for the strongest frequency alone; a window spreads over some


def test_a_wave_alone_has_the_picture_it_has_in_a_batch() -> None:
    how = spectrum()
    waves = torch.from_numpy(np.stack([sound(0.2, seed=seed) for seed in range(5)]))
    whole = log_mel(mel_power(waves, how), how)
    torch.testing.assert_close(log_mel(mel_power(waves[3:4], how), how)[0], whole[3], rtol=1e-4, atol=1e-4)
