"""L2 multinomial logistic regression on standardised features, solved for a whole grid of problems at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from selftaught.core.errors import DataError
from selftaught.probes.solver import RowSets, follow

STRENGTHS = tuple(float(10**power) for power in range(-5, 3))
"""C of scikit-learn for standardised features, where the best lies within for most sets and budgets."""
TOLERANCE = 1e-5
"""Largest absolute entry of the gradient of the mean loss at a solution, as `tol` of scikit-learn (default 1e-4)."""
FINEST = 1e-6
"""Smallest tolerance that float32 is tried on; below it everything runs in float64."""
LIMIT = 1000
"""Iterations per strength before a solution is reported as not converged."""
PADDING = 1.25
"""Largest ratio of row numbers that are solved together."""
MEMORY = 1 << 26
"""Numbers (4 bytes each) that one batch of problems may hold, rows and optimiser history together."""


@dataclass(frozen=True)
class LogisticFit:
    """Logistic regressions on one set of rows at several strengths, written for the features as they were given.

    A class that the rows do not hold has weights 0 and intercept -inf.
    """

    classes: Shaped[np.ndarray, " c"]
    strengths: Float[np.ndarray, " s"]
    """C of scikit-learn: larger is less regularised."""
    weights: Float[np.ndarray, "s c d"]
    intercepts: Float[np.ndarray, "s c"]
    gradient_norm: Float[np.ndarray, " s"]
    """Largest absolute entry of the gradient of mean cross-entropy + penalty, by the standardised weights; nats."""
    iterations: Int[np.ndarray, " s"]
    """Until the slowest of the problems solved together had converged."""
    converged: Bool[np.ndarray, " s"]


def fit_logistic(
    features: Float[np.ndarray, "n d"],
    labels: Shaped[np.ndarray, " labelled"],
    strengths: Sequence[float],
    tolerance: float = TOLERANCE,
) -> LogisticFit:
    """Return the logistic regressions of labels on standardised features, one per strength; see `fit_logistic_grid`."""
    return fit_logistic_grid(features, labels, (np.arange(len(features)),), strengths, tolerance)[0]


def fit_logistic_grid(
    features: Float[np.ndarray, "n d"],
    labels: Shaped[np.ndarray, " labelled"],
    subsets: Sequence[Int[np.ndarray, " _"]],
    strengths: Sequence[float],
    tolerance: float = TOLERANCE,
) -> tuple[LogisticFit, ...]:
    """Return, per subset of row indices, the logistic regressions at every strength.

    Each subset is standardised on its own rows; a feature that is constant there gets weight 0. With C the strength
    and n the rows of the subset, the objective is scikit-learn's: C * (sum of cross-entropies) + 0.5 * ||W||^2 without
    the intercepts, divided by C n: mean cross-entropy + penalty / 2 * ||W||^2 with penalty = 1 / (C n). For two classes
    scikit-learn has one weight vector, the difference of our two; the same minimum then needs penalty = 2 / (C n).

    Raises DataError when a value is not finite or a subset holds fewer than two classes.
    """
    check(features, labels)
    classes, codes = np.unique(labels, return_inverse=True)
    for subset in subsets:
        if len(np.unique(codes[subset])) < 2:
            raise DataError(
                f"A logistic probe needs rows of at least two classes; {len(subset)} rows hold "
                f"{len(np.unique(codes[subset]))}. Label more classes, or leave this budget out."
            )
    table = torch.from_numpy(np.ascontiguousarray(features, np.float32 if tolerance >= FINEST else np.float64))
    fits: dict[int, LogisticFit] = {}
    for group in grouped([len(subset) for subset in subsets], features.shape[1], len(classes)):
        chosen = [torch.from_numpy(np.asarray(subsets[index], np.int64)) for index in group]
        solved = solve(table, torch.from_numpy(codes), chosen, classes, np.asarray(strengths, np.float64), tolerance)
        fits.update(zip(group, solved, strict=True))
    return tuple(fits[index] for index in range(len(subsets)))


def class_scores(fit: LogisticFit, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "s n c"]:
    """Return the logits (nats) of every row under every strength."""
    flat = features.astype(np.float32, copy=False) @ fit.weights.reshape(-1, features.shape[1]).T
    logits = flat.reshape(len(features), *fit.intercepts.shape) + fit.intercepts
    return np.ascontiguousarray(logits.transpose(1, 0, 2))


def predict(fit: LogisticFit, features: Float[np.ndarray, "n d"]) -> Shaped[np.ndarray, "s n"]:
    """Return the most likely class of every row under every strength."""
    return np.asarray(fit.classes[class_scores(fit, features).argmax(2)])


def check(features: Float[np.ndarray, "n d"], labels: Shaped[np.ndarray, " labelled"]) -> None:
    """Raise DataError unless there is one label per row and every feature is finite."""
    if len(features) != len(labels):
        raise DataError(f"A probe needs one label per row: {len(features)} rows, {len(labels)} labels.")
    if not np.isfinite(features).all():
        row = int(np.flatnonzero(~np.isfinite(features).all(1))[0])
        raise DataError(f"Features must be finite; row {row} has NaN or infinity. Repair it or leave it out.")


def grouped(sizes: Sequence[int], features: int, classes: int) -> list[list[int]]:
    """Return indices of subsets to solve together: of similar size and within the memory."""
    groups: list[list[int]] = []
    for index in np.argsort(sizes, kind="stable").tolist():
        cost = 2 * sizes[index] * features + 80 * classes * features
        if groups:
            alike = sizes[index] <= PADDING * sizes[groups[-1][0]]
            if alike and cost * (len(groups[-1]) + 1) <= MEMORY:
                groups[-1].append(index)
                continue
        groups.append([index])
    return groups


@dataclass(frozen=True)
class Standardised:
    """Rows of several subsets, each standardised on its own, with what undoes it."""

    rows: Float[Tensor, "p n d"]
    mean: Float[Tensor, "p d"]
    scale: Float[Tensor, "p d"]
    """Standard deviation; infinite for a constant feature, so that its weight is 0."""


def standardise(table: Float[Tensor, "n d"], subsets: Sequence[Tensor]) -> Standardised:
    """Return the rows of each subset with mean 0 and variance 1, padded with zeros to the longest."""
    longest = max(len(subset) for subset in subsets)
    rows = table.new_zeros(len(subsets), longest, table.shape[1])
    means, scales = [], []
    for place, subset in zip(rows, subsets, strict=True):
        chosen = table[subset]
        centre = chosen.mean(0, dtype=torch.float64)
        chosen -= centre.to(chosen.dtype)
        scale = torch.linalg.vector_norm(chosen, dim=0).double() / len(subset) ** 0.5
        rounding = 4 * torch.finfo(table.dtype).eps * centre.abs()
        scale = torch.where(scale > rounding, scale, torch.inf)
        torch.mul(chosen, (1 / scale).to(chosen.dtype), out=place[: len(subset)])
        means.append(centre)
        scales.append(scale)
    return Standardised(rows, torch.stack(means), torch.stack(scales))


def compose(rows: Float[Tensor, "p n d"], codes: Tensor, subsets: Sequence[Tensor], classes: int) -> RowSets:
    """Return the row sets for the solver: in the eigenbasis when the rows are few, else with the eigenbasis beside."""
    number = torch.tensor([len(subset) for subset in subsets]).to(rows)
    mass = rows.new_zeros(rows.shape[:2])
    target = rows.new_zeros(len(subsets), classes, rows.shape[1])
    for index, subset in enumerate(subsets):
        mass[index, : len(subset)] = 1 / len(subset)
        target[index, codes[subset], torch.arange(len(subset))] = 1 / len(subset)
    few = 2 * rows.shape[1] <= rows.shape[2]
    wide = rows.double() if few else rows
    basis, energy = eigenbasis(wide)
    ends = torch.cat([energy / number[:, None], energy.new_ones(len(energy), 1)], 1).to(rows)
    turn = basis.new_zeros(len(rows), rows.shape[2] + 1, basis.shape[2] + 1)
    turn[:, :-1, :-1], turn[:, -1, -1] = basis, 1
    turn = turn.to(rows)
    lines = torch.bmm(wide, basis).to(rows) if few else rows
    lines = torch.cat([lines, (mass > 0).to(rows)[:, :, None]], 2)
    return RowSets(lines, mass, target, target.any(2), None if few else turn, ends, turn if few else None)


def eigenbasis(rows: Float[Tensor, "p n d"]) -> tuple[Float[Tensor, "p d r"], Float[Tensor, "p r"]]:
    """Return orthonormal directions that span the rows and the sum of squares along each, from the smaller Gram matrix.

    Directions without energy are 0 and carry the least energy that is not rounding.
    """
    tall = rows.shape[1] > rows.shape[2]
    gram = torch.bmm(rows.mT, rows) if tall else torch.bmm(rows, rows.mT)
    try:
        energy, vectors = torch.linalg.eigh(gram)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        # Where many features are constant, as one-hot ones of few rows are, float32 does not always converge.
        energy, vectors = (part.to(gram) for part in torch.linalg.eigh(gram.double()))
    real = energy > 10 * rows.shape[1] * torch.finfo(rows.dtype).eps * energy[:, -1:]
    least = torch.where(real, energy, torch.inf).amin(1, keepdim=True)
    least = torch.where(least.isfinite(), least, 1)
    energy = torch.where(real, energy, least)
    if not tall:
        vectors = torch.bmm(rows.mT, vectors * torch.where(real, energy.rsqrt(), 0)[:, None])
    return vectors, energy


def solve(
    table: Tensor,
    codes: Tensor,
    subsets: Sequence[Tensor],
    classes: Shaped[np.ndarray, " c"],
    strengths: Float[np.ndarray, " s"],
    tolerance: float,
) -> list[LogisticFit]:
    """Return the fits of subsets of similar size; those that float32 cannot bring to the tolerance go on in float64."""
    order = np.argsort(strengths, kind="stable")
    standard = standardise(table, subsets)
    sets = compose(standard.rows, codes, subsets, len(classes))
    number = torch.tensor([len(subset) for subset in subsets], dtype=torch.float64)[:, None]
    penalties = torch.where(sets.present.sum(1)[:, None] == 2, 2, 1) / (torch.from_numpy(strengths[order]) * number)
    path = follow(sets, penalties.to(standard.rows), tolerance, LIMIT)
    weights, norms = path.weights.double(), path.gradient_norm.double()
    used = torch.tensor(path.iterations).repeat(len(subsets), 1)
    late = torch.nonzero(~(norms <= tolerance).all(1)).flatten().tolist()
    if late:
        again = [subsets[index] for index in late]
        wide = standardise(table.double(), again)
        path = follow(compose(wide.rows, codes, again, len(classes)), penalties[late], tolerance, LIMIT)
        weights[late], norms[late] = path.weights, path.gradient_norm
        used[late] += torch.tensor(path.iterations)
    slopes = weights[..., :-1] / standard.scale[:, None, None]
    shifts = weights[..., -1] - torch.einsum("pscd,pd->psc", slopes, standard.mean)
    shifts = shifts.masked_fill(~sets.present[:, None], -torch.inf)
    back = np.argsort(order)
    return [
        LogisticFit(
            classes=classes,
            strengths=strengths,
            weights=slopes[index].float().numpy()[back],
            intercepts=shifts[index].float().numpy()[back],
            gradient_norm=norms[index].numpy()[back],
            iterations=used[index].numpy()[back],
            converged=(norms[index] <= tolerance).numpy()[back],
        )
        for index in range(len(subsets))
    ]
