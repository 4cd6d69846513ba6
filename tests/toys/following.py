"""A toy of the autoregressive family: causal attention, the target's own loss on the next token."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn

from selftaught.core.batch import Batch, View
from selftaught.core.encoder import Encoder
from selftaught.core.pretext import Clock, Gather, Outcome, Pretext, Representation, Spec
from selftaught.core.rng import Rng
from selftaught.core.targets import masked_mean


@dataclass(frozen=True, kw_only=True)
class NextToken(Pretext):
    """Predict every token from those before it in its document.

    Use when: tokens come in an order that means something.
    Avoid when: the encoder sees both ways.
    Losses: next (by the target's kind; log of the number of classes at chance).
    Relations: MAE hides tokens anywhere.
    Source: Radford 2018, eq. 1.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"drop", "causal", "target"})
    level: ClassVar[Literal["token", "record"]] = "token"
    couples_records: ClassVar[bool] = False

    def plan(self) -> tuple[View, ...]:
        return (View(kind="clean", target=True, packed=True),)

    def build(self, encoder: Encoder, spec: Spec) -> nn.Module:
        return nn.Linear(spec.dim, spec.outputs)

    def represent(
        self, encoder: Encoder, head: nn.Module, views: Sequence[Batch], clock: Clock, rng: Rng
    ) -> Representation:
        seen = encoder.forward(encoder.tokenize(views[0]), attend="causal").tokens
        return Representation({"prediction": head(seen.content[:, :-1])})

    def losses(
        self, head: nn.Module, representation: Representation, views: Sequence[Batch], clock: Clock, gather: Gather
    ) -> Outcome:
        segment = views[0].segment
        following = torch.arange(1, segment.shape[1]).expand(len(segment), -1)
        wanted = views[0].target.take(following)
        same = (segment[:, 1:] == segment[:, :-1]) & (segment[:, 1:] > 0)
        loss = wanted.loss(representation["prediction"])
        return Outcome(losses={"next": masked_mean(loss, wanted.valid & same, gather, clock.ranks)})
