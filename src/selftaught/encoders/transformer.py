"""The library's own transformer: any number of tokens, positions by axes, dropped tokens never computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from selftaught.core.batch import Axis, Batch
from selftaught.core.encoder import Attend, Encoded, Encoder, EncoderConfig
from selftaught.core.errors import UsageError
from selftaught.core.modality import Fitted, Modality
from selftaught.core.tokens import Tokens, pool_segments, tokens_of
from selftaught.encoders.folding import find_folding
from selftaught.encoders.local import document_numbers, first_tokens, local_mix
from selftaught.layers.attention import Block, Mix, Pattern, attention_pattern, initialise
from selftaught.layers.positions import PositionCode

SIZES = {"xs": (128, 4, 2), "s": (192, 8, 3), "m": (384, 12, 6), "l": (768, 12, 12)}

USUAL_WINDOW = 128
"""Tokens on either side under attend="local" where the configuration names no window."""


@dataclass(frozen=True, kw_only=True)
class Transformer(EncoderConfig):
    """A pre-norm transformer over the modality's tokens (Dosovitskiy 2021); the pooled vector is the tokens' mean.

    width: channels of a token. depth: blocks. heads: attention heads; must divide the width. ratio: hidden width of the
    MLP over the width. causal: no token sees a later one, when vectors are read too; for next-token pretexts. window:
    tokens that a token sees on either side, for long documents (Beltagy 2020); 0: all of its document. anchors: learned
    global tokens a document that, under a window, see and are seen by all of it; a causal forward has none. gain: where
    the factors of a block's sums begin, one a channel (Touvron 2021); None: no factors. A small one starts from the
    mean of what the tokens are, which is a strong beginning for words.
    """

    width: int = 192
    depth: int = 8
    heads: int = 3
    ratio: float = 4.0
    causal: bool = False
    window: int = 0
    anchors: int = 2
    gain: float | None = None

    can: ClassVar[frozenset[str]] = frozenset({"tokens", "drop", "causal", "layers", "local"})
    layout: ClassVar[Literal["any", "picture"]] = "any"

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise UsageError(f"Transformer.heads, {self.heads}, must divide Transformer.width, {self.width}.")
        for name in ("window", "anchors"):
            if getattr(self, name) < 0:
                raise UsageError(f"Transformer.{name} must be 0 or more; got {getattr(self, name)}.")

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
        self.causal = config.causal
        self.window = config.window
        self.stem = stem
        self.position = PositionCode(config.width, axes)
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, config.ratio, config.gain) for _ in range(config.depth)
        )
        self.depth = config.depth
        self.norm = nn.LayerNorm(config.width, eps=1e-6)
        initialise(self.blocks)
        self.anchors: nn.Parameter | None = None
        if config.window and config.anchors and not config.causal:
            self.anchors = nn.Parameter(torch.randn(config.anchors, config.width))

    def encode(self, batch: Batch, layers: Sequence[int] = ()) -> Encoded:
        """All tokens through the trunk."""
        return self.forward(self.tokenize(batch), layers=layers)

    def tokenize(self, batch: Batch) -> Tokens:
        """The stem's content at the batch's places; no positions yet."""
        return tokens_of(batch, self.stem(batch))

    def forward(self, tokens: Tokens, attend: Attend = "full", layers: Sequence[int] = ()) -> Encoded:
        """Positions, blocks, final norm; `layers` asks for outputs of blocks by number (0 is the first).

        A window holds for every way to attend; "local" takes USUAL_WINDOW where there is none.
        """
        x: Tensor = tokens.content + self.position(tokens.pos).to(tokens.content.dtype)
        window = self.window or (USUAL_WINDOW if attend == "local" else 0)
        causal = self.causal or attend == "causal"
        folding = None if window else find_folding(tokens)
        spare = 0
        pattern: Pattern | Mix
        if window:
            x, spare, pattern = self._look_around(x, tokens, window, causal)
        elif folding is not None:
            x, pattern = folding.fold(x), attention_pattern(folding.segment, dense=False, causal=causal)
        else:
            pattern = attention_pattern(tokens.segment, dense=tokens.dense, causal=causal)
        kept: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x = block(x, pattern)
            if index in layers:
                kept.append(x[:, spare:])
        x = self.norm(x[:, spare:])
        if folding is not None:
            x, kept = folding.unfold(x), [folding.unfold(each) for each in kept]
        pooled = pool_segments(x, tokens.segment, tokens.dense)
        return Encoded(tokens=replace(tokens, content=x), pooled=pooled, layers=tuple(kept))

    def _look_around(self, x: Tensor, tokens: Tokens, window: int, causal: bool) -> tuple[Tensor, int, Mix]:
        """The content with global tokens before it, their number, and who looks at whom under a window."""
        each = 0 if causal or self.anchors is None else len(self.anchors)
        numbers = document_numbers(tokens.segment, each, tokens.dense)
        if self.anchors is not None and each:
            x = torch.cat([first_tokens(self.anchors, numbers).to(x.dtype), x], 1)
        return x, numbers.shape[1], local_mix(tokens.segment, numbers, window, causal=causal)
