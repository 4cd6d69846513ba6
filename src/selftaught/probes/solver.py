"""Batched preconditioned L-BFGS for multinomial logistic regression: many row sets at once, along a path of penalties.

Legend for the shapes in this file: P row sets, C classes, N rows, D features and the constant one of the intercept
(always last), R directions of the preconditioner.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

SHORT, LONG = 10, 100
"""Pairs of step and gradient change that L-BFGS remembers when rows are few and when passes over them are dear."""
MEMORY = 1 << 26
"""Numbers that a long history may hold."""
REFRESH = 2
"""Iterations between two looks at the class probabilities by the preconditioner."""
EXTRAPOLATION = 0.5
"""Fraction of the last change along the path of penalties that the next start repeats."""
STEEP = 0.8
"""A slope at most this fraction of the first one ends the line search (approximate Wolfe, Hager & Zhang 2005)."""
SLACK = 0.3
"""A full step whose slope is within this fraction of the first one is taken as it is."""

PATIENCE = 60
"""Iterations without a smaller gradient after which rounding is blamed and the descent ends."""

History = list[tuple[Tensor, Tensor, Tensor]]
"""Steps (P C D), gradient changes (P C D) and 1 / their product (P), oldest first."""


@dataclass(frozen=True)
class RowSets:
    """Centred rows with their classes, and the eigenvectors of their covariance."""

    rows: Float[Tensor, "p n d"]
    """Features with mean 0 in each set, then a constant 1; padding is 0."""
    mass: Float[Tensor, "p n"]
    """1 / (number of rows), 0 for padding."""
    target: Float[Tensor, "p c n"]
    """`mass` at the row's class, else 0."""
    present: Bool[Tensor, "p c"]
    """Which classes the set holds; the others get probability 0."""
    basis: Float[Tensor, "p d r"] | None
    """Orthonormal directions, the last one the intercept; None when the rows are already written in them."""
    variance: Float[Tensor, "p r"]
    """Mean square of the rows along each direction."""
    rotation: Float[Tensor, "p e d"] | None
    """From the coordinates of the rows to the features and the intercept; None when they are the same."""


@dataclass(frozen=True)
class Path:
    """Solutions at every penalty: weights (intercept last), largest absolute gradient entry, iterations."""

    weights: Float[Tensor, "p s c e"]
    gradient_norm: Float[Tensor, "p s"]
    iterations: tuple[int, ...]
    """Per penalty: until the slowest set had converged."""


@dataclass(frozen=True)
class Scaling:
    """The inverse of a Kronecker model of the Hessian: class covariance x feature covariance + penalty."""

    rotation: Float[Tensor, "p c c"]
    inside: Float[Tensor, "p c r"]
    outside: Float[Tensor, "p c 1"]

    def apply(self, sets: RowSets, gradient: Float[Tensor, "p c d"]) -> Float[Tensor, "p c d"]:
        """Return the preconditioned gradient."""
        turned = torch.bmm(self.rotation.mT, gradient)
        if sets.basis is None:
            return torch.bmm(self.rotation, turned * self.inside)
        along = torch.bmm(turned, sets.basis) * (self.inside - self.outside)
        return torch.bmm(self.rotation, torch.baddbmm(turned * self.outside, along, sets.basis.mT))


def scale(sets: RowSets, chance: Float[Tensor, "p c n"], penalty: Float[Tensor, " p"]) -> Scaling:
    """Return the preconditioner at the given probabilities (each multiplied by the row's mass).

    The Hessian of the cross-entropy is the mean over rows of (diag(p) - p p^T) x (x x^T). The model replaces the mean
    of the product by the product of the means, which two small eigendecompositions diagonalise.
    """
    rows = sets.mass.count_nonzero(1).to(chance)
    model = torch.diag_embed(chance.sum(2)) - torch.bmm(chance, chance.mT) * rows[:, None, None]
    spread, rotation = torch.linalg.eigh(model)
    spread = spread.clamp(min=1e-6).clamp(min=1e-3 * spread[:, -1:])[:, :, None]
    loads = penalty[:, None].expand_as(sets.variance).clone()
    loads[:, -1] = 0
    inside = 1 / (spread * sets.variance[:, None] + loads[:, None])
    floor = sets.variance[:, :-1].amin(1)[:, None, None]
    return Scaling(rotation, inside, 1 / (spread * floor + penalty[:, None, None]))


