"""Long documents: memory and time of one training step over the length, with local and with full attention. Linux only.

    .venv/bin/python benchmarks/bench_long.py

One document of `length` tokens through a transformer of size s: a masked-token step forward and back in bf16, each
length in a process of its own. "for backward": what the step keeps between forward and backward, counted tensor by
tensor (MiB), which does not depend on the machine. "peak": growth of the anonymous resident set (MiB) up to the second
of two steps. "a token" is what to look at: flat means linear. Full attention stops at `--full`.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import ledger
from bench_memory import Gauge, resident

os.environ.update(ledger.environment())
# The allocator keeps large blocks to itself unless told otherwise, and a peak would count them.
os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", "65536")

WORDS = ("river", "boat", "harbour", "wave", "oven", "bread", "flour", "engine", "wheel", "the", "a", "of", "near")


def a_view(length: int) -> tuple[Any, Any, Any]:
    """The modality, what it learned, and one document as long as its view."""
    import numpy as np
    import torch

    from selftaught.core.batch import View
    from selftaught.core.modality import Record, Rows
    from selftaught.core.rng import Rng
    from selftaught.modalities import Text

    text = Text(length=length, size=1_000, limit=100 * length)
    words = np.random.default_rng(0).choice(WORDS, 2 * length)
    stored = text.decode(Record(id="long", read=lambda: " ".join(words)))
    content = torch.from_numpy(np.array(stored.fields["text"]))
    rows = Rows(fields={"text": (content,)}, record=torch.tensor([0]))
    fitted = text.fit([rows])
    view = text.augment(text.batch(rows, fitted), View(kind="clean", target=True, packed=True), Rng(seed=0))
    assert view.segment.shape == (1, length)
    return text, fitted, view


def measure(options: argparse.Namespace) -> None:
    """Two steps at one length: what is kept for backward, the peak of memory, seconds."""
    from dataclasses import replace

    import torch

    from selftaught.core.pretext import Clock, Spec, gather_nothing
    from selftaught.core.rng import Rng
    from selftaught.encoders import Transformer
    from selftaught.pretexts import MaskedToken

    torch.set_num_threads(ledger.THREADS)
    text, fitted, view = a_view(options.length)
    pretext, clock = MaskedToken(), Clock(step=0, steps=1)
    encoder = replace(Transformer.of_size("s"), window=options.window).build(text, fitted)
    head = pretext.build(
        encoder, Spec(records=1, dim=encoder.dim, axes=text.axes, outputs=view.target.outputs, steps=1, batch=1)
    )
    weights = {each.untyped_storage().data_ptr() for each in [*encoder.parameters(), *head.parameters()]}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    gauge = Gauge()
    gauge.start()
    before = resident()
    for _ in range(2):
        began = time.perf_counter()
        kept.clear()
        hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
        with hooks, torch.autocast("cpu", torch.bfloat16):
            shown = pretext.represent(encoder, head, [view], clock, Rng(seed=0))
        loss = pretext.losses(head, shown, [view], clock, gather_nothing).total
        held = sum(kept.values()) / 2**20
        loss.backward()
        ended = time.perf_counter()
        encoder.zero_grad(set_to_none=True)
        head.zero_grad(set_to_none=True)
        del shown, loss
    gauge.ended.set()
    peak = gauge.peak(began, ended) - before
    rows = [
        {"metric": "for backward", "value": held, "unit": "MiB"},
        {"metric": "for backward, a token", "value": 1024 * held / options.length, "unit": "KiB"},
        {"metric": "peak", "value": peak, "unit": "MiB"},
        {"metric": "peak, a token", "value": 1024 * peak / options.length, "unit": "KiB"},
        {"metric": "step", "value": ended - began, "unit": "s"},
    ]
    ledger.answer(rows, ("selftaught",))


def main() -> None:
    parser = ledger.options_for(__doc__ or "", "long.csv")
    parser.add_argument("--lengths", default="1024,2048,4096,8192,16384", help="tokens of the document")
    parser.add_argument("--full", type=int, default=4096, help="longest document under full attention, tokens")
    parser.add_argument("--window", type=int, default=128, help="tokens seen on either side under local attention")
    parser.add_argument("--length", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        measure(options)
        return
    if not Path("/proc/self/status").exists():
        ledger.say("not measured: /proc/self/status is needed to read the resident set")
        return
    book = ledger.open_ledger(options)
    for length in map(int, options.lengths.split(",")):
        local = ("--length", str(length), "--window", str(options.window))
        systems = [ledger.System(ledger.OURS, ledger.ours(__file__, *local))]
        if length <= options.full:
            full = ledger.ours(__file__, "--length", str(length), "--window", "0")
            systems.append(ledger.System("full attention", full))
        task = f"one document of {length:,} tokens, window {options.window}"
        ledger.take_turns(book, task, systems, (1,), "median")


if __name__ == "__main__":
    main()
