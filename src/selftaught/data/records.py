"""Records as a lazy sequence: a million of them cost their ids, not a million objects."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, SupportsIndex, overload

import numpy as np

from selftaught.core.errors import DataError
from selftaught.core.modality import Record
from selftaught.data.findings import Finding, name_some

Label = str | float | tuple[str, ...] | None
"""A class, a number, or the tags of a record, sorted; None where it is not labelled."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Named columns of one length; a column is read when it is asked for. split: the column that says which part a row
    is in, where the table itself does."""

    names: tuple[str, ...]
    rows: int
    column: Callable[[str], list[Any]]
    kind: str = "data frame"
    split: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Listing:
    """What a container holds, before labels: ids, one stamp a record (changes when the content does) and a reader.

    read: index to value; thread safe, and picklable where the container is. table: columns that labels may name.
    inside: opens a file of the same container by name (a labels file within a zip), or is None. split: the column that
    says which part a record is in, where the container itself does.
    """

    ids: Sequence[str]
    stamps: Sequence[str]
    read: Callable[[int], Any]
    kind: str
    table: Table | None = None
    inside: Callable[[str], bytes | None] | None = None
    split: str | None = None
    findings: tuple[Finding, ...] = ()


Arrange = Callable[[Table, str], Listing]
"""Makes records of the rows of a table that names no files; given the table and what it is, such as "csv table"."""


@dataclass(frozen=True, eq=False)
class Records(Sequence[Record]):
    """The records of a source, each made when it is asked for."""

    ids: Sequence[str] = field(repr=False)
    reader: Callable[[int], Any]
    labels: Sequence[Label] | None = field(default=None, repr=False)
    groups: Sequence[str | None] | None = field(default=None, repr=False)
    splits: Sequence[str | None] | None = field(default=None, repr=False)
    position: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        position = {record_id: index for index, record_id in enumerate(self.ids)}
        if len(position) < len(self.ids):
            repeated = [record_id for index, record_id in enumerate(self.ids) if position[record_id] != index]
            raise DataError(
                f"{len(repeated):,} records share an id with another one: {name_some(dict.fromkeys(repeated))}. "
                "Ids must be unique; name another column with --id-column, or remove the repeated rows."
            )
        object.__setattr__(self, "position", position)

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        return Record(
            id=self.ids[place],
            read=partial(self.reader, place),
            label=None if self.labels is None else self.labels[place],
            group=None if self.groups is None else self.groups[place],
            split=None if self.splits is None else self.splits[place],
        )


def stamp_records(ids: Iterable[str], stamps: Iterable[str]) -> np.ndarray:
    """One 64-bit number per record, (N,) uint64, that changes with its id or its stamp."""
    digests = b"".join(
        hashlib.blake2b(f"{record_id}\0{stamp}".encode(), digest_size=8).digest()
        for record_id, stamp in zip(ids, stamps, strict=True)
    )
    return np.frombuffer(digests, dtype="<u8")


def stamp_value(value: Any) -> str:
    """The stamp of a value in memory: a digest of its content."""
    if not isinstance(value, np.ndarray):
        plain = value is None or isinstance(value, (bytes, bytearray, memoryview))
        value = np.frombuffer(bytes(value or b"") if plain else repr(value).encode(), np.uint8)
    digest = hashlib.blake2b(f"{value.dtype}{value.shape}".encode(), digest_size=8)
    digest.update(np.ascontiguousarray(value).data if value.size else b"")
    return digest.hexdigest()


def digest_stamps(stamps: np.ndarray, *more: str) -> str:
    """Hex digest (16 characters) of a set of records, whatever their order."""
    digest = hashlib.blake2b(np.sort(stamps).tobytes(), digest_size=8)
    for text in more:
        digest.update(b"\0" + text.encode())
    return digest.hexdigest()


def clean_id(name: str) -> str:
    """A name as every machine spells it: forward slashes, composed characters, undecodable bytes spelled out."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", text.replace("\\", "/"))