def chances(sets: RowSets, logits: Float[Tensor, "p c n"]) -> Float[Tensor, "p c n"]:
    """Return the class probabilities of each row, multiplied by the row's mass."""
    if not bool(sets.present.all()):
        logits = logits.masked_fill(~sets.present[:, :, None], -torch.inf)
    chance = (logits - logits.amax(1, keepdim=True)).exp_()
    return chance.mul_(sets.mass[:, None] / chance.sum(1, keepdim=True))


def gradients(
    sets: RowSets, chance: Float[Tensor, "p c n"], weights: Float[Tensor, "p c d"], penalty: Float[Tensor, " p"]
) -> Float[Tensor, "p c d"]:
    """Return the gradient of mean cross-entropy (nats) + penalty / 2 * squared norm without the intercept."""
    gradient = torch.bmm(chance - sets.target, sets.rows)
    gradient[..., :-1] += penalty[:, None, None] * weights[..., :-1]
    return gradient


def largest(sets: RowSets, gradient: Float[Tensor, "p c d"]) -> Float[Tensor, " p"]:
    """Return the largest absolute entry of the gradient by the weights of the features and the intercept."""
    if sets.rotation is not None:
        gradient = torch.bmm(gradient, sets.rotation.mT)
    size: Tensor = gradient.abs().amax((1, 2))
    return size


def dot(left: Float[Tensor, "p c d"], right: Float[Tensor, "p c d"]) -> Float[Tensor, "p 1 1"]:
    """Return the inner product per row set."""
    product: Tensor = torch.linalg.vecdot(left.flatten(1), right.flatten(1))
    return product[:, None, None]


def direction(
    sets: RowSets, scaling: Scaling, gradient: Float[Tensor, "p c d"], history: History
) -> Float[Tensor, "p c d"]:
    """Return the descent direction of L-BFGS (two-loop recursion, Nocedal & Wright 2006, algorithm 7.4)."""
    quasi, shares = gradient.clone(), []
    for step, change, inverse in reversed(history):
        shares.append(inverse * dot(step, quasi))
        quasi.addcmul_(change, shares[-1], value=-1)
    quasi = scaling.apply(sets, quasi)
    for (step, change, inverse), share in zip(history, reversed(shares), strict=True):
        quasi.addcmul_(step, share - inverse * dot(change, quasi))
    return quasi.neg_()


def search(
    sets: RowSets, logits: Tensor, aim: Tensor, first: Float[Tensor, "p 1 1"], ridge: tuple[Tensor, Tensor]
) -> tuple[Float[Tensor, "p 1 1"], Tensor, Tensor]:
    """Return step lengths, logits and probabilities along `aim` (change of the logits per unit step).

    Works on slopes only, so that rounding of the loss value never matters. `first` is the slope at 0, `ridge` the
    penalty's part of the slope: constant and per unit step.
    """
    length = torch.ones_like(first)
    toward = dot(sets.target, aim)
    for trial in range(20):
        moved = torch.addcmul(logits, aim, length)
        chance = chances(sets, moved)
        slope = dot(chance, aim) - toward + ridge[0] + length * ridge[1]
        poor = slope.abs() > SLACK * first.abs() if trial == 0 else slope > STEEP * first.abs()
        if not bool(poor.any()):
            break
        secant = length * first / (first - slope)
        length = torch.where(poor, torch.minimum(torch.maximum(secant, 0.1 * length), 4 * length), length)
    return length, moved, chance


