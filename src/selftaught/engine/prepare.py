"""From whatever the user calls data to a store, labels and splits: what every stage does first."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from selftaught.core.config import fingerprint, override, to_dict
from selftaught.core.modality import Fitted, Rows
from selftaught.data.build import build_store
from selftaught.data.findings import Finding
from selftaught.data.labelling import Given, Labelling, Task, align
from selftaught.data.source import Source, open_source
from selftaught.data.store import Store
from selftaught.modalities import AnyModality, recognise
from selftaught.modalities.remarks import explain
from selftaught.modalities.tabular import arrange, join_parts


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
        return (*self.source.findings, *explain(self.store.findings))


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """How data is read: which column or file holds labels, groups, given splits, the records, their ids;
    store: "decoded" or "encoded", for modalities that can keep records either way; task: what the labels are."""

    labels: Given = None
    group: Given = None
    split: Given = None
    column: str | None = None
    id_column: str | None = None
    store: str | None = None
    task: Task | None = None

    def stated(self) -> Mapping[str, Any]:
        """The options as JSON; values given as arrays are named by their digest."""
        return {
            name: value
            if value is None or isinstance(value, str)
            else str(value)
            if isinstance(value, Path)
            else f"array {fingerprint(list(map(str, value)))}"
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

    say: is told what the data was taken for, and the size of the store before it is built. Columns that are named as
    labels, groups or splits stay out of the records.

    Raises DataError or StoreError, with the remedy, before anything is written that would have to be undone.
    """
    roles = (options.labels, options.group, options.split)
    named = [str(each) for each in roles if isinstance(each, (str, Path))]
    source = open_source(
        join_parts(data),
        labels=options.labels,
        group=options.group,
        split=options.split,
        column=options.column,
        id_column=options.id_column,
        task=options.task,
        arrange=partial(
            arrange,
            reads=None if modality is None else modality.reads,
            column=options.column,
            id_column=options.id_column,
            apart=named,
        ),
    )
    resolved = recognise(source.records, modality)
    if say is not None:
        other = "" if modality is not None else " Another kind: --modality NAME."
        say(f"Read as {resolved.name} from {source.kind}: {resolved.sentence}.{other}")
    if options.store is not None:
        resolved = override(resolved, {"store": options.store})
    source = resolved.cut(source)
    describe = to_dict(resolved)
    folder = stores / f"{resolved.name}-{fingerprint([describe, _name(data, source)])}"
    store = build_store(
        source, resolved.decode, folder, describe=describe, progress=not quiet, replace_other=True, say=say
    )
    return Prepared(source=source, store=store, labelling=align(source, store), modality=resolved)


def fit_modality(modality: AnyModality, store: Store, train: np.ndarray) -> Fitted:
    """What the modality learns from the training part, on at most `fit_rows` records spread evenly over it."""
    count = min(modality.fit_rows, len(train))
    chosen = train[np.linspace(0, len(train) - 1, count).round().astype(np.int64)]

    def chunks() -> Iterator[Rows]:
        for start in range(0, count, 256):
            yield store.rows(chosen[start : start + 256])

    return modality.fit(chunks())


def _name(data: Any, source: Source) -> str:
    return str(Path(data).absolute()) if isinstance(data, (str, Path)) else source.fingerprint
