"""One sample maker per modality: generated records, and the odd ones that every suite must also survive."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from tests.modalities.audio import sample as audio
from tests.modalities.series.makers import ODD as ODD_SERIES
from tests.modalities.series.makers import SERIES, curves
from tests.modalities.table.samples import ODD as ODD_ROWS
from tests.modalities.table.samples import recognised, table_rows
from tests.modalities.text.samples import ODD as ODD_TEXTS
from tests.modalities.text.samples import SMALL, text_documents
from tests.toys import pair, table
from tests.toys.documents import Documents
from tests.toys.pair import Pair
from tests.toys.table import Table

from selftaught.core.modality import Fitted, Modality, Record, Rows
from selftaught.modalities import Image

CLASSES = 3


@dataclass(frozen=True)
class Sample:
    """values(count, generator) gives what `Record.read` returns, and the hidden class of each; odd: records by kind."""

    modality: Modality
    values: Callable[[int, np.random.Generator], tuple[list[object], list[int]]]
    odd: Mapping[str, list[object]] = field(default_factory=dict)

    def rows(self, count: int, seed: int = 0) -> Rows:
        """Decoded records with large, scattered ids."""
        values, label = self.values(count, np.random.default_rng(seed))
        return self.decoded(values, label, seed)

    def odd_rows(self, kind: str) -> Rows:
        """The odd records of one kind."""
        return self.decoded(self.odd[kind], [0] * len(self.odd[kind]), 0)

    def decoded(self, values: list[object], label: list[int], seed: int) -> Rows:
        """What the store would hand out for these records."""
        stored = [
            self.modality.decode(Record(id=str(place), read=lambda value=value: value))
            for place, value in enumerate(values)
        ]
        fields = {}
        for name in stored[0].fields:
            arrays = [torch.from_numpy(np.ascontiguousarray(part.fields[name])) for part in stored]
            ragged = isinstance(self.modality, Documents) or len({array.shape for array in arrays}) > 1
            fields[name] = tuple(arrays) if ragged else torch.stack(arrays)
        ids = torch.arange(len(values)) * 7_919_000_033 + 1_000_003 * (seed + 1)
        return Rows(fields=fields, record=ids, label=torch.tensor(label))

    def fitted(self) -> Fitted:
        """Fitted to 64 records."""
        return self.modality.fit([self.rows(64, seed=99)])


def _documents(count: int, numbers: np.random.Generator) -> tuple[list[object], list[int]]:
    """Words count upwards in steps of 1, 2 or 3, the hidden class."""
    label = numbers.integers(CLASSES, size=count)
    lengths, starts = numbers.integers(3, 9, size=count), numbers.integers(7, size=count)
    lines = [(start + (step + 1) * np.arange(n)) % 7 for start, step, n in zip(starts, label, lengths, strict=True)]
    return list(lines), label.tolist()


def _table(count: int, numbers: np.random.Generator) -> tuple[list[object], list[int]]:
    label = numbers.integers(CLASSES, size=count)
    cells = numbers.normal(size=(count, table.COLUMNS)) * 0.3 + label[:, None]
    cells[:, table.NUMBERS :] = (label[:, None] + numbers.integers(2, size=(count, table.CLASSES))) % table.SIZE
    cells[numbers.random(cells.shape) < 0.15] = np.nan
    return list(cells), label.tolist()


def _pair(count: int, numbers: np.random.Generator) -> tuple[list[object], list[int]]:
    label = numbers.integers(CLASSES, size=count)
    curves = numbers.normal(size=(count, pair.STEPS, 2)) * 0.3 + label[:, None, None]
    tags = 1 + 2 * label[:, None] + numbers.integers(2, size=(count, pair.SLOTS))
    return list(zip(curves, tags, strict=True)), label.tolist()


def _image(count: int, numbers: np.random.Generator) -> tuple[list[object], list[int]]:
    """Stripes of three widths with noise."""
    label = numbers.integers(CLASSES, size=count)
    line = np.arange(20)[None, :, None, None] // (2 + 3 * label[:, None, None, None]) % 2
    pixels = line * 150 + numbers.integers(100, size=(count, 20, 20, 3))
    return list(pixels.astype(np.uint8)), label.tolist()


SAMPLES = {
    "documents": Sample(
        Documents(), _documents, {"one valid token": [[3], [1]], "one and many": [[2], [1, 2, 3, 4, 5, 6]]}
    ),
    "table": Sample(Table(), _table, {"all missing": [[np.nan] * 5] * 2, "one cell": [[1.0] + [np.nan] * 4] * 2}),
    "pair": Sample(Pair(), _pair),
    "image": Sample(
        Image(size=16, patch=4, canvas=20, channels=3, depth="uint8"),
        _image,
        {"all alike": [np.zeros((20, 20, 3), np.uint8)] * 2},
    ),
    "text": Sample(SMALL, text_documents, ODD_TEXTS),
    "audio": Sample(audio.MODALITY, audio.values, audio.ODD),
    "series": Sample(SERIES, curves, ODD_SERIES),
    "rows": Sample(recognised(), table_rows, ODD_ROWS),
}
