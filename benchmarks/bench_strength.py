"""One strength for probes with fewer than four labels a class: accuracy of every candidate on validation parts.

    SELFTAUGHT_DATA=... .venv/bin/python benchmarks/bench_strength.py

Cross-validation cannot choose there, so `probes/protocol.FIXED_STRENGTH` is one number for all data. For each set: the
features of a short pretraining, of its untrained twin and of the classical controls; 20 draws of 1 and of 2 labels a
class; scored on the validation part. The test part is never read.
"""

from __future__ import annotations

import os
from dataclasses import replace

import ledger

os.environ.update(ledger.environment())

COLUMNS = ("set", "features", "labels", "strength", "accuracy", "draws")
BUDGETS = (1, 2)


def main() -> None:
    parser = ledger.options_for(__doc__ or "", "strength.csv")
    parser.add_argument("--sets", default="cifar10,trashnet,magnetic_tile,digits_shift")
    parser.add_argument("--minutes", type=float, default=1.0, help="of pretraining per set")
    parser.add_argument("--draws", type=int, default=20)
    options = parser.parse_args()
    import torch
    from bench_sets import find_task, pretrain_seeds

    torch.set_num_threads(ledger.THREADS)
    book = ledger.Ledger(
        options.results, COLUMNS, ("set", "features", "labels", "strength"), keep=options.keep, fresh=options.fresh
    )
    for name in options.sets.split(","):
        if book.has(set=name):
            continue
        task = find_task(name, options.work)
        run = pretrain_seeds(name, task, options.work, 1, options.minutes, [])[0]
        for row in measure(name, run, options.draws):
            book.add(row)


def measure(name: str, run, draws: int) -> list[dict[str, object]]:
    """Mean accuracy over the draws for every kind of features, budget and strength."""
    import numpy as np

    from selftaught.engine.prepare import DataOptions
    from selftaught.evaluate.subject import open_subject
    from selftaught.probes.budgets import nested_budgets
    from selftaught.probes.linear import STRENGTHS, fit_logistic_grid, predict
    from selftaught.trials.controls import encoder_features, feature_controls
    from selftaught.trials.parts import labelled_parts
    from selftaught.trials.scores import ENCODER

    subject = open_subject([run], None, DataOptions(), None, True)
    parts = labelled_parts(subject.prepared, subject.splits)
    parts = replace(parts, test=parts.validation)  # which is all that is scored here
    known, asked = parts.labels
    kinds = {ENCODER: encoder_features(subject.encoders, parts), **feature_controls(subject.encoders, parts)}
    found = []
    for kind, ((train, validation), *_) in kinds.items():
        budgets = nested_budgets(known, BUDGETS, draws)
        for count in BUDGETS:
            sets = [budget.rows for budget in budgets.at(count)]
            fits = fit_logistic_grid(train, known, sets, STRENGTHS)
            right = np.mean([(predict(fit, validation) == asked).mean(1) for fit in fits], 0)
            row = {"set": name, "features": kind, "labels": count, "draws": len(sets)}
            found += [
                row | {"strength": f"{strength:g}", "accuracy": float(each)}
                for strength, each in zip(STRENGTHS, right, strict=True)
            ]
        best = [f"{each['strength']}: {each['accuracy']:.3f}" for each in found[-len(STRENGTHS) :]]
        ledger.say(f"{name}, {kind}, {BUDGETS[-1]} labels: {', '.join(best)}")
    return found


if __name__ == "__main__":
    main()
