"""Masked tokens with a BERT-small (512 wide, 4 deep, 8 heads), rows of 128 tokens: useful tokens/s beside transformers.

    SELFTAUGHT_DATA=... SELFTAUGHT_PEERS=/tmp/peers/bin/python .venv/bin/python benchmarks/bench_masked.py

Texts of agnews, 8,192 pieces learned by us and used by everyone, about 4,096 tokens a step, 15 % of them dropped,
AdamW. The peer is transformers' Trainer with BertForMaskedLM and its own collator; "packed" joins the texts end to end
and cuts rows of 128, as its language-modelling example does, so that documents see each other; ours packs whole
documents that do not. Both draw what is dropped anew in every step. A useful token is one of a text, not padding.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import ledger

os.environ.update(ledger.environment())

SKIP = 3
LENGTH, PIECES, TOKENS = 128, 8_192, 4_096


def lay_out(work: Path) -> Path:
    """A folder with the texts, one a line of JSON, and the tokenizer that everyone uses."""
    import csv

    from selftaught.modalities.text.pieces import learn_pieces

    folder = work / f"masked-{PIECES}"
    if not (folder / "tokenizer.json").exists():
        with ledger.data_file("agnews/agnews.csv").open(newline="", encoding="utf-8") as file:
            texts = [row["text"] for row in csv.DictReader(file)]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        (folder / "tokenizer.json").write_text(learn_pieces(texts, PIECES, lowercase=False), encoding="utf-8")
    return folder


def measure_ours(options: argparse.Namespace) -> None:
    """Views, step and optimiser on texts in memory, tokenised in the first pass as in every run."""
    import torch

    from selftaught.core.modality import Rows
    from selftaught.core.pretext import Clock, Spec, gather_nothing
    from selftaught.core.rng import Rng
    from selftaught.encoders import Transformer
    from selftaught.engine.device import keep_memory
    from selftaught.engine.feed import make_views
    from selftaught.engine.optimisers import build_optimiser
    from selftaught.engine.step import Step, Work
    from selftaught.modalities import Text
    from selftaught.pretexts import MaskedToken
    from selftaught.recipe import Optimiser

    torch.set_num_threads(ledger.THREADS)
    keep_memory()  # as every training does
    torch.manual_seed(options.repeat)
    folder = Path(options.data)
    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    fields = tuple(torch.frombuffer(bytearray(text, "utf-8"), dtype=torch.uint8) for text in texts)
    text = Text(length=LENGTH, room=LENGTH, tokenizer=str(folder / "tokenizer.json"))
    whole = Rows(fields={"text": fields}, record=torch.arange(len(fields)))
    fitted, pretext = text.fit([whole]), MaskedToken(unit="token")
    usual = text.batch(whole, fitted).valid.sum(1).clamp(max=LENGTH).float().mean().item()
    count = round(TOKENS / usual)
    encoder = Transformer(width=512, depth=4, heads=8).build(text, fitted)
    spec = Spec(records=len(fields), dim=512, axes=text.axes, outputs=int(fitted.facts["size"]), steps=100, batch=count)
    step = Step(encoder, pretext.build(encoder, spec), pretext).train()
    step.precision = options.precision
    optimiser = build_optimiser(Optimiser(kind="adamw", lr=1e-4), step.encoder, step.head, pretext)
    order = torch.randperm(len(fields))
    seconds, useful = [], []
    for index in range(options.steps + SKIP):
        start = time.perf_counter()
        chosen = order[index * count % len(order) :][:count]
        rows = Rows(fields={"text": tuple(fields[place] for place in chosen.tolist())}, record=chosen)
        shown = make_views(rows, text, fitted, pretext, Rng(seed=index), 1.0, torch.device("cpu"))
        step(Work(shown, Clock(step=index, steps=100), Rng(seed=0, epoch=index), gather_nothing)).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - start)
        useful.append(int(shown[0].valid.sum()))
    rate = statistics.median(count / taken for count, taken in zip(useful[SKIP:], seconds[SKIP:], strict=True))
    ledger.answer([{"metric": "views and step", "value": rate, "unit": "tokens/s"}], ("selftaught",))


def main() -> None:
    parser = ledger.options_for(__doc__ or "", "masked.csv")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--data", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        measure_ours(options)
        return
    same = ("--data", str(lay_out(options.work)), "--steps", str(options.steps))
    systems = [ledger.System(ledger.OURS, ledger.ours(__file__, *same, "--precision", options.precision))]
    for name, more in {
        "Trainer bf16 packed": ("--precision", "bf16", "--packed"),
        "Trainer bf16": ("--precision", "bf16"),
        "Trainer fp32": ("--precision", "fp32"),
    }.items():
        systems += ledger.peer(options, f"transformers {name}", "masked-transformers", *same, *more)
    task = f"masked token, BERT-small 512x4x8, rows of {LENGTH} tokens, agnews"
    ledger.take_turns(ledger.open_ledger(options), task, systems, range(1, options.repeats + 1), "median")


if __name__ == "__main__":
    main()
