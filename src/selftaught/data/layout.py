"""The files of a store: what lies where, and how the state of a build is committed so that nothing is half written.

meta.json       complete store: written last, replaced by rename
progress.json   an unfinished build: the size of every file at the last commit; what lies beyond is cut off
ids.jsonl       one JSON string a record           findings.jsonl   what was odd, and what was set aside
stamps.bin      uint64 a record, of the source     content.bin      int64 a record, hash of the decoded fields
NAME.values     the field's arrays, one after the other
NAME.shapes     int64 (dims) a record
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from selftaught.core.errors import StoreError

FORMAT = 1
META, PROGRESS, LOCK = "meta.json", "progress.json", ".lock"
IDS, FINDINGS, STAMPS, CONTENT = "ids.jsonl", "findings.jsonl", "stamps.bin", "content.bin"
COMMON = (IDS, FINDINGS, STAMPS, CONTENT)


def is_ours(name: str) -> bool:
    """Whether a file of this name belongs to a store."""
    return name in (*COMMON, META, PROGRESS, LOCK) or name.endswith((".values", ".shapes", ".json.tmp"))


@dataclass(frozen=True, kw_only=True)
class FieldFacts:
    """One field: its type, its number of axes, and its shape if it is the same in every record."""

    dtype: str
    dims: int
    shape: tuple[int, ...] | None


@dataclass(frozen=True, kw_only=True)
class State:
    """What has been committed: records stored, records set aside, fields, and the bytes of every file that count."""

    describe: Mapping[str, Any]
    records: int = 0
    aside: int = 0
    fields: Mapping[str, FieldFacts] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    kind: str = ""
    fingerprint: str = ""

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(self.sizes.values())


def write_state(folder: Path, name: str, state: State) -> None:
    """Puts a state on disk under `name`, whole or not at all."""
    content = {"format": FORMAT, **asdict(state)}
    temporary = folder / f"{name}.tmp"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / name)
    sync_folder(folder)


def read_state(folder: Path, name: str) -> State | None:
    """The state under `name`, None if there is none; StoreError if it is damaged or from another version."""
    try:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        raise StoreError(
            f"{folder / name} cannot be read: {problem}. Delete the folder, and the store is built again."
        ) from problem
    version = content.pop("format", None) if isinstance(content, dict) else None
    if version != FORMAT:
        raise StoreError(
            f"The store {folder} has format {version!r}; this version reads {FORMAT}. "
            "Delete the folder, and the store is built again."
        )
    fields = {
        key: FieldFacts(
            dtype=part["dtype"], dims=part["dims"], shape=None if part["shape"] is None else tuple(part["shape"])
        )
        for key, part in content.pop("fields").items()
    }
    return State(fields=fields, **content)


def read_lines(path: Path, size: int) -> Iterator[Any]:
    """The JSON values in the first `size` bytes of a file of lines."""
    if not size:
        return
    with path.open("rb") as file:
        for line in file.read(size).splitlines():
            yield json.loads(line)


def sync_folder(folder: Path) -> None:
    """Makes renames and new files of a folder survive a loss of power, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder for one builder; another process waits here, and then finds the store complete."""
    if os.name != "posix":
        yield
        return
    import fcntl  # not on Windows

    with (folder / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
