"""Forecasts of ETTh1 and ETTh2, 24 and 168 hours ahead: ridge on frozen causal vectors beside the usual baselines.

    SELFTAUGHT_DATA=... .venv/bin/python benchmarks/bench_forecast.py

Library defaults from the CSV as it lies, on our own cut in order of time: the first 60 % of all windows train, the next
20 % validate, the last 20 % test. Papers cut 12, 4 and 4 months out of the file, so the errors are not those of papers.
Squared and absolute errors are of standardised channels, averaged over them. A row that is there is not measured again.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import ledger

os.environ.update(ledger.environment())

COLUMNS = ("set", "horizon", "seed", "forecast", "mse", "mse_low", "mse_high", "mae", "penalty", "minutes", "recipe")
HORIZONS = (24, 168)


def row_of(score: Any) -> dict[str, object]:
    """The errors of one way at one horizon."""
    return {
        "horizon": score.horizon,
        "forecast": score.name,
        "mse": score.mse.value,
        "mse_low": score.mse.low,
        "mse_high": score.mse.high,
        "mae": score.mae.value,
        "penalty": "" if score.penalty is None else score.penalty,
    }


def main() -> None:
    parser = ledger.options_for(__doc__ or "", "forecast.csv")
    parser.add_argument("--sets", default="ETTh1,ETTh2")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=4.0, help="of pretraining per seed")
    options = parser.parse_args()
    import torch

    from selftaught.evaluate import evaluate
    from selftaught.pretrain import pretrain
    from selftaught.recipe import Recipe

    torch.set_num_threads(ledger.THREADS)
    key = ("set", "horizon", "seed", "forecast")
    book = ledger.Ledger(options.results, COLUMNS, key, keep=options.keep, fresh=options.fresh)
    for name in options.sets.split(","):
        data = ledger.data_file(f"etth/{name}.csv")
        for seed in range(options.seeds):
            if all(book.has(set=name, horizon=horizon, seed=seed) for horizon in HORIZONS):
                ledger.say(f"kept: {name}, seed {seed}")
                continue
            recipe = replace(Recipe(), minutes=options.minutes, seed=seed)
            out, stores = options.work / "runs" / f"{name}-{recipe.hash}-{ledger.commit()}", options.work / "stores"
            pretrain(data, out=out, recipe=recipe, stores=stores, quiet=True)
            report = evaluate(out, forecast=HORIZONS, no_samples=True, stores=stores, quiet=True)
            facts = {"set": name, "seed": seed, "minutes": options.minutes, "recipe": report.facts.recipe_hash}
            for score in report.forecasts:
                ledger.say(f"{name}, {score.horizon} ahead, {score.name}: {score.mse.value:.4f}")
                book.add(facts | row_of(score))


if __name__ == "__main__":
    main()
