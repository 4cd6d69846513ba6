"""Reconstruction pretexts: hide tokens, fill them in.

Shape letters: B rows, N tokens, M dropped tokens, P target values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn

from selftaught.core.batch import Batch, View
from selftaught.core.encoder import Encoder
from selftaught.core.errors import UsageError
from selftaught.core.pretext import Clock, Gather, Outcome, Pretext, Representation, Spec
from selftaught.core.rng import Rng
from selftaught.core.targets import Continuous, Target, masked_mean
from selftaught.pretexts.drop import random_drop
from selftaught.pretexts.heads import TokenDecoder


@dataclass(frozen=True, kw_only=True)
class MAE(Pretext):
    """Drop most tokens, encode the visible ones only, and reconstruct the dropped ones with a light decoder.

    Use when: no good views are known, records are large, or compute per epoch must be low.
    Avoid when: the budget is minutes and the probe is linear: reconstruction starts slowly.
    Losses: reconstruction (by the target's kind; 1 at chance for normalised continuous targets).
    Relations: SimMIM encodes dropped tokens too; data2vec predicts latents instead of the input.
    Source: He 2022, sections 3 and 4; differs: any target kind, any number of axes, units dropped together.
    """

    drop: float = 0.75
    width: int = 128
    depth: int = 2
    heads: int = 4
    normalise: bool = True
    scale: tuple[float, float] = (0.2, 1.0)

    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "drop", "target"})
    level: ClassVar[Literal["token", "record"]] = "token"
    couples_records: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 < self.drop < 1:
            raise UsageError(f"MAE.drop is a fraction between 0 and 1; got {self.drop}. The paper uses 0.75.")
        if self.width % self.heads:
            raise UsageError(f"MAE.heads must divide MAE.width; {self.heads} does not divide {self.width}.")

    def plan(self) -> tuple[View, ...]:
        """One weakly augmented view with its target."""
        return (View(kind="weak", scale=self.scale, target=True, packed=True),)

    def build(self, encoder: Encoder, spec: Spec) -> nn.Module:
        """The decoder."""
        return TokenDecoder(encoder.dim, spec.axes, self.width, self.depth, self.heads, spec.outputs)

    def represent(
        self, encoder: Encoder, head: nn.Module, views: Sequence[Batch], clock: Clock, rng: Rng
    ) -> Representation:
        """prediction (B, M, P), drop (B, M) token indices, dropped (B, M) which of them count."""
        view = views[0]
        pattern = random_drop(view, self.drop, rng.fold("mae"))
        tokens = encoder.tokenize(view)
        visible = encoder.forward(tokens.take(pattern.keep, pattern.kept)).tokens
        prediction = head(visible, tokens, pattern.drop, pattern.dropped)
        dropped = torch.ones_like(pattern.drop, dtype=torch.bool) if pattern.dropped is None else pattern.dropped
        return Representation({"prediction": prediction, "drop": pattern.drop, "dropped": dropped})

    def losses(
        self, head: nn.Module, representation: Representation, views: Sequence[Batch], clock: Clock, gather: Gather
    ) -> Outcome:
        """The target's own loss, averaged over dropped valid tokens."""
        target = views[0].target
        if target is None:
            raise UsageError("MAE got a view without targets; plan a View with target=True.")
        loss = reconstruction(target, representation, normalise=self.normalise, gather=gather, ranks=clock.ranks)
        return Outcome(losses={"reconstruction": loss})


def reconstruction(
    target: Target, representation: Representation, *, normalise: bool, gather: Gather, ranks: int
) -> torch.Tensor:
    """Mean loss over dropped valid tokens (He 2022, eq. in section 3: squared error on dropped patches only)."""
    wanted = target.take(representation["drop"])
    if normalise and isinstance(wanted, Continuous):
        wanted = wanted.normalised()
    valid = representation["dropped"] & wanted.valid
    return masked_mean(wanted.loss(representation["prediction"]), valid, gather, ranks)
