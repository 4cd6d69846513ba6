"""A toy of contrast with a queue: negatives are what a slow copy of the encoder said in earlier steps."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.core.batch import Batch, View
from selftaught.core.encoder import Encoder
from selftaught.core.pretext import Clock, Gather, Outcome, Pretext, Representation, Spec
from selftaught.core.rng import Rng


@dataclass(frozen=True, kw_only=True)
class QueueContrast(Pretext):
    """Tell a record's other view from a queue of earlier records. size: of the queue, records.

    Use when: views are good and batches are small.
    Avoid when: privacy is asked for: the queue carries records from step to step.
    Losses: contrast (nats; log(size + 1) at chance).
    Relations: SimCLR takes its negatives from the batch.
    Source: He 2020, eq. 1 and 2.
    """

    size: int = 32
    momentum: float = 0.9
    temperature: float = 0.2

    needs: ClassVar[frozenset[str]] = frozenset()
    level: ClassVar[Literal["token", "record"]] = "record"
    couples_records: ClassVar[bool] = True

    def plan(self) -> tuple[View, ...]:
        return (View(kind="strong", count=2),)

    def build(self, encoder: Encoder, spec: Spec) -> nn.Module:
        return QueueHead(encoder, spec.dim, self.size)

    def represent(
        self, encoder: Encoder, head: nn.Module, views: Sequence[Batch], clock: Clock, rng: Rng
    ) -> Representation:
        query = F.normalize(head.project(encoder.encode(views[0]).pooled), dim=-1)
        with torch.no_grad():
            key = F.normalize(head.slow_project(head.teacher.encode(views[1]).pooled), dim=-1)
        return Representation({"query": query, "key": key})

    def losses(
        self, head: nn.Module, representation: Representation, views: Sequence[Batch], clock: Clock, gather: Gather
    ) -> Outcome:
        query, key = representation["query"].float(), representation["key"].float()
        scores = torch.cat([(query * key).sum(1, keepdim=True), query @ head.queue.T], 1) / self.temperature
        loss = F.cross_entropy(scores, torch.zeros(len(query), dtype=torch.long))
        return Outcome(losses={"contrast": loss}, state={"key": gather(key)})

    @torch.no_grad()
    def after_step(self, encoder: Encoder, head: nn.Module, state: Mapping[str, Tensor], clock: Clock) -> None:
        for slow, fast in ((head.teacher, encoder), (head.slow_project, head.project)):
            for old, new in zip(slow.parameters(), fast.parameters(), strict=True):
                old.lerp_(new, 1 - self.momentum)
        head.queue.copy_(torch.cat([state["key"], head.queue])[: self.size])


class QueueHead(nn.Module):
    def __init__(self, encoder: Encoder, dim: int, size: int) -> None:
        super().__init__()
        self.project = nn.Linear(dim, dim)
        self.teacher = copy.deepcopy(encoder).requires_grad_(False)
        self.slow_project = copy.deepcopy(self.project).requires_grad_(False)
        self.register_buffer("queue", F.normalize(torch.randn(size, dim), dim=-1))
