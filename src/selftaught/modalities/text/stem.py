"""The table of piece vectors.

Shape letters: B rows, N tokens, D width.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from selftaught.core.batch import Batch
from selftaught.core.errors import UsageError


class PieceStem(nn.Module):
    """Token content (B, N, D): each piece's learned vector, scaled so that values are about 1 (Vaswani 2017, 3.4).

    dropout: share of values that training sets to 0; two forwards of one text are then two views (Gao 2021).
    """

    def __init__(self, dim: int, size: int, dropout: float) -> None:
        super().__init__()
        self.table = nn.Embedding(size, dim)
        self.scale = dim**0.5
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.table.weight, std=dim**-0.5)

    def forward(self, batch: Batch) -> Float[Tensor, "b n d"]:
        """Content without positions."""
        if not isinstance(batch.x, Tensor):
            raise UsageError("The stem reads views; call Text.augment(batch, View(kind='clean'), rng) first.")
        content: Tensor = self.dropout(self.table(batch.x) * self.scale)
        return content
