"""Redundancy reduction: views agree while features stay spread and uncorrelated; no negatives, no teacher.

Shape letters: B records, V views, P projected width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.core.batch import Batch, View
from selftaught.core.encoder import Encoder
from selftaught.core.errors import UsageError
from selftaught.core.pretext import Clock, Gather, Outcome, Pretext, Representation, Spec, gather_nothing
from selftaught.core.rng import Rng
from selftaught.pretexts.heads import Norm, project_views, projector, usual_norm


def invariance(z: Float[Tensor, "b v p"]) -> Float[Tensor, ""]:
    """Mean squared difference over all pairs of views, squared projector units.

    Bardes 2022, eq. 5; differs: the mean over the width, as in the paper's code, not the sum.
    """
    views = z.shape[1]
    pairs = [
        F.mse_loss(z[:, first].float(), z[:, second].float())
        for first in range(views)
        for second in range(first + 1, views)
    ]
    return torch.stack(pairs).mean()


def variance_hinge(z: Float[Tensor, "b p"], target: float = 1.0, epsilon: float = 1e-4) -> Float[Tensor, ""]:
    """Mean shortfall of every dimension's standard deviation below `target` (Bardes 2022, eq. 1-2)."""
    centred = z.float() - z.float().mean(0)
    variance = centred.square().sum(0) / max(1, len(z) - 1)
    return F.relu(target - (variance + epsilon).sqrt()).mean()


def covariance_penalty(z: Float[Tensor, "b p"]) -> Float[Tensor, ""]:
    """Sum of squared off-diagonal covariances over the width (Bardes 2022, eq. 3-4)."""
    centred = z.float() - z.float().mean(0)
    covariance = centred.T @ centred / max(1, len(z) - 1)
    off = covariance.square().sum() - covariance.diagonal().square().sum()
    return off / z.shape[1]


def vicreg(
    z: Float[Tensor, "b v p"],
    weights: tuple[float, float, float] = (25.0, 25.0, 1.0),
    gather: Gather = gather_nothing,
) -> dict[str, Float[Tensor, ""]]:
    """Weighted invariance, variance and covariance terms (Bardes 2022, eq. 6), the last two over all processes.

    As in the paper's code the variance terms of the views are averaged and the covariance terms added.
    """
    everything = gather(z.float())
    views = z.shape[1]
    hinges = torch.stack([variance_hinge(everything[:, view]) for view in range(views)])
    penalties = torch.stack([covariance_penalty(everything[:, view]) for view in range(views)])
    return {
        "invariance": weights[0] * invariance(z),
        "variance": weights[1] * hinges.mean(),
        "covariance": weights[2] * penalties.sum(),
    }


@dataclass(frozen=True, kw_only=True)
class VICReg(Pretext):
    """Make two views agree while every feature keeps its variance and stays uncorrelated.

    Use when: views are cheap and batches are small (64 and up); no negatives, no teacher.
    Avoid when: the projector is narrow, or the batch is below twice its width's rank.
    Losses: invariance (squared projector units), variance (hinge at 1), covariance; none is at chance zero.
    Relations: BarlowTwins standardises instead of weighting; SimCLR needs larger batches.
    Source: Bardes 2022, eq. 1-6; differs: gathers across devices before variance and covariance.

    norm: inside the head; None: as `usual_norm` says.
    """

    weights: tuple[float, float, float] = (25.0, 25.0, 1.0)
    hidden: int = 512
    outputs: int = 512
    norm: Norm | None = None
    views: int = 2
    statistics: Literal["joint", "per_view"] = "joint"

    needs: ClassVar[frozenset[str]] = frozenset()
    level: ClassVar[Literal["token", "record"]] = "record"
    couples_records: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.views < 2:
            raise UsageError(f"VICReg.views must be at least 2, for one view agrees with itself; got {self.views}.")

    def plan(self) -> tuple[View, ...]:
        """`views` strong views."""
        return (View(kind="strong", count=self.views),)

    def build(self, encoder: Encoder, spec: Spec) -> nn.Module:
        """The expander."""
        widths = (encoder.dim, self.hidden, self.hidden, self.outputs)
        return projector(widths, self.norm or usual_norm(spec.axes))

    def represent(
        self, encoder: Encoder, head: nn.Module, views: Sequence[Batch], clock: Clock, rng: Rng
    ) -> Representation:
        """z: projected vectors (B, V, P)."""
        return Representation({"z": project_views(encoder, head, views, joint=self.statistics == "joint")})

    def losses(
        self, head: nn.Module, representation: Representation, views: Sequence[Batch], clock: Clock, gather: Gather
    ) -> Outcome:
        """The three weighted terms."""
        return Outcome(losses=vicreg(representation["z"], self.weights, gather))
