"""Corruption pretexts: some of a record's content is another record's; say which, and what was there.

Shape letters: B rows, N tokens, D width, P target values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.core.batch import Axis, Batch, View
from selftaught.core.encoder import Encoder
from selftaught.core.errors import UsageError
from selftaught.core.pretext import Clock, Gather, Outcome, Pretext, Representation, Spec
from selftaught.core.rng import Rng
from selftaught.core.targets import Categorical, Circular, Continuous, Counts, Mixed, Target, masked_mean
from selftaught.layers.positions import PositionCode

Plain = Continuous | Categorical | Circular | Counts


@dataclass(frozen=True, kw_only=True)
class VIME(Pretext):
    """From a row of which some cells were swapped with other rows': tell which, and what they were.

    Use when: records are rows of many columns that depend on each other, and no view leaves the meaning alone.
    Avoid when: columns are nearly independent: what was swapped then cannot be told.
    Losses: swapped (nats; the entropy of the share swapped at chance), cells (by the target's kind, times alpha).
    Relations: MAE drops what VIME swaps; SimCLR on the same swapped cells is SCARF.
    Source: Yoon 2020, eq. 3-6; differs: one decoder asked for each column's code, losses by the kind of column.
    """

    alpha: float = 2.0
    hidden: int = 256

    needs: ClassVar[frozenset[str]] = frozenset({"target", "swap"})
    level: ClassVar[Literal["token", "record"]] = "record"
    couples_records: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.alpha < 0:
            raise UsageError(f"VIME.alpha must be 0 or more; got {self.alpha}. The paper uses 2.")
        if self.hidden < 1:
            raise UsageError(f"VIME.hidden must be at least 1; got {self.hidden}.")

    def plan(self) -> tuple[View, ...]:
        """The row with swapped cells, and as it is; both with targets, whose difference says what was swapped."""
        return (View(kind="noisy", target=True), View(kind="clean", target=True))

    def build(self, encoder: Encoder, spec: Spec) -> nn.Module:
        """The decoder: of every token, whether it was swapped, and its target."""
        return CellDecoder(encoder.dim, spec.axes, self.hidden, 1 + spec.outputs)

    def represent(
        self, encoder: Encoder, head: nn.Module, views: Sequence[Batch], clock: Clock, rng: Rng
    ) -> Representation:
        """prediction (B, N, 1 + P), from the pooled vector of the row with swapped cells."""
        return Representation({"prediction": head(encoder.encode(views[0]).pooled, views[0].pos)})

    def losses(
        self, head: nn.Module, representation: Representation, views: Sequence[Batch], clock: Clock, gather: Gather
    ) -> Outcome:
        """Both losses, averaged over the tokens that have a target in either view, and in the clean one."""
        shown, wanted = views[0].target, views[1].target
        if shown is None or wanted is None:
            raise UsageError("VIME got views without targets; plan Views with target=True.")
        prediction = representation["prediction"].float()
        swapped, judged = differs(shown, wanted), shown.valid | wanted.valid
        told = F.binary_cross_entropy_with_logits(prediction[..., 0], swapped.float(), reduction="none")
        filled = wanted.loss(prediction[..., 1:])
        share = (swapped & judged).sum() / judged.sum().clamp(min=1)
        return Outcome(
            losses={
                "swapped": masked_mean(told, judged, gather, clock.ranks),
                "cells": self.alpha * masked_mean(filled, wanted.valid, gather, clock.ranks),
            },
            logs={"share": share.float()},
        )


class CellDecoder(nn.Module):
    """What one vector says of every token, asked for by its position: an MLP on vector plus position code."""

    def __init__(self, dim: int, axes: Sequence[Axis], hidden: int, outputs: int) -> None:
        super().__init__()
        self.enter = nn.Linear(dim, hidden)
        self.position = PositionCode(hidden, axes)
        self.rest = nn.Sequential(nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, outputs))

    def forward(self, pooled: Float[Tensor, "b d"], pos: Float[Tensor, "b n k"]) -> Float[Tensor, "b n p"]:
        """Predictions for the tokens at the given places."""
        vector = self.enter(pooled)
        out: Tensor = self.rest(vector[:, None] + self.position(pos).to(vector.dtype))
        return out


def differs(first: Target, second: Target) -> Bool[Tensor, "b n"]:
    """Where two targets of the same tokens are not equal, or only one of them is valid."""
    apart = first.valid != second.valid
    if isinstance(first, Mixed) and isinstance(second, Mixed):
        for index, (one, other) in enumerate(zip(first.parts, second.parts, strict=True)):
            apart = apart | (_values_differ(one, other) & (first.part == index))
        return apart
    if isinstance(first, Mixed) or isinstance(second, Mixed):
        raise UsageError("Targets of two views must be of one kind; one is a mix of kinds and the other is not.")
    return apart | _values_differ(first, second)


def _values_differ(first: Plain, second: Plain) -> Bool[Tensor, "b n"]:
    other = first.values != second.values
    other = other.any(-1) if other.ndim == 3 else other
    return torch.logical_and(other, first.valid & second.valid)
