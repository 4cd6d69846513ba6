"""Contrastive pretexts: views of one record attract, other records repel.

Shape letters: B records, V views, P projected width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.core.batch import Batch, View
from selftaught.core.encoder import Encoder
from selftaught.core.errors import UsageError
from selftaught.core.pretext import Clock, Gather, Outcome, Pretext, Representation, Spec, gather_nothing
from selftaught.core.rng import Rng
from selftaught.pretexts.heads import Norm, project_views, projector, usual_norm


def nt_xent(
    z: Float[Tensor, "b v p"],
    temperature: float,
    gather: Gather = gather_nothing,
    rank: int = 0,
    content: Int[Tensor, " b"] | None = None,
) -> Float[Tensor, ""]:
    """Normalised temperature-scaled cross entropy (Chen 2020, eq. 1), nats; about log(V*B - 1) at chance.

    Every view of every record is an anchor; its positives are the record's other views, its negatives all views of the
    other records, on all processes, but for records of its own content. With more than two views the loss is the mean
    over positives.
    """
    b, views = z.shape[:2]
    local = F.normalize(z.float(), dim=-1)
    everything = gather(local)
    offset = rank * b
    anchors = local.transpose(0, 1).reshape(views * b, -1)
    others = everything.transpose(0, 1).reshape(views * len(everything), -1)
    scores = anchors @ others.T / temperature
    row = torch.arange(b, device=z.device)
    columns = torch.stack([row + offset + view * len(everything) for view in range(views)])
    own = columns.reshape(-1, 1)
    scores = scores.scatter(1, own, float("-inf"))
    if content is not None:
        alike = (content[:, None] == gather(content)).scatter(1, row[:, None] + offset, False)
        scores = scores.view(views, b, views, -1).masked_fill(alike[:, None], float("-inf")).view(views * b, -1)
    partition = scores.logsumexp(1).view(views, b)
    positives = scores.view(views, b, -1).gather(2, columns.T.expand(views, b, views))
    allowed = ~torch.eye(views, dtype=torch.bool, device=z.device)[:, None, :]
    mean_positive = positives.masked_fill(~allowed, 0.0).sum(2) / (views - 1)
    return (partition - mean_positive).mean()


@dataclass(frozen=True, kw_only=True)
class SimCLR(Pretext):
    """Tell the views of one record from the views of all others in the batch.

    Use when: good views exist and a batch of 128 or more fits; the robust first choice for pictures.
    Avoid when: many records of a batch are near duplicates, or batches are tiny.
    Losses: contrast (nats; log(2B - 1) at chance).
    Relations: VICReg needs no negatives; MAE needs no views.
    Source: Chen 2020, eq. 1; differs: two or more views, batch statistics joint over views.

    norm: inside the head; None: as `usual_norm` says.
    """

    temperature: float = 0.2
    hidden: int = 512
    outputs: int = 128
    norm: Norm | None = None
    views: int = 2
    statistics: Literal["joint", "per_view"] = "joint"

    needs: ClassVar[frozenset[str]] = frozenset()
    level: ClassVar[Literal["token", "record"]] = "record"
    couples_records: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.views < 2:
            raise UsageError(f"SimCLR.views must be at least 2, for a record needs a positive; got {self.views}.")
        if self.temperature <= 0:
            raise UsageError(f"SimCLR.temperature must be above 0; got {self.temperature}. The paper uses 0.1 to 0.5.")

    def plan(self) -> tuple[View, ...]:
        """`views` strong views."""
        return (View(kind="strong", count=self.views),)

    def build(self, encoder: Encoder, spec: Spec) -> nn.Module:
        """The projector."""
        return projector((encoder.dim, self.hidden, self.outputs), self.norm or usual_norm(spec.axes))

    def represent(
        self, encoder: Encoder, head: nn.Module, views: Sequence[Batch], clock: Clock, rng: Rng
    ) -> Representation:
        """z: projected vectors (B, V, P)."""
        return Representation({"z": project_views(encoder, head, views, joint=self.statistics == "joint")})

    def losses(
        self, head: nn.Module, representation: Representation, views: Sequence[Batch], clock: Clock, gather: Gather
    ) -> Outcome:
        """The contrast, and its value at chance for the log."""
        z = representation["z"]
        loss = nt_xent(z, self.temperature, gather, clock.rank, views[0].facts.content)
        chance = math.log(max(2, z.shape[0] * z.shape[1] * clock.ranks - 1))
        return Outcome(losses={"contrast": loss}, logs={"chance": loss.new_tensor(chance)})
