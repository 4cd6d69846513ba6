"""Tokens: content and place kept apart, so that order pretexts cannot leak positions and drops stay index lists.

Shape letters: B rows, N tokens, D width, K coordinates, M documents.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from selftaught.core.batch import Axis, Batch, document_index
from selftaught.core.targets import gather_tokens


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Content (B, N, D) and where it stands. Prefix tokens (CLS, registers) are added in the encoder's `forward`."""

    content: Float[Tensor, "b n d"]
    segment: Int[Tensor, "b n"]
    pos: Float[Tensor, "b n k"]
    origin: Float[Tensor, "b n k"]
    unit: Int[Tensor, "b n"]
    axes: tuple[Axis, ...]
    dense: bool = False

    @property
    def valid(self) -> Bool[Tensor, "b n"]:
        """Tokens that are not padding."""
        return self.segment > 0

    def take(self, ids: Int[Tensor, "b m"], valid: Bool[Tensor, "b m"] | None = None) -> Tokens:
        """Only the tokens `ids` of every row; places where `valid` is False become padding."""
        segment = gather_tokens(self.segment, ids)
        return replace(
            self,
            content=gather_tokens(self.content, ids),
            segment=segment if valid is None else segment * valid,
            pos=gather_tokens(self.pos, ids),
            origin=gather_tokens(self.origin, ids),
            unit=gather_tokens(self.unit, ids),
            dense=self.dense and valid is None,
        )

    def replace(self, ids: Int[Tensor, "b m"], vector: Float[Tensor, " d"], valid: Tensor | None = None) -> Tokens:
        """One vector, such as a learned 'dropped' content, in place of the content of `ids` (where `valid`)."""
        # Added up, for an index that only fills up a ragged row may name a token that another index asks for.
        wanted = torch.ones_like(ids) if valid is None else valid.long()
        flag = torch.zeros_like(self.segment).scatter_add(1, ids, wanted) > 0
        return replace(self, content=torch.where(flag[..., None], vector.to(self.content.dtype), self.content))

    def shuffle(self, ids: Int[Tensor, "b n"]) -> Tokens:
        """Content moved to other places: place n gets the content of `ids[:, n]`; places stay."""
        return replace(self, content=gather_tokens(self.content, ids))

    def cat(self, other: Tokens) -> Tokens:
        """This row's tokens followed by the other's."""
        return replace(
            self,
            content=torch.cat([self.content, other.content], 1),
            segment=torch.cat([self.segment, other.segment], 1),
            pos=torch.cat([self.pos, other.pos], 1),
            origin=torch.cat([self.origin, other.origin], 1),
            unit=torch.cat([self.unit, other.unit], 1),
            dense=self.dense and other.dense,
        )


def tokens_of(batch: Batch, content: Float[Tensor, "b n d"]) -> Tokens:
    """Tokens with the batch's places and the given content."""
    return Tokens(
        content=content,
        segment=batch.segment,
        pos=batch.pos,
        origin=batch.origin,
        unit=batch.unit,
        axes=batch.axes,
        dense=batch.dense,
    )


def pool_segments(content: Float[Tensor, "b n d"], segment: Int[Tensor, "b n"], dense: bool) -> Float[Tensor, "m d"]:
    """The mean over each document's tokens, (M, D): documents in row order, then by segment number."""
    if dense:
        return content.mean(1)
    if not bool((segment > 1).any()):
        weight = (segment > 0).to(content.dtype)[..., None]
        return (content * weight).sum(1) / weight.sum(1).clamp(min=1)
    document = document_index(segment)
    valid = document >= 0
    index, count = document[valid], int(document.max()) + 1
    total = content.new_zeros(count, content.shape[-1]).index_add(0, index, content[valid])
    size = content.new_zeros(count).index_add(0, index, torch.ones_like(index, dtype=content.dtype))
    return total / size[:, None]
