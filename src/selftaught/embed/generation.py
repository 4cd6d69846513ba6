"""What a run of NextToken writes: prompts in, texts out."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from selftaught.core.batch import Batch
from selftaught.core.encoder import Encoder
from selftaught.core.errors import RunError, UsageError
from selftaught.core.modality import Record, Rows
from selftaught.core.pretext import Spec
from selftaught.core.rng import Rng
from selftaught.modalities import Text
from selftaught.pretexts.tokens import NextToken, generate
from selftaught.recipe import read_recipe
from selftaught.runs.encoder import Pretrained
from selftaught.runs.folder import RunFolder


def continue_texts(
    folder: Path | None,
    pretrained: Pretrained,
    prompts: Sequence[str],
    tokens: int,
    *,
    temperature: float = 1.0,
    best: int = 0,
    seed: int = 0,
) -> list[str]:
    """Every prompt with up to `tokens` more pieces, drawn one by one.

    temperature, best: as in `pretexts.tokens.generate`. Raises UsageError for a run of another pretext or kind of data,
    RunError where its checkpoint is gone, DataError for an empty prompt.
    """
    modality, fitted = pretrained.modality, pretrained.fitted
    if not isinstance(modality, Text):
        raise UsageError(f"generate is for runs on text; this one reads {modality.name}.")
    encoder, head = load_next_token(folder, pretrained)
    length, stop = int(fitted.facts["length"]), fitted.facts["end"] if modality.ending else None
    rng = Rng(seed=seed)
    texts: list[str] = []
    for index, prompt in enumerate(prompts):
        start = start_of(pretrained, modality, prompt, index)
        more = generate(encoder, head, start, tokens, rng, length=length, temperature=temperature, best=best, stop=stop)
        assert isinstance(start.x, torch.Tensor)  # pieces
        texts += modality.spell(torch.cat([start.x, more], 1), fitted)
    return texts


def start_of(pretrained: Pretrained, modality: Text, prompt: str, index: int) -> Batch:
    """One row with the pieces of a prompt, without the one that ends a document. Raises DataError for an empty one."""
    stored = modality.decode(Record(id=f"prompt {index}", read=lambda: prompt))
    content = torch.from_numpy(np.array(stored.fields["text"]))
    rows = Rows(fields={"text": (content,)}, record=torch.tensor([index]))
    whole = modality.batch(rows, pretrained.fitted)
    count = whole.segment.shape[1] - int(modality.ending)
    return replace(
        whole,
        x=whole.x[0][:, :count],
        segment=whole.segment[:, :count],
        pos=whole.pos[:, :count],
        origin=whole.origin[:, :count],
        unit=whole.unit[:, :count],
    )


def load_next_token(folder: Path | None, pretrained: Pretrained) -> tuple[Encoder, nn.Module]:
    """Encoder and output layer of a NextToken run at its last step: those of one step belong together."""
    run = RunFolder(folder or Path())
    if folder is None or not run.recipe.exists():
        raise UsageError("generate needs a run folder: an encoder alone has no output layer.")
    pretext = read_recipe(run.recipe).pretext
    if not isinstance(pretext, NextToken):
        raise UsageError(
            f"generate needs a run of NextToken; {folder} was trained with {type(pretext).__name__}. Train one with: "
            f"selftaught pretrain DATA --pretext nexttoken"
        )
    if not run.checkpoint.is_file():
        raise RunError(f"{run.checkpoint} is missing; it holds the output layer. Train the run again.")
    encoder = pretrained.config.build(pretrained.modality, pretrained.fitted)
    try:
        state = torch.load(run.checkpoint, map_location="cpu", weights_only=True)["step"]
        outputs, axes = len(state["head.weight"]), pretrained.modality.axes
        head = pretext.build(encoder, Spec(records=1, dim=encoder.dim, axes=axes, outputs=outputs, steps=1, batch=1))
        for name, part in (("encoder.", encoder), ("head.", head)):
            part.load_state_dict({key.removeprefix(name): own for key, own in state.items() if key.startswith(name)})
    except (OSError, RuntimeError, KeyError, TypeError, pickle.UnpicklingError) as problem:
        raise RunError(f"{run.checkpoint} cannot be read ({problem}). Train the run again.") from problem
    return encoder.eval(), head.eval()
