"""A toy of the clustering family: before every epoch the training part is clustered, clusters are then the classes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.core.batch import Batch, View
from selftaught.core.encoder import Encoder
from selftaught.core.pretext import Clock, Gather, Outcome, Pretext, Representation, Spec
from selftaught.core.rng import Rng
from selftaught.core.targets import masked_mean


@dataclass(frozen=True, kw_only=True)
class Cluster(Pretext):
    """Predict the cluster that the record's own vector fell into before the epoch.

    Use when: the data has groups of similar size.
    Avoid when: the training part is too large to be clustered each epoch.
    Losses: cluster (nats; log of the number of clusters at chance).
    Relations: QueueContrast makes every record a class of its own.
    Source: Caron 2018, eq. 1 and 2.
    """

    clusters: int = 3

    needs: ClassVar[frozenset[str]] = frozenset()
    level: ClassVar[Literal["token", "record"]] = "record"
    couples_records: ClassVar[bool] = True

    def plan(self) -> tuple[View, ...]:
        return (View(kind="strong"),)

    def build(self, encoder: Encoder, spec: Spec) -> nn.Module:
        return ClusterHead(spec.dim, self.clusters, spec.records)

    def represent(
        self, encoder: Encoder, head: nn.Module, views: Sequence[Batch], clock: Clock, rng: Rng
    ) -> Representation:
        return Representation({"scores": head.classify(encoder.encode(views[0]).pooled)})

    def losses(
        self, head: nn.Module, representation: Representation, views: Sequence[Batch], clock: Clock, gather: Gather
    ) -> Outcome:
        record = views[0].facts.record
        place = torch.searchsorted(head.record, record).clamp(max=len(head.record) - 1)
        known = head.record[place] == record
        loss = F.cross_entropy(representation["scores"].float(), head.cluster[place], reduction="none")
        return Outcome(losses={"cluster": masked_mean(loss[:, None], known[:, None], gather, clock.ranks)})

    @torch.no_grad()
    def before_epoch(
        self, encoder: Encoder, head: nn.Module, bank: Callable[[], tuple[Tensor, Tensor]], clock: Clock, rng: Rng
    ) -> None:
        record, vectors = bank()
        start = torch.randperm(len(vectors), generator=rng.generator("centres"))[: self.clusters]
        centres = vectors[start]
        for _ in range(5):
            cluster = torch.cdist(vectors, centres).argmin(1)
            member = F.one_hot(cluster, self.clusters).to(vectors.dtype)
            centres = torch.where(
                member.any(0)[:, None], member.T @ vectors / member.sum(0)[:, None].clamp(min=1), centres
            )
        head.record.copy_(record.sort().values)
        head.cluster.copy_(cluster[record.argsort()])
        head.classify.weight.copy_(F.normalize(centres - centres.mean(0), dim=-1))
        head.classify.bias.zero_()


class ClusterHead(nn.Module):
    def __init__(self, dim: int, clusters: int, records: int) -> None:
        super().__init__()
        self.classify = nn.Linear(dim, clusters)
        self.register_buffer("record", torch.full((records,), torch.iinfo(torch.long).max))
        self.register_buffer("cluster", torch.zeros(records, dtype=torch.long))
