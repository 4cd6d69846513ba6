"""What a table learns from its training part, and cells brought to scale with it.

Shape letters: B rows, N cell tokens, Q quantiles, K known categories, R rows of the marginal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from selftaught.core.errors import DataError
from selftaught.modalities.table.cells import Cell

Scaling = Literal["quantile", "standard"]

QUANTILES = 129
EDGE = 1e-3
"""Ranks are kept this far from 0 and 1, so that a normal score stays within 3.1."""
FARTHEST = 10.0
"""Standard deviations beyond which a standardised number is cut off."""
FEW_ROWS = 100
"""Rows from which a category seen once is left to the code of unseen ones, so that this code is trained too."""
MARGINAL_CELLS = 1 << 14
LEAST_MARGINAL, MOST_MARGINAL = 32, 512


def fit_cells(cells: Float[np.ndarray, "r n"], layout: Sequence[Cell], vocabulary: int) -> dict[str, np.ndarray]:
    """quantiles (N, Q), mean, std (N,) of numbers; categories (N, K): hashes in ascending order, filled up with inf.

    Raises DataError without rows.
    """
    if not len(cells):
        raise DataError("There are no rows in the training part; nothing can be fitted.")
    count = len(layout)
    quantiles, categories = np.zeros((count, QUANTILES)), np.full((count, vocabulary), np.inf)
    mean, std = np.zeros(count), np.ones(count)
    for place, cell in enumerate(layout):
        known = cells[:, place][np.isfinite(cells[:, place])]
        if cell.role == "class":
            found = frequent(known, vocabulary, 2 if len(cells) >= FEW_ROWS else 1)
            categories[place, : len(found)] = found
        elif cell.role == "number" and len(known):
            quantiles[place] = np.quantile(known, np.linspace(0, 1, QUANTILES))
            spread = known.std()
            mean[place] = known.mean()
            std[place] = spread if spread > 1e-9 * max(1.0, abs(mean[place])) else 1.0
    return {"quantiles": quantiles, "mean": mean, "std": std, "categories": categories}


def frequent(known: np.ndarray, most: int, least: int) -> np.ndarray:
    """The most frequent values, ascending: at most `most`, each seen `least` times (once where none is)."""
    values, counts = np.unique(known, return_counts=True)
    if (counts >= least).any():
        values, counts = values[counts >= least], counts[counts >= least]
    return np.sort(values[np.lexsort((values, -counts))[:most]])


def choose_marginal(cells: np.ndarray) -> np.ndarray:
    """Evenly spread rows whose cells stand for their columns' marginals: fewer of them where columns are many."""
    most = int(np.clip(MARGINAL_CELLS // max(1, cells.shape[1]), LEAST_MARGINAL, MOST_MARGINAL))
    return cells[np.linspace(0, len(cells) - 1, min(most, len(cells))).round().astype(np.int64)]


def scale_cells(
    cells: Float[Tensor, "b n"], arrays: Mapping[str, np.ndarray], layout: Sequence[Cell], scaling: Scaling
) -> Float[Tensor, "b n"]:
    """Cells as the stem reads them, float32, NaN where missing.

    number: normal scores of ranks, or standardised. count: log(1 + count). angle: radians. class: its place among the
    known categories, K for an unseen one. word: its bucket.
    """
    x = cells.double().clone()
    numbers = places_of(layout, "number", cells)
    if len(numbers):
        if scaling == "quantile":
            x[:, numbers] = normal_scores(x[:, numbers], _rows_at(arrays["quantiles"], numbers))
        else:
            mean, std = _rows_at(arrays["mean"], numbers), _rows_at(arrays["std"], numbers)
            x[:, numbers] = ((x[:, numbers] - mean) / std).clamp(-FARTHEST, FARTHEST)
    counts = places_of(layout, "count", cells)
    if len(counts):
        x[:, counts] = x[:, counts].clamp(min=0).log1p()
    classes = places_of(layout, "class", cells)
    if len(classes):
        x[:, classes] = class_codes(x[:, classes], _rows_at(arrays["categories"], classes))
    return x.float()


def places_of(layout: Sequence[Cell], role: str, like: Tensor) -> Tensor:
    """The places of the tokens of one role, int64, on the device of `like`."""
    return torch.tensor([place for place, cell in enumerate(layout) if cell.role == role], device=like.device).long()


def _rows_at(array: np.ndarray, places: Tensor) -> Tensor:
    # A copy: what safetensors mapped from a file may not be written to, and torch warns of that.
    return torch.from_numpy(np.array(array)).to(places.device)[places]


def normal_scores(values: Float[Tensor, "b n"], table: Float[Tensor, "n q"]) -> Float[Tensor, "b n"]:
    """The normal quantile of each value's rank in its column; equal values share the middle of their ranks."""
    flat, last = values.T.contiguous(), table.shape[1] - 1
    low, high = torch.searchsorted(table, flat), torch.searchsorted(table, flat, right=True)
    before, after = (low - 1).clamp(min=0), low.clamp(max=last)
    start, end = table.gather(1, before), table.gather(1, after)
    part = ((flat - start) / (end - start).clamp(min=torch.finfo(flat.dtype).tiny)).clamp(0, 1)
    rank = torch.where(high > low, (low + high - 1).to(flat.dtype) / 2, before + part)
    scores: Tensor = torch.special.ndtri((rank / last).clamp(EDGE, 1 - EDGE)).T
    return scores


def class_codes(values: Float[Tensor, "b n"], known: Float[Tensor, "n k"]) -> Float[Tensor, "b n"]:
    """The place of each hash among the known ones of its column, K where it is not among them, NaN where missing."""
    flat, count = values.T.contiguous(), known.shape[1]
    place = torch.searchsorted(known, flat).clamp(max=count - 1)
    found = known.gather(1, place) == flat
    codes = torch.where(found, place.to(flat.dtype), torch.full_like(flat, count))
    return torch.where(flat.isnan(), flat, codes).T
