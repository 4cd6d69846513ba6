"""Multi-head attention inside documents, and the transformer block around it.

Shape letters: B rows, N tokens, M tokens looked at, D width, H heads.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

Mix = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A way of its own to mix: (query, key, value), each (B, H, N, D), to (B, H, N, D)."""

Pattern = Bool[Tensor, "b 1 n m"] | None
"""Which token (N) may look at which (M); None: at all."""


def attention_pattern(segment: Tensor, *, dense: bool, causal: bool) -> Pattern:
    """Which token may look at which: same document, and no later one if causal. None: everything.

    Padding (segment 0) looks at padding, so that no row of the softmax is empty.
    """
    if dense and not causal:
        return None
    count = segment.shape[1]
    pattern = segment[:, None, :, None] == segment[:, None, None, :]
    if causal:
        pattern = pattern & torch.ones(count, count, dtype=torch.bool, device=segment.device).tril()
    return pattern


def attend(
    query: Float[Tensor, "b h n d"], key: Float[Tensor, "b h m d"], value: Float[Tensor, "b h m d"], pattern: Pattern
) -> Float[Tensor, "b h n d"]:
    """Scaled dot-product attention (Vaswani 2017, eq. 1).

    On CPU in bf16 the explicit product, softmax, product is faster than the fused kernel, whose backward dominates
    (benchmarks/bench_attention.py); everywhere else the fused kernel is used.
    """
    if query.device.type != "cpu" or query.dtype != torch.bfloat16:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=pattern)
    scores = (query * (1 / math.sqrt(query.shape[-1]))) @ key.transpose(-2, -1)
    if pattern is not None:
        scores = scores.masked_fill(~pattern, float("-inf"))
    return scores.softmax(-1) @ value


class Attention(nn.Module):
    """Self-attention with one fused projection."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Float[Tensor, "b n d"], pattern: Pattern | Mix) -> Float[Tensor, "b n d"]:
        """Every token's mix of the tokens that it may look at."""
        b, n, d = x.shape
        query, key, value = self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = pattern(query, key, value) if callable(pattern) else attend(query, key, value, pattern)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(b, n, d))
        return out


class Block(nn.Module):
    """Pre-norm transformer block: x + attention(norm(x)), then x + mlp(norm(x)).

    gain: where both sums begin, a learned factor a channel (Touvron 2021, eq. 4); None: no factor.
    """

    def __init__(self, dim: int, heads: int, ratio: float, gain: float | None = None) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        hidden = int(dim * ratio)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
        self.gains = nn.ParameterList(torch.full((dim,), gain or 0.0) for _ in range(2 * (gain is not None)))

    def forward(self, x: Float[Tensor, "b n d"], pattern: Pattern | Mix) -> Float[Tensor, "b n d"]:
        """The block's output."""
        x = x + self._scaled(0, self.attn(self.norm1(x), pattern))
        out: Tensor = x + self._scaled(1, self.mlp(self.norm2(x)))
        return out

    def _scaled(self, place: int, change: Tensor) -> Tensor:
        return self.gains[place] * change if self.gains else change


def initialise(module: nn.Module) -> None:
    """Xavier-uniform linear layers with zero bias, as in He 2022 (appendix A.1)."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
