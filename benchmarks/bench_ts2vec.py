"""TS2Vec on recordings of 500 steps, batch 8: seconds of a training step, beside plain torch written from the paper.

    .venv/bin/python benchmarks/bench_ts2vec.py

The authors' code is not here. "plain torch from the paper" is our own reading of Yue 2022 (sections 3.1-3.4) without
any of our modules: nn.Conv1d, one forward a crop, the hierarchical loss by cross entropy, torch's AdamW, in fp32 as
published; the second plain row runs the same under bf16 autocast. Equal for everyone: one channel, width 64, ten blocks
and one of 320 channels, half of the steps hidden, AdamW 1e-3. The paper's crops are of one random length a step, ours
of five eighths of the recording, which is the paper's mean; both compare half of the steps on average. Recordings lie
in memory; everyone's step includes the drawing of crops. "training step" leaves our drawing out.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import ledger

os.environ.update(ledger.environment())

SKIP = 5
PLAIN = "plain torch from the paper"


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


def measure_plain(options: argparse.Namespace) -> None:
    """The same step in plain torch."""
    import torch

    torch.set_num_threads(ledger.THREADS)
    torch.manual_seed(options.repeat)
    network = plain_network()
    values = waves(options.batch, options.length)
    values = (values - values.mean()) / values.std()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)

    def once(index: int) -> None:
        first, second, shared = draw_crops(values)
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16"):
            ends, starts = network(first)[:, -shared:], network(second)[:, :shared]
        optimiser.zero_grad()
        plain_loss(ends.float(), starts.float()).backward()
        optimiser.step()

    seconds = median_seconds(once, options.steps)
    # Drawing two slices is free in plain torch, so that one number stands beside both of ours.
    names = ("views and step", "training step")
    ledger.answer([{"metric": name, "value": seconds, "unit": "s"} for name in names], ("selftaught",))


def draw_crops(values: Any) -> tuple[Any, Any, int]:
    """Two crops of every recording that share a stretch, and its length: the end of the first, the start of the second.

    Section 3.2: a1 <= a2 <= b1 <= b2; lengths are those of the batch, places those of each recording.
    """
    import torch

    steps = values.shape[1]
    shared = int(torch.randint(2, steps + 1, ()))
    left = int(torch.randint(0, steps - shared + 1, ()))
    before, after = int(torch.randint(0, left + 1, ())), int(torch.randint(left + shared, steps + 1, ()))
    shift = torch.randint(-before, steps - after + 1, (len(values), 1))
    rows = torch.arange(len(values))[:, None]
    first = values[rows, shift + torch.arange(before, left + shared)]
    return first, values[rows, shift + torch.arange(left, after)], shared


def plain_network() -> Any:
    """Section 3.3: a linear map of every step, random steps hidden, residual pairs of dilated convolutions."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Pair(nn.Module):
        def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
            super().__init__()
            self.first = nn.Conv1d(inputs, outputs, 3, padding=dilation, dilation=dilation)
            self.second = nn.Conv1d(outputs, outputs, 3, padding=dilation, dilation=dilation)
            self.shortcut = nn.Identity() if inputs == outputs else nn.Conv1d(inputs, outputs, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.shortcut(x) + self.second(F.gelu(self.first(F.gelu(x))))

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Linear(1, 64)
            self.pairs = nn.Sequential(*(Pair(64, 64, 2**place) for place in range(10)), Pair(64, 320, 2**10))
            self.dropout = nn.Dropout(0.1)

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            shown = torch.rand(values.shape[:2]) < 0.5
            latent = self.enter(values) * shown[..., None]
            return self.dropout(self.pairs(latent.transpose(1, 2))).transpose(1, 2)

    return Network()


def plain_loss(first: Any, second: Any) -> Any:
    """Section 3.4, eq. 1-3: temporal and instance-wise contrast at every scale, each the maximum of two neighbours."""
    import torch
    from torch.nn import functional as F

    def contrast(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        both, items = torch.cat([one, other], 1), one.shape[1]
        scores = both @ both.transpose(1, 2)
        scores = scores.masked_fill(torch.eye(2 * items, dtype=torch.bool), float("-inf"))
        wanted = torch.arange(2 * items).roll(items).expand(len(both), -1)
        return F.cross_entropy(scores.flatten(0, 1), wanted.flatten())

    losses = []
    while first.shape[1] > 1:
        losses.append((contrast(first, second) + contrast(first.transpose(0, 1), second.transpose(0, 1))) / 2)
        first, second = (F.max_pool1d(each.transpose(1, 2), 2).transpose(1, 2) for each in (first, second))
    losses.append(contrast(first.transpose(0, 1), second.transpose(0, 1)) / 2)
    return torch.stack(losses).mean()


def main() -> None:
    parser = ledger.options_for(__doc__ or "", "ts2vec.csv")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=500)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16", help=argparse.SUPPRESS)
    parser.add_argument("--optimiser", choices=("adamw", "muon"), default="adamw", help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        (measure_plain if options.plain else measure_ours)(options)
        return
    same = ("--batch", str(options.batch), "--steps", str(options.steps), "--length", str(options.length))
    systems = [
        ledger.System(ledger.OURS, ledger.ours(__file__, *same)),
        ledger.System(f"{ledger.OURS}, Muon", ledger.ours(__file__, *same, "--optimiser", "muon")),
        ledger.System(f"{ledger.OURS}, fp32", ledger.ours(__file__, *same, "--precision", "fp32")),
        ledger.System(PLAIN, ledger.ours(__file__, *same, "--plain", "--precision", "fp32")),
        ledger.System(f"{PLAIN}, bf16 autocast", ledger.ours(__file__, *same, "--plain")),
    ]
    task = f"TS2Vec, {options.length} steps, batch {options.batch}, width 64, 320 channels out"
    ledger.take_turns(ledger.open_ledger(options), task, systems, range(1, options.repeats + 1), "median")


if __name__ == "__main__":
    main()