def memory(sets: RowSets) -> int:
    """Return how many pairs to remember: many where a pass over the rows costs more than the recursion."""
    if sets.rows.shape[1] < 2 * sets.rows.shape[2]:
        return SHORT
    pair = 2 * sets.present.numel() * sets.rows.shape[2]
    return max(SHORT, min(LONG, MEMORY // pair))


def remember(history: History, step: Tensor, change: Tensor, keep: int) -> History:
    """Return the history with one more pair; a pair without curvature counts for nothing."""
    curvature = dot(step, change)
    inverse = torch.where(curvature > torch.finfo(curvature.dtype).tiny, 1 / curvature, 0)
    return [*history[1 - keep :], (step, change, inverse)]


def descend(
    sets: RowSets,
    penalty: Float[Tensor, " p"],
    weights: Float[Tensor, "p c d"],
    history: History,
    tolerance: float,
    limit: int,
) -> tuple[Tensor, Tensor, History, int]:
    """Return weights, gradient, history and iterations when every gradient entry is within the tolerance."""
    logits = torch.bmm(weights, sets.rows.mT)
    chance = chances(sets, logits)
    gradient = gradients(sets, chance, weights, penalty)
    ridge = penalty[:, None, None]
    least, since = torch.inf, 0
    for iteration in range(limit):
        norms = largest(sets, gradient)
        open_sets = (norms > tolerance)[:, None, None]
        least, since = (float(norms.max()), iteration) if float(norms.max()) < least else (least, since)
        if not bool(open_sets.any()) or iteration > since + PATIENCE:
            return weights, gradient, history, iteration
        if iteration % REFRESH == 0:
            scaling = scale(sets, chance, penalty)
        aim = direction(sets, scaling, gradient, history)
        pull = dot(weights[..., :-1], aim[..., :-1]) * ridge, dot(aim[..., :-1], aim[..., :-1]) * ridge
        length, moved, fresh = search(sets, logits, torch.bmm(aim, sets.rows.mT), dot(gradient, aim), pull)
        if len(open_sets) > 1:
            moved, fresh = torch.where(open_sets, moved, logits), torch.where(open_sets, fresh, chance)
        step = aim * (length * open_sets)
        logits, chance, weights = moved, fresh, weights + step
        change = -gradient
        gradient = gradients(sets, chance, weights, penalty)
        history = remember(history, step, change.add_(gradient), memory(sets))
    return weights, gradient, history, limit


def shift(history: History, by: Float[Tensor, " p"]) -> History:
    """Return the history as it would be had the penalty been larger by `by`: exact, as the penalty is quadratic."""
    moved: History = []
    for step, change, _ in history:
        change = change.clone()
        change[..., :-1] += by[:, None, None] * step[..., :-1]
        moved = remember(moved, step, change, len(history))
    return moved


def restore(sets: RowSets, weights: Float[Tensor, "p s c d"]) -> Float[Tensor, "p s c e"]:
    """Return weights for the features and the intercept from weights for the coordinates of the rows."""
    if sets.rotation is None:
        return weights
    turned = torch.bmm(weights.flatten(1, 2), sets.rotation.mT)
    return turned.view(*weights.shape[:3], -1)


def follow(
    sets: RowSets,
    penalties: Float[Tensor, "p s"],
    tolerance: float,
    limit: int,
) -> Path:
    """Return the solutions at all penalties, given from the largest to the smallest, each started from the ones before.

    `tolerance` bounds the largest absolute gradient entry; `limit` is the number of iterations per penalty.
    """
    solved: list[Tensor] = []
    norms: list[Tensor] = []
    iterations: list[int] = []
    history: History = []
    for index in range(penalties.shape[1]):
        penalty = penalties[:, index].contiguous()
        if solved:
            weights = solved[-1] + EXTRAPOLATION * (solved[-1] - solved[-2]) if len(solved) > 1 else solved[-1]
            history = shift(history, penalty - penalties[:, index - 1])
        else:
            weights = sets.rows.new_zeros(*sets.present.shape, sets.rows.shape[2])
        weights, gradient, history, used = descend(sets, penalty, weights, history, tolerance, limit)
        solved.append(weights)
        norms.append(largest(sets, gradient))
        iterations.append(used)
    return Path(restore(sets, torch.stack(solved, 1)), torch.stack(norms, 1), tuple(iterations))
