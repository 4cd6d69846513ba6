"""Vectors of many records with flat memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn

from selftaught.core.encoder import Encoder
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


def untrained_twin(pretrained: Pretrained, store: Store, indices: Int[np.ndarray, " n"], seed: int) -> Pretrained:
    """The same encoder with fresh weights; its batch statistics come from training rows, so it is a fair control."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = pretrained.config.build(pretrained.modality, pretrained.fitted)
    twin = replace(pretrained, encoder=encoder)
    settle_statistics(encoder, lambda: (pretrained.batch(store.rows(part)) for part in _chunks(indices, 256, 8)))
    return twin


@torch.no_grad()
def settle_statistics(encoder: Encoder, batches: Callable[[], Iterator[object]]) -> None:
    """Running means and variances of batch norms from one pass over `batches`; a no-op without batch norms."""
    norms = [part for part in encoder.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
    encoder.train()
    for batch in batches():
        encoder.encode(batch)  # type: ignore[arg-type]
    encoder.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _chunks(indices: Int[np.ndarray, " n"], size: int, most: int) -> Iterator[Int[np.ndarray, " b"]]:
    for start in range(0, min(len(indices), size * most), size):
        if len(indices) - start >= 2:
            yield indices[start : start + size]
