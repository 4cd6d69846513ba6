"""Sets of every kind of data, three seeds each, one evaluation over the three runs: what pretraining gained.

    SELFTAUGHT_DATA=... .venv/bin/python benchmarks/bench_sets.py --sets trashnet,magnetic_tile

Library defaults, but digits lean and are not mirrored, as in `selftaught demo`. One row per set, contestant and budget;
a set that is complete is not measured again, and an interrupted run goes on where it stopped. Runs and report pages
stay in `--work`, outside the repository. benchmarks/sets.py says what each set is. demo: what `selftaught demo` does;
its test part was read once, with `--sets demo --seeds 5 --results benchmarks/results/demo.csv`. Text, sound, series and
tables: `--results benchmarks/results/modalities.csv --from-scratch 1,5,20,all --draws 20 --sets banking77,agnews,...`.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import ledger
from sets import Task, find_task

os.environ.update(ledger.environment())

COLUMNS = ("set", "contestant", "budget", "labels", "seeds", "draws", "accuracy", "low", "high", "balanced")
COLUMNS += ("lead", "lead_low", "lead_high", "labels_saved", "labels_saved_low", "labels_saved_high")
COLUMNS += ("answer", "verdict", "health", "minutes", "recipe")


def pretrain_seeds(name: str, task: Task, work: Path, seeds: int, minutes: float, changes: list[str]) -> list[Path]:
    """The run folders of a set, trained where they are not complete."""
    from dataclasses import replace

    from selftaught.api import DEMO
    from selftaught.cli import build_recipe
    from selftaught.pretrain import pretrain
    from selftaught.runs.folder import RunFolder

    recipe = build_recipe({"recipe_file": None, "changes": changes})
    if task.digits:
        recipe = replace(recipe, modality=DEMO.modality)
    if recipe.epochs is None and recipe.steps is None:
        recipe = replace(recipe, minutes=minutes)
    runs = []
    for seed in range(seeds):
        out = work / "runs" / f"{name}-{recipe.hash}-{ledger.commit()}" / str(seed)
        if not RunFolder(out).complete:
            ledger.say(f"{name}: pretraining seed {seed}")
            pretrain(
                task.data,
                out=out,
                recipe=replace(recipe, seed=seed),
                labels=task.labels,
                group=task.group,
                split=task.split,
                stores=work / "stores",
                quiet=True,
            )
        runs.append(out)
    return runs


def rows_of(name: str, report: Any) -> list[dict[str, object]]:
    """One row per contestant and budget; labels saved stand in the encoder's rows."""
    saved = {each.per_class: each for each in report.saved}
    rows = []
    for score in report.scores:
        row: dict[str, object] = {
            "set": name,
            "contestant": score.name,
            "budget": score.per_class or "all",
            "labels": score.labels,
            "seeds": score.seeds,
            "draws": score.draws,
            "accuracy": score.value,
            "low": score.low,
            "high": score.high,
            "balanced": "" if score.balanced is None else score.balanced,
            "lead": "" if score.lead is None else score.lead,
            "lead_low": "" if score.lead_low is None else score.lead_low,
            "lead_high": "" if score.lead_high is None else score.lead_high,
            "answer": report.decision.answer,
            "verdict": report.decision.headline,
            "health": ", ".join(report.facts.health),
            "minutes": tomllib.loads(report.facts.recipe).get("minutes", ""),
            "recipe": report.facts.recipe_hash,
        }
        own = saved.get(score.per_class)
        if score.name == "encoder" and own is not None:
            for column, bound in (("", own.needed), ("_low", own.low), ("_high", own.high)):
                row[f"labels_saved{column}"] = f"{bound.relation.strip('=')}{bound.count:.0f}"
        rows.append(row)
    return rows


def main() -> None:
    parser = ledger.options_for(__doc__ or "", "sets.csv")
    parser.add_argument("--sets", default="cifar10,trashnet,magnetic_tile,digits_shift")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, help="of pretraining per seed [default: 4; demo: its own]")
    parser.add_argument("--from-scratch", default="10,20,50,all", help="budgets of the supervised control; `none`")
    parser.add_argument("--draws", type=int, default=5, help="of labels per budget; more of them narrow the intervals")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a field, as the CLI")
    parser.add_argument("--samples", action="store_true", help="put pictures into the report pages")
    options = parser.parse_args()
    import torch

    from selftaught.api import DEMO_MINUTES
    from selftaught.evaluate import evaluate

    torch.set_num_threads(ledger.THREADS)
    book = ledger.Ledger(
        options.results, COLUMNS, ("set", "contestant", "budget"), keep=options.keep, fresh=options.fresh
    )
    scratch = tuple(int(part) if part.isdecimal() else part for part in options.from_scratch.split(","))
    for name in options.sets.split(","):
        task = find_task(name, options.work)
        measured: list[tuple[str, Path | None]] = [(name, None)]
        measured += [(f"{name}, {task.also.stem}", task.also)] if task.also else []
        waiting = [each for each in measured if not book.has(set=each[0], contestant="encoder", budget="all")]
        if not waiting:
            ledger.say(f"kept: {name}")
            continue
        minutes = options.minutes or (DEMO_MINUTES if name == "demo" else 4.0)
        runs = pretrain_seeds(name, task, options.work, options.seeds, minutes, options.set)
        for title, other in waiting:
            report = evaluate(
                *runs,
                data=other,
                labels=task.labels if other else None,
                from_scratch=scratch,
                draws=options.draws,
                no_samples=not options.samples,
                out=options.work / "reports" / title.replace(", ", "-"),
                stores=options.work / "stores",
                quiet=True,
            )
            # The encoder's rows come last: they are the sign that a set is complete.
            rows = rows_of(title, report)
            for row in sorted(rows, key=lambda each: each["contestant"] == "encoder"):
                book.add(row)
            ledger.say(report.decision.headline if report.decision else "not measured")


if __name__ == "__main__":
    main()
