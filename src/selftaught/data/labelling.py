"""Labels, groups and given splits, put in the order of a store. They are never baked into it: labels may come later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from selftaught.core.errors import DataError
from selftaught.core.modality import Rows
from selftaught.data.findings import name_some
from selftaught.data.labels import Given as Given
from selftaught.data.labels import Task as Task
from selftaught.data.source import Source
from selftaught.data.store import Store

SPLIT_NAMES = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelling:
    """What is known of the N records of a store beside their content.

    codes: class numbers, -1 where missing. values: numeric labels, NaN where missing. groups: numbers into
    `group_names`, -1 where missing. splits: numbers into `SPLIT_NAMES`, -1 where none is given. tags: which of the
    `classes` a record has, for those that are `tagged`. At most one of codes, values and tags is set; what was not
    asked for is None.
    """

    records: int
    codes: Int[np.ndarray, " n"] | None = None
    values: Float[np.ndarray, " n"] | None = None
    tags: Bool[np.ndarray, "n k"] | None = None
    tagged: Bool[np.ndarray, " n"] | None = None
    classes: tuple[str, ...] = ()
    groups: Int[np.ndarray, " n"] | None = None
    group_names: tuple[str, ...] = ()
    splits: Int[np.ndarray, " n"] | None = None

    @property
    def task(self) -> Task | None:
        """What the labels are, None without labels."""
        if self.tags is not None:
            return "tags"
        return "classes" if self.codes is not None else "numbers" if self.values is not None else None

    @property
    def labelled(self) -> Int[np.ndarray, " m"]:
        """The numbers of the records that have a label."""
        if self.codes is not None:
            return np.flatnonzero(self.codes >= 0)
        if self.tagged is not None:
            return np.flatnonzero(self.tagged)
        return np.flatnonzero(np.isfinite(self.values)) if self.values is not None else np.empty(0, np.int64)

    def attach(self, rows: Rows) -> Rows:
        """The same rows with their label (int64 codes or float32 values; tags are none) and group."""
        index = rows.record.numpy()
        label = None
        if self.codes is not None:
            label = torch.from_numpy(self.codes[index])
        elif self.values is not None:
            label = torch.from_numpy(self.values[index].astype(np.float32))
        group = None if self.groups is None else torch.from_numpy(self.groups[index])
        return replace(rows, label=label, group=group)


def align(source: Source, store: Store, classes: Sequence[str] | None = None) -> Labelling:
    """The labels, groups and given splits of a source for the records of a store, matched by id.

    classes: names in the order of their numbers, where another data set has fixed them. Raises DataError for labels
    beyond them, and where store and source share no record.
    """
    position = source.records.position
    places = np.array([position.get(record_id, -1) for record_id in store.ids], dtype=np.int64)
    if not (places >= 0).any():
        raise DataError(
            "The source and the store have no record in common. Give the data that the store was built from."
        )
    codes: np.ndarray | None = None
    values: np.ndarray | None = None
    tags: np.ndarray | None = None
    tagged: np.ndarray | None = None
    groups: np.ndarray | None = None
    names: tuple[str, ...] = ()
    group_names: tuple[str, ...] = ()
    labels = _pick(source.records.labels, places)
    if labels is not None and any(isinstance(label, float) for label in labels):
        values = np.array([np.nan if label is None else label for label in labels], dtype=np.float64)
    elif labels is not None and any(isinstance(label, tuple) for label in labels):
        own = [label if isinstance(label, tuple) else () for label in labels]
        numbers, names = _number([name for each in own for name in each], classes)
        tagged = np.array([isinstance(label, tuple) for label in labels])
        tags = np.zeros((len(own), len(names)), dtype=bool)
        tags[np.repeat(np.arange(len(own)), [len(each) for each in own]), numbers] = True
    elif labels is not None:
        codes, names = _number(labels, classes)
    found = _pick(source.records.groups, places)
    if found is not None:
        groups, group_names = _number(found, None)
    splits = _pick(source.records.splits, places)
    return Labelling(
        records=len(store),
        codes=codes,
        values=values,
        tags=tags,
        tagged=tagged,
        classes=names,
        groups=groups,
        group_names=group_names,
        splits=None if splits is None else _number(splits, SPLIT_NAMES)[0],
    )


def _pick(values: Sequence[object] | None, places: np.ndarray) -> list[object] | None:
    return None if values is None else [values[place] if place >= 0 else None for place in places]


def _number(values: Sequence[object], names: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers into the sorted distinct names (by value where they are whole numbers), -1 for None."""
    found = {str(value) for value in values if value is not None}
    if names is None:
        whole = all(name.lstrip("-").isdecimal() for name in found)
        names = sorted(found, key=int) if whole else sorted(found)
    unknown = sorted(found - set(names))
    if unknown:
        raise DataError(f"Classes {name_some(unknown)} are not among the {len(names)} known ones: {name_some(names)}.")
    number = {name: index for index, name in enumerate(names)}
    codes = [-1 if value is None else number[str(value)] for value in values]
    return np.array(codes, dtype=np.int64), tuple(names)
