"""Local attention with a few global tokens: memory grows with the length, not with its square (Beltagy 2020).

Shape letters: B rows, G global tokens at the front of a row, N tokens after them, W window, C chunks of W tokens,
H heads, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from selftaught.layers.attention import attend

OUTSIDE = -1
"""Segment number of places before the first token, which match no token."""


@dataclass(frozen=True, kw_only=True)
class LocalMix:
    """Attention of every token to its neighbours and to its document's global tokens, which see all of the document.

    window: tokens seen on either side. spare: global tokens G at the front of every row. near: for each chunk of W
    queries, which of 3 W neighbours and G global tokens it sees. far: which of all tokens each global one sees.
    Source: Beltagy 2020, section 3.1; differs: global tokens are learned ones, with the projections of all others.
    """

    window: int
    spare: int
    near: Bool[Tensor, "chunks 1 w seen"]
    far: Bool[Tensor, "b 1 g all"] | None

    def __call__(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Mixed values (B, H, G + N, D)."""
        near = self._mix_near(query[:, :, self.spare :], key, value)
        if self.far is None:
            return near
        return torch.cat([attend(query[:, :, : self.spare], key, value, self.far), near], 2)

    def _mix_near(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        rows, heads, count, width = query.shape
        chunks = -(-count // self.window)
        filled = F.pad(query, (0, 0, 0, chunks * self.window - count))
        asked = filled.view(rows, heads, chunks, self.window, width).transpose(1, 2).flatten(0, 1)
        seen = [self._neighbours(part, chunks) for part in (key, value)]
        mixed = attend(asked, seen[0], seen[1], self.near)
        joined = mixed.view(rows, chunks, heads, self.window, width).transpose(1, 2).flatten(2, 3)
        return joined[:, :, :count]

    def _neighbours(self, values: Tensor, chunks: int) -> Tensor:
        """For every chunk (B * C, H, 3 W + G, D): the chunks before, at and after it, then the global tokens."""
        ordinary = values[:, :, self.spare :]
        rows, heads, count, width = ordinary.shape
        filled = F.pad(ordinary, (0, 0, self.window, (chunks + 1) * self.window - count))
        blocks = filled.view(rows, heads, chunks + 2, self.window, width)
        three = torch.cat([blocks[:, :, :-2], blocks[:, :, 1:-1], blocks[:, :, 2:]], 3)
        around = three.transpose(1, 2).flatten(0, 1)
        if not self.spare:
            return around
        return torch.cat([around, values[:, :, : self.spare].repeat_interleave(chunks, 0)], 2)


def local_mix(segment: Int[Tensor, "b n"], spare: Int[Tensor, "b g"], window: int, *, causal: bool = False) -> LocalMix:
    """The attention of one forward, for all blocks. spare: the document number of each global token at the front.

    Neither neighbours nor global tokens of another document are seen. Global tokens see what comes later, so a causal
    forward must have none.
    """
    rows, count = segment.shape
    chunks = -(-count // window)
    asked = F.pad(segment, (0, chunks * window - count)).view(rows, chunks, window)
    filled = F.pad(F.pad(segment, (0, (chunks + 1) * window - count)), (window, 0), value=OUTSIDE)
    blocks = filled.view(rows, chunks + 2, window)
    around = torch.cat([blocks[:, :-2], blocks[:, 1:-1], blocks[:, 2:]], 2)
    place = torch.arange(window, device=segment.device)
    offset = torch.arange(3 * window, device=segment.device) - window - place[:, None]
    within = (offset.abs() <= window) & (offset <= 0) if causal else offset.abs() <= window
    near = (asked[..., None] == around[:, :, None]) & within
    if not spare.shape[1]:
        return LocalMix(window=window, spare=0, near=near.flatten(0, 1)[:, None], far=None)
    near = torch.cat([near, asked[..., None] == spare[:, None, None]], 3)
    far = spare[:, :, None] == torch.cat([spare, segment], 1)[:, None]
    return LocalMix(window=window, spare=spare.shape[1], near=near.flatten(0, 1)[:, None], far=far[:, None])


def document_numbers(segment: Int[Tensor, "b n"], each: int, dense: bool) -> Int[Tensor, "b g"]:
    """The document numbers of `each` global tokens for every document that a row may hold, (B, most documents * each).

    A row with fewer documents has global tokens that see one another only.
    """
    most = 1 if dense else max(1, int(segment.max()))
    numbers = torch.arange(1, most + 1, device=segment.device).repeat_interleave(each)
    return numbers.expand(len(segment), -1)


def first_tokens(vectors: Float[Tensor, "each d"], numbers: Int[Tensor, "b g"]) -> Float[Tensor, "b g d"]:
    """The learned content of the global tokens, repeated for every document and row."""
    return vectors.repeat(numbers.shape[1] // len(vectors), 1).expand(len(numbers), -1, -1)
