"""Heads that several families share.

Shape letters: B rows, N tokens, D width, P outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from selftaught.core.batch import Axis, Batch
from selftaught.core.encoder import Encoder, encode_views
from selftaught.core.tokens import Tokens
from selftaught.layers.attention import Block, attention_pattern, initialise
from selftaught.layers.positions import PositionCode

Norm = Literal["batch", "layer", "none"]


def usual_norm(axes: Sequence[Axis]) -> Norm:
    """Batch norm; none for the columns of a table, as in Bahri 2022.

    A batch norm takes off whatever all vectors have in common. The MLP that reads tables has no such norm itself, and
    lets that part grow until a cosine sees little else (docs/why/log.md).
    """
    return "none" if any(axis.size is not None for axis in axes) else "batch"


def projector(widths: Sequence[int], norm: Norm) -> nn.Sequential:
    """An MLP through `widths` with norm and ReLU between its layers and a plain linear end."""
    layers: list[nn.Module] = []
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        last = index == len(widths) - 2
        layers.append(nn.Linear(inputs, outputs, bias=last or norm == "none"))
        if last:
            break
        if norm != "none":
            layers.append(nn.BatchNorm1d(outputs) if norm == "batch" else nn.LayerNorm(outputs))
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class TokenDecoder(nn.Module):
    """A light transformer that fills in dropped tokens from visible ones (He 2022, section 3)."""

    def __init__(self, dim: int, axes: Sequence[Axis], width: int, depth: int, heads: int, outputs: int) -> None:
        super().__init__()
        self.enter = nn.Linear(dim, width)
        self.dropped = nn.Parameter(torch.zeros(width))
        self.position = PositionCode(width, axes)
        self.blocks = nn.ModuleList(Block(width, heads, 4.0) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.leave = nn.Linear(width, outputs)
        nn.init.normal_(self.dropped, std=0.02)
        initialise(self)

    def forward(self, visible: Tokens, all_tokens: Tokens, drop: Int[Tensor, "b m"], dropped: Tensor | None) -> Tensor:
        """Predictions (B, M, P) for the tokens `drop`; where `dropped` is False the row has no such token."""
        seen: Float[Tensor, "b n d"] = self.enter(visible.content)
        places = all_tokens.take(drop, dropped)
        tokens = replace(visible, content=seen).cat(
            replace(places, content=self.dropped.to(seen.dtype).expand(*drop.shape, -1))
        )
        pattern = attention_pattern(tokens.segment, dense=tokens.dense, causal=False)
        x = tokens.content + self.position(tokens.pos).to(seen.dtype)
        for block in self.blocks:
            x = block(x, pattern)
        out: Tensor = self.leave(self.norm(x[:, seen.shape[1] :]))
        return out


def project_views(encoder: Encoder, head: nn.Module, views: Sequence[Batch], *, joint: bool) -> Float[Tensor, "b v p"]:
    """Projected pooled vectors of all views; joint: one forward for all, so that batch statistics span them."""
    if joint:
        projected: Tensor = head(torch.cat(encode_views(encoder, views)))
        return torch.stack(projected.chunk(len(views)), 1)
    return torch.stack([head(encoder.encode(view).pooled) for view in views], 1)
