"""The store of decoded records: memory-mapped, so that a random batch costs a memory read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from selftaught.core.errors import DataError, StoreError
from selftaught.core.modality import Rows
from selftaught.data.findings import Finding
from selftaught.data.layout import CONTENT, FINDINGS, IDS, META, STAMPS, FieldFacts, State, read_lines, read_state


@dataclass(frozen=True, kw_only=True, eq=False)
class Field:
    """One named array of every record. shape: of each record if all agree (then `values` is (N, *shape)), else None."""

    name: str
    shape: tuple[int, ...] | None
    values: np.ndarray = field(repr=False)
    shapes: np.ndarray = field(repr=False)
    starts: np.ndarray = field(repr=False)

    def rows(self, index: np.ndarray) -> Tensor | tuple[Tensor, ...]:
        """The records `index`, copied: one tensor (B, *shape), or a tuple of B tensors."""
        if self.shape is not None:
            return torch.from_numpy(np.take(self.values, index, axis=0))
        return tuple(
            torch.from_numpy(self.values[self.starts[row] : self.starts[row + 1]].reshape(self.shapes[row]).copy())
            for row in index
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Store:
    """Decoded records on disk, in the order they were added; a record's number never changes.

    ids: of the records. content: int64 hash of each record's decoded fields, (N,). findings: what was odd or set aside.
    """

    folder: Path
    ids: Sequence[str] = field(repr=False)
    content: Int[np.ndarray, " n"] = field(repr=False)
    fields: Mapping[str, Field]
    findings: tuple[Finding, ...]
    fingerprint: str
    size_bytes: int
    facts: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Of the ids and contents in their order, which is what the numbers in recorded splits stand for."""
        digest = hashlib.blake2b(np.ascontiguousarray(self.content).tobytes(), digest_size=8)
        digest.update("\n".join(self.ids).encode())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, index: Any) -> Rows:
        """The records numbered `index` (array, tensor or sequence of B integers), in that order, as copies."""
        numbers = np.asarray(index, dtype=np.int64)
        if numbers.ndim != 1 or (numbers.size and (numbers.min() < 0 or numbers.max() >= len(self))):
            raise DataError(f"Record numbers must be a list within 0..{len(self) - 1}; got {index!r}.")
        fields = {name: part.rows(numbers) for name, part in self.fields.items()}
        return Rows(fields=fields, record=torch.from_numpy(numbers.copy()))


def open_store(folder: str | Path) -> Store:
    """The complete store in a folder. StoreError if there is none, or if a file is missing or shorter than it was."""
    folder = Path(folder)
    state = read_state(folder, META)
    if state is None:
        raise StoreError(
            f"There is no complete store in {str(folder)!r}. Build it, or let an interrupted build finish."
        )
    for name, size in state.sizes.items():
        there = (folder / name).stat().st_size if (folder / name).exists() else None
        if there is None or there < size:
            lost = "is missing" if there is None else f"has {there:,} of {size:,} bytes"
            raise StoreError(
                f"The store {str(folder)!r} is damaged: {name} {lost}. Delete the folder, and build it again."
            )
    return Store(
        folder=folder,
        ids=list(read_lines(folder / IDS, state.sizes[IDS])),
        content=_map(folder / CONTENT, "<i8", (state.records,)),
        fields={name: _open_field(folder, name, facts, state.records) for name, facts in state.fields.items()},
        findings=summarise_findings(folder, state),
        fingerprint=state.fingerprint,
        size_bytes=state.size_bytes,
        facts={"kind": state.kind, "records": state.records, "aside": state.aside, "describe": state.describe},
    )


def read_stamps(folder: Path, state: State) -> np.ndarray:
    """The source's stamp of every stored record, (N,) uint64."""
    return np.fromfile(folder / STAMPS, dtype="<u8", count=state.records) if state.records else np.empty(0, "<u8")


def summarise_findings(folder: Path, state: State) -> tuple[Finding, ...]:
    """One finding per code: records set aside with the first reasons, and what decoding remarked on."""
    lines = list(read_lines(folder / FINDINGS, state.sizes.get(FINDINGS, 0)))
    findings = []
    aside = [line for line in lines if "reason" in line]
    if aside:
        ids = tuple(line["id"] for line in aside)
        reasons = dict.fromkeys(line["reason"].removeprefix(f"{line['id']}: ") for line in aside)
        message = f"{len(aside):,} records could not be decoded and were set aside. {'; '.join(list(reasons)[:3])}"
        findings.append(Finding(code="set-aside", message=message, count=len(aside), ids=ids))
    remarks: dict[str, list[str]] = {}
    for line in lines:
        if "reason" not in line:
            remarks.setdefault(line["code"], []).append(line["id"])
    for code, ids_of in sorted(remarks.items()):
        message = f"{len(ids_of):,} records were remarked on while decoding: {code}."
        findings.append(Finding(code=code, message=message, count=len(ids_of), ids=tuple(ids_of)))
    return tuple(findings)


def _open_field(folder: Path, name: str, facts: FieldFacts, records: int) -> Field:
    shapes = _map(folder / f"{name}.shapes", "<i8", (records, facts.dims))
    if facts.shape is not None:
        values = _map(folder / f"{name}.values", facts.dtype, (records, *facts.shape))
        return Field(name=name, shape=facts.shape, values=values, shapes=shapes, starts=np.empty(0, np.int64))
    starts = np.concatenate([[0], np.cumsum(np.prod(shapes, axis=1, dtype=np.int64))])
    values = _map(folder / f"{name}.values", facts.dtype, (int(starts[-1]),))
    return Field(name=name, shape=None, values=values, shapes=shapes, starts=starts)


def _map(path: Path, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """A file as a read-only array; an empty file cannot be mapped and needs no mapping."""
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype=dtype, mode="r", shape=shape)
