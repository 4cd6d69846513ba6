"""The classical features against independent oracles, and that they tell sounds apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dct
from sklearn.linear_model import LogisticRegression
from tests.modalities.audio.makers import pick, prepare, sixteen, sound

from selftaught.modalities.audio.classical import cosines, radial_features, segment_means


def test_cosines_agree_with_scipy() -> None:
    values = np.random.default_rng(0).normal(size=(5, 40))
    expected = dct(values, type=2, norm="ortho")[:, :20]
    np.testing.assert_allclose(values @ cosines(20, 40).double().numpy().T, expected, atol=1e-5)


@pytest.mark.parametrize("count", [3, 16])
def test_segment_means_agree_with_a_slow_loop(count: int) -> None:
    values = torch.randn(3, 4, 30, generator=torch.Generator().manual_seed(0)).double()
    frames = torch.tensor([30, 7, 1])
    found = segment_means(values, frames, count)
    for row, most in enumerate(frames.tolist()):
        # Every frame as 240 equal slices, so that borders of 3 and 16 parts fall between slices.
        fine = values[row, :, :most].repeat_interleave(240, 1)
        expected = fine.view(4, count, -1).mean(2).T
        torch.testing.assert_close(found[row], expected)


def test_radial_features_give_the_kernel() -> None:
    train = np.random.default_rng(0).normal(size=(60, 12)).astype(np.float32)
    first, second = radial_features(train, train[:20])
    np.testing.assert_allclose(first[:20], second, atol=1e-6)
    unit = (train - train.mean(0)) / train.std(0)
    distance = np.square(unit[:, None] - unit[None]).sum(2)
    assert np.abs(first @ first.T - np.exp(-distance / 12)).max() < 0.25


def test_every_feature_set_is_finite_deterministic_and_independent_of_the_others() -> None:
    audio, _, rows = prepare([sixteen(sound(0.2 + 0.15 * seed, seed=seed)) for seed in range(9)])
    train, other = pick(rows, [0, 1, 2, 3, 4, 5]), pick(rows, [6, 7, 8])
    for classical in audio.classical():
        first, second = classical.features(train, other)
        assert first.dtype == second.dtype == np.float32
        assert first.shape == (6, second.shape[1])
        assert np.isfinite(first).all()
        assert np.isfinite(second).all()
        again, alone = classical.features(train, pick(rows, [7]))
        np.testing.assert_array_equal(first, again)
        np.testing.assert_allclose(alone[0], second[1], atol=1e-3)


def test_silent_and_very_short_clips_give_finite_features() -> None:
    audio, _, rows = prepare([np.zeros(100, np.int16), sixteen(sound(0.02)), sixteen(sound(0.4))])
    for classical in audio.classical():
        first, second = classical.features(rows, pick(rows, [0]))
        assert np.isfinite(first).all()
        assert np.isfinite(second).all()


@pytest.mark.slow
def test_every_feature_set_tells_low_from_high_tones() -> None:
    random = np.random.default_rng(0)
    label = random.integers(2, size=120)
    values = [
        sixteen(sound(random.uniform(0.3, 0.7), 200 + 250 * int(kind) + random.uniform(0, 60), seed=seed))
        for seed, kind in enumerate(label)
    ]
    audio, _, rows = prepare(values)
    train, other = pick(rows, list(range(80))), pick(rows, list(range(80, 120)))
    for classical in audio.classical():
        first, second = classical.features(train, other)
        score = LogisticRegression(max_iter=1000).fit(first, label[:80]).score(second, label[80:])
        assert score > 0.9, classical.name
