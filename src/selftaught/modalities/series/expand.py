"""Several records out of one: the recordings of a file with many, and pieces of a stream that is too long for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from selftaught.core.errors import DataError
from selftaught.core.modality import Record
from selftaught.data.records import Records, digest_stamps, stamp_records
from selftaught.data.source import Source
from selftaught.modalities.pieces import Piece, cut_in_order
from selftaught.modalities.series.archive import holds_many, part_of, read_archive
from selftaught.modalities.series.read import Raw, read_value

PEEK = 64


def _read_at(reads: Sequence[Callable[[], Any]], index: int) -> Any:
    return reads[index]()


def read_record(record: Record, channels_first: bool = False) -> Raw:
    """The recording that a record holds, or its piece of one. Raises DataError."""
    value = record.read()
    if not isinstance(value, Piece):
        return read_value(value, record.id)
    raw = read_value(value.content, record.id.rpartition("#")[0])
    rows = slice(round(value.first), round(value.first + value.length))
    if isinstance(raw, np.ndarray):
        return raw[..., rows] if channels_first else raw[rows]
    return {name: cells[rows] for name, cells in raw.items()}


def within(records: Sequence[Record]) -> Iterator[tuple[int, Record]]:
    """Every recording of every file that holds many, with its label and part, and every other record; which it is of.

    Ids are the file's id and the recording's number: GunPoint_TRAIN.ts#1.
    """
    for owner, record in enumerate(records):
        if not holds_many(record.id):
            yield owner, record
            continue
        for place, (values, label) in enumerate(read_archive(record.read(), record.id), 1):
            own = replace(record, id=f"{record.id}#{place}", read=partial(np.asarray, values))
            known = label if record.label is None else record.label
            yield owner, replace(own, label=known, split=record.split or part_of(record.id))


def open_archives(source: Source) -> Source:
    """The source with the recordings of its files that hold many as records of their own."""
    if not any(map(holds_many, source.records.ids)):
        return source
    owners, records = zip(*within(source.records), strict=True)
    ids = [each.id for each in records]
    stamps = stamp_records(ids, [str(source.stamps[owner]) for owner in owners])
    columns = ([getattr(each, name) for each in records] for name in ("label", "group", "split"))
    known = (None if set(column) == {None} else column for column in columns)
    opened = Records(ids, partial(_read_at, [each.read for each in records]), *known)
    return replace(source, records=opened, stamps=stamps, fingerprint=digest_stamps(stamps))


def cut_streams(source: Source, lengths: Sequence[float | None], longest: int, window: int) -> Source:
    """The source with recordings of more than 1.5 times `longest` rows in pieces; a single one in pieces of a window.

    Its pieces go in order of time into the parts for training, validation and test.
    """
    return cut_in_order(source, lengths, float(window if len(lengths) == 1 else longest))


def read_some(records: Sequence[Record]) -> list[Raw]:
    """At most 64 of the recordings as read, evenly spread over the records. Raises DataError where none can be."""
    count = min(PEEK, len(records))
    some = [records[place * len(records) // count] for place in range(count)]
    found: list[Raw] = []
    problem = "there are no records"
    for _, record in islice(within(some), PEEK):
        try:
            raw = read_record(record)
            found += [raw] if not isinstance(raw, np.ndarray) or raw.size else []
        except DataError as error:
            problem = f"{record.id}: {error}"
    if not found:
        raise DataError(f"None of {count} records could be read as a recording ({problem}).")
    return found
