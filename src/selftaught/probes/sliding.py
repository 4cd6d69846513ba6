"""A vector for every token of records of unequal length: of the whole record, or (causal) of a step and its past.

Time steps are those of modalities that offer "time": rows hold `values`, (time, channels), and views are (B, S, C).
Shape letters: T time steps, C channels, N tokens, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from selftaught.core.errors import UsageError
from selftaught.core.modality import Rows
from selftaught.data.store import Store
from selftaught.encoders.dilated import DilatedEncoder
from selftaught.runs.encoder import Pretrained


def embed_steps(pretrained: Pretrained, rows: Rows) -> list[np.ndarray]:
    """The tokens' vectors of every row, (its own tokens, D) float32; each sees the whole recording.

    A token is one time step for Dilated, and a patch of them for Transformer.
    """
    content, counts = _encode(pretrained, rows, [len(values) for values in rows.fields["values"]])
    return [row[:count].float().cpu().numpy() for row, count in zip(content, counts, strict=True)]


def embed_causal(
    pretrained: Pretrained,
    values: Float[Tensor, "t c"],
    steps: Int[np.ndarray, " n"],
    context: int,
    batch: int = 256,
) -> Float[np.ndarray, "n d"]:
    """The vector of each of `steps` of one recording, from the `context` steps that end with it; float32.

    It is that of the token which the last step lies in. Every step costs a forward of `context` steps (Yue 2022,
    forecasting), a fifth of it for Dilated. Raises UsageError for a context below 1.
    """
    if context < 1:
        raise UsageError(f"A causal window needs a context of 1 step or more; got {context}.")
    found = []
    for start in range(0, len(steps), batch):
        ends = [int(step) + 1 for step in steps[start : start + batch]]
        windows = tuple(values[max(0, end - context) : end] for end in ends)
        rows = Rows(fields={"values": windows}, record=torch.arange(len(windows)))
        found.append(_last(pretrained, rows, [len(window) for window in windows]).float().cpu().numpy())
    return np.concatenate(found) if found else np.zeros((0, pretrained.encoder.dim), np.float32)


def _last(pretrained: Pretrained, rows: Rows, lengths: Sequence[int]) -> Tensor:
    """The content of every row's last token, (B, D)."""
    encoder = pretrained.encoder
    if not isinstance(encoder, DilatedEncoder):
        content, counts = _encode(pretrained, rows, lengths)
        last = torch.tensor(counts, device=content.device) - 1
        return content[torch.arange(len(content), device=content.device), last]
    view = pretrained.batch(rows).to(pretrained.device)
    assert isinstance(view.x, Tensor)  # the encoder reads no other
    with torch.inference_mode():
        return encoder.eval().encode_last(view.x, torch.tensor(lengths, device=view.x.device))


def _encode(pretrained: Pretrained, rows: Rows, lengths: Sequence[int]) -> tuple[Tensor, list[int]]:
    """Content of the tokens (B, N, D), and how many of each row's tokens its own steps reach into."""
    if "time" not in pretrained.modality.offers:
        raise UsageError(f"{pretrained.modality.name} has no time steps; leave the sliding mode out.")
    view = pretrained.batch(rows)
    tokens = pretrained.encode(view).tokens
    if tokens is None or not isinstance(view.x, Tensor) or len(view.axes) != 1:
        raise UsageError(f"{type(pretrained.encoder).__name__} gives no vector for each moment of this data.")
    count, steps = tokens.content.shape[1], view.x.shape[1]
    return tokens.content, [max(1, -(-length * count // steps)) for length in lengths]


def embed_each(pretrained: Pretrained, rows: Rows) -> list[np.ndarray]:
    """The vectors of every row's own tokens, (tokens, D) float32, without padding. Raises UsageError without tokens."""
    if "time" in pretrained.modality.offers and len(pretrained.modality.axes) == 1:
        return embed_steps(pretrained, rows)
    tokens = pretrained.encode(pretrained.batch(rows)).tokens
    if tokens is None:
        raise UsageError(f"{type(pretrained.encoder).__name__} has no tokens; leave --tokens out.")
    content, valid = tokens.content.float().cpu().numpy(), tokens.valid.cpu().numpy()
    return [row[own] for row, own in zip(content, valid, strict=True)]


def is_ragged(pretrained: Pretrained, store: Store) -> bool:
    """Whether the records of a store have different numbers of tokens, told from the smallest and the largest."""
    if pretrained.modality.shape is None:
        return True
    sizes = [np.diff(field.starts) for field in store.fields.values() if field.shape is None]
    if not sizes:
        return False
    total = np.sum(sizes, axis=0)
    ends = (int(total.argmin()), int(total.argmax()))
    return len({len(embed_each(pretrained, store.rows([index]))[0]) for index in ends}) > 1


def ragged_chunks(pretrained: Pretrained, store: Store, batch: int = 16) -> Iterator[list[np.ndarray]]:
    """The vectors of every record's own tokens, in the order of the store, `batch` records at once."""
    for start in range(0, len(store), batch):
        yield embed_each(pretrained, store.rows(np.arange(start, min(start + batch, len(store)))))


def causal_chunks(pretrained: Pretrained, store: Store, context: int) -> Iterator[list[np.ndarray]]:
    """The vector of every step of every record from the `context` steps that end with it, record by record."""
    for index in range(len(store)):
        values = store.rows([index]).fields["values"][0]
        yield [embed_causal(pretrained, values, np.arange(len(values)), context)]
