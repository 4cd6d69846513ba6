"""Decoding ahead in threads, and appending to the files of a store so that what was committed is never lost."""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from selftaught.core.errors import DataError, StoreError
from selftaught.core.modality import Record, Stored
from selftaught.data import layout
from selftaught.data.source import Source

Decode = Callable[[Record], Stored]

FIRST_RECORDS = 8
GROUP_RECORDS = 32
GROUP_BYTES = 8 << 20


@dataclass(frozen=True)
class Decoded:
    """A record after decoding: its arrays and their 64-bit hash, or the reason why there are none."""

    index: int
    fields: Mapping[str, np.ndarray]
    findings: tuple[str, ...] = ()
    content: int = 0
    reason: str | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of the arrays."""
        return sum(array.nbytes for array in self.fields.values())


def decode_ahead(
    pool: ThreadPoolExecutor, source: Source, decode: Decode, waiting: Sequence[int], ahead: int
) -> Iterator[list[Decoded]]:
    """Groups of decoded records in order; at most `ahead` groups wait, which bounds memory. The first is small: it
    tells the size of the rest."""
    running: deque[Future[list[Decoded]]] = deque()
    start, size = 0, FIRST_RECORDS
    while running or start < len(waiting):
        while start < len(waiting) and len(running) < ahead:
            running.append(pool.submit(_decode_group, source, decode, waiting[start : start + size]))
            start += size
        group = running.popleft().result()
        mean = sum(result.size_bytes for result in group) / len(group)
        size = int(min(GROUP_RECORDS, max(1, GROUP_BYTES // max(1, mean))))
        yield group


def _decode_group(source: Source, decode: Decode, indices: Sequence[int]) -> list[Decoded]:
    return [_decode_one(source.records[index], decode, index) for index in indices]


def _decode_one(record: Record, decode: Decode, index: int) -> Decoded:
    try:
        stored = decode(record)
    except (DataError, OSError) as problem:  # Pillow tells of a broken file by OSError
        return Decoded(index, {}, reason=str(problem))
    digest = hashlib.blake2b(digest_size=8)
    fields = {}
    for name, value in sorted(stored.fields.items()):
        array = np.asarray(value, order="C")
        fields[name] = array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
        digest.update(_raw(array))
    return Decoded(index, fields, stored.findings, int.from_bytes(digest.digest(), "little", signed=True))


def _raw(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")


class Writer:
    """Appends to the files of a store. Only what `commit` has passed counts; the rest is cut off at the next start."""

    def __init__(self, folder: Path, state: layout.State) -> None:
        self.folder = folder
        self.state = state
        self.records, self.aside, self.fields = state.records, state.aside, dict(state.fields)
        self.pending_records = self.pending_bytes = 0
        self.files: dict[str, IO[bytes]] = {}
        self.stack = ExitStack()

    def __enter__(self) -> Writer:
        with ExitStack() as undo:
            undo.callback(self.stack.close)
            for name in {*layout.COMMON, *self.state.sizes}:
                self._open(name)
            undo.pop_all()
        return self

    def __exit__(self, *problem: object) -> None:
        # A full disk fails again while closing; the first failure is the one to tell.
        with nullcontext() if problem[0] is None else suppress(OSError):
            self.stack.close()

    def _open(self, name: str) -> None:
        path, size = self.folder / name, self.state.sizes.get(name, 0)
        if size and (not path.exists() or path.stat().st_size < size):
            raise StoreError(f"{path} is shorter than it was. Delete the folder, and the store is built again.")
        file = self.stack.enter_context(path.open("r+b" if path.exists() else "w+b", buffering=1 << 20))
        file.truncate(size)
        file.seek(size)
        self.files[name] = file

    def add(self, source: Source, result: Decoded) -> None:
        """One record: to the end of the store, or aside."""
        record_id, stamp = source.records.ids[result.index], int(source.stamps[result.index])
        reason = result.reason or self._misfit(result.fields)
        self.pending_records += 1
        if reason is not None:
            self.aside += 1
            self._line(layout.FINDINGS, {"id": record_id, "reason": reason, "stamp": stamp})
            return
        for name, array in result.fields.items():
            if name not in self.fields:
                self.fields[name] = layout.FieldFacts(dtype=array.dtype.str, dims=array.ndim, shape=array.shape)
                self._open(f"{name}.values")
                self._open(f"{name}.shapes")
            elif self.fields[name].shape != array.shape:
                self.fields[name] = replace(self.fields[name], shape=None)
            self.files[f"{name}.values"].write(_raw(array))
            self.files[f"{name}.shapes"].write(np.array(array.shape, dtype="<i8").tobytes())
        self._line(layout.IDS, record_id)
        self.files[layout.STAMPS].write(stamp.to_bytes(8, "little"))
        self.files[layout.CONTENT].write(result.content.to_bytes(8, "little", signed=True))
        for code in result.findings:
            self._line(layout.FINDINGS, {"id": record_id, "code": code})
        self.records += 1
        self.pending_bytes += result.size_bytes

    def _misfit(self, fields: Mapping[str, np.ndarray]) -> str | None:
        """Why these arrays cannot lie beside the others, or None."""
        if not self.fields:
            return None if fields else "decoding gave no arrays"
        if fields.keys() != self.fields.keys():
            return f"it has the fields {sorted(fields)}, the others {sorted(self.fields)}"
        for name, array in fields.items():
            facts = self.fields[name]
            if (array.dtype.str, array.ndim) != (facts.dtype, facts.dims):
                return f"{name} is {array.dtype} with {array.ndim} axes; in the others {facts.dtype} with {facts.dims}"
        return None

    def _line(self, name: str, value: Any) -> None:
        self.files[name].write(json.dumps(value).encode() + b"\n")

    def commit(self) -> None:
        """Makes everything added so far survive a crash."""
        for file in self.files.values():
            file.flush()
            os.fsync(file.fileno())
        sizes = {name: file.tell() for name, file in sorted(self.files.items())}
        self.state = replace(self.state, records=self.records, aside=self.aside, fields=dict(self.fields), sizes=sizes)
        layout.write_state(self.folder, layout.PROGRESS, self.state)
        self.pending_records = self.pending_bytes = 0
