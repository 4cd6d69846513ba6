"""Weighted nearest neighbours on frozen features."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from selftaught.core.errors import DataError, UsageError

NEIGHBOURS = 20
TEMPERATURE = 0.1
CHUNK = 1 << 24
"""Similarities (4 bytes each) held at once."""


def knn_scores(
    bank: Float[np.ndarray, "n d"] | Float[Tensor, "n d"],
    codes: Int[np.ndarray, " n"] | Int[Tensor, " n"],
    queries: Float[np.ndarray, "m d"] | Float[Tensor, "m d"],
    classes: int,
    neighbours: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
) -> Float[np.ndarray, "m c"]:
    """Return the share of each class among the nearest rows of the bank, weighted by exp(cosine / temperature).

    `codes` are class numbers from 0. A bank smaller than `neighbours` is used whole. Memory does not grow with the
    number of queries. Raises DataError on values that are not finite or an empty bank.

    Source: Wu 2018, section 3.4.
    """
    table = torch.as_tensor(bank, dtype=torch.float32)
    asked = torch.as_tensor(queries, dtype=torch.float32)
    target = torch.as_tensor(codes, dtype=torch.int64, device=table.device)
    if temperature <= 0 or neighbours < 1:
        raise UsageError(f"kNN needs temperature > 0 and neighbours >= 1; got {temperature} and {neighbours}.")
    if len(table) == 0 or len(table) != len(target):
        raise DataError(f"kNN needs one class per row of a bank that is not empty: {len(table)} rows, {len(target)}.")
    if not (bool(torch.isfinite(table).all()) and bool(torch.isfinite(asked).all())):
        raise DataError("kNN needs finite features; NaN or infinity found. Repair these rows or leave them out.")
    table = torch.nn.functional.normalize(table, dim=1)
    parts = [table.new_zeros(0, classes)]
    for part in asked.split(max(1, CHUNK // len(table))):
        similar = torch.nn.functional.normalize(part.to(table.device), dim=1) @ table.T
        nearest, index = similar.topk(min(neighbours, len(table)), dim=1, sorted=False)
        # A constant per row cancels in the share; it keeps exp within range at small temperatures.
        weight = ((nearest - nearest.amax(1, keepdim=True)) / temperature).exp()
        votes = weight.new_zeros(len(part), classes).scatter_add_(1, target[index], weight)
        parts.append(votes / votes.sum(1, keepdim=True))
    return torch.cat(parts).cpu().numpy()


def knn_predict(
    bank: Float[np.ndarray, "n d"] | Float[Tensor, "n d"],
    labels: Shaped[np.ndarray, " n"],
    queries: Float[np.ndarray, "m d"] | Float[Tensor, "m d"],
    neighbours: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
) -> Shaped[np.ndarray, " m"]:
    """Return the label with the largest share among the nearest rows; see `knn_scores`."""
    names, codes = np.unique(labels, return_inverse=True)
    return np.asarray(names[knn_scores(bank, codes, queries, len(names), neighbours, temperature).argmax(1)])
