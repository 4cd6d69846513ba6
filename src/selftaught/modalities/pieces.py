"""Long recordings as several records, for every modality whose records have a length.

A recording stays one record as long as it is not much longer than a piece: views are windows of it, drawn anew each
time. That needs nothing of the data layer. Only what is longer is cut, for a batch reads whole records, and because
three recordings of an hour must not be three records. The cut wraps the records of an open source, so its labels,
splits and ids keep their meaning: every piece has the label and the split of its recording, and its group, or else the
recording as its group, so that no split tears a recording apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from selftaught.data.findings import note
from selftaught.data.labelling import SPLIT_NAMES
from selftaught.data.records import Records, digest_stamps, stamp_records
from selftaught.data.source import Source

SLACK = 1.5
"""A recording up to this many pieces long stays whole: two halves would be needlessly short."""

PARTS = (0.6, 0.8)
"""Where validation and test begin in a single record: 12, 4 and 4 months of 20 (Zhou 2021)."""

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of a recording. content: what the whole reads as. first, length: where the part lies, in one unit."""

    content: Any
    first: float
    length: float


@dataclass
class PieceReader:
    """Reads pieces by index. The last recording is kept, for its pieces are read one after the other."""

    read: Callable[[int], Any]
    owner: Sequence[int] = field(repr=False)
    bounds: Sequence[tuple[float, float] | None] = field(repr=False)
    held: tuple[int, Any] | None = field(default=None, repr=False)

    def __call__(self, index: int) -> Any:
        owner, bounds = self.owner[index], self.bounds[index]
        if bounds is None:
            return self.read(owner)
        held = self.held  # another thread may replace it meanwhile
        if held is None or held[0] != owner:
            held = (owner, self.read(owner))
            self.held = held
        return Piece(content=held[1], first=bounds[0], length=bounds[1])

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "held": None}


def cut_source(source: Source, lengths: Sequence[float | None], most: float) -> Source:
    """The source with every record longer than 1.5 times `most` as several of one length, `ID#1`, `ID#2`, ...

    lengths: of the records, in the unit of `most`; None where unknown. The source itself where nothing is long.
    """
    counts = [1 if length is None or length <= SLACK * most else math.ceil(length / most) for length in lengths]
    if max(counts, default=1) == 1:
        return source
    old, owner = source.records, np.repeat(np.arange(len(counts)), counts).tolist()
    ids: list[str] = []
    bounds: list[tuple[float, float] | None] = []
    for record_id, length, count in zip(old.ids, lengths, counts, strict=True):
        if length is None or count == 1:
            ids.append(record_id)
            bounds.append(None)
            continue
        ids += [f"{record_id}#{place + 1}" for place in range(count)]
        bounds += [(place * length / count, length / count) for place in range(count)]
    known = old.groups or [None] * len(counts)
    groups = [group or record_id for group, record_id in zip(known, old.ids, strict=True)]
    stamps = stamp_records(ids, [f"{source.stamps[whole]}:{most}" for whole in owner])
    long = [old.ids[whole] for whole, count in enumerate(counts) if count > 1]
    message = f"Long recordings were cut: {len(long):,} of {len(counts):,}, which makes {len(ids):,} records in all."
    reader = PieceReader(old.reader, owner, bounds)
    labels, splits = _repeated(old.labels, owner), _repeated(old.splits, owner)
    return replace(
        source,
        records=Records(ids, reader, labels, _repeated(groups, owner), splits),
        stamps=stamps,
        fingerprint=digest_stamps(stamps),
        findings=(*source.findings, *note("recordings-cut", long, message)),
    )


def _repeated(values: Sequence[Item] | None, owner: Sequence[int]) -> list[Item] | None:
    return None if values is None else [values[whole] for whole in owner]


def cut_in_order(source: Source, lengths: Sequence[float | None], most: float) -> Source:
    """The source as `cut_source` cuts it; pieces of a single record go to training, validation and test in order.

    For there is nothing else to split, and a part that lay between two others would give both away.
    """
    cut = cut_source(source, lengths, most)
    count = len(cut.records)
    if len(lengths) > 1 or count == 1:
        return cut
    splits = [SPLIT_NAMES[int(np.searchsorted(PARTS, (place + 0.5) / count))] for place in range(count)]
    return replace(cut, records=replace(cut.records, groups=None, splits=splits))
