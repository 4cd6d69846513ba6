"""Decoded rows of the generated table, as the store would hand them out."""

import numpy as np
import torch
from tests.modalities.table.samples import recognised, records_of, table_rows

from selftaught.core.batch import Batch, View
from selftaught.core.modality import Fitted, Rows
from selftaught.core.rng import Rng
from selftaught.modalities.table import Table

RNG = Rng(seed=7)


def rows_of(table: Table, values: list[object]) -> Rows:
    """These rows, decoded."""
    stored = [table.decode(record).fields for record in records_of(values)]
    fields = {name: torch.from_numpy(np.stack([part[name] for part in stored])) for name in stored[0]}
    return Rows(fields=fields, record=torch.arange(len(values)))


def prepare(count: int = 200, seed: int = 0) -> tuple[Table, Fitted, Rows, np.ndarray]:
    """A resolved table, its fit, its rows, and their hidden classes."""
    table = recognised()
    values, label = table_rows(count, np.random.default_rng(seed))
    rows = rows_of(table, values)
    return table, table.fit([rows]), rows, np.array(label)


def shown(kind: str, table: Table, fitted: Fitted, rows: Rows, **options: object) -> Batch:
    """One view of some rows."""
    return table.augment(table.batch(rows, fitted), View(kind=kind, **options), RNG)  # type: ignore[arg-type]


def place_of(table: Table, name: str, fitted: Fitted) -> int:
    """The place of a token by its name."""
    place: int = fitted.facts["cells"].index(name)
    return place
