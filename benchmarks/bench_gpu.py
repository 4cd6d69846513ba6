"""Two-view ViT-S/16 at 224 px, batch 256, bf16, on one GPU: pictures/s; prints "no GPU" where there is none.

    python benchmarks/bench_gpu.py

A picture counts once, though it is seen in two views (a peer publishes 871 such pictures/s for Barlow Twins on an H200,
its augmentation on the device). Stored pictures are 256 px, generated, and lie in host memory, as in a store. "views
and step" is the loop's own work, from stored rows to updated weights; "training step" repeats it on the same views.
VICReg stands in for Barlow Twins: both are one linear pass over 256 projected vectors beside the encoder's work.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import ledger

os.environ.update(ledger.environment())

import torch

SKIP = 5


def measure(options: argparse.Namespace, device: torch.device) -> list[dict[str, object]]:
    """pictures/s with views drawn anew each step, and with the same views."""
    from selftaught.core.modality import Rows
    from selftaught.core.pretext import Clock, Spec, gather_nothing
    from selftaught.core.rng import Rng
    from selftaught.encoders import Transformer
    from selftaught.engine.feed import make_views
    from selftaught.engine.optimisers import build_optimiser
    from selftaught.engine.step import Step, Work
    from selftaught.modalities import Image
    from selftaught.pretexts import VICReg
    from selftaught.recipe import Optimiser

    torch.manual_seed(0)
    batch, side = options.batch, options.side
    canvas = side * 8 // 7
    image = Image(size=side, patch=16, canvas=canvas, channels=3, depth="uint8")
    sides = torch.full((batch, 2), canvas, dtype=torch.int32)
    pixels = torch.randint(0, 256, (batch, 3, canvas, canvas), dtype=torch.uint8)
    rows = Rows(fields={"pixels": pixels, "side": sides}, record=torch.arange(batch))
    fitted = image.fit([rows])
    pretext = VICReg(hidden=2048, outputs=2048)
    encoder = Transformer(width=384, depth=options.depth, heads=6).build(image, fitted)
    spec = Spec(records=batch, dim=384, axes=image.axes, outputs=0, steps=100, batch=batch)
    step = Step(encoder, pretext.build(encoder, spec), pretext).to(device).train()
    step.precision = "bf16"
    optimiser = build_optimiser(Optimiser(kind="adamw"), step.encoder, step.head, pretext)
    still = make_views(rows, image, fitted, pretext, Rng(seed=0), 1.0, device)

    def once(index: int, draw: bool) -> None:
        views = make_views(rows, image, fitted, pretext, Rng(seed=index), 1.0, device) if draw else still
        step(Work(views, Clock(step=index, steps=100), Rng(seed=0), gather_nothing)).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    found: list[dict[str, object]] = []
    for metric, draw in (("views and step", True), ("training step", False)):
        rate = batch / median_seconds(lambda index, draw=draw: once(index, draw), options.steps, device)
        found.append({"metric": metric, "value": rate, "unit": "img/s"})
    return found


def median_seconds(function: Callable[[int], None], steps: int, device: torch.device) -> float:
    """The median of `steps` calls after a warm-up; the device has finished when the clock is read."""
    taken = []
    for index in range(steps + SKIP):
        start = time.perf_counter()
        function(index)
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[SKIP:])


def main() -> None:
    parser = ledger.options_for(__doc__ or "", "gpu.csv")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--depth", type=int, default=12)
    parser.add_argument("--cpu", action="store_true", help="try the script out without a GPU; give small sizes")
    options = parser.parse_args()
    if not torch.cuda.is_available() and not options.cpu:
        ledger.say("no GPU")
        return
    torch.set_num_threads(ledger.THREADS)
    device = torch.device("cpu" if options.cpu else "cuda")
    name = "CPU" if options.cpu else torch.cuda.get_device_name()
    book = ledger.open_ledger(options)
    task = f"two-view ViT-S/16, depth {options.depth}, {options.side} px, batch {options.batch}, bf16"
    if not options.fresh and all(book.has(task=task, metric=each) for each in ("views and step", "training step")):
        ledger.say("kept")
        return
    for row in measure(options, device):
        book.add({"task": task, "system": f"{ledger.OURS} on {name}", "repeat": "median", **row})
        ledger.say(f"{name}: {row['metric']} {row['value']:.0f} img/s")


if __name__ == "__main__":
    main()
