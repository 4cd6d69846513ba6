"""A ragged, packed, categorical toy: documents of words on one axis."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from selftaught.core.batch import Axis, Batch, Facts, View
from selftaught.core.modality import Classical, Fitted, Modality, Record, Rows, Stored
from selftaught.core.rng import Rng
from selftaught.core.targets import Categorical


@dataclass(frozen=True, kw_only=True)
class Documents(Modality):
    """Documents over `size` words. length: words that a packed row holds. Two neighbours are one unit."""

    size: int = 7
    length: int = 12

    name: ClassVar[str] = "documents"
    offers: ClassVar[frozenset[str]] = frozenset({"target", "order"})
    layout: ClassVar[Literal["picture", "other"]] = "other"
    axes: ClassVar[tuple[Axis, ...]] = (Axis(name="time"),)
    shape: ClassVar[None] = None

    def decode(self, record: Record) -> Stored:
        return Stored(fields={"words": np.asarray(record.read(), np.int64)})

    def fit(self, rows: Iterable[Rows]) -> Fitted:
        return Fitted(facts={"size": self.size})

    def batch(self, rows: Rows, fitted: Fitted) -> Batch:
        facts = Facts(record=rows.record, group=rows.group, label=rows.label)
        words = [torch.as_tensor(part) for part in rows.fields["words"]]
        return _rows_of(words, [(torch.arange(len(part)) + 0.5) / len(part) for part in words], facts)

    def augment(self, batch: Batch, view: View, rng: Rng) -> Batch:
        stays = batch.valid
        if view.kind == "strong":
            draw = rng.uniform(batch.facts.record, "delete", (batch.segment.shape[1],))
            stays = (draw > 0.3) & batch.valid
            stays = stays | (~stays.any(1, keepdim=True) & batch.valid)
        words = [row[flag] for row, flag in zip(batch.x, stays, strict=True)]
        origins = [row[flag] for row, flag in zip(batch.origin[..., 0], stays, strict=True)]
        shown = _rows_of(words, origins, batch.facts)
        if view.packed:
            shown = _pack(shown, self.length)
        if not view.target:
            return shown
        return replace(shown, target=Categorical(values=shown.x, valid=shown.valid, size=self.size))

    def stem(self, dim: int, fitted: Fitted) -> nn.Module:
        return Words(self.size, dim)

    def classical(self) -> tuple[Classical, ...]:
        return ()


class Words(nn.Module):
    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Embedding(size, dim)

    def forward(self, batch: Batch) -> Tensor:
        return self.table(batch.x)


def _rows_of(words: list[Tensor], origins: list[Tensor], facts: Facts) -> Batch:
    """One document a row."""
    x = pad_sequence(words, batch_first=True)
    pos = torch.arange(x.shape[1]).expand(x.shape)
    segment = (pos < torch.tensor([len(part) for part in words])[:, None]).long()
    return Batch(
        x=x, stream="documents", segment=segment, pos=pos[..., None].float(), axes=Documents.axes,
        origin=pad_sequence(origins, batch_first=True)[..., None], unit=pos // 2, facts=facts,
    )  # fmt: skip


def _pack(batch: Batch, length: int) -> Batch:
    """Documents side by side in as few rows as the order allows."""
    rows: list[list[int]] = [[]]
    counts = batch.valid.sum(1).tolist()
    for document, count in enumerate(counts):
        if rows[-1] and sum(counts[other] for other in rows[-1]) + count > length:
            rows.append([])
        rows[-1].append(document)

    def join(values: Tensor) -> Tensor:
        lines = [torch.cat([values[document, : counts[document]] for document in row]) for row in rows]
        return pad_sequence(lines, batch_first=True)

    numbers = [[number] * counts[document] for row in rows for number, document in enumerate(row, 1)]
    own = pad_sequence([torch.tensor(part) for part in numbers], batch_first=True)
    return replace(
        batch, x=join(batch.x), segment=join(own), pos=join(batch.pos), origin=join(batch.origin), unit=join(batch.unit)
    )
