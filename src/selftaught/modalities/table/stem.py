"""Cells to token content: an embedding per column, periodic features of numbers, a learned content for missing cells.

Shape letters: B rows, N cell tokens, D width, F frequencies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.core.batch import Batch
from selftaught.core.errors import UsageError
from selftaught.modalities.table.cells import BUCKETS, Cell


def flat_table(rows: int, dim: int, bound: float | None = None) -> nn.Parameter:
    """A table of `rows` vectors, uniform within the bound (1 / sqrt(dim)), kept flat.

    Flat, since the optimiser takes what has two axes for a matrix and orthogonalises it, and a table is none.
    """
    limit = dim**-0.5 if bound is None else bound
    return nn.Parameter(torch.empty(rows * dim).uniform_(-limit, limit))


class Numbers(nn.Module):
    """Periodic features, one linear map and a ReLU for all columns (Gorishniy 2022, section 3.3, 'PLR', with the linear
    map shared as in their lite version), plus a slope and a shift per column."""

    def __init__(self, columns: int, dim: int, frequencies: int, sigma: float) -> None:
        super().__init__()
        self.columns = columns
        self.frequency = nn.Parameter(sigma * torch.randn(columns * frequencies))
        self.wave = nn.Linear(2 * frequencies, dim)
        self.slope = flat_table(columns, dim)
        self.shift = flat_table(columns, dim)

    def forward(self, values: Float[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        """Content of finite values."""
        angle = 2 * math.pi * values[..., None] * self.frequency.view(self.columns, -1)
        waves = F.relu(self.wave(torch.cat([angle.cos(), angle.sin()], -1)))
        line = values[..., None] * self.slope.view(self.columns, -1) + self.shift.view(self.columns, -1)
        return waves + line


class Angles(nn.Module):
    """The first two harmonics of an angle through one linear map, and a shift per column."""

    def __init__(self, columns: int, dim: int) -> None:
        super().__init__()
        self.columns = columns
        self.turn = nn.Linear(4, dim, bias=False)
        self.shift = flat_table(columns, dim)

    def forward(self, values: Float[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        """Content of finite angles, radians."""
        waves = torch.stack([values.cos(), values.sin(), (2 * values).cos(), (2 * values).sin()], -1)
        turned: Tensor = self.turn(waves)
        return turned + self.shift.view(self.columns, -1)


class Classes(nn.Module):
    """One vector per category of every column, the last of a column for those not seen in training."""

    def __init__(self, columns: int, dim: int, vocabulary: int) -> None:
        super().__init__()
        self.dim = dim
        self.unseen = vocabulary
        self.table = flat_table(columns * (vocabulary + 1), dim)
        self.register_buffer("start", torch.arange(columns) * (vocabulary + 1), persistent=False)
        self.start: Tensor

    def forward(self, codes: Float[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        """Content of whole codes."""
        return F.embedding(codes.long().clamp(0, self.unseen) + self.start, self.table.view(-1, self.dim))


class Words(nn.Module):
    """One vector per bucket of hashed words, for all columns, and a shift per place."""

    def __init__(self, columns: int, dim: int) -> None:
        super().__init__()
        self.columns, self.dim = columns, dim
        self.table = flat_table(BUCKETS, dim)
        self.shift = flat_table(columns, dim)

    def forward(self, codes: Float[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        """Content of whole bucket numbers."""
        known = F.embedding(codes.long().clamp(0, BUCKETS - 1), self.table.view(-1, self.dim))
        return known + self.shift.view(self.columns, -1)


class CellStem(nn.Module):
    """Token content (B, N, D) of a view of rows; a missing cell has its column's own learned content."""

    def __init__(self, layout: Sequence[Cell], dim: int, vocabulary: int, frequencies: int, sigma: float) -> None:
        super().__init__()
        self.dim = dim
        self.missing = flat_table(len(layout), dim)
        self.readers = nn.ModuleDict()
        self.places: dict[str, list[int]] = {}
        for name in ("number", "angle", "class", "word"):
            own = (name, "count") if name == "number" else (name,)
            places = [place for place, cell in enumerate(layout) if cell.role in own]
            if places:
                self.places[name] = places
                self.readers[name] = _reader(name, len(places), dim, vocabulary, frequencies, sigma)
        read = [place for places in self.places.values() for place in places]
        self.register_buffer("order", torch.tensor(read).argsort(), persistent=False)
        self.order: Tensor

    def forward(self, batch: Batch) -> Float[Tensor, "b n d"]:
        """Content without positions; which column a cell is of is part of its content."""
        if not isinstance(batch.x, Tensor):
            raise UsageError("The stem reads views; call Table.augment(batch, View(kind='clean'), rng) first.")
        values = batch.x.nan_to_num(0.0)
        parts = [reader(values[:, self.places[name]]) for name, reader in self.readers.items()]
        content = torch.cat([part.float() for part in parts], 1)[:, self.order]
        return torch.where(batch.x.isnan()[..., None], self.missing.view(-1, self.dim), content)


def _reader(name: str, columns: int, dim: int, vocabulary: int, frequencies: int, sigma: float) -> nn.Module:
    if name == "number":
        return Numbers(columns, dim, frequencies, sigma)
    if name == "angle":
        return Angles(columns, dim)
    return Classes(columns, dim, vocabulary) if name == "class" else Words(columns, dim)
