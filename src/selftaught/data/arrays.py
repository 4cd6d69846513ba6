"""Arrays in memory and in NPY or NPZ files: the first axis counts the records."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from selftaught.core.errors import DataError
from selftaught.data.location import explained, is_remote, open_binary, suffix_of
from selftaught.data.records import Listing, Table, stamp_value

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
    if first.dtype.kind not in "biufc":
        raise DataError(f"The {kind} holds {first.dtype}, not numbers. Give arrays of numbers, or a path.")
    return Listing(
        ids=[str(row) for row in range(len(values))],
        stamps=[stamp_value(np.asarray(value)) for value in values],
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
                raw = dict(loaded)
                arrays = _joined(raw)
    except (DataError, EOFError, zipfile.BadZipFile) as problem:
        text = str(problem).removesuffix(".")
        raise DataError(f"{text}. Arrays of Python objects are never loaded; save numbers.") from problem
    name = _choose(arrays, place, column)
    values = arrays[name]
    rest = {key: value.tolist() for key, value in arrays.items() if value.shape == values.shape[:1]}
    table = Table(names=tuple(rest), rows=len(values), column=rest.__getitem__)
    listing = list_array(values, f"NPZ array {name!r}", table)
    return replace(listing, split="split") if "split" in rest and "split" not in raw else listing


def _joined(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`x_train` and `x_test` as one `x`, with a column `split` beside them."""
    whole = dict(arrays)
    for name in [name.removesuffix("_train") for name in arrays if name.endswith("_train")]:
        if f"{name}_test" not in arrays:
            continue
        train, test = whole.pop(f"{name}_train"), whole.pop(f"{name}_test")
        whole[name] = np.concatenate([train, test])
        whole.setdefault("split", np.array(["train"] * len(train) + ["test"] * len(test)))
    return whole


def _choose(arrays: Mapping[str, np.ndarray], place: str | Path, column: str | None) -> str:
    """The array that holds the records: the one named, else a usual name, else the one with the most axes."""
    described = ", ".join(f"{name} {value.dtype} {value.shape}" for name, value in arrays.items()) or "nothing"
    deep = [name for name, value in arrays.items() if value.ndim >= 2]
    usual = [name for each in ARRAY_NAMES for name in deep if name.lower() == each]
    if column is not None and column not in arrays:
        raise DataError(f"{str(place)!r} has no array {column!r}; it has {described}.")
    if column is None and not usual and len(deep) != 1:
        raise DataError(f"{str(place)!r} holds {described}. Name the array of the records with --column.")
    return column or (usual or deep)[0]


def is_array_list(data: Any) -> bool:
    """Whether this is a list or tuple of arrays or tensors."""
    return isinstance(data, Sequence) and len(data) > 0 and isinstance(data[0], (np.ndarray, Tensor))
