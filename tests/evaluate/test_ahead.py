"""Forecasts in an evaluation: one long recording, beside lags, the last season and the untrained twin."""

from pathlib import Path

import numpy as np
import pytest
from tests.journeys.photos import call

from selftaught import Recipe, evaluate, pretrain
from selftaught.core.errors import UsageError
from selftaught.evaluate.ahead import forecast_table, parse_horizons, say_forecasts
from selftaught.modalities import Series
from selftaught.probes.forecast import ForecastScore
from selftaught.probes.statistics import Estimate


def score(name: str, value: float, horizon: int = 24) -> ForecastScore:
    return ForecastScore(
        name=name, horizon=horizon, mse=Estimate(value, value - 0.05, value + 0.05, 9),
        mae=Estimate(value, 0.0, 1.0, 9), penalty=None,
    )  # fmt: skip


def test_horizons_are_whole_numbers_of_steps() -> None:
    assert parse_horizons((24, 168)) == (24, 168)
    assert parse_horizons(()) == ()
    for wrong in (("all",), (0,)):
        with pytest.raises(UsageError, match="steps ahead"):
            parse_horizons(wrong)


def test_the_verdict_names_who_forecasts_best_only_where_intervals_part() -> None:
    scores = [score("encoder", 0.3), score("untrained twin", 0.6), score("regression on lags", 0.5)]
    scores += [score("encoder", 0.5, 168), score("untrained twin", 0.6, 168), score("regression on lags", 0.48, 168)]
    first, second = say_forecasts(scores)
    assert first == "24 steps ahead: the encoder beats regression on lags (MSE 0.300 against 0.500)."
    assert second.startswith("168 steps ahead: no clear winner between the encoder and regression on lags")
    table = forecast_table(scores)
    assert table.best == ((0, 1), (2, 3))
    assert [row[0] for row in table.rows] == ["encoder", "untrained twin", "regression on lags"]


@pytest.mark.slow
def test_a_long_recording_is_forecast_from_its_raw_file(tmp_path: Path) -> None:
    hours = np.arange(2400)
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 2400))
    load, heat = np.sin(hours * 2 * np.pi / 24) + noise[0], np.cos(hours * 2 * np.pi / 24) + noise[1]
    days = np.datetime64("2021-03-01T00") + hours
    lines = [f"{day},{a:.4f},{b:.4f}\n" for day, a, b in zip(days, load, heat, strict=True)]
    (tmp_path / "plant.csv").write_text("date,load,heat\n" + "".join(lines), encoding="utf-8")
    recipe = Recipe(modality=Series(window=32), steps=6, size="xs", batch=8, precision="fp32")
    pretrain(tmp_path / "plant.csv", out=tmp_path / "run", recipe=recipe, quiet=True)
    said = call("evaluate", tmp_path / "run", "--forecast", "4,12", "--quiet")
    assert said.code == 0, said.err
    for part in ("Forecasting was measured", "4 steps ahead", "12 steps ahead", "naive (24)", "untrained twin"):
        assert part in said.out, part
    found = evaluate(tmp_path / "run", forecast=(4,), quiet=True)
    assert {each.name for each in found.forecasts} == {
        "encoder", "untrained twin", "regression on lags", "seasonal naive (24)"
    }  # fmt: skip
    assert all(each.mse.value < 2 for each in found.forecasts)
    assert '"forecasts"' in found.json()
