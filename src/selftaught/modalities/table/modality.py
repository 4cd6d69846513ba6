"""The table modality: options, and how a row becomes a batch and a batch becomes views.

Shape letters: B rows, N cell tokens, R rows of the marginal.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from selftaught.core.batch import Axis, Batch, Facts, View
from selftaught.core.errors import DataError, UsageError
from selftaught.core.modality import Classical, Fitted, Modality, Portrait, Predictor, Record, Rows, Stored
from selftaught.core.rng import Rng
from selftaught.modalities.table.cells import Cell, cells_of, count_words, decode_row, row_of
from selftaught.modalities.table.classical import LARGEST_CLASS, table_controls
from selftaught.modalities.table.corruptions import CORRUPTIONS, corrupt_cells, forget_names
from selftaught.modalities.table.kinds import LEFT_OUT, Columns, clean_cell, infer_kind, name_of
from selftaught.modalities.table.look import audit_rows, describe_columns, portray_rows
from selftaught.modalities.table.statistics import Scaling, choose_marginal, fit_cells, scale_cells
from selftaught.modalities.table.stem import CellStem
from selftaught.modalities.table.views import (
    Augmentation,
    choose_each,
    choose_exactly,
    lose_cells,
    swap_cells,
    targets_of,
    unit_of,
)

PEEK = 512
"""Rows that kinds are told from: with fewer, an identifier and a name that seldom repeats look the same."""
MOST_WORDS = 8


class _Made(NamedTuple):
    # The options that `recognise` fills in.
    columns: Columns
    words: int
    vocabulary: int


@dataclass(frozen=True, kw_only=True)
class Table(Modality):
    """Rows of a table. Options left None are chosen from the data by `recognise`.

    columns: every column with its kind; constants and identifiers are left out. kinds: (column, kind) pairs that
    overrule what is inferred. vocabulary: categories of a column that have a code of their own, the others share one.
    words: of a text that are read, each hashed. scaling: of numbers, to normal scores of their ranks or to mean 0 and
    variance 1. frequencies, sigma: of the periodic features of numbers, how many, and their spread in turns per unit
    (Gorishniy 2022). strength: dial on how hard "strong" views are. augmentation: everything else about views.

    A column is one token; a date is one for each of day, day of week and day of year, with the time of day where there
    is one; a text is one for each word. The tokens of a column are one unit.
    """

    name: ClassVar[str] = "table"
    reads: ClassVar[frozenset[str]] = frozenset({"rows", "arrays"})
    offers: ClassVar[frozenset[str]] = frozenset({"target", "swap"})
    layout: ClassVar[Literal["picture", "columns", "other"]] = "columns"
    corruptions: ClassVar[tuple[str, ...]] = tuple(CORRUPTIONS)

    columns: Columns | None = None
    kinds: Columns = ()
    vocabulary: int | None = None
    words: int | None = None
    scaling: Scaling = "quantile"
    frequencies: int = 16
    sigma: float = 0.2
    strength: float = 1.0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        for name in ("vocabulary", "words", "frequencies"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"Table.{name} must be at least 1; got {value}.")
        if self.vocabulary is not None and self.vocabulary > LARGEST_CLASS:
            raise UsageError(f"Table.vocabulary must be at most {LARGEST_CLASS}; got {self.vocabulary}.")

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Tokens stand in columns, without an order."""
        return (Axis(name="column", size=len(self._layout())),)

    @property
    def shape(self) -> tuple[int, ...]:
        """(tokens,)."""
        return (len(self._layout()),)

    @property
    def sentence(self) -> str:
        """Which columns are read as what."""
        return describe_columns(self._made().columns)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that are read."""
        return tuple(name for name, kind in self.columns or () if kind not in LEFT_OUT)

    @classmethod
    def recognises(cls, ids: Sequence[str], values: Sequence[Any]) -> bool:
        """Whether all values are rows: mappings of single cells, or lines of numbers."""
        return bool(values) and all(_is_row(value) for value in values)

    def recognise(self, records: Sequence[Record]) -> Table:
        """A copy with every option that was None chosen from up to 512 records, evenly spread.

        Raises DataError where no record is a row or no column tells records apart, UsageError for kinds of columns
        that are not there.
        """
        if self.columns is not None and self.vocabulary is not None and self.words is not None:
            return self
        rows, named = _peek(records)
        columns = self.columns or self._infer(rows, named)
        if all(kind in LEFT_OUT for _, kind in columns):
            raise DataError(
                f"No column tells records apart: {', '.join(f'{name} is {kind}' for name, kind in columns[:5])}. "
                f"Give more records, or overrule the kinds."
            )
        return replace(
            self,
            columns=columns,
            vocabulary=self.vocabulary or _usual_vocabulary(rows, columns),
            words=self.words or _usual_words(rows, columns),
        )

    def decode(self, record: Record) -> Stored:
        """cells (N,) float64, NaN where missing; names (C, 24) of categories and texts, UTF-8. Raises DataError."""
        made = self._made()
        try:
            cells, names, findings = decode_row(record.read(), made.columns, made.words)
        except DataError as error:
            raise DataError(f"{record.id}: {error}") from error
        fields = {"cells": cells, "names": names} if len(names) else {"cells": cells}
        return Stored(fields=fields, findings=findings)

    def fit(self, rows: Iterable[Rows]) -> Fitted:
        """quantiles, mean, std of numbers, the most frequent categories, and rows that stand for the marginals.

        Raises DataError without rows.
        """
        layout = self._layout()
        parts = [_cells(part).cpu() for part in rows]
        cells = torch.cat(parts).numpy() if parts else np.zeros((0, len(layout)))
        arrays = fit_cells(cells, layout, self._made().vocabulary)
        marginal = scale_cells(torch.from_numpy(choose_marginal(cells)), arrays, layout, self.scaling)
        return Fitted(arrays={**arrays, "marginal": marginal.numpy()}, facts={"cells": [cell.name for cell in layout]})

    def batch(self, rows: Rows, fitted: Fitted) -> Batch:
        """x: cells to scale (B, N) float32, NaN where missing, and the marginal (B, R, N), one table for all rows."""
        x = scale_cells(_cells(rows), fitted.arrays, self._layout(), self.scaling)
        count, tokens = x.shape
        marginal = torch.from_numpy(np.array(fitted.arrays["marginal"])).to(x.device)
        place = torch.arange(tokens, device=x.device)
        pos = place.float()[:, None].expand(count, tokens, 1)
        return Batch(
            x=(x, marginal.expand(count, -1, -1)),
            stream=self.name,
            segment=torch.ones(1, 1, dtype=torch.long, device=x.device).expand(count, tokens),
            pos=pos,
            axes=self.axes,
            origin=(pos + 0.5) / tokens,
            unit=unit_of(self._layout(), x).expand(count, tokens),
            facts=Facts(record=rows.record, group=rows.group, label=rows.label),
            dense=True,
        )

    def augment(self, batch: Batch, view: View, rng: Rng) -> Batch:
        """One view: x float32 (B, N), NaN where a cell is missing. All views keep every token in its place.

        strong: cells swapped with other rows' (so SimCLR is SCARF), lost. weak: few cells lost. clean: as it is.
        noisy: cells swapped, the rest untouched (VIME). span: some columns only. Targets are of what is shown.
        """
        if not isinstance(batch.x, tuple):
            raise UsageError("Table.augment starts from Table.batch; it was given a batch that is a view already.")
        (x, marginal), ids, layout = batch.x, batch.facts.record, self._layout()
        how, unit = self.augmentation.scaled(self.strength), unit_of(layout, batch.x[0])
        if view.kind == "strong":
            x = swap_cells(x, marginal, choose_exactly(ids, unit, "swap", how.swap, rng), unit, ids, rng)
            if how.lose:
                x = lose_cells(x, choose_each(ids, unit, "lose", how.lose, rng))
        elif view.kind == "noisy":
            x = swap_cells(x, marginal, choose_each(ids, unit, "noise", how.noise, rng), unit, ids, rng)
        elif view.kind == "span":
            x = lose_cells(x, choose_exactly(ids, unit, "span", 1 - how.span, rng))
        elif view.kind != "clean":
            x = lose_cells(x, choose_each(ids, unit, "fade", how.fade, rng))
        target = targets_of(x, layout, self._made().vocabulary) if view.target else None
        return replace(batch, x=x, target=target)

    def stem(self, dim: int, fitted: Fitted) -> CellStem:
        """Embeddings of cells."""
        return CellStem(self._layout(), dim, self._made().vocabulary, self.frequencies, self.sigma)

    def classical(self) -> tuple[Classical | Predictor, ...]:
        """Scaled and one-hot columns for the logistic probe, and gradient boosting."""
        return table_controls(self._layout(), self._made().vocabulary)

    def corrupt(self, rows: Rows, name: str, severity: int, rng: Rng) -> Rows:
        """The rows after one of `corruptions` at a severity from 1 to 5. Raises UsageError for any other."""
        before = _cells(rows)
        after = corrupt_cells(name, before, self._layout(), severity, rows.record, rng)
        fields = {**rows.fields, "cells": after}
        names = rows.fields.get("names")
        if isinstance(names, Tensor):
            fields["names"] = forget_names(names, before, after, self._layout())
        return replace(rows, fields=fields)

    def audit(self, rows: Iterable[Rows]) -> tuple[tuple[str, float | str, str], ...]:
        """Kinds, missing cells and their patterns, repeated rows, numbers of categories."""
        return audit_rows(rows, self._layout(), self._made().columns)

    def portray(self, rows: Rows, side: int) -> tuple[Portrait, ...]:
        """The first columns of every row as text, by name."""
        names = rows.fields.get("names")
        shown = names.cpu().numpy() if isinstance(names, Tensor) else None
        return portray_rows(_cells(rows).cpu().numpy(), shown, self._layout())

    def _made(self) -> _Made:
        if self.columns is not None and self.vocabulary is not None and self.words is not None:
            return _Made(self.columns, self.words, self.vocabulary)
        raise UsageError("This Table has open options; call Table.recognise(records) first and use what it returns.")

    def _layout(self) -> tuple[Cell, ...]:
        made = self._made()
        return cells_of(made.columns, made.words)

    def _infer(self, rows: Sequence[Mapping[str, Any]], named: bool) -> Columns:
        wanted, names = dict(self.kinds), dict.fromkeys(name for row in rows for name in row)
        for name in wanted.keys() - names.keys():
            near = difflib.get_close_matches(name, names, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UsageError(f"Table.kinds names the column {name!r}; there is {', '.join(names)}.{hint}")
        return tuple(
            (name, wanted.get(name) or infer_kind(name, [row.get(name) for row in rows], named=named)) for name in names
        )


def _cells(rows: Rows) -> Tensor:
    cells = rows.fields["cells"]
    assert isinstance(cells, Tensor)  # a field of fixed shape
    return cells


def _is_row(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and not any(isinstance(cell, (np.ndarray, list, Mapping)) for cell in value.values())
    return isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "biuf"


def _peek(records: Sequence[Record]) -> tuple[list[Mapping[str, Any]], bool]:
    """Up to PEEK rows, evenly spread, and whether their columns have names. Raises DataError where there is none."""
    count = min(PEEK, len(records))
    rows: list[Mapping[str, Any]] = []
    named, problem = False, "there are no records"
    for index in (place * len(records) // count for place in range(count)):
        try:
            value = records[index].read()
            rows.append(row_of(value))
            named = named or isinstance(value, Mapping)
        except DataError as error:
            problem = f"{records[index].id}: {error}"
    if not rows:
        raise DataError(f"None of {count} records could be read as a row of a table ({problem}).")
    return rows, named


def _usual_vocabulary(rows: Sequence[Mapping[str, Any]], columns: Columns) -> int:
    """The next power of two that holds the categories seen of any column."""
    most = 2
    for name, kind in columns:
        if kind == "categorical":
            cells = [cell for row in rows if (cell := clean_cell(row.get(name))) is not None]
            most = max(most, len({name_of(cell) for cell in cells}))
    return min(LARGEST_CLASS, 1 << (most - 1).bit_length())


def _usual_words(rows: Sequence[Mapping[str, Any]], columns: Columns) -> int:
    """The median number of words of a text, 1 to MOST_WORDS."""
    counts = [count_words(row.get(name)) for row in rows for name, kind in columns if kind == "text"]
    known = sorted(count for count in counts if count)
    return min(MOST_WORDS, known[len(known) // 2]) if known else 1
