"""Vectors of many records with flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int

from selftaught.core.errors import UsageError
from selftaught.core.tokens import pool_segments
from selftaught.data.store import Store
from selftaught.runs.encoder import Pretrained

STEPS = 1 << 18
"""Time steps that the recordings of one forward may have together, padding included."""


def embed_chunks(
    pretrained: Pretrained, store: Store, indices: Int[np.ndarray, " n"], batch: int = 256
) -> Iterator[Float[np.ndarray, "b d"]]:
    """Pooled vectors (float32) of the store's records, in chunks of `batch`."""
    for start in range(0, len(indices), batch):
        chosen = indices[start : start + batch]
        for part in np.array_split(chosen, _count_parts(pretrained, store, chosen)):
            yield pretrained.encode(pretrained.batch(store.rows(part))).pooled.float().cpu().numpy()


def _count_parts(pretrained: Pretrained, store: Store, chosen: np.ndarray) -> int:
    """How many forwards a batch takes, for which all its recordings are as long as the longest."""
    if "time" not in pretrained.modality.offers or not len(chosen):
        return 1
    longest = int(store.fields["values"].shapes[chosen, 0].max())
    return min(len(chosen), -(-len(chosen) * longest // STEPS))


def embed_tokens(
    pretrained: Pretrained, store: Store, indices: Int[np.ndarray, " n"], batch: int = 64
) -> Iterator[Float[np.ndarray, "b m d"]]:
    """Token vectors (float32) of the store's records, in chunks. Raises UsageError where the encoder has no tokens."""
    if "tokens" not in pretrained.encoder.can:
        raise UsageError(f"{type(pretrained.encoder).__name__} has no tokens; leave --tokens out.")
    for start in range(0, len(indices), batch):
        tokens = pretrained.encode(pretrained.batch(store.rows(indices[start : start + batch]))).tokens
        assert tokens is not None  # promised by `can`
        yield np.ascontiguousarray(tokens.content.float().cpu().numpy())


def embed_layers(
    pretrained: Pretrained, store: Store, indices: Int[np.ndarray, " n"], batch: int = 64
) -> tuple[Float[np.ndarray, "n _"], ...]:
    """Mean over tokens (float32) of every layer's output, from the first, and the pooled vectors last."""
    parts = []
    for start in range(0, len(indices), batch):
        given = pretrained.batch(store.rows(indices[start : start + batch]))
        found = pretrained.encode(given, range(pretrained.encoder.depth))
        own = found.tokens
        means = []
        for layer in found.layers:
            fits = own is not None and own.segment.shape == layer.shape[:2]
            means.append(pool_segments(layer, own.segment, own.dense) if own is not None and fits else layer.mean(1))
        parts.append([each.float().cpu().numpy() for each in (*means, found.pooled)])
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def embed_records(
    pretrained: Pretrained, store: Store, indices: Int[np.ndarray, " n"], batch: int = 256
) -> Float[np.ndarray, "n d"]:
    """Pooled vectors of the store's records as one array."""
    parts = list(embed_chunks(pretrained, store, indices, batch))
    return np.concatenate(parts) if parts else np.zeros((0, pretrained.encoder.dim), np.float32)


def untrained_twin(pretrained: Pretrained, seed: int) -> Pretrained:
    """The same encoder with fresh weights.

    Its batch norms keep their initial statistics: setting them from data was tried and made a far weaker control
    (docs/why/log.md).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = pretrained.config.build(pretrained.modality, pretrained.fitted)
    return replace(pretrained, encoder=encoder.to(pretrained.device))
