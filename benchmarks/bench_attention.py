"""Attention forward and backward, explicit against fused, in bf16 and fp32: samples/s on this machine.

    .venv/bin/python benchmarks/bench_attention.py

The choice in layers/attention.py rests on results/attention.csv. Query, key and value are the strided views that a
fused projection gives; explicit: product, softmax, product; fused: torch's scaled_dot_product_attention. The ways
take turns. "median" and "best" are taken over the rounds. Two threads are timed by the clock, which needs a machine
of one's own: a thread that waits for a core holds up the other one at every barrier. `--threads 1` counts CPU seconds
instead, and can stand other work on the machine.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable

import ledger

os.environ.update(ledger.environment())

import torch
from torch import Tensor
from torch.nn import functional as F

SHAPES = {  # rows, heads, tokens, width of a head
    "50 x 64, MAE ViT-Tiny encoder": (64, 3, 50, 64),
    "128 x 64, BERT-small": (32, 4, 128, 64),
    "197 x 64, ViT-Tiny": (64, 3, 197, 64),
    "197 x 32, MAE decoder": (64, 8, 197, 32),
}


def explicit(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The way that layers/attention.py takes in bf16 on CPU."""
    return ((query * (1 / math.sqrt(query.shape[-1]))) @ key.transpose(-2, -1)).softmax(-1) @ value


WAYS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "explicit": explicit,
    "fused": F.scaled_dot_product_attention,
}


def make_pass(way: str, shape: tuple[int, int, int, int], dtype: torch.dtype) -> Callable[[], None]:
    """A function that runs forward and backward once."""
    b, h, n, d = shape
    qkv = torch.randn(b, n, 3 * h * d, dtype=torch.float32).to(dtype).requires_grad_()
    direction = torch.randn(b, n, h * d).to(dtype)

    def run() -> None:
        query, key, value = qkv.view(b, n, 3, h, d).permute(2, 0, 3, 1, 4).unbind(0)
        WAYS[way](query, key, value).transpose(1, 2).reshape(b, n, h * d).backward(direction)
        qkv.grad = None

    return run


def measure(shape: tuple[int, int, int, int], dtype: torch.dtype, rounds: int) -> dict[str, dict[str, float]]:
    """Samples/s of each way: median and best of `rounds`, taken in turn."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    passes = {way: make_pass(way, shape, dtype) for way in WAYS}
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for run in passes.values():
        run()
        run()
    for _ in range(rounds):
        for way, run in passes.items():
            start = clock()
            run()
            taken[way].append(clock() - start)
    return {
        name: {way: shape[0] / statistic(seconds) for way, seconds in taken.items()}
        for name, statistic in (("median", statistics.median), ("best", min))
    }


def main() -> None:
    parser = ledger.options_for(__doc__ or "", "attention.csv")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=ledger.THREADS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    book = ledger.open_ledger(options)
    for name, shape in SHAPES.items():
        for dtype in (torch.bfloat16, torch.float32):
            task = f"attention forward and backward, {name}, batch {shape[0]}, {shape[1]} heads"
            metric = f"{str(dtype).removeprefix('torch.')}, {options.threads} thread{'s' * (options.threads > 1)}"
            if all(book.has(task=task, metric=metric, system=way) for way in WAYS):
                continue
            found = measure(shape, dtype, options.rounds)
            for repeat, rates in found.items():
                for way, rate in rates.items():
                    row = {"task": task, "metric": metric, "system": way, "repeat": repeat, "value": rate}
                    book.add(row | {"unit": "samples/s", "ratio": f"{rates['explicit'] / rate:.3g}"})
                shown = ", ".join(f"{way} {rate:,.0f}/s" for way, rate in rates.items())
                ledger.say(f"{name} {metric} {repeat}: {shown}")


if __name__ == "__main__":
    main()
