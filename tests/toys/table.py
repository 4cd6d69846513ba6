"""A toy table: three columns of numbers and two of classes, cells missing; a missing cell is a token like any other."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from selftaught.core.batch import Axis, Batch, Facts, View
from selftaught.core.modality import Classical, Fitted, Modality, Record, Rows, Stored
from selftaught.core.rng import Rng
from selftaught.core.targets import Categorical, Continuous, Mixed

NUMBERS, CLASSES, SIZE = 3, 2, 4
COLUMNS = NUMBERS + CLASSES


@dataclass(frozen=True, kw_only=True)
class Table(Modality):
    """Rows of five cells; NaN is a missing cell."""

    name: ClassVar[str] = "table"
    offers: ClassVar[frozenset[str]] = frozenset({"target"})
    layout: ClassVar[Literal["picture", "other"]] = "other"
    axes: ClassVar[tuple[Axis, ...]] = (Axis(name="column", size=COLUMNS),)
    shape: ClassVar[tuple[int, ...]] = (COLUMNS,)

    def decode(self, record: Record) -> Stored:
        return Stored(fields={"cells": np.asarray(record.read(), np.float32)})

    def fit(self, rows: Iterable[Rows]) -> Fitted:
        cells = torch.cat([part.fields["cells"] for part in rows])[:, :NUMBERS].numpy()
        return Fitted(arrays={"mean": np.nanmean(cells, 0), "std": np.nanstd(cells, 0) + 1e-6})

    def batch(self, rows: Rows, fitted: Fitted) -> Batch:
        x = rows.fields["cells"].clone()
        x[:, :NUMBERS] = (x[:, :NUMBERS] - torch.from_numpy(fitted.arrays["mean"])) / torch.from_numpy(
            fitted.arrays["std"]
        )
        column = torch.arange(COLUMNS).expand(x.shape)
        pos = column[..., None].float()
        return Batch(
            x=x, stream="table", segment=torch.ones_like(column), pos=pos, axes=self.axes,
            origin=(pos + 0.5) / COLUMNS, unit=column, dense=True,
            facts=Facts(record=rows.record, group=rows.group, label=rows.label),
        )  # fmt: skip

    def augment(self, batch: Batch, view: View, rng: Rng) -> Batch:
        x = batch.x
        if view.kind == "strong":
            noise = 0.1 * rng.normal(batch.facts.record, "noise", (NUMBERS,))
            x = torch.cat([x[:, :NUMBERS] + noise, x[:, NUMBERS:]], 1)
            lost = rng.uniform(batch.facts.record, "lose", (COLUMNS,)) < 0.2
            x = x.masked_fill(lost, float("nan"))
        return replace(batch, x=x, target=_targets(x) if view.target else None)

    def stem(self, dim: int, fitted: Fitted) -> nn.Module:
        return Cells(dim)

    def classical(self) -> tuple[Classical, ...]:
        return ()


def _targets(x: Tensor) -> Mixed:
    seen, kind = ~x.isnan(), (torch.arange(COLUMNS) >= NUMBERS).long().expand(x.shape)
    return Mixed(
        parts=(
            Continuous(values=x[..., None], valid=seen & (kind == 0)),
            Categorical(values=x.nan_to_num(-1).long(), valid=seen & (kind == 1), size=SIZE),
        ),
        part=kind,
        valid=seen,
    )


class Cells(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.number = nn.Linear(1, dim)
        self.table = nn.Embedding(CLASSES * SIZE, dim)
        self.missing = nn.Parameter(torch.randn(dim))

    def forward(self, batch: Batch) -> Tensor:
        x = batch.x.nan_to_num(0)
        numbers = self.number(x[:, :NUMBERS, None])
        classes = self.table(x[:, NUMBERS:].long() + SIZE * torch.arange(CLASSES))
        return torch.where(batch.x.isnan()[..., None], self.missing, torch.cat([numbers, classes], 1))
