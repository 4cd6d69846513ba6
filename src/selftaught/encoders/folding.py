"""Short rows side by side while a trunk runs, so that padding is hardly computed; every row comes back as it was.

Shape letters: B rows, N tokens, R folded rows, W places in each, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from selftaught.core.tokens import Tokens
from selftaught.layers.packing import fit_rows

WORTH = 0.8
"""Share of places that folding must leave at most, or it costs more than it saves."""


@dataclass(frozen=True, kw_only=True)
class Folding:
    """Where the valid tokens of B rows lie in R rows. segment: numbers the rows that share one; 0 is padding.

    source: for every folded place its token, of B * N; home: for every token its folded place, of R * W.
    """

    segment: Int[Tensor, "r w"]
    source: Int[Tensor, " folded"]
    home: Int[Tensor, " tokens"]
    valid: Bool[Tensor, "b n"]

    def fold(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "r w d"]:
        """The rows side by side."""
        return x.flatten(0, 1).index_select(0, self.source).view(*self.segment.shape, x.shape[-1])

    def unfold(self, x: Float[Tensor, "r w d"]) -> Float[Tensor, "b n d"]:
        """The rows apart again; 0 at padding."""
        apart = x.flatten(0, 1).index_select(0, self.home).view(*self.valid.shape, x.shape[-1])
        return apart.masked_fill(~self.valid[..., None], 0)


def find_folding(tokens: Tokens) -> Folding | None:
    """The folding of rows of one document each; None where it would not be worth it."""
    segment, valid = tokens.segment, tokens.valid
    if tokens.dense or bool((segment > 1).any()):
        return None
    lengths = valid.sum(1)
    width = max(1, int(lengths.max()))
    row, start, rows = fit_rows(lengths.tolist(), width)
    if rows * width > WORTH * segment.numel():
        return None
    places = torch.tensor([[*row], [*start]], device=segment.device)
    flat = (places[0] * width + places[1])[:, None] + valid.cumsum(1) - 1
    home = torch.where(valid, flat, 0).flatten()
    source = torch.zeros(rows * width, dtype=torch.long, device=segment.device)
    owner = torch.zeros_like(source)
    token = torch.arange(segment.numel(), device=segment.device)[valid.flatten()]
    source[flat[valid]] = token
    # Any number tells the rows that share one apart.
    owner[flat[valid]] = 1 + token // segment.shape[1]
    return Folding(segment=owner.view(rows, width), source=source, home=home, valid=valid)
