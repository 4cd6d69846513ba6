"""What an expert would have done with a table before representation learning.

Shape letters: B rows, N cell tokens, K known categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from selftaught.core.modality import Classical, Predictor, Rows
from selftaught.modalities.table.cells import Cell
from selftaught.modalities.table.statistics import fit_cells, places_of, scale_cells

WORD_COLUMNS = 128
LARGEST_CLASS = 250
"""Categories that scikit-learn's histograms can tell apart, with room for missing ones."""
ITERATIONS = 100
LEAF = 20
"""Rows in a leaf, scikit-learn's default; a tenth of the labelled rows where those are fewer than 200."""


def table_controls(layout: Sequence[Cell], vocabulary: int) -> tuple[Classical | Predictor, ...]:
    """Scaled and one-hot columns for the library's logistic probe, and gradient boosting."""

    def features(train: Rows, other: Rows) -> tuple[np.ndarray, np.ndarray]:
        known, asked = _cells(train), _cells(other)
        arrays = fit_cells(known.numpy(), layout, vocabulary)
        inside, outside = expand(known, arrays, layout), expand(asked, arrays, layout)
        varies = inside.min(0) < inside.max(0)
        return inside[:, varies], outside[:, varies]

    def boost(labelled: Rows, labels: np.ndarray, other: Rows) -> np.ndarray:
        known, asked = _cells(labelled), _cells(other)
        arrays = fit_cells(known.numpy(), layout, vocabulary)
        inside = tree_columns(known, arrays, layout)
        inside[:, np.isnan(inside).all(0)] = 0.0  # scikit-learn cannot bin a column without a cell
        model = boosting(layout, labels)
        model.fit(inside, labels)
        return np.asarray(model.predict(tree_columns(asked, arrays, layout)))

    return (
        Classical(name="scaled and one-hot columns", features=features),
        Predictor(name="gradient boosting", predict=boost),
    )


def _cells(rows: Rows) -> Tensor:
    cells = rows.fields["cells"]
    assert isinstance(cells, Tensor)  # a field of fixed shape
    return cells.cpu()


def expand(cells: Tensor, arrays: dict[str, np.ndarray], layout: Sequence[Cell]) -> np.ndarray:
    """Rows as features (B, P), float32: numbers standardised and as normal scores, angles as points on a circle,
    categories one-hot, words as a bag; and for every column whether it is missing."""
    ranked = scale_cells(cells, arrays, layout, "quantile")
    straight = scale_cells(cells, arrays, layout, "standard")
    size = arrays["categories"].shape[1]
    parts = [ranked.isnan().float()]
    for role in ("number", "count"):
        places = places_of(layout, role, cells)
        parts += [straight[:, places].nan_to_num(0.0), ranked[:, places].nan_to_num(0.0)]
    angle = ranked[:, places_of(layout, "angle", cells)]
    parts += [angle.cos().nan_to_num(0.0), angle.sin().nan_to_num(0.0)]
    codes = ranked[:, places_of(layout, "class", cells)].nan_to_num(size + 1).long()
    start = torch.arange(codes.shape[1]) * (size + 2)
    parts.append(torch.zeros(len(cells), codes.shape[1] * (size + 2)).scatter_(1, codes + start, 1.0))
    words = ranked[:, places_of(layout, "word", cells)].nan_to_num(-1).long()
    words = torch.where(words < 0, WORD_COLUMNS, words % WORD_COLUMNS)
    bag = torch.zeros(len(cells), WORD_COLUMNS + 1).scatter_add_(1, words, torch.ones(words.shape))
    parts.append(bag[:, : WORD_COLUMNS if words.shape[1] else 0])
    return np.asarray(torch.cat(parts, 1).numpy())


def tree_columns(cells: Tensor, arrays: dict[str, np.ndarray], layout: Sequence[Cell]) -> np.ndarray:
    """Rows as trees read them (B, N), float64: numbers as they are, codes of categories, NaN if missing or unseen."""
    scaled = scale_cells(cells, arrays, layout, "standard").double()
    size = arrays["categories"].shape[1]
    columns = cells.double().clone()
    classes, words = places_of(layout, "class", cells), places_of(layout, "word", cells)
    columns[:, classes] = scaled[:, classes].masked_fill(scaled[:, classes] == size, torch.nan)
    columns[:, words] = columns[:, words] % LARGEST_CLASS
    return np.asarray(columns.numpy())


def boosting(layout: Sequence[Cell], labels: np.ndarray) -> Any:
    """Gradient-boosted trees on histograms (Ke 2017) as in scikit-learn: a classifier for whole labels, else a
    regressor; unfitted, without early stopping, which would need a part of few labels."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor  # half a second

    kind = HistGradientBoostingRegressor if labels.dtype.kind == "f" else HistGradientBoostingClassifier
    named = [cell.role in ("class", "word") for cell in layout]
    return kind(
        max_iter=ITERATIONS,
        min_samples_leaf=int(np.clip(len(labels) // 10, 1, LEAF)),
        early_stopping=False,
        categorical_features=named if any(named) else None,
        random_state=0,
    )
