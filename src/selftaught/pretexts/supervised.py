"""The internal pretext of the control that is trained from scratch with labels.

Shape letters: B rows, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn
from torch.nn import functional as F

from selftaught.core.batch import Batch, View
from selftaught.core.encoder import Encoder
from selftaught.core.errors import UsageError
from selftaught.core.pretext import Clock, Gather, Outcome, Pretext, Representation, Spec
from selftaught.core.rng import Rng
from selftaught.core.targets import masked_mean


@dataclass(frozen=True, kw_only=True)
class Supervised(Pretext):
    """Predict the label from one augmented view: cross entropy for classes, squared error for numbers.

    Use when: labels are plenty; or as the control beside every self-supervised run.
    Avoid when: there are no labels.
    Losses: label (nats; log of the number of classes at chance).
    Relations: shares loop, encoder and budget with the pretexts it is compared to, and their views but for what cost it
    accuracy: colours, and crops below `scale` of the record (None: the modality's own).
    Source: the control of Chen 2020, section 4.
    """

    smoothing: float = 0.0
    view: Literal["strong", "weak"] = "weak"
    scale: tuple[float, float] | None = (0.65, 1.0)

    needs: ClassVar[frozenset[str]] = frozenset({"label"})
    level: ClassVar[Literal["token", "record"]] = "record"
    couples_records: ClassVar[bool] = False

    def plan(self) -> tuple[View, ...]:
        """One augmented view."""
        return (View(kind=self.view, scale=self.scale),)

    def build(self, encoder: Encoder, spec: Spec) -> nn.Module:
        """One linear layer. Raises UsageError without labels."""
        if spec.classes is None:
            raise UsageError(
                "Supervised needs labels, one class or number a record; give them with --labels NAME|FILE."
            )
        return nn.Linear(encoder.dim, max(1, spec.classes))

    def represent(
        self, encoder: Encoder, head: nn.Module, views: Sequence[Batch], clock: Clock, rng: Rng
    ) -> Representation:
        """prediction: (B, C) scores, or (B, 1) numbers."""
        return Representation({"prediction": head(encoder.encode(views[0]).pooled)})

    def losses(
        self, head: nn.Module, representation: Representation, views: Sequence[Batch], clock: Clock, gather: Gather
    ) -> Outcome:
        """The label loss, averaged over the rows of all processes that have one: not -1, not NaN."""
        label = views[0].facts.label
        if label is None:
            raise UsageError("Supervised got rows without labels; give them with --labels NAME|FILE.")
        prediction = representation["prediction"].float()
        if label.is_floating_point():
            known = ~label.isnan()
            loss = (prediction[:, 0] - torch.where(known, label, 0.0).float()).square()
        else:
            known = label >= 0
            loss = F.cross_entropy(prediction, label, reduction="none", ignore_index=-1, label_smoothing=self.smoothing)
        return Outcome(losses={"label": masked_mean(loss[:, None], known[:, None], gather, clock.ranks)})
