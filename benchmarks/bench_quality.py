"""Time to quality: 10,000 CIFAR-10 pictures at 32 px, 2 cores, 5 minutes from files to encoder; kNN and linear probe.

    SELFTAUGHT_DATA=... .venv/bin/python benchmarks/bench_quality.py --split validation --set pretext.temperature=0.1
    SELFTAUGHT_DATA=... .venv/bin/python benchmarks/bench_quality.py

Recipes are chosen with `--split validation`, which never opens the test files; the test part is for the recipe that was
chosen. Training: the first 1,000 train files of each class, unlabelled. Validation: the next 200 of each, which the run
also watches without labels. Test: all 5,000. The clock runs from the first file listed until the encoder lies on disk,
so decoding, statistics, timing of kernels, looks and the report are inside; importing Python is not. kNN: k = 20 on the
10,000 training vectors. Linear: the library's probe with all labels.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ledger

os.environ.update(ledger.environment())

LAST = {"train": 1000, "validation": 1200}
"""Train files of each class below these numbers belong to the parts."""
RESERVE = 20.0
"""Seconds of the budget left for the timing of kernels, statistics and the report."""


def measure(options: argparse.Namespace) -> None:
    """One seed: pretrain, embed, probe; the untrained twin of the same seed beside it."""
    import torch

    from selftaught.cli import build_recipe
    from selftaught.engine.embedding import untrained_twin
    from selftaught.engine.prepare import DataOptions, prepare
    from selftaught.pretrain import pretrain
    from selftaught.runs.encoder import load_pretrained
    from selftaught.runs.files import read_json
    from selftaught.runs.folder import RunFolder

    torch.set_num_threads(ledger.THREADS)
    if options.colours == "chain":
        import colour_chain

        colour_chain.install()
    recipe = build_recipe({"recipe_file": options.recipe, "changes": options.set})
    with tempfile.TemporaryDirectory() as place:
        out, stores = Path(place) / "run", Path(place) / "stores"
        began = time.perf_counter()
        data = DataOptions(split="folder")
        prepared = prepare(options.data, recipe.modality, stores, data, quiet=True)
        decoded = time.perf_counter() - began
        if recipe.epochs is None and recipe.steps is None:
            left = 60 * options.minutes - decoded - options.reserve
            recipe = replace(recipe, minutes=max(0.01, left / 60))
        recipe = replace(recipe, seed=options.repeat)
        pretrain(options.data, out=out, recipe=recipe, stores=stores, split="folder", quiet=True)
        whole = time.perf_counter() - began
        run = RunFolder(out)
        trained = load_pretrained(out)
        store = prepared.store
        train = _part(store.ids, "train")
        asked, queries = store, _part(store.ids, "validation")
        if options.split == "test":
            asked = prepare(options.test, trained.modality, stores, DataOptions(), quiet=True).store
            queries = _part(asked.ids, "")
        twin = untrained_twin(trained, 1000 + options.repeat)
        rows: list[Mapping[str, Any]] = [
            {"metric": "wall clock, files to encoder", "value": whole, "unit": "s"},
            {"metric": "decoding", "value": decoded, "unit": "s"},
            {"metric": "steps", "value": float(_steps(run)), "unit": "steps"},
        ]
        for system, encoder in ((ledger.OURS, trained), ("untrained twin", twin)):
            rows += [{"system": system, **row} for row in score(encoder, (store, train), (asked, queries))]
        ledger.say(f"health: {read_json(run.manifest)['health']}")
    ledger.answer(rows, ("selftaught",))


def score(encoder: Any, known: tuple[Any, Any], asked: tuple[Any, Any]) -> list[Mapping[str, Any]]:
    """Accuracy of kNN and of the linear probe. known, asked: (store, record numbers)."""
    import numpy as np

    from selftaught.engine.embedding import embed_records
    from selftaught.probes.budgets import nested_budgets
    from selftaught.probes.knn import knn_predict
    from selftaught.probes.protocol import probe

    (bank, labels), (queries, truth) = (
        (embed_records(encoder, store, part), np.array([store.ids[index].split("/")[-2] for index in part]))
        for store, part in (known, asked)
    )
    codes = np.unique(labels, return_inverse=True)[1]
    near = float((knn_predict(bank, labels, queries, neighbours=20) == truth).mean())
    linear = probe(bank, labels, queries, truth, nested_budgets(codes, (None,), 1))[-1]
    return [
        {"metric": "kNN k=20 accuracy", "value": near, "unit": "fraction"},
        {"metric": "linear probe accuracy", "value": linear.accuracy, "unit": "fraction"},
    ]


def _part(ids: Any, name: str) -> Any:
    """Numbers of the records that lie in a part's folder."""
    import numpy as np

    return np.array([index for index, each in enumerate(ids) if not name or each.split("/")[0] == name])


def _steps(run: Any) -> int:
    from selftaught.runs.folder import read_rows

    return int(read_rows(run.losses)[-1]["step"])


def main() -> None:
    parser = ledger.options_for(__doc__ or "", "quality.csv")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=5.0, help="from files to encoder")
    parser.add_argument("--reserve", type=float, default=RESERVE, help="seconds of it that are not for training")
    parser.add_argument("--split", choices=("test", "validation"), default="test", help="what is scored")
    parser.add_argument("--recipe", type=Path, help="a recipe.toml instead of the library's defaults")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a field, as the CLI")
    parser.add_argument("--pictures", type=int, default=1000, help="training pictures per class")
    parser.add_argument("--colours", choices=("ours", "chain"), default="ours", help="chain: as torchvision's jitter")
    parser.add_argument("--data", help=argparse.SUPPRESS)
    parser.add_argument("--test", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        measure(options)
        return
    parts = {"train": ("train", 0, options.pictures), "validation": ("train", LAST["train"], LAST["validation"])}
    data = ledger.lay_out_cifar(options.work / f"cifar-quality-{options.pictures}", parts)
    command = ["--data", str(data), "--minutes", str(options.minutes), "--reserve", str(options.reserve)]
    command += ["--split", options.split]
    if options.split == "test":
        command += ["--test", str(ledger.lay_out_cifar(options.work / "cifar-test", {"": ("test", 0, 10_000)}))]
    if options.recipe:
        command += ["--recipe", str(options.recipe)]
    for change in options.set:
        command += ["--set", change]
    command += ["--colours", options.colours]
    how = ", ".join([f"recipe {options.recipe.name}" if options.recipe else "", *sorted(options.set)]).strip(", ")
    how += "" if options.colours == "ours" else ", torchvision's colours"
    task = (
        f"CIFAR-10, {10 * options.pictures:,} pictures, 32 px, {options.minutes:g} minutes, scored on {options.split}, "
        f"{how or 'library defaults'}"
    )
    systems = [ledger.System(ledger.OURS, ledger.ours(__file__, *command))]
    ledger.take_turns(ledger.open_ledger(options), task, systems, range(options.seeds), "mean")


if __name__ == "__main__":
    main()
