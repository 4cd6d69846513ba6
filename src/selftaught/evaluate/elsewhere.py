"""Data beside that of the runs: records from elsewhere with the same classes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from selftaught.core.errors import DataError, UsageError
from selftaught.core.modality import Rows
from selftaught.data.labelling import Given
from selftaught.data.location import exists
from selftaught.data.store import Store
from selftaught.engine.prepare import prepare, tell
from selftaught.evaluate.subject import Subject
from selftaught.trials.conditions import ELSEWHERE, some_records
from selftaught.trials.parts import FEWEST_TEST, Parts, stand_alone


@dataclass(frozen=True, kw_only=True, eq=False)
class Elsewhere:
    """Labelled records of another place. index: of the store. codes: in the numbers of the runs' own classes. groups:
    drawn together. left_out: records of classes that the runs' data does not have."""

    name: str
    store: Store
    index: np.ndarray
    codes: np.ndarray
    groups: np.ndarray | None
    left_out: int

    def rows(self) -> Rows:
        """The records, decoded."""
        return self.store.rows(self.index)


def open_elsewhere(subject: Subject, parts: Parts, data: Path | str, labels: Given, quiet: bool) -> Elsewhere:
    """At most ELSEWHERE labelled records of other data, read as the runs' own is. labels: None where named alike.

    Groups are used where the other data has them under the same name. Raises UsageError where labels are
    needed, DataError where there are none, or none of the classes that were learned.
    """
    say, stores = None if quiet else tell, subject.stores
    if labels is None and not _named_inside(subject.options.labels):
        raise UsageError("--shift needs labels of its own: those of the data are given apart. Use --shift-labels.")
    group = subject.options.group if _named_inside(subject.options.group) else None
    labels = subject.options.labels if labels is None else labels
    options = replace(subject.options, labels=labels, group=group, split=None)
    modality = subject.encoders[0].modality
    try:
        found = prepare(data, modality, stores, options, quiet=quiet, say=say)
    except DataError:
        if options.group is None:
            raise
        found = prepare(data, modality, stores, replace(options, group=None), quiet=quiet, say=say)
    labelling, names = found.labelling, subject.labelling.classes
    if labelling.codes is None:
        raise DataError(f"--shift {data} has no class labels; name them with --shift-labels NAME|FILE.")
    learned = set(np.unique(parts.labels[0]).tolist())
    number = {name: code for code, name in enumerate(names) if code in learned}
    own = np.array([number.get(name, -1) for name in labelling.classes] + [-1])[labelling.codes]
    known = np.flatnonzero(own >= 0)
    if len(known) < FEWEST_TEST:
        raise DataError(
            f"--shift {data} has {len(known)} records of the classes that the runs know ({', '.join(names[:5])}, ...); "
            f"{FEWEST_TEST} are needed. Its own are {', '.join(labelling.classes[:5])}."
        )
    index = some_records(found.store, known, ELSEWHERE)
    return Elsewhere(
        name=Path(data).name,
        store=found.store,
        index=index,
        codes=own[index],
        groups=None if labelling.groups is None else stand_alone(labelling.groups)[index],
        left_out=int((labelling.codes >= 0).sum()) - len(known),
    )


def _named_inside(given: Given) -> bool:
    """Whether labels or groups are named in a way that other data may share: not as values, nor as a file beside it."""
    if not isinstance(given, str):
        return False
    place, _, _ = given.rpartition(":")
    return given == "folder" or not (exists(given) or (place != "" and exists(place)))
