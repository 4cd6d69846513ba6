"""Forecasting: ridge against scikit-learn, seasonal naive against a slow loop, and seasons that are found."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from selftaught.core.errors import DataError
from selftaught.probes.forecast import (
    TimeParts,
    find_season,
    forecast,
    future,
    lagged,
    origins,
    seasonal_naive,
    standardise,
)

PARTS = TimeParts(train=600, validation=800)


def hours(steps=1000, season=24, noise=0.1, seed=0):
    """Two channels with a daily season, a trend in one, and noise."""
    rng, line = np.random.default_rng(seed), np.arange(steps)
    daily = np.sin(2 * np.pi * line / season)
    return np.stack([daily, 10 + 0.5 * daily + 0.001 * line], 1) + rng.normal(0, noise, (steps, 2))


def test_origins_keep_their_whole_future_within_the_part():
    assert origins(10, 20, 3, 100).tolist() == list(range(9, 17))
    assert origins(0, 20, 3, 15).tolist() == list(range(12))
    with pytest.raises(DataError, match="shorter horizon"):
        origins(10, 14, 3, 100)


def test_futures_and_lags_are_what_a_slow_loop_gives():
    values = np.arange(20.0).reshape(10, 2)
    assert future(values, np.array([0, 4]), 2).tolist() == [[[2, 3], [4, 5]], [[10, 11], [12, 13]]]
    table = lagged(values, 3)
    for step in range(10):
        for lag in range(3):
            for channel in range(2):
                place = step - 2 + lag
                assert table[step, 3 * channel + lag] == (values[place, channel] if place >= 0 else 0)


def test_seasonal_naive_repeats_the_last_known_season():
    values = hours(100)
    guess = seasonal_naive(values, np.array([50, 77]), 60, 24)
    for row, origin in enumerate((50, 77)):
        for ahead in range(1, 61):
            place = origin + ahead
            while place > origin:
                place -= 24
            np.testing.assert_array_equal(guess[row, ahead - 1], values[place])


@pytest.mark.parametrize("season", [7, 24, 60])
def test_the_season_is_found_and_noise_has_none(season):
    assert abs(find_season(hours(1000, season)) - season) <= 1
    assert find_season(np.random.default_rng(0).normal(size=(1000, 2))) == 1
    assert find_season(np.zeros((50, 1))) == 1


def test_values_are_scaled_by_the_training_part_alone():
    values = np.stack([np.arange(10.0), np.full(10, 3.0)], 1)
    scaled = standardise(values, 4)
    assert scaled[:4, 0].mean() == pytest.approx(0)
    assert scaled[:4, 0].std() == pytest.approx(1)
    assert not scaled[:, 1].any()
    with pytest.raises(DataError, match="no observed value"):
        standardise(np.full((10, 1), np.nan), 4)


def test_the_regression_equals_scikit_learns_at_the_chosen_penalty():
    values, horizon = hours(), 6
    features = np.random.default_rng(1).normal(size=(1000, 5)).astype(np.float32) + values[:, :1].astype(np.float32)
    score = forecast(features, values, horizon, PARTS)[0]
    scaled = standardise(values, 600)
    train, test = origins(96, 600, horizon, 1000), origins(800, 1000, horizon, 1000)
    scale = StandardScaler().fit(features[train].astype(np.float64))
    wanted = future(scaled, train, horizon).reshape(-1, 12)
    peer = Ridge(alpha=score.penalty).fit(scale.transform(features[train]), wanted)
    guess = peer.predict(scale.transform(features[test]))
    expected = np.mean((guess - future(scaled, test, horizon).reshape(-1, 12)) ** 2)
    assert score.mse.value == pytest.approx(expected, rel=1e-4)


def test_every_way_is_scored_with_an_interval_over_blocks_and_good_features_win():
    values = hours(noise=0.3)
    clean = hours(noise=0.0)
    scores = forecast(np.concatenate([clean, np.roll(clean, 6, 0)], 1), values, 12, PARTS)
    assert [score.name for score in scores] == ["encoder", "regression on lags", "seasonal naive (24)"]
    assert all(score.horizon == 12 for score in scores)
    assert all(score.mse.low < score.mse.value < score.mse.high for score in scores)
    assert scores[0].mse.n == 16  # 189 origins in blocks of 12, the last of them shorter
    assert scores[0].mse.value < scores[2].mse.value
    assert scores[1].mse.value < scores[2].mse.value
    assert scores[2].penalty is None


def test_missing_values_are_left_out_and_too_few_are_refused():
    values = hours()
    values[np.random.default_rng(0).random(values.shape) < 0.01] = np.nan
    scores = forecast(np.nan_to_num(values), values, 4, PARTS)
    assert all(np.isfinite(score.mae.value) for score in scores)
    with pytest.raises(DataError, match="steps"):
        forecast(np.zeros((30, 2)), hours(30), 24, TimeParts(train=10, validation=20))
    with pytest.raises(DataError, match="features and values"):
        forecast(np.zeros((30, 2)), hours(31), 2, TimeParts(train=10, validation=20))
