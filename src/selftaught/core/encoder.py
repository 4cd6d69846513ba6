"""The protocol of encoders: tokens in, tokens and one pooled vector out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from selftaught.core.batch import Batch, cat_batches
from selftaught.core.errors import IllegalPair
from selftaught.core.tokens import Tokens

if TYPE_CHECKING:
    from selftaught.core.modality import Fitted, Modality

Attend = Literal["full", "causal", "local"]
Capability = Literal["tokens", "drop", "causal", "layers", "local"]


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """What an encoder returns. tokens: None where the encoder has none. pooled: one vector a document, (M, D)."""

    pooled: Float[Tensor, "m d"]
    tokens: Tokens | None = None
    layers: tuple[Tensor, ...] = ()


class Encoder(nn.Module):
    """Everything that turns a batch into vectors. `encode` is mandatory; the rest follows from `can`.

    tokens: `encode` gives tokens. drop: `tokenize` and `forward` are there, for any subset of the tokens. causal,
    local: `forward` attends so. layers: `encode` gives the outputs of chosen layers, of which there are `depth`.
    """

    dim: int
    can: frozenset[str]
    depth: int = 0

    def encode(self, batch: Batch, layers: Sequence[int] = ()) -> Encoded:
        """Tokens (where the encoder has them), pooled vector (M, dim) and the outputs of the asked layers."""
        raise NotImplementedError(f"{type(self).__name__} must define encode(batch, layers)")

    def tokenize(self, batch: Batch) -> Tokens:
        """Content only, without positions, (B, N, dim)."""
        raise IllegalPair(f"{type(self).__name__} has no tokens; use a transformer encoder for this pretext.")

    def forward(self, tokens: Tokens, attend: Attend = "full", layers: Sequence[int] = ()) -> Encoded:
        """Tokens through the trunk; positions enter here."""
        raise IllegalPair(f"{type(self).__name__} cannot run on a subset of tokens; use a transformer encoder.")


class EncoderConfig(ABC):
    """A frozen dataclass that describes an encoder and builds it."""

    can: ClassVar[frozenset[str]]
    layout: ClassVar[Literal["any", "picture", "columns", "words", "sequence"]]

    @abstractmethod
    def build(self, modality: Modality, fitted: Fitted) -> Encoder:
        """A freshly initialised encoder for this modality, drawn from torch's global generator."""


def encode_views(encoder: Encoder, views: Sequence[Batch]) -> list[Float[Tensor, "m d"]]:
    """The pooled vectors of every view, in order; views of one shape share one forward."""
    pooled: dict[int, Tensor] = {}
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, view in enumerate(views):
        groups.setdefault(view.shape, []).append(index)
    for indices in groups.values():
        together = encoder.encode(cat_batches([views[index] for index in indices])).pooled
        sizes = [views[index].facts.record.shape[0] for index in indices]
        for index, part in zip(indices, torch.split(together, sizes), strict=True):
            pooled[index] = part
    return [pooled[index] for index in range(len(views))]
