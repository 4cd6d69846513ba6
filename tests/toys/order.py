"""A toy of the order family: the content is shuffled, the pretext says where each piece came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from selftaught.core.batch import Batch, View, document_index
from selftaught.core.encoder import Encoder
from selftaught.core.pretext import Clock, Gather, Outcome, Pretext, Representation, Spec
from selftaught.core.rng import Rng
from selftaught.core.targets import Continuous, gather_tokens, masked_mean


@dataclass(frozen=True, kw_only=True)
class Order(Pretext):
    """Shuffle the content within each document and predict where in the record each token stood.

    Use when: the arrangement of the parts says what the whole is.
    Avoid when: the tokens are a set.
    Losses: place (squared fraction of the record; the variance of the origins at chance).
    Relations: NextToken keeps the order.
    Source: Noroozi 2016, section 3; differs: coordinates instead of a list of permutations.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"drop", "order"})
    level: ClassVar[Literal["token", "record"]] = "token"
    couples_records: ClassVar[bool] = False

    def plan(self) -> tuple[View, ...]:
        return (View(kind="clean", packed=True),)

    def build(self, encoder: Encoder, spec: Spec) -> nn.Module:
        return nn.Linear(spec.dim, len(spec.axes))

    def represent(
        self, encoder: Encoder, head: nn.Module, views: Sequence[Batch], clock: Clock, rng: Rng
    ) -> Representation:
        moved = permute_documents(views[0], rng)
        seen = encoder.forward(encoder.tokenize(views[0]).shuffle(moved)).tokens
        return Representation({"place": head(seen.content), "moved": moved})

    def losses(
        self, head: nn.Module, representation: Representation, views: Sequence[Batch], clock: Clock, gather: Gather
    ) -> Outcome:
        origin = gather_tokens(views[0].origin, representation["moved"])
        loss = Continuous(values=origin, valid=views[0].valid).loss(representation["place"])
        return Outcome(losses={"place": masked_mean(loss, views[0].valid, gather, clock.ranks)})


def permute_documents(batch: Batch, rng: Rng) -> Tensor:
    """For every place the token whose content it gets: another of the same document."""
    document = document_index(batch.segment)
    draw = rng.uniform(batch.facts.record, "order", (batch.segment.shape[1],))
    score = draw[document.clamp(min=0), torch.arange(batch.segment.shape[1])] * batch.valid
    number = torch.where(batch.valid, batch.segment, batch.segment.max() + 1)
    places = number.argsort(dim=1, stable=True)
    return torch.zeros_like(places).scatter(1, places, (number + score.double()).argsort(dim=1, stable=True))
