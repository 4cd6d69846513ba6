"""The labelled records on which contestants meet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from selftaught.core.config import fingerprint
from selftaught.data.splits import Splits
from selftaught.data.store import Store
from selftaught.engine.prepare import Prepared


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """Labelled records of the training, validation and test parts, and codes and groups of all records of the store.

    source: fingerprint of the data. values: numeric labels of all records, None where labels are classes.
    """

    store: Store
    source: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    codes: np.ndarray
    groups: np.ndarray | None
    values: np.ndarray | None = None

    @property
    def labels(self) -> tuple[np.ndarray, np.ndarray]:
        """Codes of the training and of the test records."""
        return self.codes[self.train], self.codes[self.test]

    @property
    def kin(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Groups of the training and of the test records; None where there are no groups."""
        return None if self.groups is None else (self.groups[self.train], self.groups[self.test])

    @property
    def train_groups(self) -> np.ndarray | None:
        """Groups of the training records; None where there are no groups."""
        return None if self.kin is None else self.kin[0]

    def digest(self, rows: np.ndarray) -> str:
        """Of all that decides what a control trained on `rows` has right: data, rows, labels, what is asked."""
        known = self.codes if self.values is None else self.values
        codes = [known[part].tolist() for part in (rows, self.test)]
        return fingerprint([self.source, rows.tolist(), self.test.tolist(), codes])


FEWEST_TEST = 10
"""Labelled test records below which nothing is said."""


def labelled_parts(prepared: Prepared, splits: Splits) -> Parts:
    """The labelled records of every part; where labels are numbers all have one code.

    A class of one record is left out: it cannot be both trained and tested.
    """
    labelling = prepared.labelling
    codes = np.full(len(prepared.store), -1)
    codes[labelling.labelled] = 0 if labelling.codes is None else labelling.codes[labelling.labelled]
    if labelling.codes is not None:
        counts = np.bincount(codes[codes >= 0], minlength=len(labelling.classes))
        codes[(codes >= 0) & (counts[codes] < 2)] = -1
    train, validation, test = (part[codes[part] >= 0] for part in (splits.train, splits.validation, splits.test))
    return Parts(
        store=prepared.store,
        source=prepared.source.fingerprint,
        train=train,
        validation=validation,
        test=test,
        codes=codes,
        groups=None if labelling.groups is None else stand_alone(labelling.groups),
        values=labelling.values,
    )


def stand_alone(groups: np.ndarray) -> np.ndarray:
    """The same groups, but records without one (-1) are each a group of their own."""
    alone = groups < 0
    first = groups.max(initial=-1) + 1
    numbered = groups.copy()
    numbered[alone] = first + np.arange(np.count_nonzero(alone))
    return numbered
