"""What goes wrong with tables and leaves the label as it was, on decoded rows, at five severities.

What a corruption needs to know of a column (its spread, other cells) it takes from the rows it is given.
Shape letters: B rows, N cell tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from selftaught.core.errors import UsageError
from selftaught.core.rng import Rng
from selftaught.modalities.table.cells import Cell, named_places
from selftaught.modalities.table.views import choose_each, choose_exactly, role_flags, unit_of

Corrupt = Callable[[Tensor, Sequence[Cell], int, Tensor, Rng], Tensor]

UNSEEN = -1.0
"""The hash of no name."""


def corrupt_cells(
    name: str, cells: Float[Tensor, "b n"], layout: Sequence[Cell], severity: int, ids: Int[Tensor, " b"], rng: Rng
) -> Float[Tensor, "b n"]:
    """The cells after one corruption. Raises UsageError for an unknown name and a severity that is not 1..5."""
    if name not in CORRUPTIONS or severity not in range(1, 6):
        raise UsageError(
            f"Table has the corruptions {', '.join(CORRUPTIONS)} with severities 1 to 5; got {name!r} at {severity}."
        )
    return CORRUPTIONS[name](cells, layout, severity - 1, ids, rng.fold(name))


def _missing(cells: Tensor, layout: Sequence[Cell], level: int, ids: Tensor, rng: Rng) -> Tensor:
    """Cells missing at random: 5 to 50 %."""
    share = (0.05, 0.1, 0.2, 0.35, 0.5)[level]
    return cells.masked_fill(choose_each(ids, unit_of(layout, cells), "missing", share, rng), torch.nan)


def _lost(cells: Tensor, layout: Sequence[Cell], level: int, ids: Tensor, rng: Rng) -> Tensor:
    """Whole columns missing, the same in all rows: 10 to 50 % of them, one at least."""
    share = (0.1, 0.2, 0.3, 0.4, 0.5)[level]
    everyone = torch.zeros(1, dtype=torch.long, device=cells.device)
    return cells.masked_fill(choose_exactly(everyone, unit_of(layout, cells), "lost", share, rng), torch.nan)


def _swapped(cells: Tensor, layout: Sequence[Cell], level: int, ids: Tensor, rng: Rng) -> Tensor:
    """Cells taken from another of the rows: 2 to 25 %."""
    share = (0.02, 0.05, 0.1, 0.15, 0.25)[level]
    unit = unit_of(layout, cells)
    row = rng.integers(ids, "row", len(cells), (int(unit.max()) + 1,))[:, unit]
    return torch.where(choose_each(ids, unit, "swapped", share, rng), cells.gather(0, row), cells)


def _noise(cells: Tensor, layout: Sequence[Cell], level: int, ids: Tensor, rng: Rng) -> Tensor:
    """Normal noise on numbers: 0.05 to 0.8 of a column's spread; counts stay whole and never go below 0."""
    share = (0.05, 0.1, 0.2, 0.4, 0.8)[level]
    noisy = cells + share * spread_of(cells) * rng.normal(ids, "noise", (cells.shape[1],))
    return _numbers_only(_whole(noisy, layout), cells, layout)


def _rounding(cells: Tensor, layout: Sequence[Cell], level: int, ids: Tensor, rng: Rng) -> Tensor:
    """Numbers rounded to steps of 0.1 to 2 of a column's spread."""
    step = spread_of(cells) * (0.1, 0.25, 0.5, 1.0, 2.0)[level]
    return _numbers_only(_whole((cells / step).round() * step, layout), cells, layout)


def _unit(cells: Tensor, layout: Sequence[Cell], level: int, ids: Tensor, rng: Rng) -> Tensor:
    """One column in another unit, the same in all rows: inches for centimetres up to grams for kilograms."""
    factor = (1 / 2.54, 1.609, 4.184, 100.0, 1000.0)[level]
    return torch.where(_one_column(cells, layout, "unit", rng), cells * factor, cells)


def _offset(cells: Tensor, layout: Sequence[Cell], level: int, ids: Tensor, rng: Rng) -> Tensor:
    """One column that drifted by 0.25 to 3 of its spread, the same in all rows."""
    share = (0.25, 0.5, 1.0, 2.0, 3.0)[level]
    return torch.where(_one_column(cells, layout, "offset", rng), cells + share * spread_of(cells), cells)


def _unseen(cells: Tensor, layout: Sequence[Cell], level: int, ids: Tensor, rng: Rng) -> Tensor:
    """Categories that nobody has seen before, such as misspelt ones: 2 to 40 % of their cells."""
    share = (0.02, 0.05, 0.1, 0.2, 0.4)[level]
    chosen = choose_each(ids, unit_of(layout, cells), "unseen", share, rng)
    return cells.masked_fill(chosen & role_flags(layout, cells)["class"] & ~cells.isnan(), UNSEEN)


CORRUPTIONS: Mapping[str, Corrupt] = {
    "missing": _missing,
    "lost": _lost,
    "swapped": _swapped,
    "noise": _noise,
    "rounding": _rounding,
    "unit": _unit,
    "offset": _offset,
    "unseen": _unseen,
}


def spread_of(cells: Float[Tensor, "b n"]) -> Float[Tensor, " n"]:
    """The standard deviation of every column over the rows that have it; 1 where there is none."""
    seen = ~cells.isnan()
    count = seen.sum(0).clamp(min=1)
    values = cells.nan_to_num(0.0)
    centred = torch.where(seen, values - values.sum(0) / count, 0.0)
    spread = (centred.square().sum(0) / count).sqrt()
    return torch.where(spread > 0, spread, torch.ones_like(spread))


def _numbers_only(changed: Tensor, cells: Tensor, layout: Sequence[Cell]) -> Tensor:
    flags = role_flags(layout, cells)
    return torch.where(flags["number"] | flags["count"], changed, cells)


def _whole(cells: Tensor, layout: Sequence[Cell]) -> Tensor:
    return torch.where(role_flags(layout, cells)["count"], cells.round().clamp(min=0), cells)


def _one_column(cells: Tensor, layout: Sequence[Cell], key: str, rng: Rng) -> Bool[Tensor, " n"]:
    """One of the columns of numbers; none where there is none."""
    places = [place for place, cell in enumerate(layout) if cell.role == "number"]
    chosen = torch.zeros(len(layout), dtype=torch.bool, device=cells.device)
    if places:
        draw = rng.integers(torch.zeros(1, dtype=torch.long), key, len(places))
        chosen[places[int(draw)]] = True
    return chosen


def forget_names(names: Tensor, before: Tensor, after: Tensor, layout: Sequence[Cell]) -> Tensor:
    """The kept names (B, C, bytes) without those of cells that hold another category now."""
    places = named_places(layout)
    other = (before[:, places] != after[:, places]) & ~after[:, places].isnan()
    return names.masked_fill(other[..., None], 0)
