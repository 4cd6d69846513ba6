"""Ridge regression for numeric labels: one eigendecomposition serves every regulariser and leave-one-out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh

from selftaught.core.errors import DataError

PROTOCOL = "selftaught-ridge-1"
"""Id of what is fixed in this file; a change that can move a score changes it."""
PENALTIES = tuple(float(10**power) for power in range(-3, 7))
"""Weights of the squared norm beside the summed squared error, for standardised features."""


@dataclass(frozen=True)
class RidgeFit:
    """Ridge regression at the penalty with the least leave-one-out error, written for the features as given."""

    penalty: float
    weights: Float[np.ndarray, " d"]
    intercept: float
    penalties: Float[np.ndarray, " p"]
    leave_one_out: Float[np.ndarray, " p"]
    """Mean squared error of each row predicted from the others, squared label units."""
    generalised: Float[np.ndarray, " p"]
    """Generalised cross-validation (Golub 1979), squared label units."""


def fit_ridge(
    features: Float[np.ndarray, "n d"], targets: Float[np.ndarray, " m"], penalties: Sequence[float] = PENALTIES
) -> RidgeFit:
    """Return the ridge regression on standardised features, its penalty chosen by leave-one-out error.

    With K = U diag(e) U^T the Gram matrix of the standardised rows, the hat matrix at penalty a is U diag(e / (e + a))
    U^T + 1 / n, so every penalty costs one pass over U (Allen's PRESS). For n > d the covariance is decomposed instead.
    Raises DataError below three rows, on values that are not finite, and on constant targets.
    """
    labels = np.asarray(targets, np.float64)
    if len(labels) < 3 or len(labels) != len(features):
        raise DataError(
            f"Ridge needs at least 3 rows with one number each; {len(features)} rows, {len(labels)} numbers."
        )
    if not (np.isfinite(features).all() and np.isfinite(labels).all()):
        raise DataError("Ridge needs finite features and numbers; NaN or infinity found. Leave these rows out.")
    if np.ptp(labels) == 0:
        raise DataError("Ridge needs numbers that differ; all given ones are equal.")
    mean, scale = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64)
    scale = np.where(scale > 1e-6 * np.abs(mean), scale, np.inf)
    rows = (features - mean) / scale
    energy, left, right = decompose(rows)
    centred = labels - labels.mean()
    loads, grid = left.T @ centred, np.asarray(penalties, np.float64)
    exact, generalised = np.empty(len(grid)), np.empty(len(grid))
    for index, penalty in enumerate(grid):
        shrink = energy / (energy + penalty)
        residual = centred - left @ (shrink * loads)
        leverage = (left**2) @ shrink + 1 / len(rows)
        exact[index] = np.mean((residual / np.maximum(1 - leverage, 1e-9)) ** 2)
        generalised[index] = np.mean(residual**2) / max(1 - leverage.mean(), 1e-9) ** 2
    best = int(np.argmin(exact))
    weights = right @ (np.sqrt(energy) / (energy + grid[best]) * loads) / scale
    return RidgeFit(
        penalty=float(grid[best]),
        weights=weights,
        intercept=float(labels.mean() - mean @ weights),
        penalties=grid,
        leave_one_out=exact,
        generalised=generalised,
    )


def decompose(
    rows: Float[np.ndarray, "n d"],
) -> tuple[Float[np.ndarray, " r"], Float[np.ndarray, "n r"], Float[np.ndarray, "d r"]]:
    """Return squared singular values, left and right singular vectors of rows, from the smaller Gram matrix."""
    tall = rows.shape[0] > rows.shape[1]
    energy, vectors = eigh(rows.T @ rows if tall else rows @ rows.T)
    real = energy > 1e-10 * max(float(energy[-1]), np.finfo(np.float64).tiny)
    energy, vectors = energy[real], vectors[:, real]
    other = (rows if tall else rows.T) @ (vectors / np.sqrt(energy))
    return (energy, other, vectors) if tall else (energy, vectors, other)


def predict_ridge(fit: RidgeFit, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """Return the predicted number of every row, in label units."""
    return np.asarray(features @ fit.weights + fit.intercept, np.float64)


def guess_by_ridge(
    known: Float[np.ndarray, "n d"], targets: Float[np.ndarray, " n"], asked: Float[np.ndarray, "m d"]
) -> Float[np.ndarray, " m"]:
    """Return the numbers that a ridge regression on known rows predicts; the known number where all of them are one."""
    if np.ptp(targets) == 0:
        return np.full(len(asked), float(targets[0]))
    return predict_ridge(fit_ridge(known, targets), asked)


def r_squared(
    errors: Float[np.ndarray, "*sets n"], values: Float[np.ndarray, " n"], weights: Float[np.ndarray, "r n"]
) -> Float[np.ndarray, "*sets r"]:
    """Return 1 - squared error / squared deviation from the mean under every row of record weights."""
    shares, centred = weights / weights.sum(1, keepdims=True), values - values.mean()
    variance = shares @ np.square(centred) - np.square(shares @ centred)
    floor = max(1e-12 * float(values.var()), np.finfo(np.float64).tiny)
    return np.asarray(1 - errors @ shares.T / np.maximum(variance, floor))
