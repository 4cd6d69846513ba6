"""A toy of the alignment family: the two streams of one record find each other among the batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn
from torch.nn import functional as F

from selftaught.core.batch import Batch, View
from selftaught.core.encoder import Encoder
from selftaught.core.pretext import Clock, Gather, Outcome, Pretext, Representation, Spec
from selftaught.core.rng import Rng


@dataclass(frozen=True, kw_only=True)
class Alignment(Pretext):
    """Match the first stream of every record with its second stream, and the other way round.

    Use when: records come as pairs, such as pictures with captions.
    Avoid when: the two sides share nothing.
    Losses: match (nats; log of the joint batch at chance).
    Relations: SimCLR matches two views of one stream.
    Source: Radford 2021, figure 3.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"pair"})
    level: ClassVar[Literal["token", "record"]] = "record"
    couples_records: ClassVar[bool] = True

    def plan(self) -> tuple[View, ...]:
        return (View(kind="strong", stream=0), View(kind="strong", stream=1))

    def build(self, encoder: Encoder, spec: Spec) -> nn.Module:
        return AlignmentHead(spec.dim)

    def represent(
        self, encoder: Encoder, head: nn.Module, views: Sequence[Batch], clock: Clock, rng: Rng
    ) -> Representation:
        first, second = (encoder.encode(view).pooled for view in views)
        return Representation({"first": head.first(first), "second": head.second(second)})

    def losses(
        self, head: nn.Module, representation: Representation, views: Sequence[Batch], clock: Clock, gather: Gather
    ) -> Outcome:
        first, second = (F.normalize(representation[name].float(), dim=-1) for name in ("first", "second"))
        own = torch.arange(len(first)) + clock.rank * len(first)
        ways = [(first, gather(second)), (second, gather(first))]
        parts = [F.cross_entropy(head.sharpness.exp() * here @ there.T, own) for here, there in ways]
        return Outcome(losses={"match": torch.stack(parts).mean()})


class AlignmentHead(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.first = nn.Linear(dim, dim)
        self.second = nn.Linear(dim, dim)
        self.sharpness = nn.Parameter(torch.tensor(1.5))
