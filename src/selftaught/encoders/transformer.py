"""The library's own transformer: any number of tokens, positions by axes, dropped tokens never computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from torch import Tensor, nn

from selftaught.core.attention import Block, attention_pattern, initialise
from selftaught.core.batch import Axis, Batch
from selftaught.core.encoder import Attend, Encoded, Encoder, EncoderConfig
from selftaught.core.errors import IllegalPair, UsageError
from selftaught.core.modality import Fitted, Modality
from selftaught.core.positions import PositionCode
from selftaught.core.tokens import Tokens, pool_segments, tokens_of

SIZES = {"xs": (128, 4, 2), "s": (192, 8, 3), "m": (384, 12, 6), "l": (768, 12, 12)}


@dataclass(frozen=True, kw_only=True)
class Transformer(EncoderConfig):
    """A pre-norm transformer over the modality's tokens (Dosovitskiy 2021); the pooled vector is the tokens' mean.

    width: channels of a token. depth: blocks. heads: attention heads; must divide the width. ratio: hidden width of the
    MLP over the width.
    """

    width: int = 192
    depth: int = 8
    heads: int = 3
    ratio: float = 4.0

    can: ClassVar[frozenset[str]] = frozenset({"tokens", "drop", "causal", "layers"})
    layout: ClassVar[Literal["any", "picture"]] = "any"

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise UsageError(f"Transformer.heads, {self.heads}, must divide Transformer.width, {self.width}.")

    @classmethod
    def of_size(cls, size: str) -> Transformer:
        """The trunk at one mark of the size dial."""
        width, depth, heads = SIZES[size]
        return cls(width=width, depth=depth, heads=heads)

    def build(self, modality: Modality, fitted: Fitted) -> Encoder:
        """A freshly initialised trunk with the modality's stem."""
        return TransformerEncoder(self, modality.stem(self.width, fitted), modality.axes)


class TransformerEncoder(Encoder):
    """The module that `Transformer` builds."""

    can = Transformer.can

    def __init__(self, config: Transformer, stem: nn.Module, axes: Sequence[Axis]) -> None:
        super().__init__()
        self.dim = config.width
        self.stem = stem
        self.position = PositionCode(config.width, axes)
        self.blocks = nn.ModuleList(Block(config.width, config.heads, config.ratio) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=1e-6)
        initialise(self.blocks)

    def encode(self, batch: Batch, layers: Sequence[int] = ()) -> Encoded:
        """All tokens through the trunk."""
        return self.forward(self.tokenize(batch), layers=layers)

    def tokenize(self, batch: Batch) -> Tokens:
        """The stem's content at the batch's places; no positions yet."""
        return tokens_of(batch, self.stem(batch))

    def forward(self, tokens: Tokens, attend: Attend = "full", layers: Sequence[int] = ()) -> Encoded:
        """Positions, blocks, final norm; `layers` asks for outputs of blocks by number (0 is the first)."""
        if attend == "local":
            raise IllegalPair("Transformer has no local attention; ask for 'full' or 'causal'.")
        pattern = attention_pattern(tokens.segment, dense=tokens.dense, causal=attend == "causal")
        x: Tensor = tokens.content + self.position(tokens.pos).to(tokens.content.dtype)
        kept: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x = block(x, pattern)
            if index in layers:
                kept.append(x)
        x = self.norm(x)
        pooled = pool_segments(x, tokens.segment, tokens.dense)
        return Encoded(tokens=replace(tokens, content=x), pooled=pooled, layers=tuple(kept))
