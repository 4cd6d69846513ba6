"""What a modality hands to the device: one view of B rows, and what travels with it.

Shape letters: B rows, N tokens, K coordinates, M documents (M = B unless rows are packed).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from selftaught.core.targets import Target, cat_targets

ViewKind = Literal["strong", "weak", "clean", "noisy", "span", "transform"]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One token coordinate. size: of an index axis (columns of a table); None for a metric axis (time, y, x)."""

    name: str
    size: int | None = None


@dataclass(frozen=True, kw_only=True)
class View:
    """One kind of view that a pretext asks the modality for.

    size: of the view, as a fraction of the modality's own (0.5: half the side of a picture, half the window of a
    series). scale: range of the record's extent that a random crop covers, as a fraction of the whole; None: the
    modality's. count: how many such views. target: whether typed targets of every token are needed. stream: which of
    the modality's streams, by number; a pair of picture and text has two. packed: whether several documents may share a
    row, which only token-level pretexts can stand.
    """

    kind: ViewKind
    size: float = 1.0
    scale: tuple[float, float] | None = None
    count: int = 1
    target: bool = False
    stream: int = 0
    packed: bool = False


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of each document beside its content. All tensors are (M,) and optional but `record`.

    content: rows of one number show the same thing, so that no contrast may hold them apart.
    """

    record: Int[Tensor, " m"]
    group: Int[Tensor, " m"] | None = None
    label: Tensor | None = None
    content: Int[Tensor, " m"] | None = None
    present: Bool[Tensor, " m"] | None = None
    transform: Int[Tensor, " m"] | None = None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One view of B rows; a row may be a pack of documents.

    x: the modality's own layout, B first. stream: which stem reads it. segment: 0 is padding, 1.. number the documents
    of a row, at least one; pooling and attention never cross them. pos: token coordinates in this view, unit of one
    token. origin: the same tokens in the record's own coordinates, 0..1 along each axis. unit: numbers 0..N-1 within
    each document; its tokens with one number are dropped together. dense: every row is one document without padding,
    so attention needs no pattern (decision 0002).
    """

    x: Tensor | tuple[Tensor, ...]
    stream: str
    segment: Int[Tensor, "b n"]
    pos: Float[Tensor, "b n k"]
    axes: tuple[Axis, ...]
    origin: Float[Tensor, "b n k"]
    unit: Int[Tensor, "b n"]
    facts: Facts
    target: Target | None = None
    dense: bool = False

    @property
    def rows(self) -> int:
        """Number of rows B."""
        return self.segment.shape[0]

    @property
    def valid(self) -> Bool[Tensor, "b n"]:
        """Tokens that are not padding."""
        return self.segment > 0

    @property
    def shape(self) -> tuple[object, ...]:
        """What must be equal for two batches to share one forward."""
        parts = self.x if isinstance(self.x, tuple) else (self.x,)
        return (self.stream, self.segment.shape[1], tuple(tuple(part.shape[1:]) for part in parts))

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        moved: Batch = map_tensors(self, lambda tensor: tensor.to(device, non_blocking=True))
        return moved

    def rows_at(self, index: Int[Tensor, " r"]) -> Batch:
        """The rows `index`, each with all its documents."""
        names = [part.name for part in fields(self) if part.name != "facts"]
        chosen = {name: map_tensors(getattr(self, name), lambda tensor: tensor[index]) for name in names}
        documents = index if self.dense else _documents_of(self.segment, index)
        return replace(self, facts=map_tensors(self.facts, lambda tensor: tensor[documents]), **chosen)


def document_index(segment: Int[Tensor, "b n"]) -> Int[Tensor, "b n"]:
    """Which document of the batch, a place in `Facts`, each token belongs to; -1 at padding.

    Documents stand in row order, then by segment number. Unpacked, document b is row b, be it all padding.
    """
    rows = torch.arange(len(segment), device=segment.device)[:, None].expand_as(segment)
    valid = segment > 0
    if bool((segment > 1).any()):
        key = rows * (int(segment.max()) + 1) + segment
        index = torch.unique(key[valid], sorted=True, return_inverse=True)[1]
        return torch.full_like(rows, -1).masked_scatter(valid, index)
    return torch.where(valid, rows, -1)


def _documents_of(segment: Tensor, index: Tensor) -> Tensor:
    if not bool((segment > 1).any()):
        return index
    last = document_index(segment).amax(1)
    first = torch.cat([last.new_zeros(1), last[:-1] + 1])
    spans = [torch.arange(start, stop + 1, device=segment.device) for start, stop in zip(first, last, strict=True)]
    return torch.cat([spans[row] for row in index.tolist()])


def cat_batches(batches: Sequence[Batch]) -> Batch:
    """Batches of equal `shape`, one below the other, so that all views need one forward."""
    first = batches[0]
    if len(batches) == 1:
        return first
    if isinstance(first.x, tuple):
        columns = zip(*(batch.x for batch in batches if isinstance(batch.x, tuple)), strict=True)
        x: Tensor | tuple[Tensor, ...] = tuple(torch.cat(column) for column in columns)
    else:
        x = torch.cat([batch.x for batch in batches if isinstance(batch.x, Tensor)])
    targets = [batch.target for batch in batches if batch.target is not None]
    return replace(
        first,
        x=x,
        segment=torch.cat([batch.segment for batch in batches]),
        pos=torch.cat([batch.pos for batch in batches]),
        origin=torch.cat([batch.origin for batch in batches]),
        unit=torch.cat([batch.unit for batch in batches]),
        target=cat_targets(targets) if len(targets) == len(batches) else None,
        facts=_cat_facts([batch.facts for batch in batches]),
        dense=all(batch.dense for batch in batches),
    )


def _cat_facts(facts: Sequence[Facts]) -> Facts:
    columns: dict[str, Tensor | None] = {}
    for name in (item.name for item in fields(Facts)):
        values = [getattr(fact, name) for fact in facts]
        columns[name] = None if any(value is None for value in values) else torch.cat(values)
    record = columns.pop("record")
    assert record is not None  # a required field of Facts
    return Facts(record=record, **columns)


def map_tensors(item: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """The same nest of dataclasses and tuples with `function` applied to every tensor in it."""
    if isinstance(item, Tensor):
        return function(item)
    if isinstance(item, tuple):
        return tuple(map_tensors(part, function) for part in item)
    if is_dataclass(item) and not isinstance(item, type):
        changed = {part.name: map_tensors(getattr(item, part.name), function) for part in fields(item)}
        return replace(item, **changed)
    return item
