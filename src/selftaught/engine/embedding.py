"""Vectors of many records with flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int

from selftaught.core.errors import UsageError
from selftaught.data.store import Store
from selftaught.runs.encoder import Pretrained


def embed_chunks(
    pretrained: Pretrained, store: Store, indices: Int[np.ndarray, " n"], batch: int = 256
) -> Iterator[Float[np.ndarray, "b d"]]:
    """Pooled vectors (float32) of the store's records, in chunks of `batch`."""
    for start in range(0, len(indices), batch):
        rows = store.rows(indices[start : start + batch])
        yield pretrained.encode(pretrained.batch(rows)).pooled.float().cpu().numpy()


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
