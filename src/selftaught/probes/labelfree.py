"""Label-free metrics of a representation: alarms and tie-breaks, never the judge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh, eigvalsh

from selftaught.core.errors import DataError

PAIRS = 2048
"""Records whose pairs are compared by uniformity and mean cosine: about 2 million pairs."""


@dataclass(frozen=True)
class LabelFree:
    """Label-free metrics of n records; None is not measured (it needs several views of each record)."""

    rankme: float
    """Effective number of directions, 1 to d."""
    alpha: float
    """Decay of the eigenspectrum; about 1 is balanced, larger is more collapsed."""
    lidar: float | None
    """Effective number of directions that tell records apart, 1 to d."""
    alignment: float | None
    """Mean squared distance of two views on the unit sphere, 0 to 4."""
    uniformity: float
    """Log mean Gaussian potential, at most 0; lower is more uniform."""
    spread: float
    """Mean standard deviation per dimension of the rows on the unit sphere; 1 / sqrt(d) when isotropic."""
    cosine: float
    """Mean cosine of two records; 1 is complete collapse."""
    n: int


def measure(
    features: Float[np.ndarray, "n d"], rng: np.random.Generator, views: Float[np.ndarray, "m v d"] | None = None
) -> LabelFree:
    """Return all label-free metrics of held-out features; LiDAR and alignment need several views of some records.

    Raises DataError below two records or on values that are not finite.
    """
    check(features)
    some = features[rng.permutation(len(features))[:PAIRS]]
    return LabelFree(
        rankme=rankme(features),
        alpha=alpha_req(features),
        lidar=None if views is None else lidar(views),
        alignment=None if views is None else alignment(views[:, 0], views[:, 1]),
        uniformity=uniformity(some),
        spread=spread(features),
        cosine=mean_cosine(some),
        n=len(features),
    )


def check(features: Float[np.ndarray, "n ..."]) -> None:
    """Raise DataError unless there are two records and all values are finite."""
    if len(features) < 2 or not np.isfinite(features).all():
        raise DataError(
            f"Label-free metrics need at least two records and finite features; got {len(features)} records, "
            f"{int((~np.isfinite(features)).sum())} values that are not finite."
        )


def effective_rank(weights: Float[np.ndarray, " d"]) -> float:
    """Return exp(entropy) of non-negative weights brought to sum 1 (Roy & Vetterli 2007); 0 where all are 0."""
    total = float(weights.sum())
    if total <= 0:
        return 0.0
    share = weights[weights > 0] / total
    return float(np.exp(-(share * np.log(share)).sum()))


def rankme(features: Float[np.ndarray, "n d"]) -> float:
    """Return RankMe: exp(entropy) of the singular values of the features, not centred (Garrido 2023, eq. 2).

    Singular values of the Gram matrix lose half their digits; below 1e-7 of the largest they count as 0.
    """
    check(features)
    rows = np.asarray(features, np.float64)
    energy = eigvalsh(rows.T @ rows if rows.shape[0] > rows.shape[1] else rows @ rows.T).clip(min=0)
    energy[energy < 1e-14 * energy[-1]] = 0
    return effective_rank(np.sqrt(energy))


def alpha_req(features: Float[np.ndarray, "n d"]) -> float:
    """Return alpha of the power law j^-alpha that the eigenvalues of the covariance follow (Agrawal 2022, alpha-ReQ).

    Least squares of log eigenvalue on log rank over the eigenvalues above 1e-10 of the largest; infinite where only one
    is left (collapse on a line) and NaN where the features are constant.
    """
    check(features)
    rows = np.asarray(features, np.float64)
    rows = rows - rows.mean(0)
    energy = eigvalsh(rows.T @ rows if rows.shape[0] > rows.shape[1] else rows @ rows.T)[::-1]
    if energy[0] <= 1e-20 * len(rows) * max(1.0, float(np.square(features, dtype=np.float64).max())):
        return float("nan")
    energy = energy[energy > 1e-10 * energy[0]]
    if len(energy) < 2:
        return float("inf")
    return float(-np.polyfit(np.log(np.arange(1, len(energy) + 1)), np.log(energy), 1)[0])


def lidar(views: Float[np.ndarray, "n v d"], floor: float = 1e-4) -> float:
    """Return LiDAR: exp(entropy) of the eigenvalues of W^-1/2 B W^-1/2 (Thilak 2024, eq. 5-7).

    B is the covariance of the records' mean views, W the covariance of views around them plus `floor` on the diagonal.
    Raises DataError below two views.
    """
    check(views)
    if views.shape[1] < 2:
        raise DataError(f"LiDAR needs at least two views of each record; got {views.shape[1]}.")
    rows = np.asarray(views, np.float64)
    centres = rows.mean(1)
    around = (rows - centres[:, None]).reshape(-1, rows.shape[2])
    within = around.T @ around / (rows.shape[0] * (rows.shape[1] - 1)) + floor * np.eye(rows.shape[2])
    centres = centres - centres.mean(0)
    between = centres.T @ centres / (len(centres) - 1)
    return effective_rank(eigh(between, within, eigvals_only=True).clip(min=0))


def on_sphere(features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Return the rows at length 1; a row of zeros stays zero."""
    rows = np.asarray(features, np.float64)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def alignment(first: Float[np.ndarray, "n d"], second: Float[np.ndarray, "n d"]) -> float:
    """Return the mean squared distance of two views of the same records on the sphere (Wang & Isola 2020, eq. 1)."""
    return float(np.square(on_sphere(first) - on_sphere(second)).sum(1).mean())


def uniformity(features: Float[np.ndarray, "n d"], sharpness: float = 2.0) -> float:
    """Return log mean exp(-sharpness * squared distance) over pairs on the unit sphere (Wang & Isola 2020, eq. 2).

    Memory grows with the square of n; `measure` gives it a sample.
    """
    check(features)
    rows = on_sphere(features)
    cosine = (rows @ rows.T)[np.triu_indices(len(rows), 1)]
    return float(np.log(np.exp(-sharpness * np.maximum(2 - 2 * cosine, 0)).mean()))


def mean_cosine(features: Float[np.ndarray, "n d"]) -> float:
    """Return the mean cosine over all pairs of different records."""
    check(features)
    rows = on_sphere(features)
    return float((np.square(rows.sum(0)).sum() - np.square(rows).sum()) / (len(rows) * (len(rows) - 1)))


def spread(features: Float[np.ndarray, "n d"]) -> float:
    """Return the mean over dimensions of the standard deviation of the rows on the unit sphere."""
    check(features)
    return float(on_sphere(features).std(0).mean())
