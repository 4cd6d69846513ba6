"""Generated recordings of three kinds, of unequal length and with missing values, and how to prepare them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from selftaught.core.modality import Fitted, Record, Rows
from selftaught.data.records import Records, stamp_records
from selftaught.data.source import Source
from selftaught.modalities.series import Series

SERIES = Series(window=24, patch=4, channels=("0", "1"), order="time", time="", rate=0.0)
BY_CHANNEL = Series(window=24, patch=4, channels=("0", "1"), order="time", time="", rate=0.0, mixing=False)
ODD: dict[str, list[object]] = {
    "one step": [np.ones((1, 2)), np.zeros((1, 2))],
    "all missing": [np.full((6, 2), np.nan)] * 2,
    "constant": [np.full((9, 2), 3.0)] * 2,
    "one channel missing": [np.stack([np.arange(10.0), np.full(10, np.nan)], 1)] * 2,
    "one step and many": [np.ones((1, 2)), np.ones((40, 2))],
}


def curves(count: int, numbers: np.random.Generator) -> tuple[list[object], list[int]]:
    """Sines of three pitches, the hidden class, in two channels; 12 to 24 steps, a 15th of the values missing."""
    label = numbers.integers(3, size=count)
    values: list[object] = []
    for kind in label:
        line = np.arange(int(numbers.integers(12, 25))) * (0.4 + 0.5 * kind) + numbers.uniform(0, 6)
        both = np.stack([np.sin(line), 5 + 3 * np.cos(line)], 1) + numbers.normal(0, 0.1, (len(line), 2))
        both[numbers.random(both.shape) < 1 / 15] = np.nan
        values.append(both)
    return values, label.tolist()


def record(value: Any, name: str = "recording") -> Record:
    """A record that holds a value."""
    return Record(id=name, read=lambda: value)


def records(values: Sequence[Any], suffix: str = "") -> list[Record]:
    """Records numbered from 0."""
    return [record(value, f"{place}{suffix}") for place, value in enumerate(values)]


def rows_of(series: Series, values: Sequence[Any]) -> Rows:
    """What the store would hand out for these values: one tensor a field where all shapes agree."""
    stored = [series.decode(each) for each in records(values)]
    fields: dict[str, Tensor | tuple[Tensor, ...]] = {}
    for name in ("values", "rate"):
        arrays = [torch.from_numpy(np.array(part.fields[name])) for part in stored]
        alike = len({array.shape for array in arrays}) == 1
        fields[name] = torch.stack(arrays) if alike else tuple(arrays)
    return Rows(fields=fields, record=torch.arange(len(values)) * 7_919 + 3)


def prepared(count: int = 8, seed: int = 0, series: Series = SERIES) -> tuple[Series, Fitted, Rows]:
    """A modality, its fit and some rows."""
    rows = rows_of(series, curves(count, np.random.default_rng(seed))[0])
    return series, series.fit([rows]), rows


def source_of(values: dict[str, Any]) -> Source:
    """A source of the given values by id."""
    ids = list(values)
    records = Records(ids, list(values.values()).__getitem__)
    return Source(records=records, kind="made", fingerprint="", stamps=stamp_records(ids, ids))
