"""Where records come from: one door for folders, archives, tables and arrays, on disk, in memory or behind a url."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from selftaught.core.errors import DataError, UsageError
from selftaught.data.arrays import is_array_list, list_array, list_array_file
from selftaught.data.files import list_folder, list_zip
from selftaught.data.findings import Finding
from selftaught.data.labels import Given, Task, find_groups, find_labels, find_splits
from selftaught.data.location import exists, is_remote, open_binary, suffix_of
from selftaught.data.records import Arrange, Listing, Records, Table, digest_stamps, stamp_records
from selftaught.data.tables import FILES, TABLE_SUFFIXES, list_frame, list_table

Suffixes = Collection[str] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """Records and what is known of them. kind: what the data was recognised as. fingerprint: changes when they do."""

    records: Records = field(repr=False)
    kind: str
    fingerprint: str
    stamps: np.ndarray = field(repr=False)
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.records)


def open_source(
    data: Any,
    *,
    labels: Given = None,
    group: Given = None,
    split: Given = None,
    column: str | None = None,
    id_column: str | None = None,
    suffixes: Suffixes = None,
    task: Task | None = None,
    arrange: Arrange | None = None,
) -> Source:
    """The records of `data`, read late.

    data: path or url of a folder, zip, Parquet, Arrow, CSV, TSV, JSONL, NPY or NPZ file; array, tensor, list of arrays
    or texts; frame of pandas, polars or pyarrow. labels, group, split: `"folder"`, a column, a file keyed by id or path
    (`FILE:COLUMN` to name the column), or one value per record. column: which column or array holds the records.
    id_column: which names them. suffixes: which files of a folder or archive to take. task: what the labels are,
    where the guess is wrong. arrange: makes records of the rows of a table without files; without it such a table is
    refused. NPZ files with arrays of training and test keep that split where no other is given.
    Raises DataError where the data cannot be used, with the remedy.
    """
    listing = list_records(data, column, id_column, suffixes, arrange)
    parts = listing.split if split is None else split
    found = find_labels(listing, labels, task), find_groups(listing, group), find_splits(listing, parts)
    stamps = stamp_records(listing.ids, listing.stamps)
    return Source(
        records=Records(listing.ids, listing.read, *(each.values for each in found)),
        kind=listing.kind,
        fingerprint=digest_stamps(stamps),
        stamps=stamps,
        findings=(*listing.findings, *(finding for each in found for finding in each.findings)),
    )


def list_records(
    data: Any, column: str | None, id_column: str | None, suffixes: Suffixes, arrange: Arrange | None = None
) -> Listing:
    """The records of anything that can be read, without labels."""
    if isinstance(data, (str, Path)):
        return _list_place(data, column, id_column, suffixes, arrange)
    if isinstance(data, (np.ndarray, Tensor)):
        return list_array(data, "array" if isinstance(data, np.ndarray) else "tensor")
    if is_array_list(data):
        return list_array(data, "list of arrays")
    if isinstance(data, (list, tuple)) and data and all(isinstance(each, str) for each in data):
        data = Table(names=("text",), rows=len(data), column={"text": list(data)}.__getitem__, kind="list")
    if isinstance(data, Table) or type(data).__module__.split(".")[0] in ("pandas", "polars", "pyarrow"):
        return list_frame(data, column, id_column, arrange)
    raise UsageError(
        "Data may be a path, a url, an array, a tensor, a list of arrays or texts, or a frame of pandas, polars or "
        f"pyarrow; got {type(data).__name__}."
    )


def _list_place(
    place: str | Path, column: str | None, id_column: str | None, suffixes: Suffixes, arrange: Arrange | None
) -> Listing:
    remote = is_remote(place)
    if not exists(place):
        raise DataError(f"There is no file or folder {str(place)!r}. Check the path; it is relative to {Path.cwd()}.")
    if not remote and Path(place).is_dir():
        return list_folder(Path(place), suffixes)
    suffix = suffix_of(place)
    if suffix == ".zip":
        return list_zip(place, suffixes)
    if suffix in TABLE_SUFFIXES and (remote or suffix not in (".csv", ".tsv") or _has_names(place)):
        return list_table(place, column, id_column, arrange)
    if suffix in (".npy", ".npz"):
        return list_array_file(place, column)
    if not remote and suffix in FILES:
        return list_folder(Path(place), suffixes)
    raise DataError(
        f"{str(place)!r} is not of a kind that can be read ({suffix or 'no suffix'}). Give a folder, or a file of kind "
        f".zip {' '.join(sorted(TABLE_SUFFIXES))} .npy .npz."
    )


def _has_names(place: str | Path) -> bool:
    """Whether the first line of a text table is names: something else than numbers, or 0, 1, 2, ..."""
    with open_binary(place) as file:
        first = bytes(file.readline(1 << 16)).decode("utf-8-sig", "replace")
    cells = [cell.strip() for cell in first.replace("\t", ",").split(",")]
    numbers = all(re.fullmatch(r"([-+]?[\d.]+(e[-+]?\d+)?|nan)?", cell.lower()) for cell in cells)
    return not numbers or not any(cells) or cells == list(map(str, range(len(cells))))
