"""Building a store: decode once, in parallel, write in order, commit often, survive whatever stops it."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from selftaught.core.config import to_dict
from selftaught.core.errors import DataError, StoreError
from selftaught.data import layout
from selftaught.data.findings import format_bytes, name_some
from selftaught.data.records import digest_stamps
from selftaught.data.source import Source
from selftaught.data.store import Store, open_store, read_stamps, summarise_findings
from selftaught.data.writer import Decode, Decoded, Writer, decode_ahead

COMMIT_RECORDS = 4096
COMMIT_BYTES = 128 << 20
MARGIN_BYTES = 256 << 20
KEPT = "{}; what is done is kept, and the same command continues."


def build_store(
    source: Source,
    decode: Decode,
    folder: str | Path,
    *,
    describe: Mapping[str, Any],
    workers: int | None = None,
    progress: bool = True,
    replace_other: bool = False,
    say: Callable[[str], None] | None = None,
) -> Store:
    """The store of a source in `folder`: opened if it is there, continued if it was interrupted, extended if the source
    grew, else built.

    describe: JSON of everything that decoding depends on. workers: decoding threads, one per core by default. say: is
    told the size before the disk is filled. replace_other: a store of other data or options in the folder is deleted.
    Records whose decoding raises DataError are set aside with a finding. Raises StoreError if the folder holds
    something else, or the disk is too small or full: what is done stays, and the same call continues; DataError if no
    record can be decoded.
    """
    folder = Path(folder)
    plain = json.loads(json.dumps(to_dict(describe), default=str))
    with _disk_explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if _is_complete(folder) and not replace_other and not _plan(source, plain, folder, replace_other)[1]:
            return open_store(folder)  # without the lock, which needs the right to write
        with layout.locked(folder):
            state, waiting = _plan(source, plain, folder, replace_other)
            if waiting or not _is_complete(folder):
                with Writer(folder, state) as writer:
                    _decode_all(source, decode, waiting, writer, workers or _cores(), progress, say)
                _complete(source, folder, writer.state)
    return open_store(folder)


def _is_complete(folder: Path) -> bool:
    return (folder / layout.META).exists() and not (folder / layout.PROGRESS).exists()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _plan(
    source: Source, describe: Mapping[str, Any], folder: Path, replace_other: bool
) -> tuple[layout.State, list[int]]:
    """What is committed already, and the indices of the source's records that are still to be decoded."""
    state = layout.read_state(folder, layout.PROGRESS) or layout.read_state(folder, layout.META)
    nothing = layout.State(describe=describe), list(range(len(source)))
    if state is None:
        strangers = [path.name for path in folder.iterdir() if not layout.is_ours(path.name)]
        if strangers:
            text = name_some(sorted(strangers))
            raise StoreError(f"{str(folder)!r} is not empty and holds no store: {text}. Give another folder.")
        return nothing
    done = read_stamps(folder, state)
    lost = int((~np.isin(done, source.stamps)).sum())
    if lost or state.describe != describe:
        if replace_other:
            _empty(folder)
            return nothing
        why = f"{lost:,} of its {len(done):,} records are changed or gone"
        raise StoreError(
            f"{str(folder)!r} holds the store of other data or options: "
            f"{why if lost else _difference(state.describe, describe)}. Delete the folder, or give another one."
        )
    lines = layout.read_lines(folder / layout.FINDINGS, state.sizes.get(layout.FINDINGS, 0))
    aside = np.array([line["stamp"] for line in lines if "reason" in line], dtype="<u8")
    return state, np.flatnonzero(~np.isin(source.stamps, np.concatenate([done, aside]))).tolist()


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    return ", ".join(f"{name} was {old.get(name)!r} and is {new.get(name)!r}" for name in names[:3])


def _empty(folder: Path) -> None:
    """Deletes a store; the states go first, so that no half of it can pass for a whole."""
    for name in (layout.META, layout.PROGRESS):
        (folder / name).unlink(missing_ok=True)
    layout.sync_folder(folder)
    for path in folder.iterdir():
        if layout.is_ours(path.name) and path.name != layout.LOCK:
            path.unlink()


def _decode_all(
    source: Source,
    decode: Decode,
    waiting: Sequence[int],
    writer: Writer,
    workers: int,
    progress: bool,
    say: Callable[[str], None] | None,
) -> None:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    bar = tqdm(total=len(waiting), desc="store", unit=" records", disable=None if progress else True)
    try:
        for number, group in enumerate(decode_ahead(pool, source, decode, waiting, 2 * workers)):
            if number == 0:
                _announce(writer.folder, group, len(waiting), say)
            for result in group:
                writer.add(source, result)
            bar.update(len(group))
            if writer.pending_records >= COMMIT_RECORDS or writer.pending_bytes >= COMMIT_BYTES:
                writer.commit()
                _check_space(writer.folder, 0)
        writer.commit()
    finally:
        bar.close()
        pool.shutdown(wait=True, cancel_futures=True)


def _complete(source: Source, folder: Path, state: layout.State) -> None:
    """Writes the description of the whole; DataError if there is nothing to describe."""
    if not state.records:
        found = summarise_findings(folder, state)[0] if state.aside else None
        message = "the source is empty" if found is None else f"{found.message} ({name_some(found.ids)})"
        _empty(folder)
        raise DataError(f"None of the {len(source):,} records can be decoded, so nothing can be learned: {message}")
    digest = digest_stamps(read_stamps(folder, state), json.dumps(state.describe, sort_keys=True))
    layout.write_state(folder, layout.META, replace(state, kind=source.kind, fingerprint=digest))
    (folder / layout.PROGRESS).unlink(missing_ok=True)


def _announce(folder: Path, group: Sequence[Decoded], records: int, say: Callable[[str], None] | None) -> None:
    """Tells the size of the whole from the first records, and refuses what the disk cannot hold."""
    sizes = [result.size_bytes for result in group if result.reason is None]
    needed = int(sum(sizes) / max(1, len(sizes)) * records)
    free = _check_space(folder, needed)
    if say is not None:
        say(f"The store of {records:,} records will take about {format_bytes(needed)} of {format_bytes(free)} free.")


def _check_space(folder: Path, needed: int) -> int:
    """Free bytes of the disk; StoreError where less than a margin would be left."""
    free = shutil.disk_usage(folder).free
    if free < needed + MARGIN_BYTES:
        raise StoreError(
            f"The store needs about {format_bytes(needed)} more; {str(folder)!r} has {format_bytes(free)} free, and "
            f"{format_bytes(MARGIN_BYTES)} must stay free. {KEPT.format('Free some space or choose another disk')}"
        )
    return free


@contextmanager
def _disk_explained(folder: Path) -> Iterator[None]:
    """Failures of the disk become a StoreError that says what was kept."""
    try:
        yield
    except OSError as problem:
        full = problem.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "The disk is full" if full else f"The store cannot be written ({problem.strerror or problem})"
        remedy = KEPT.format("Free some space" if full else "Choose a folder that can be written to")
        raise StoreError(f"{what}: {str(folder)!r}. {remedy}") from problem
