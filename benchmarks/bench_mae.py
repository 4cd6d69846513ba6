"""MAE with a ViT-Tiny/16 at 224 px, batch 64, in bf16: img/s of a training step beside lightly and transformers.

    SELFTAUGHT_PEERS=/tmp/peers/bin/python .venv/bin/python benchmarks/bench_mae.py

Equal sizes for everyone: encoder 192 wide, 12 deep, 3 heads; decoder 256 wide, 2 deep, 8 heads (`--decoder 512x8x16`
for the peers' default); a quarter of 196 patches visible; AdamW. Pictures lie in memory, so no loader counts; cutting
the target's patches counts for everyone. "views and step" draws our crops and mirrors from stored pictures each step as
well. Differences that stay: the peers have a class token, ours averages tokens; lightly predicts plain pixels, the
other two normalised ones.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from dataclasses import replace

import ledger

os.environ.update(ledger.environment())

SKIP = 3


def measure_ours(options: argparse.Namespace) -> None:
    """The training step of `Step` and our optimiser, without and with the drawing of views."""
    import torch

    from selftaught.core.batch import Batch
    from selftaught.core.modality import Rows
    from selftaught.core.pretext import Clock, Spec, gather_nothing
    from selftaught.core.rng import Rng
    from selftaught.core.targets import Continuous
    from selftaught.encoders import Transformer
    from selftaught.engine.device import keep_memory
    from selftaught.engine.feed import make_views
    from selftaught.engine.optimisers import build_optimiser
    from selftaught.engine.step import Step, Work
    from selftaught.modalities import Image
    from selftaught.modalities.image.stem import patches
    from selftaught.pretexts import MAE
    from selftaught.recipe import Optimiser

    torch.set_num_threads(ledger.THREADS)
    keep_memory()  # as every training does
    torch.manual_seed(options.repeat)
    image = Image(size=224, patch=16, canvas=224, channels=3, depth="uint8")
    pixels = torch.randint(0, 256, (options.batch, 3, 224, 224), dtype=torch.uint8)
    fields = {"pixels": pixels, "side": torch.full((options.batch, 2), 224, dtype=torch.int32)}
    rows = Rows(fields=fields, record=torch.arange(options.batch))
    fitted = image.fit([rows])
    wide, deep, many = sizes(options.decoder)
    pretext = MAE(drop=0.75, width=wide, depth=deep, heads=many)
    width, depth, heads = sizes(options.encoder)
    encoder = Transformer(width=width, depth=depth, heads=heads).build(image, fitted)
    spec = Spec(records=len(pixels), dim=width, axes=image.axes, outputs=768, steps=100, batch=len(pixels))
    step = Step(encoder, pretext.build(encoder, spec), pretext).train()
    step.precision = options.precision
    optimiser = build_optimiser(Optimiser(kind="adamw", lr=1.5e-4), step.encoder, step.head, pretext)

    def views(index: int) -> list[Batch]:
        return make_views(rows, image, fitted, pretext, Rng(seed=index), 1.0, torch.device("cpu"))

    still = views(0)[0]

    def seconds(draw: bool) -> float:
        taken = []
        for index in range(options.steps + SKIP):
            start = time.perf_counter()
            target = Continuous(values=patches(still.x, 16), valid=still.valid)
            shown = views(index) if draw else [replace(still, target=target)]
            step(Work(shown, Clock(step=index, steps=100), Rng(seed=0, epoch=index), gather_nothing)).backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            taken.append(time.perf_counter() - start)
        return statistics.median(taken[SKIP:])

    rates = {"training step": options.batch / seconds(False), "views and step": options.batch / seconds(True)}
    found = [{"metric": name, "value": rate, "unit": "img/s"} for name, rate in rates.items()]
    ledger.answer(found, ("selftaught",))


def sizes(text: str) -> tuple[int, int, int]:
    """Width, depth and heads, written 192x12x3."""
    width, depth, heads = (int(part) for part in text.split("x"))
    return width, depth, heads


def main() -> None:
    parser = ledger.options_for(__doc__ or "", "mae.csv")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--encoder", default="192x12x3", help="width, depth, heads")
    parser.add_argument("--decoder", default="256x2x8", help="width, depth, heads")
    options = parser.parse_args()
    if options.worker:
        measure_ours(options)
        return
    same = ("--batch", str(options.batch), "--steps", str(options.steps), "--precision", options.precision)
    same += ("--encoder", options.encoder, "--decoder", options.decoder)
    systems = [
        ledger.System(ledger.OURS, ledger.ours(__file__, *same)),
        *ledger.peer(options, "lightly", "mae-lightly", *same),
        *ledger.peer(options, "transformers ViTMAE", "mae-transformers", *same),
    ]
    task = (
        f"MAE ViT {options.encoder}, patch 16, 224 px, decoder {options.decoder}, batch {options.batch}, "
        f"{options.precision}"
    )
    ledger.take_turns(ledger.open_ledger(options), task, systems, range(1, options.repeats + 1), "median")


if __name__ == "__main__":
    main()
