"""SimCLR with ResNet-18 at 32 px, batch 256, two views, end to end from JPEG files: img/s beside two peers.

    SELFTAUGHT_DATA=... SELFTAUGHT_PEERS=/tmp/peers/bin/python .venv/bin/python benchmarks/bench_simclr.py

10,000 CIFAR-10 pictures in a folder. Everyone draws lightly's views: crop from 0.08, jitter 0.8 / 0.8 / 0.8 / 0.2 at
0.8, grey at 0.2, mirror at 0.5, no blur. Ours runs through `pretrain`, with everything a user gets: looks at held-out
records, logs, checkpoints. "steady state" is the median step, data waiting included, looks not. Our one-time work
(decoding; statistics, timing of kernels, looks, report) has rows of its own, and is part of "everything included",
which starts at the files and ends when the encoder lies on disk. Imports count for nobody. The peers have two loader
workers, and all systems the same two cores and threads, one after the other.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import ledger

os.environ.update(ledger.environment())

SKIP = 3


def measure_ours(options: argparse.Namespace) -> None:
    """One run through `pretrain`; the store is built before, and timed apart."""
    import torch

    from selftaught.encoders import ResNet
    from selftaught.engine.prepare import DataOptions, prepare
    from selftaught.modalities import Image
    from selftaught.modalities.image import Augmentation
    from selftaught.pretexts import SimCLR
    from selftaught.pretrain import pretrain
    from selftaught.recipe import Optimiser, Recipe
    from selftaught.runs.folder import RunFolder, read_rows

    torch.set_num_threads(ledger.THREADS)
    how = Augmentation(crop=(0.08, 1.0), brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, blur=0.0)
    recipe = Recipe(
        modality=Image(size=32, patch=4, canvas=32, channels=3, depth="uint8", augmentation=how),
        encoder=ResNet(depth=18, stem=options.stem),
        pretext=SimCLR(temperature=0.5, hidden=512, outputs=128),
        optimiser=Optimiser(kind=options.optimiser),
        batch=options.batch,
        steps=options.steps,
        seed=options.repeat,
    )
    with tempfile.TemporaryDirectory() as place:
        out, stores = Path(place) / "run", Path(place) / "stores"
        began = time.perf_counter()
        prepare(options.data, recipe.modality, stores, DataOptions(), quiet=True)
        decoded = time.perf_counter() - began
        pretrain(options.data, out=out, recipe=recipe, stores=stores, quiet=True)
        whole = time.perf_counter() - began
        stamps = [row["seconds"] for row in read_rows(RunFolder(out).losses)]
        looks = {int(row["step"]) for row in read_rows(RunFolder(out).health)}
    steps = [stamps[index] - stamps[index - 1] for index in range(SKIP, len(stamps)) if index not in looks]
    training = statistics.median(steps) * options.steps
    rate = options.batch / statistics.median(steps)
    everything = options.batch * options.steps / whole
    rows = [
        {"metric": "steady state", "value": rate, "unit": "img/s"},
        {"metric": f"{options.steps} steps, everything included", "value": everything, "unit": "img/s"},
        {"metric": "one-time decoding of the files", "value": decoded, "unit": "s"},
        {
            "metric": "one-time rest: statistics, timing, looks, report",
            "value": whole - decoded - training,
            "unit": "s",
        },
    ]
    ledger.answer(rows, ("selftaught",))


def main() -> None:
    parser = ledger.options_for(__doc__ or "", "simclr.csv")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40, help="with the ImageNet stem")
    parser.add_argument("--cifar-steps", type=int, default=20, help="with the CIFAR stem, which is ten times the work")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--stems", default="imagenet,cifar")
    parser.add_argument("--stem", default="imagenet", help=argparse.SUPPRESS)
    parser.add_argument("--optimiser", default="adamw", help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        measure_ours(options)
        return
    pictures = ledger.lay_out_cifar(options.work / "cifar-train-0-1000", {"": ("train", 0, 1000)})
    book = ledger.open_ledger(options)
    for stem in options.stems.split(","):
        steps = options.cifar_steps if stem == "cifar" else options.steps
        same = ("--data", str(pictures), "--stem", stem, "--batch", str(options.batch), "--steps", str(steps))
        systems = [
            ledger.System(ledger.OURS, ledger.ours(__file__, *same)),
            ledger.System(f"{ledger.OURS}, Muon", ledger.ours(__file__, *same, "--optimiser", "muon")),
            *ledger.peer(options, "lightly example fp32", "simclr-lightly", *same),
            *ledger.peer(options, "lightly example bf16", "simclr-lightly", *same, "--precision", "bf16"),
        ]
        if stem == "imagenet":  # lightly-train names no ResNet with the CIFAR stem
            systems += ledger.peer(options, "lightly-train fp32", "simclr-lightly-train", *same)
            systems += ledger.peer(options, "lightly-train bf16", "simclr-lightly-train", *same, "--precision", "bf16")
        task = f"SimCLR ResNet-18, {stem} stem, 32 px, batch {options.batch}, two views, 10,000 JPEG files"
        ledger.take_turns(book, task, systems, range(1, options.repeats + 1), "median")


if __name__ == "__main__":
    main()
