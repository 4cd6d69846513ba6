"""From whatever the user calls data to a store, labels and splits: what every stage does first."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from selftaught.core.config import fingerprint, override, to_dict
from selftaught.core.modality import Fitted, Rows
from selftaught.data.build import build_store
from selftaught.data.findings import Finding
from selftaught.data.labelling import Given, Labelling, align
from selftaught.data.source import Source, open_source
from selftaught.data.store import Store
from selftaught.modalities import AnyModality, recognise

FIT_ROWS = 2_000
"""Records that statistics are fitted on: the standard error of a channel's mean is then below 0.1 % of its range."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """Decoded data, ready for any stage."""

    source: Source
    store: Store
    labelling: Labelling
    modality: AnyModality

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was odd about the source and the records."""
        return (*self.source.findings, *self.store.findings)


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """How data is read: which column or file holds labels, groups, given splits, the records, their ids;
    store: "decoded" or "encoded", for modalities that can keep records either way; task: what numeric labels are."""

    labels: Given = None
    group: Given = None
    split: Given = None
    column: str | None = None
    id_column: str | None = None
    store: str | None = None
    task: Literal["classes", "numbers"] | None = None

    def stated(self) -> Mapping[str, Any]:
        """The options as JSON; values given as arrays are named by their digest."""
        return {
            name: value
            if value is None or isinstance(value, str)
            else str(value)
            if isinstance(value, Path)
            else f"array {fingerprint(np.asarray(value).tolist())}"
            for name, value in vars(self).items()
        }


def tell(text: str) -> None:
    """A line on the error stream, where progress goes."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def prepare(
    data: Any,
    modality: AnyModality | None,
    stores: Path,
    options: DataOptions,
    *,
    quiet: bool = False,
    say: Callable[[str], None] | None = None,
) -> Prepared:
    """The source opened, its modality recognised, its records decoded once into a folder under `stores`.

    say: is told the size of the store before it is built.

    Raises DataError or StoreError, with the remedy, before anything is written that would have to be undone.
    """
    source = open_source(
        data,
        labels=options.labels,
        group=options.group,
        split=options.split,
        column=options.column,
        id_column=options.id_column,
        task=options.task,
    )
    resolved = recognise(source.records, modality)
    if options.store is not None:
        resolved = override(resolved, "store", options.store)
    describe = to_dict(resolved)
    folder = stores / f"{resolved.name}-{fingerprint([describe, _name(data, source)])}"
    store = build_store(
        source, resolved.decode, folder, describe=describe, progress=not quiet, replace_other=True, say=say
    )
    return Prepared(source=source, store=store, labelling=align(source, store), modality=resolved)


def fit_modality(modality: AnyModality, store: Store, train: np.ndarray) -> Fitted:
    """What the modality learns from the training part, on at most FIT_ROWS records spread evenly over it."""
    count = min(FIT_ROWS, len(train))
    chosen = train[np.linspace(0, len(train) - 1, count).round().astype(np.int64)]

    def chunks() -> Iterator[Rows]:
        for start in range(0, count, 256):
            yield store.rows(chosen[start : start + 256])

    return modality.fit(chunks())


def _name(data: Any, source: Source) -> str:
    return str(Path(data).absolute()) if isinstance(data, (str, Path)) else source.fingerprint
