"""A toy pair: every record is a curve (numbers over time) and a tag (words in slots) that tell of one hidden class."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from selftaught.core.batch import Axis, Batch, Facts, View
from selftaught.core.errors import UsageError
from selftaught.core.modality import Classical, Fitted, Modality, Record, Rows, Stored
from selftaught.core.rng import Rng

STEPS, SLOTS, WORDS = 6, 3, 8
STREAMS = ("curve", "tag")


@dataclass(frozen=True, kw_only=True)
class Pair(Modality):
    """Two streams of other lengths and layouts. The axes are those of both; a stream stands at 0 of the other's."""

    name: ClassVar[str] = "pair"
    offers: ClassVar[frozenset[str]] = frozenset({"pair"})
    layout: ClassVar[Literal["picture", "other"]] = "other"
    axes: ClassVar[tuple[Axis, ...]] = (Axis(name="time"), Axis(name="slot", size=SLOTS))
    shape: ClassVar[None] = None

    def decode(self, record: Record) -> Stored:
        curve, tag = record.read()
        return Stored(fields={"curve": np.asarray(curve, np.float32), "tag": np.asarray(tag, np.int64)})

    def fit(self, rows: Iterable[Rows]) -> Fitted:
        return Fitted(facts={"streams": list(STREAMS)})

    def batch(self, rows: Rows, fitted: Fitted) -> Batch:
        facts = Facts(record=rows.record, group=rows.group, label=rows.label)
        return _stream((rows.fields["curve"], rows.fields["tag"]), "pair", STEPS, 0, facts)

    def augment(self, batch: Batch, view: View, rng: Rng) -> Batch:
        if view.stream >= len(STREAMS):
            raise UsageError(f"Pair has the streams 0 and 1; a view asked for {view.stream}.")
        x, record = batch.x[view.stream], batch.facts.record
        if view.kind == "strong" and view.stream == 0:
            x = x + 0.1 * rng.normal(record, "noise", tuple(x.shape[1:]))
        if view.kind == "strong" and view.stream == 1:
            x = torch.where(rng.uniform(record, "lose", (SLOTS,)) < 0.2, 0, x)
        return _stream(x, STREAMS[view.stream], x.shape[1], view.stream, batch.facts)

    def stem(self, dim: int, fitted: Fitted) -> nn.Module:
        return Streams(dim)

    def classical(self) -> tuple[Classical, ...]:
        return ()


def _stream(x: Tensor | tuple[Tensor, ...], name: str, count: int, axis: int, facts: Facts) -> Batch:
    rows = len(facts.record)
    place = torch.arange(count).expand(rows, count)
    pos = torch.zeros(rows, count, 2)
    pos[..., axis] = place.float()
    return Batch(
        x=x, stream=name, segment=torch.ones_like(place), pos=pos, axes=Pair.axes, origin=pos / count, unit=place,
        facts=facts, dense=True,
    )  # fmt: skip


class Streams(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.curve = nn.Linear(2, dim)
        self.tag = nn.Embedding(WORDS, dim)

    def forward(self, batch: Batch) -> Tensor:
        return self.curve(batch.x) if batch.stream == "curve" else self.tag(batch.x)
