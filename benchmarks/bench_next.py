"""Next character on tiny Shakespeare, five minutes on two cores, 0.8M parameters: validation loss in nats.

    SELFTAUGHT_DATA=... .venv/bin/python benchmarks/bench_next.py

nanoGPT's small example (4 layers, 4 heads, 128 wide, on a laptop) documents 1.88. The last tenth of the text is kept
for validation, as there; it is read in blocks of the context's length, every position counts alike. Trained by
`pretrain`: NextToken on bytes, the weights of the last step.
"""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path

import ledger

os.environ.update(ledger.environment())

HELD = 0.1
COLUMNS = ("set", "seed", "context", "parameters", "minutes", "steps", "characters_a_second", "loss")


def lay_out(work: Path) -> Path:
    """A folder with a train file, and the held-out text as two: pretraining looks at one of them only."""
    folder = work / "shakespeare-parts"
    if not folder.exists():
        content = ledger.data_file("shakespeare/shakespeare.txt").read_bytes()
        first, second = round((1 - HELD) * len(content)), round((1 - HELD / 2) * len(content))
        parts = {"train": content[:first], "validation": content[first:second], "test": content[second:]}
        for name, part in parts.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / name / "text.txt").write_bytes(part)
    return folder


def measure(options: argparse.Namespace, folder: Path, seed: int) -> dict[str, object]:
    """One run and its validation loss."""
    from selftaught.encoders import Transformer
    from selftaught.modalities import Text
    from selftaught.pretexts import NextToken
    from selftaught.pretrain import pretrain
    from selftaught.recipe import Optimiser, Recipe
    from selftaught.runs.folder import RunFolder, read_rows

    recipe = Recipe(
        modality=Text(size=1, length=options.context, room=options.context),
        encoder=Transformer(width=128, depth=4, heads=4, causal=True),
        pretext=NextToken(),
        optimiser=Optimiser(kind="adamw", lr=options.lr, weight_decay=0.1, betas=(0.9, 0.99), clip=1.0),
        batch=options.batch,
        minutes=options.minutes,
        seed=seed,
    )
    out = options.work / "runs" / f"shakespeare-{recipe.hash}-{ledger.commit()}"
    pretrain(folder, out=out, recipe=recipe, split="folder", stores=options.work / "stores", quiet=True)
    last = read_rows(RunFolder(out).losses)[-1]
    loss, count = validation_loss(out, folder, options.context)
    steps = int(last["step"])
    rate = steps * options.batch * options.context / float(last["seconds"])
    return {"steps": steps, "characters_a_second": rate, "loss": loss, "parameters": count}


def validation_loss(out: Path, folder: Path, context: int) -> tuple[float, int]:
    """Mean negative log likelihood of every byte given those before it in its block, and the trained parameters."""
    import torch
    from torch.nn import functional as F

    from selftaught.core.modality import Rows
    from selftaught.embed.generation import load_next_token
    from selftaught.runs.encoder import load_pretrained

    known = load_pretrained(out / "encoder")
    encoder, head = load_next_token(out, known)
    held = b"".join((folder / part / "text.txt").read_bytes() for part in ("validation", "test"))
    content = torch.frombuffer(bytearray(held), dtype=torch.uint8)
    pieces = known.modality.batch(Rows(fields={"text": (content,)}, record=torch.zeros(1).long()), known.fitted).x[0][0]
    blocks = pieces.unfold(0, context + 1, context)
    total = 0.0
    with torch.no_grad():
        for part in blocks.split(64):
            scores = head(encoder.forward(tokens_of_rows(encoder, part[:, :-1]), attend="causal").tokens.content)
            total += F.cross_entropy(scores.flatten(0, 1).float(), part[:, 1:].flatten(), reduction="sum").item()
    count = sum(part.numel() for module in (encoder, head) for part in module.parameters())
    return total / blocks[:, 1:].numel(), count


def tokens_of_rows(encoder, x):
    """Rows of one document each as the encoder's tokens."""
    import torch

    from selftaught.core.batch import Axis, Batch, Facts

    place = torch.arange(x.shape[1]).expand_as(x)
    pos = place[..., None].float()
    batch = Batch(
        x=x,
        stream="text",
        segment=torch.ones_like(x),
        pos=pos,
        axes=(Axis(name="time"),),
        origin=(pos + 0.5) / x.shape[1],
        unit=place,
        facts=Facts(record=torch.arange(len(x))),
    )
    return encoder.tokenize(batch)


def main() -> None:
    parser = ledger.options_for(__doc__ or "", "next.csv")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--context", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=4e-3)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(ledger.THREADS)
    folder = lay_out(options.work)
    book = ledger.Ledger(options.results, COLUMNS, COLUMNS[:3], keep=options.keep, fresh=options.fresh)
    for seed in range(options.seeds):
        named = {"set": "shakespeare", "seed": seed, "context": options.context}
        if not book.has(**named):
            found = measure(options, folder, seed)
            book.add(named | {"minutes": options.minutes} | found)
            ledger.say(f"{found['loss']:.3f} nats ({math.exp(found['loss']):.2f} characters), {found['steps']} steps")


if __name__ == "__main__":
    main()
