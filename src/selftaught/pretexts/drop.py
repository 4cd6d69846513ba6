"""Drop patterns: which tokens an objective hides, as index lists that respect documents, units and padding.

Shape letters: B rows, N tokens, M kept or dropped tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from selftaught.core.batch import Batch, document_index
from selftaught.core.rng import Rng

_DRAWS = 2**24


@dataclass(frozen=True, kw_only=True)
class Drop:
    """Token indices that stay and that go. A flag is None where every index counts (all rows alike)."""

    keep: Int[Tensor, "b m"]
    kept: Bool[Tensor, "b m"] | None
    drop: Int[Tensor, "b k"]
    dropped: Bool[Tensor, "b k"] | None


def random_drop(batch: Batch, share: float, rng: Rng) -> Drop:
    """A random `share` of every document's tokens goes, in whole units; one unit stays and, of two or more, one goes.

    What a document loses depends on its record alone, wherever it is packed.
    """
    key = _random_order(batch, rng)
    ordered, order = key.sort(dim=1)
    present = ordered < torch.iinfo(ordered.dtype).max
    document = ordered - ordered % _document_span(batch)
    start = torch.searchsorted(ordered, document)
    end = torch.where(present, torch.searchsorted(ordered, document + _document_span(batch)), start)
    first, last = torch.searchsorted(ordered, ordered), torch.searchsorted(ordered, ordered, side="right")
    wanted = ((end - start) * (1 - share)).round().long()
    # A unit stays when its middle lies within the wanted number of tokens.
    within = (first + last - 2 * start <= 2 * wanted) & (last < end)
    stays = present & ((first == start) | within)
    cut = stays.sum(1)
    if batch.dense and bool((cut == cut[0]).all()):
        most = int(cut[0])
        return Drop(keep=order[:, :most], kept=None, drop=order[:, most:], dropped=None)
    keep, kept = _chosen(order, stays)
    drop, dropped = _chosen(order, present & ~stays)
    return Drop(keep=keep, kept=kept, drop=drop, dropped=dropped)


def _document_span(batch: Batch) -> int:
    return _DRAWS * batch.segment.shape[1]


def _random_order(batch: Batch, rng: Rng) -> Int[Tensor, "b n"]:
    """A sorting key: document, then the unit's draw, then the unit itself; the largest integer at padding."""
    count = batch.segment.shape[1]
    document = document_index(batch.segment).clamp(min=0)
    draw = rng.integers(batch.facts.record, "drop", _DRAWS, (count,))[document, batch.unit]
    key = (batch.segment * _DRAWS + draw) * count + batch.unit
    return torch.where(batch.valid, key, torch.iinfo(key.dtype).max)


def _chosen(order: Int[Tensor, "b n"], flag: Bool[Tensor, "b n"]) -> tuple[Int[Tensor, "b m"], Bool[Tensor, "b m"]]:
    most = max(1, int(flag.sum(1).max()))
    place = flag.byte().argsort(dim=1, descending=True, stable=True)[:, :most]
    return order.gather(1, place), flag.gather(1, place)
