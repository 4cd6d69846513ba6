"""The classical features against slow loops and known answers, and that they tell recordings apart."""

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from tests.modalities.series.makers import ODD, SERIES, curves, rows_of

from selftaught.modalities.series.classical import fill_gaps
from selftaught.modalities.series.rocket import (
    FEATURES,
    apply_rocket,
    choose_dilations,
    kernels,
    learn_rocket,
    respond,
)
from selftaught.modalities.series.summary import describe, longest_run, summarise


def test_there_are_84_kernels_of_three_twos_and_six_minus_ones():
    table = kernels()
    assert len({tuple(row) for row in table.tolist()}) == 84
    assert table.sum(1).eq(0).all()
    assert (table == 2).sum(1).eq(3).all()
    assert (table == -1).sum(1).eq(6).all()


@pytest.mark.parametrize("length", [1, 9, 24, 150, 500, 2000])
def test_dilations_grow_until_a_kernel_spans_a_recording_and_share_all_features(length):
    found = choose_dilations(length, FEATURES)
    dilations = [dilation for dilation, _ in found]
    assert dilations[0] == 1
    assert dilations == sorted(set(dilations))
    assert 8 * dilations[-1] <= max(8, length - 1)
    assert sum(share for _, share in found) == FEATURES // 84


@pytest.mark.parametrize("turn", [0, 1])
def test_outputs_and_steps_equal_a_slow_loop(turn, numbers):
    x = torch.from_numpy(numbers.normal(size=(2, 20, 2)).astype(np.float32))
    x[1, 15:] = 0
    weight = torch.from_numpy(numbers.normal(size=(3, 18)).astype(np.float32))
    out, own = respond(x, torch.tensor([20, 15]), 2, weight, turn)
    for b, length in enumerate((20, 15)):
        for k in range(3):
            for t in range(length):
                total = 0.0
                for tap in range(9):
                    place = t + (tap - 4) * 2
                    if 0 <= place < length:
                        total += float(weight[k, 2 * tap : 2 * tap + 2] @ x[b, place])
                assert out[b, k, t].item() == pytest.approx(total, abs=1e-4)
                inside = 8 <= t < length - 8
                assert bool(own[b, k, t]) == (inside if (k + turn) % 2 and length > 16 else True)
            assert not own[b, k, length:].any()


def test_features_are_the_shares_of_steps_above_the_biases(numbers):
    recordings = [torch.from_numpy(numbers.normal(size=(n, 2)).astype(np.float32)) for n in (30, 41, 30, 5)]
    layers = learn_rocket(recordings, features=84 * 3)
    found = apply_rocket(recordings, layers)
    assert found.shape == (4, 84 * 3)
    assert found.dtype == np.float32
    assert ((found >= 0) & (found <= 1)).all()
    assert 0.3 < found.mean() < 0.7
    column = 0
    for layer in layers:
        for place, one in enumerate(recordings):
            out, own = respond(one[None], torch.tensor([len(one)]), layer.dilation, layer.weight, layer.turn)
            share = [float((out[0, 7][own[0, 7]] > bias).float().mean()) for bias in layer.bias[7]]
            start = column + 7 * layer.bias.shape[1]
            np.testing.assert_allclose(found[place, start : start + len(share)], share, atol=1e-6)
        column += layer.bias.numel()


def test_learning_is_repeatable(numbers):
    recordings = [torch.from_numpy(numbers.normal(size=(30, 3)).astype(np.float32)) for _ in range(5)]
    first, second = (apply_rocket(recordings, learn_rocket(recordings, 84 * 2)) for _ in range(2))
    assert np.array_equal(first, second)


def test_statistics_of_a_sine_are_the_known_ones():
    line = np.arange(400)
    x = 3 + 2 * np.sin(2 * math.pi * line / 20)
    mean, spread, low, _, middle, _, high, *rest = describe(x)
    assert (mean, spread) == (pytest.approx(3), pytest.approx(2 / math.sqrt(2)))
    assert (low, middle, high) == (pytest.approx(1), pytest.approx(3), pytest.approx(5))
    skewness, kurtosis = rest[:2]
    assert skewness == pytest.approx(0, abs=1e-9)
    assert kurtosis == pytest.approx(1.5)
    bands = rest[12:17]
    assert sum(bands) == pytest.approx(1)
    assert rest[17] == pytest.approx(0.1)  # 20 of 200 frequencies
    assert all(np.isfinite(describe(np.full(n, 7.0))).all() for n in (1, 2, 3, 50))


def test_runs_are_counted():
    assert longest_run(np.array([True, True, False, True, True, True])) == 3
    assert longest_run(np.zeros(3, bool)) == 0
    assert longest_run(np.ones(4, bool)) == 4


def test_several_channels_add_their_correlations():
    x = np.random.default_rng(0).normal(size=(300, 1))
    three = summarise(np.concatenate([x, -x, np.ones_like(x)], 1))
    assert three[-4] == pytest.approx(-1)
    assert three[-3:-1].tolist() == [0, 0]  # a constant channel is correlated with nothing
    assert three[-1] == pytest.approx(math.log(300))


def test_gaps_are_filled_between_neighbours_and_held_at_the_ends():
    nan = np.nan
    found = fill_gaps(np.array([[nan, nan], [1, nan], [nan, nan], [3, nan], [nan, nan]]))
    assert found.tolist() == [[1, 0], [1, 0], [2, 0], [3, 0], [3, 0]]


@pytest.mark.parametrize("place", range(3), ids=["rocket", "statistics", "values"])
def test_every_set_is_finite_and_tells_the_hidden_classes_apart(place):
    classical = SERIES.classical()[place]
    (known, label), (asked, truth) = (curves(count, np.random.default_rng(count)) for count in (60, 90))
    train, test = classical.features(rows_of(SERIES, known), rows_of(SERIES, asked))
    assert train.dtype == test.dtype == np.float32
    assert np.isfinite(train).all()
    assert np.isfinite(test).all()
    assert train.shape == (60, test.shape[1])
    scale = StandardScaler().fit(train)
    probe = LogisticRegression(C=0.01, max_iter=5000).fit(scale.transform(train), label)
    # Three phases and lengths leave plain values near chance; the other two do not care where a wave begins.
    assert probe.score(scale.transform(test), truth) > (0.8 if place < 2 else 0.2)


@pytest.mark.parametrize("kind", ODD)
def test_odd_recordings_have_finite_features(kind):
    train = rows_of(SERIES, curves(12, np.random.default_rng(0))[0])
    for classical in SERIES.classical()[:3]:
        _, found = classical.features(train, rows_of(SERIES, ODD[kind]))
        assert np.isfinite(found).all()


def test_the_nearest_neighbour_finds_each_recording_itself_and_keeps_the_kind_of_label():
    values, label = curves(40, np.random.default_rng(5))
    rows = rows_of(SERIES, values)
    nearest = SERIES.classical()[3]
    assert nearest.name == "nearest neighbour"
    for labels in (np.array(label), np.linspace(0, 1, 40)):
        found = nearest.predict(rows, labels, rows)
        assert found.dtype == labels.dtype
        assert np.array_equal(found, labels)
