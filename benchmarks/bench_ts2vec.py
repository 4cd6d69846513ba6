"""TS2Vec on recordings of 500 steps, batch 8: seconds of a training step, beside the authors' code.

    SELFTAUGHT_TS2VEC=FOLDER .venv/bin/python benchmarks/bench_ts2vec.py

FOLDER: a checkout of github.com/zhihanyue/ts2vec (MIT), of which `TS2Vec.fit` runs as it is, in fp32 as published; the
second row of theirs runs the same under bf16 autocast. Equal for everyone: one channel, width 64, ten blocks and one of
320 channels, half of the steps hidden, AdamW 1e-3. Their crops are of one random length a step, ours of five eighths of
the recording, which is the mean of theirs; both compare half of the steps on average. Recordings lie in memory;
everyone's step includes the drawing of crops. "training step" leaves our drawing out.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import ledger

os.environ.update(ledger.environment())

SKIP = 5
AUTHORS = "authors' code"


def measure_ours(options: argparse.Namespace) -> None:
    """The training step of `Step` and our optimiser, with and without the drawing of views."""
    import torch

    from selftaught.core.batch import Batch
    from selftaught.core.modality import Rows
    from selftaught.core.pretext import Clock, Spec, gather_nothing
    from selftaught.core.rng import Rng
    from selftaught.encoders import Dilated
    from selftaught.engine.device import keep_memory
    from selftaught.engine.feed import make_views
    from selftaught.engine.optimisers import build_optimiser
    from selftaught.engine.step import Step, Work
    from selftaught.modalities import Series
    from selftaught.pretexts import TS2Vec
    from selftaught.recipe import Optimiser

    torch.set_num_threads(ledger.THREADS)
    keep_memory()  # as every training does
    torch.manual_seed(options.repeat)
    series = Series(window=options.length, patch=10, channels=("0",), order="time", time="", rate=0.0)
    rows = Rows(fields={"values": waves(options.batch, options.length)}, record=torch.arange(options.batch))
    fitted = series.fit([rows])
    pretext, encoder = TS2Vec(), Dilated().build(series, fitted)
    spec = Spec(records=options.batch, dim=encoder.dim, axes=series.axes, outputs=0, steps=100, batch=options.batch)
    step = Step(encoder, pretext.build(encoder, spec), pretext).train()
    step.precision = options.precision
    optimiser = build_optimiser(Optimiser(kind=options.optimiser), step.encoder, step.head, pretext)

    def views(index: int) -> list[Batch]:
        return make_views(rows, series, fitted, pretext, Rng(seed=index), 1.0, torch.device("cpu"))

    still = views(0)

    def once(index: int, shown: list[Batch]) -> None:
        step(Work(shown, Clock(step=index, steps=100), Rng(seed=0, epoch=index), gather_nothing)).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    found = {
        "views and step": median_seconds(lambda index: once(index, views(index)), options.steps),
        "training step": median_seconds(lambda index: once(index, still), options.steps),
    }
    ledger.answer([{"metric": name, "value": value, "unit": "s"} for name, value in found.items()], ("selftaught",))


def waves(count: int, steps: int) -> Any:
    """Sines of a pitch and phase each, with noise, (count, steps, 1)."""
    import torch

    line = torch.arange(steps)
    pitch, phase = torch.rand(2, count, 1)
    values = torch.sin(line * (0.05 + 0.3 * pitch) + 6 * phase) + 0.1 * torch.randn(count, steps)
    return values[..., None]


def median_seconds(once: Callable[[int], None], steps: int) -> float:
    """The median of `steps` calls, after some that do not count."""
    taken = []
    for index in range(steps + SKIP):
        start = time.perf_counter()
        once(index)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[SKIP:])


def measure_authors(options: argparse.Namespace) -> None:
    """The time between two iterations of the authors' loop."""
    import numpy as np
    import torch

    sys.path.insert(0, options.official)
    from ts2vec import TS2Vec

    torch.set_num_threads(ledger.THREADS)
    torch.manual_seed(options.repeat)
    np.random.seed(options.repeat)  # noqa: NPY002 - theirs draws from the global state
    values = waves(8 * options.batch, options.length).numpy()
    values = (values - values.mean()) / values.std()
    moments: list[float] = []
    model = TS2Vec(
        input_dims=1, device="cpu", batch_size=options.batch, after_iter_callback=lambda *_: moments.append(now())
    )
    with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16"):
        model.fit(values, n_iters=options.steps + SKIP + 1)
    seconds = statistics.median(np.diff(moments)[SKIP:].tolist())
    # Drawing two slices is free there, so that one number stands beside both of ours.
    names = ("views and step", "training step")
    ledger.answer([{"metric": name, "value": seconds, "unit": "s"} for name in names], ("torch",))


def now() -> float:
    """Seconds of a clock that only goes on."""
    return time.perf_counter()


def main() -> None:
    parser = ledger.options_for(__doc__ or "", "ts2vec.csv")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=500)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16", help=argparse.SUPPRESS)
    parser.add_argument("--optimiser", choices=("adamw", "muon"), default="adamw", help=argparse.SUPPRESS)
    parser.add_argument("--official", default=os.environ.get("SELFTAUGHT_TS2VEC"), help="folder of the authors' code")
    parser.add_argument("--theirs", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        (measure_authors if options.theirs else measure_ours)(options)
        return
    same = ("--batch", str(options.batch), "--steps", str(options.steps), "--length", str(options.length))
    systems = [
        ledger.System(ledger.OURS, ledger.ours(__file__, *same)),
        ledger.System(f"{ledger.OURS}, Muon", ledger.ours(__file__, *same, "--optimiser", "muon")),
        ledger.System(f"{ledger.OURS}, fp32", ledger.ours(__file__, *same, "--precision", "fp32")),
    ]
    if options.official:
        theirs = ledger.ours(__file__, *same, "--official", options.official, "--theirs")
        systems.append(ledger.System(AUTHORS, (*theirs, "--precision", "fp32")))
        systems.append(ledger.System(f"{AUTHORS}, bf16 autocast", theirs))
    else:
        ledger.say(f"not measured: {AUTHORS}; give --official FOLDER or SELFTAUGHT_TS2VEC")
    task = f"TS2Vec, {options.length} steps, batch {options.batch}, width 64, 320 channels out"
    ledger.take_turns(ledger.open_ledger(options), task, systems, range(1, options.repeats + 1), "median")


if __name__ == "__main__":
    main()
