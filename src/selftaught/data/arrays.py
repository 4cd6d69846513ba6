"""Arrays in memory and in NPY or NPZ files: the first axis counts the records."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from selftaught.core.errors import DataError
from selftaught.data.location import explained, is_remote, open_binary, suffix_of
from selftaught.data.records import Listing, Table

ARRAY_NAMES = ("x", "images", "image", "data", "pixels", "features", "arr_0")


@dataclass(frozen=True)
class ArrayReader:
    """Reads rows of an array, or the arrays of a list."""

    values: Any = field(repr=False)

    def __call__(self, index: int) -> np.ndarray:
        return np.asarray(self.values[index])


def list_array(values: Any, kind: str, table: Table | None = None) -> Listing:
    """The records of an array or tensor (records first), or of a list of arrays of any sizes."""
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    if isinstance(values, np.ndarray) and values.ndim == 0:
        raise DataError(f"The {kind} is a single number; it needs records along its first axis.")
    if len(values) == 0:
        raise DataError(f"The {kind} is empty. Give one with at least one record.")
    if not isinstance(values, np.ndarray):
        values = [np.asarray(each.detach().cpu() if isinstance(each, Tensor) else each) for each in values]
    first = np.asarray(values[0])
    if any(np.asarray(value).dtype.kind not in "biufc" for value in values[:1]):
        raise DataError(f"The {kind} holds {first.dtype}, not numbers. Give arrays of numbers, or a path.")
    return Listing(
        ids=[str(row) for row in range(len(values))],
        stamps=[_content(np.asarray(value)) for value in values],
        read=ArrayReader(values),
        kind=f"{kind} of {len(values):,} records, the first {first.dtype} {tuple(first.shape)}",
        table=table,
    )


def list_array_file(place: str | Path, column: str | None) -> Listing:
    """The records of an NPY file (memory-mapped where it is local) or of one array of an NPZ file."""
    mapped = suffix_of(place) == ".npy" and not is_remote(place)
    try:
        with explained(place):
            if mapped:
                return list_array(np.load(place, mmap_mode="r"), "NPY array")
            with open_binary(place) as file:
                loaded = np.load(file)
                if isinstance(loaded, np.ndarray):
                    return list_array(loaded, "NPY array")
                arrays = _joined(dict(loaded))
    except (DataError, EOFError, zipfile.BadZipFile) as problem:
        text = str(problem).removesuffix(".")
        raise DataError(f"{text}. Arrays of Python objects are never loaded; save numbers.") from problem
    name = _choose(arrays, place, column)
    rest = {
        key: value for key, value in arrays.items() if len(np.shape(value)) == 1 and len(value) == len(arrays[name])
    }
    table = Table(names=tuple(rest), rows=len(arrays[name]), column=partial(_as_list, rest))
    return list_array(arrays[name], f"NPZ array {name!r}", table)


def _joined(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`x_train` and `x_test` as one `x`, with a column `split` beside them."""
    whole = {name: value for name, value in arrays.items() if not name.lower().endswith(("_train", "_test"))}
    trains = [name for name in arrays if name.lower().endswith("_train") and f"{name[:-6]}_test" in arrays]
    for name in trains:
        train, test = arrays[name], arrays[f"{name[:-6]}_test"]
        whole[name[:-6]] = np.concatenate([train, test])
        whole.setdefault("split", np.array(["train"] * len(train) + ["test"] * len(test)))
    return whole


def _as_list(arrays: Mapping[str, np.ndarray], name: str) -> list[Any]:
    return list(arrays[name].tolist())


def _choose(arrays: Mapping[str, np.ndarray], place: str | Path, column: str | None) -> str:
    """The array that holds the records: the one named, else a usual name, else the one with the most axes."""
    described = ", ".join(f"{name} {value.dtype} {value.shape}" for name, value in arrays.items()) or "nothing"
    if column is not None:
        if column not in arrays:
            raise DataError(f"{str(place)!r} has no array {column!r}; it has {described}.")
        return column
    deep = [name for name, value in arrays.items() if value.ndim >= 2]
    usual = [name for each in ARRAY_NAMES for name in deep if name.lower() == each]
    if usual:
        return usual[0]
    if len(deep) != 1:
        raise DataError(f"{str(place)!r} holds {described}. Name the array of the records with --column.")
    return deep[0]


def _content(value: np.ndarray) -> str:
    digest = hashlib.blake2b(f"{value.dtype}{value.shape}".encode(), digest_size=8)
    digest.update(np.ascontiguousarray(value).data if value.size else b"")
    return digest.hexdigest()


def is_array_list(data: Any) -> bool:
    """Whether this is a list or tuple of arrays or tensors."""
    return isinstance(data, Sequence) and len(data) > 0 and isinstance(data[0], (np.ndarray, Tensor))
