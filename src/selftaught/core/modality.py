"""The protocol of modalities: how one kind of data is decoded, checked, augmented and described."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Int
from torch import Tensor, nn

from selftaught.core.batch import Axis, Batch, View
from selftaught.core.errors import UsageError
from selftaught.core.rng import Rng


@dataclass(frozen=True, kw_only=True)
class Record:
    """One sample as it lies in the source.

    id: unique and stable across machines (a relative path, a row number). value: bytes of an encoded file, an array, a
    string or a mapping. `read` gives it late, so that listing a source costs no decoding.
    """

    id: str
    read: Callable[[], Any]
    label: str | float | tuple[str, ...] | None = None
    group: str | None = None
    split: str | None = None


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One decoded record: named arrays ready for the store; `findings` are codes of what was odd about it."""

    fields: Mapping[str, np.ndarray]
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Decoded records as read from the store. A fixed field is (B, ...); a ragged one is a tuple of B tensors."""

    fields: Mapping[str, Tensor | tuple[Tensor, ...]]
    record: Int[Tensor, " b"]
    group: Int[Tensor, " b"] | None = None
    label: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What was learned from the training part: arrays and JSON facts, kept in the run folder."""

    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """Hex digest of everything fitted."""
        digest = hashlib.sha256(json.dumps(dict(self.facts), sort_keys=True).encode())
        for name in sorted(self.arrays):
            array = np.ascontiguousarray(self.arrays[name])
            digest.update(f"{name}{array.dtype}{array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Classical:
    """One classical feature set of a modality. `features(train rows, other rows)` fits on the first, returns both."""

    name: str
    features: Callable[[Rows, Rows], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """One classical control that is no feature set. `predict(labelled rows, their labels, other rows)` fits on the
    first and returns labels of the others: class numbers where it was given whole ones, else numbers."""

    name: str
    predict: Callable[[Rows, np.ndarray, Rows], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """A record as a person can see or hear it; `content` by `kind` as in reports: JPEG bytes, text, WAV bytes, ..."""

    kind: Literal["picture", "text", "audio", "line", "row"]
    content: Any


Fact = tuple[str, float | str, str]
"""What an audit found: a name, its value, the unit."""


class Modality(ABC):
    """A frozen dataclass per kind of data; its fields are the user's options.

    offers: what pretexts may ask for ("target", "order", "pair"; "swap": noisy views keep every token in its place and
    differ in content only). layout: "picture" where `Batch.x` is (B, C, H, W), "columns" where tokens are fixed, so
    that picture backbones, or those of tables, can read it; "words" where it is (B, N) numbers of pieces; "sequence"
    where it is (B, time, channels) with NaN for a missing value. Such a modality offers "time": spans lie unchanged on
    the record's own grid of tokens. reads: what its records may be: "files" (bytes), "text" (str), "rows" (columns to
    cells), "series" (columns to arrays), "arrays". corruptions: names of faults that leave a label as it is. fit_rows:
    records that `fit` gets at most; of 2,000 the standard error of a mean is below a fortieth of the deviation. level:
    a field of decoded rows, what its level is called, and whether that is the mean or the power; None: it says little.
    """

    name: ClassVar[str]
    offers: ClassVar[frozenset[str]]
    layout: ClassVar[Literal["picture", "columns", "words", "sequence", "other"]]
    reads: ClassVar[frozenset[str]] = frozenset()
    corruptions: ClassVar[tuple[str, ...]] = ()
    fit_rows: ClassVar[int] = 2_000
    level: ClassVar[tuple[str, str, Literal["mean", "power"]] | None] = None

    @classmethod
    def recognises(cls, ids: Sequence[str], values: Sequence[Any]) -> bool:
        """Whether a few records, as they were read, look like this kind of data."""
        return False

    def recognise(self, records: Sequence[Record]) -> Modality:
        """A copy with every option that was left open chosen from some of the records. Raises DataError."""
        return self

    @property
    def sentence(self) -> str:
        """What was decided, in one line for the user."""
        return self.name

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns of the data that are read by name, so that none of them can be a label."""
        return ()

    def cut(self, source: Any) -> Any:
        """The data's `Source` with what holds several records, or is too long for one, as records of its own."""
        return source

    @property
    @abstractmethod
    def axes(self) -> tuple[Axis, ...]:
        """What the token coordinates are; of all streams where there are several, each at 0 of the others' axes."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...] | None:
        """Shape of one row of `Batch.x` in a full view, such as (channels, height, width); None where rows differ."""

    @abstractmethod
    def decode(self, record: Record) -> Stored:
        """One record's arrays. Raises DataError, with the reason, for what cannot be decoded."""

    @abstractmethod
    def fit(self, rows: Iterable[Rows]) -> Fitted:
        """Statistics of the training part, read in chunks."""

    @abstractmethod
    def batch(self, rows: Rows, fitted: Fitted) -> Batch:
        """The clean full view of some rows, not yet normalised: what `augment` starts from."""

    @abstractmethod
    def augment(self, batch: Batch, view: View, rng: Rng) -> Batch:
        """One view of a whole batch, with per-record parameters drawn from `rng` by record id."""

    @abstractmethod
    def stem(self, dim: int, fitted: Fitted) -> nn.Module:
        """A module from Batch to token content (B, N, dim)."""

    @abstractmethod
    def classical(self) -> tuple[Classical | Predictor, ...]:
        """What an expert would have used before representation learning: feature sets, or whole predictors."""

    def portray(self, rows: Rows, side: int) -> tuple[Portrait, ...]:
        """The rows as a person can look at or listen to them, about `side` pixels large; empty where they cannot be."""
        return ()

    def corrupt(self, rows: Rows, name: str, severity: int, rng: Rng) -> Rows:
        """Decoded rows with one of `corruptions` at a severity of 1 to 5, drawn by record. Raises UsageError."""
        raise UsageError(f"{self.name} has the corruptions {', '.join(self.corruptions) or 'none'}; got {name!r}.")

    def audit(self, rows: Iterable[Rows]) -> tuple[Fact, ...]:
        """Facts on decoded rows, read in chunks: sizes, lengths, rates, what is missing."""
        return ()
