"""The race against the truth: what `compare` takes, beside what an exhaustive run of equal length says is best.

    SELFTAUGHT_DATA=... .venv/bin/python benchmarks/bench_race.py --sets fsdd-george,adult

A race of 15 minutes; then every candidate for as long, and with as many seeds, as the finalists of the race, and its
few-label accuracy on the test part: the mean over the budgets that the race judged. Regret is the best candidate's
accuracy minus that of the one taken, in points. Beside it the regret of picking by one label-free metric, by the loss,
by the ranking that `compare` makes without labels, and of a fixed pretext. `race_candidates.csv` has a row per
candidate, `race.csv` one per set and their means. Candidates are trained again only where their runs are not complete.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ledger
import numpy as np
from sets import Task, find_task

os.environ.update(ledger.environment())

SETS = "cifar10,magnetic_tile,fsdd-george,hmp-1,banking77,adult,OSULeaf"
MASKED = ("MAE", "MaskedToken", "VIME")
"""What "always masked" takes: the first of these that is a candidate."""
PICKS = ("rankme", "lidar", "loss", "blind", "always SimCLR", "always masked")
COLUMNS = ("set", "candidate", "minutes", "seeds", "accuracy", "by_budget", "rankme", "lidar", "loss", "blind")
COLUMNS += ("control", "control_accuracy", "behind_control", "health")
RACE = ("set", "answer", "headline", "taken", "accuracy", "best", "best_accuracy", "regret")
RACE += tuple(f"regret of {each}" for each in PICKS)
RACE += ("control", "control_accuracy", "behind_control", "spearman", "spearman_low", "spearman_high", "cost")
RACE += ("minutes", "candidates")


def race(name: str, task: Task, work: Path, minutes: float) -> Any:
    """The report of a race; one that was interrupted goes on."""
    from selftaught.compare import compare
    from selftaught.recipe import Recipe

    return compare(
        task.data,
        out=work / "races" / f"{name}-{minutes:g}-{ledger.commit()}",
        recipe=Recipe(minutes=minutes),
        labels=task.labels,
        group=task.group,
        split=task.split,
        stores=work / "stores",
        no_samples=True,
    )


def finalist_runs(report: Any, name: str) -> list[Path]:
    """The trainings of a candidate in the last round, none where it fell out before."""
    from selftaught.runs.files import read_json

    folder = report.page.parent
    legs = [(path.stem, read_json(path)) for path in sorted((folder / "legs").glob("*.json"))]
    last = max(leg["round"] for _, leg in legs)
    return [folder / "runs" / stem for stem, leg in legs if leg["candidate"] == name and leg["round"] == last]


def train_all(report: Any, task: Task, work: Path, race_seeds: int = 2) -> tuple[dict[str, list[Path]], float]:
    """The runs of every candidate, as long and as many as those of the finalists, and how many minutes that is."""
    from selftaught.core.config import members
    from selftaught.core.errors import SelftaughtError
    from selftaught.pretexts import AnyPretext
    from selftaught.pretrain import pretrain
    from selftaught.recipe import Recipe, read_recipe
    from selftaught.runs.folder import RunFolder

    names = [each.name for each in report.entries if each.kind == "candidate"] + [*report.absent, *report.untried]
    found = {name: finalist_runs(report, name) for name in names}
    minutes = read_recipe(RunFolder(next(own[0] for own in found.values() if own)).recipe).minutes or 0.0
    for name in (each for each in names if not found[each]):
        recipe = replace(Recipe(minutes=minutes), pretext=members(AnyPretext)[name.lower()]())
        for seed in range(race_seeds):
            out = report.page.parent / "exhaustive" / f"{name}-{seed}"
            if not RunFolder(out).complete:
                ledger.say(f"{name}, seed {seed}, {minutes:.2f} minutes")
                try:
                    pretrain(
                        task.data, out=out, recipe=replace(recipe, seed=seed), labels=task.labels, group=task.group,
                        split=task.split, stores=work / "stores", quiet=True,
                    )  # fmt: skip
                except SelftaughtError as problem:
                    ledger.say(f"{name}: {problem}")
                    continue
            found[name].append(out)
    return found, float(minutes)


def measure(runs: Sequence[Path], sizes: Sequence[int | None], work: Path) -> dict[str, object]:
    """Few-label test accuracy of the runs of one candidate, and of the best control of each budget."""
    from selftaught.evaluate import evaluate
    from selftaught.runs.folder import open_run, read_rows

    report = evaluate(
        *runs, budgets=tuple(size or "all" for size in sizes), from_scratch=("none",), no_samples=True,
        out=work / "reports" / "race", stores=work / "stores", quiet=True,
    )  # fmt: skip
    at = {(each.name, each.per_class): each for each in report.scores}
    best = dict(report.best)
    own = [at["encoder", size].value for size in sizes]
    behind = [at[best[size], size] for size in sizes]
    last = [read_rows(open_run(run).health)[-1] for run in runs]
    losses = [np.mean([row["loss"] for row in read_rows(open_run(run).losses)[-20:]]) for run in runs]
    return {
        "seeds": len(runs),
        "accuracy": float(np.mean(own)),
        "by_budget": " ".join(f"{size or 'all'}:{value:.3f}" for size, value in zip(sizes, own, strict=True)),
        "rankme": float(np.mean([row["rank"] for row in last])),
        "lidar": float(np.mean([row["lidar"] for row in last])),
        "loss": float(np.mean(losses)),
        "control": ", ".join(dict.fromkeys(best[size] for size in sizes)),
        "control_accuracy": float(np.mean([each.value for each in behind])),
        "behind_control": " ".join(str(each.per_class or "all") for each in behind if each.lead_high < 0),
        "health": ", ".join(report.facts.health),
    }


def rank_blindly(runs: Mapping[str, Sequence[Path]]) -> dict[str, float]:
    """The share of rivals that each candidate is ahead of by the label-free metrics of `compare`."""
    from selftaught.compare.blind import make_blind
    from selftaught.data.splits import load_splits
    from selftaught.data.store import open_store
    from selftaught.runs.encoder import load_pretrained
    from selftaught.runs.files import read_json
    from selftaught.runs.folder import open_run

    first = open_run(next(iter(runs.values()))[0])
    blind = make_blind(open_store(read_json(first.data)["store"]), load_splits(first.splits).validation)
    signs = {name: blind.encoders(name, [load_pretrained(run) for run in own]) for name, own in runs.items()}
    return {name: each.value for name, each in blind.standings(signs).items()}


def picks(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """What each simple way to choose would take."""
    names = list(rows)
    taken = {metric: max(names, key=lambda name: float(rows[name][metric])) for metric in ("rankme", "lidar", "blind")}
    taken["loss"] = min(names, key=lambda name: float(rows[name]["loss"]))
    taken["always SimCLR"] = "SimCLR" if "SimCLR" in rows else ""
    taken["always masked"] = next((name for name in MASKED if name in rows), "")
    return taken


def conclude(name: str, report: Any, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, object]:
    """The row of one set."""
    accuracy = {each: float(row["accuracy"]) for each, row in rows.items()}
    best, taken = max(accuracy, key=lambda each: accuracy[each]), report.decision.taken
    regret = {way: 100 * (accuracy[best] - accuracy[pick]) if pick else "" for way, pick in picks(rows).items()}
    row: dict[str, object] = {
        "set": name,
        "answer": report.decision.answer,
        "headline": report.decision.headline,
        "taken": taken,
        "accuracy": accuracy[taken],
        "best": best,
        "best_accuracy": accuracy[best],
        "regret": 100 * (accuracy[best] - accuracy[taken]),
        **{column: rows[taken][column] for column in ("control", "control_accuracy", "behind_control")},
        "cost": report.cost.ratio,
        "minutes": report.cost.minutes,
        "candidates": len(rows),
    }
    if len(rows) > 2:
        from selftaught.probes.statistics import rank_correlation

        row["spearman"] = rank_correlation(np.array([[float(rows[each]["blind"]), accuracy[each]] for each in rows]).T)
    return row | {f"regret of {way}": value for way, value in regret.items()}


def summarise(book: ledger.Ledger) -> None:
    """Means over the sets; the interval of the rank correlation is over sets."""
    from selftaught.probes.statistics import bootstrap_mean

    own = [row for row in book.rows if row["set"] != "mean"]
    mean: dict[str, object] = {"set": "mean", "candidates": sum(int(row["candidates"]) for row in own)}
    for column in ("regret", *(f"regret of {each}" for each in PICKS), "cost"):
        known = [float(row[column]) for row in own if row[column] not in ("", "nan")]
        mean[column] = float(np.mean(known)) if known else ""
    known = [float(row["spearman"]) for row in own if row["spearman"] not in ("", "nan")]
    if known:
        found = bootstrap_mean(np.array(known), np.random.default_rng(0))
        mean |= {"spearman": found.value, "spearman_low": found.low, "spearman_high": found.high}
    book.add(mean)


def main() -> None:
    parser = ledger.options_for(__doc__ or "", "race.csv")
    parser.add_argument("--sets", default=SETS)
    parser.add_argument("--minutes", type=float, default=15.0, help="of training in each race")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(ledger.THREADS)
    book = ledger.Ledger(options.results, RACE, ("set",), keep=options.keep, fresh=options.fresh)
    each_book = ledger.Ledger(
        options.results.with_name(f"{options.results.stem}_candidates.csv"), COLUMNS, ("set", "candidate"),
        keep=options.keep, fresh=options.fresh,
    )  # fmt: skip
    for name in options.sets.split(","):
        if book.has(set=name):
            ledger.say(f"kept: {name}")
            continue
        task = find_task(name, options.work)
        report = race(name, task, options.work, options.minutes)
        if not report.decision.taken:
            ledger.say(f"{name}: {report.decision.headline}")
            continue
        found, minutes = train_all(report, task, options.work)
        runs = {each: own for each, own in found.items() if own}
        blind = rank_blindly(runs)
        rows: dict[str, dict[str, object]] = {}
        for candidate, own in runs.items():
            rows[candidate] = {"blind": blind[candidate], **measure(own, report.sizes, options.work)}
            each_book.add({"set": name, "candidate": candidate, "minutes": minutes, **rows[candidate]})
            ledger.say(f"{name}, {candidate}: {rows[candidate]['accuracy']:.3f}")
        book.add(conclude(name, report, rows))
        summarise(book)


if __name__ == "__main__":
    main()
