"""Cutting, noise and rooms on batches of waves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.modalities.audio.makers import sound

from selftaught.core.rng import Rng
from selftaught.modalities.audio.waves import (
    TABLE,
    add_noise,
    convolve,
    cut,
    draw_noise,
    impulse_response,
    loudness,
    pad_waves,
)

RNG = Rng(seed=5)
IDS = torch.arange(6) * 1_000_003


def test_a_cut_is_a_slice_with_silence_on_both_sides() -> None:
    wave, length = pad_waves([torch.arange(1, 6, dtype=torch.int16), torch.arange(1, 4, dtype=torch.int16)])
    found = cut(wave, length, torch.tensor([-2, 1]), 6)
    assert found.tolist() == [[0, 0, 1, 2, 3, 4], [2, 3, 0, 0, 0, 0]]


def test_speed_reads_between_the_samples() -> None:
    wave, length = pad_waves([torch.arange(10.0), torch.arange(10.0)])
    found = cut(wave, length, torch.tensor([1, 2]), 4, torch.tensor([2.0, 0.5]))
    torch.testing.assert_close(found, torch.tensor([[1.0, 3.0, 5.0, 7.0], [2.0, 2.5, 3.0, 3.5]]))


@pytest.mark.parametrize("decibels", [-5.0, 0.0, 20.0])
def test_noise_lies_at_the_asked_ratio(decibels: float) -> None:
    wave = torch.from_numpy(np.stack([sound(seed=seed, level=0.1 * (1 + seed)) for seed in range(6)]))
    noise = draw_noise(IDS, "noise", wave.shape[1], RNG)
    noisy = add_noise(wave, noise, torch.full((6,), decibels))
    ratio = 20 * (loudness(wave) / loudness(noisy - wave)).log10()
    torch.testing.assert_close(ratio, torch.full((6,), decibels), atol=0.05, rtol=0)


def test_a_silent_wave_stays_silent_under_noise() -> None:
    noise = draw_noise(IDS, "noise", 100, RNG)
    assert not add_noise(torch.zeros(6, 100), noise, torch.zeros(6)).any()


@pytest.mark.parametrize("count", [1, 500, TABLE + 77])
def test_noise_belongs_to_the_record_and_to_the_key(count: int) -> None:
    whole = draw_noise(IDS, "noise", count, RNG)
    assert whole.shape == (6, count)
    assert torch.equal(draw_noise(IDS[[4, 1]], "noise", count, RNG), whole[[4, 1]])
    assert not torch.equal(draw_noise(IDS, "tail", count, RNG), whole)
    assert not torch.equal(draw_noise(IDS, "noise", count, RNG.at(1)), whole)


def test_the_first_samples_of_noise_do_not_depend_on_how_many_are_drawn() -> None:
    assert torch.equal(draw_noise(IDS, "noise", 900, RNG)[:, :300], draw_noise(IDS, "noise", 300, RNG))


def test_noise_is_white_and_of_unit_spread() -> None:
    noise = draw_noise(torch.arange(20), "noise", 20_000, RNG)
    assert noise.mean().abs() < 0.02
    assert (noise.std() - 1).abs() < 0.02
    assert (noise[:, 1:] * noise[:, :-1]).mean().abs() < 0.02


def test_a_room_keeps_the_direct_sound_and_decays_by_sixty_decibels() -> None:
    noise = draw_noise(torch.arange(200), "tail", 8000, RNG)
    room = impulse_response(noise, torch.full((200,), 0.5), torch.full((200,), 3.0), 8000)
    assert torch.equal(room[:, 0], torch.ones(200))
    tail = room[:, 1:].square()
    torch.testing.assert_close(tail.sum(1), torch.full((200,), 10**-0.3), rtol=1e-3, atol=0)
    early, late = tail[:, :200].mean(), tail[:, 4000:4200].mean()
    assert 10 * (early / late).log10().item() == pytest.approx(60, abs=1)


def test_convolution_agrees_with_numpy() -> None:
    wave = torch.from_numpy(np.stack([sound(0.05, seed=seed) for seed in range(3)]))
    room = torch.randn(3, 90, generator=torch.Generator().manual_seed(0))
    expected = np.stack([np.convolve(wave[row], room[row])[: wave.shape[1]] for row in range(3)])
    np.testing.assert_allclose(convolve(wave, room).numpy(), expected, atol=1e-4)
