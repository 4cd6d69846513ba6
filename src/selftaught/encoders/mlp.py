"""A residual MLP over all columns of a row at once: the usual network for tables.

Shape letters: B rows, N cell tokens, W width of a cell, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.core.batch import Batch
from selftaught.core.encoder import Encoded, Encoder, EncoderConfig
from selftaught.core.errors import IllegalPair, UsageError
from selftaught.core.modality import Fitted, Modality

SIZES = {"xs": (128, 2), "s": (256, 3), "m": (512, 4), "l": (1024, 6)}


@dataclass(frozen=True, kw_only=True)
class MLP(EncoderConfig):
    """Embedded cells side by side through residual blocks (Gorishniy 2021, section 3.2, 'ResNet', with layer norm).

    width: of the pooled vector. depth: blocks. cell: width of one embedded cell. ratio: hidden width of a block over
    the width. dropout: share of a block's hidden values that are dropped in training.

    Cells are mixed in the first layer, so it has no tokens: pretexts that drop some need a transformer.
    """

    width: int = 256
    depth: int = 3
    cell: int = 16
    ratio: float = 2.0
    dropout: float = 0.0

    can: ClassVar[frozenset[str]] = frozenset({"layers"})
    layout: ClassVar[Literal["any", "picture", "columns"]] = "columns"

    def __post_init__(self) -> None:
        for name in ("width", "depth", "cell"):
            if getattr(self, name) < 1:
                raise UsageError(f"MLP.{name} must be at least 1; got {getattr(self, name)}.")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"MLP.dropout is a share from 0 to below 1; got {self.dropout}.")

    @classmethod
    def of_size(cls, size: str) -> MLP:
        """The network at one mark of the size dial."""
        width, depth = SIZES[size]
        return cls(width=width, depth=depth)

    def build(self, modality: Modality, fitted: Fitted) -> Encoder:
        """A freshly initialised network with the modality's stem. Raises IllegalPair where columns are not fixed."""
        if modality.layout != "columns":
            raise IllegalPair(f"MLP reads rows of columns, not {modality.name}; use the encoder 'transformer' instead.")
        count = sum(axis.size or 0 for axis in modality.axes)
        return MLPEncoder(self, modality.stem(self.cell, fitted), count)


class MLPEncoder(Encoder):
    """The module that `MLP` builds."""

    can = MLP.can

    def __init__(self, config: MLP, stem: nn.Module, count: int) -> None:
        super().__init__()
        self.dim, self.depth = config.width, config.depth
        self.stem = stem
        self.enter = nn.Linear(count * config.cell, config.width)
        hidden = round(config.ratio * config.width)
        self.blocks = nn.ModuleList(ResidualBlock(config.width, hidden, config.dropout) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)

    def encode(self, batch: Batch, layers: Sequence[int] = ()) -> Encoded:
        """One vector a row, no tokens; an asked layer is one place, (B, 1, dim)."""
        x: Tensor = self.enter(self.stem(batch).flatten(1))
        kept: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in layers:
                kept.append(x[:, None])
        return Encoded(pooled=self.norm(x), layers=tuple(kept))


class ResidualBlock(nn.Module):
    """x + linear(dropout(relu(linear(norm(x)))))."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, hidden)
        self.contract = nn.Linear(hidden, width)
        self.dropout = dropout

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """The block's output."""
        y = F.dropout(F.relu(self.expand(self.norm(x))), self.dropout, self.training)
        out: Tensor = x + self.contract(y)
        return out
