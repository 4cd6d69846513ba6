"""The classical features against independent oracles, and that they tell sounds apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dct
from sklearn.linear_model import LogisticRegression
from tests.modalities.audio.makers import pick, prepare, sixteen, sound

from selftaught.core.modality import Classical, Predictor
from selftaught.core.rng import Rng
from selftaught.modalities.audio import Audio
from selftaught.modalities.audio.classical import cosines, segment_means, support_vectors


def feature_sets(audio: Audio) -> list[Classical]:
    return [each for each in audio.classical() if isinstance(each, Classical)]


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


def test_support_vectors_separate_what_no_line_can_and_predict_numbers_in_their_unit() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(300, 2)).astype(np.float32)
    inside = (np.square(values).sum(1) < 1.4).astype(np.int64)
    found = support_vectors(values[:200] * [5, 1], inside[:200], values[200:] * [5, 1])
    assert found.dtype.kind == "i"
    assert (found == inside[200:]).mean() > 0.9
    numbers = 1000 + 200 * np.sin(values[:, 0]).astype(np.float64)
    error = np.abs(support_vectors(values[:200], numbers[:200], values[200:]) - numbers[200:])
    assert error.mean() < 40


def test_statistics_are_held_by_content_not_by_record() -> None:
    audio, _, rows = prepare([sixteen(sound(0.3, seed=seed)) for seed in range(4)])
    features = next(each.features for each in audio.classical() if each.name == "MFCC statistics")
    first = features(rows, rows)[1]
    changed = audio.corrupt(rows, "noise", 5, Rng(seed=0))
    assert torch.equal(changed.record, rows.record)
    assert np.abs(features(rows, changed)[1] - first).max() > 0.1
    np.testing.assert_array_equal(features(changed, rows)[1], first)


def test_every_feature_set_is_finite_deterministic_and_independent_of_the_others() -> None:
    audio, _, rows = prepare([sixteen(sound(0.2 + 0.15 * seed, seed=seed)) for seed in range(9)])
    train, other = pick(rows, [0, 1, 2, 3, 4, 5]), pick(rows, [6, 7, 8])
    for classical in feature_sets(audio):
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
    for classical in feature_sets(audio):
        first, second = classical.features(rows, pick(rows, [0]))
        assert np.isfinite(first).all()
        assert np.isfinite(second).all()


@pytest.mark.slow
def test_every_control_tells_low_from_high_tones() -> None:
    random = np.random.default_rng(0)
    label = random.integers(2, size=120)
    values = [
        sixteen(sound(random.uniform(0.3, 0.7), 200 + 250 * int(kind) + random.uniform(0, 60), seed=seed))
        for seed, kind in enumerate(label)
    ]
    audio, _, rows = prepare(values)
    train, other = pick(rows, list(range(80))), pick(rows, list(range(80, 120)))
    for classical in feature_sets(audio):
        first, second = classical.features(train, other)
        score = LogisticRegression(max_iter=1000).fit(first, label[:80]).score(second, label[80:])
        assert score > 0.9, classical.name
    machine = next(each for each in audio.classical() if isinstance(each, Predictor))
    assert (machine.predict(train, label[:80], other) == label[80:]).mean() > 0.9
