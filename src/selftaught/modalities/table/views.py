"""Views of rows, the whole batch at once: cells swapped or made missing; and the typed targets of what is shown.

Shape letters: B rows, N cell tokens, R rows of the marginal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from selftaught.core.errors import UsageError
from selftaught.core.rng import Rng
from selftaught.core.targets import Categorical, Circular, Continuous, Counts, Mixed
from selftaught.modalities.table.cells import Cell

LARGEST_COUNT = 30.0
"""Counts beyond it are judged as this one: one rare large count would outweigh all other cells."""


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How much of a row the views change; all are shares of its columns, 0..1.

    swap: of a strong view, replaced by other rows' cells of the same column (Bahri 2022, algorithm 1; the paper's 0.6
    against an untouched row leaves as many columns in common as 0.4 in each of two views). lose: of a strong view, made
    missing. noise: of a noisy view, swapped (Yoon 2020: 0.3). fade: of a weak view, made missing, so that the content
    of missing cells is learned in any table. span: of a span view, shown.
    """

    swap: float = 0.4
    lose: float = 0.0
    noise: float = 0.3
    fade: float = 0.05
    span: float = 0.5

    def __post_init__(self) -> None:
        for each in fields(self):
            if not 0 <= getattr(self, each.name) <= 1:
                raise UsageError(
                    f"augmentation.{each.name} is a share from 0 to 1; got {getattr(self, each.name)}. "
                    f"The default is {each.default}."
                )

    def scaled(self, strength: float) -> Augmentation:
        """The same with what makes strong views strong multiplied."""
        changed = {name: min(1.0, strength * getattr(self, name)) for name in ("swap", "lose")}
        return replace(self, **changed)


def unit_of(layout: Sequence[Cell], like: Tensor) -> Int[Tensor, " n"]:
    """The column of every token, on the device of `like`."""
    return torch.tensor([cell.unit for cell in layout], device=like.device).long()


def choose_exactly(
    ids: Int[Tensor, " b"], unit: Int[Tensor, " n"], key: str, share: float, rng: Rng
) -> Bool[Tensor, "b n"]:
    """A share of every row's columns, the same number in every row; at least one stays out."""
    columns = int(unit.max()) + 1
    number = min(columns - 1, max(1, round(share * columns))) if share > 0 else 0
    return (rng.permutation(ids, key, columns) < number)[:, unit]


def choose_each(
    ids: Int[Tensor, " b"], unit: Int[Tensor, " n"], key: str, share: float, rng: Rng
) -> Bool[Tensor, "b n"]:
    """Every column of every row with the probability `share`."""
    return (rng.uniform(ids, key, (int(unit.max()) + 1,)) < share)[:, unit]


def swap_cells(
    x: Float[Tensor, "b n"],
    marginal: Float[Tensor, "b r n"],
    flag: Bool[Tensor, "b n"],
    unit: Int[Tensor, " n"],
    ids: Int[Tensor, " b"],
    rng: Rng,
) -> Float[Tensor, "b n"]:
    """Where the flag is set, the cell of a random row of the marginal: another row for every column (Bahri 2022)."""
    row = rng.integers(ids, "swap/row", marginal.shape[1], (int(unit.max()) + 1,))[:, unit]
    return torch.where(flag, marginal.gather(1, row[:, None]).squeeze(1), x)


def lose_cells(x: Float[Tensor, "b n"], flag: Bool[Tensor, "b n"]) -> Float[Tensor, "b n"]:
    """Missing where the flag is set."""
    return x.masked_fill(flag, torch.nan)


def role_flags(layout: Sequence[Cell], like: Tensor) -> dict[str, Bool[Tensor, " n"]]:
    """Which tokens are of each role."""
    return {
        role: torch.tensor([cell.role == role for cell in layout], device=like.device)
        for role in ("number", "count", "angle", "class", "word")
    }


def targets_of(x: Float[Tensor, "b n"], layout: Sequence[Cell], vocabulary: int) -> Mixed:
    """What every cell shown is worth predicting, by its column's kind; missing and unseen cells and words are not.

    Parts: Continuous numbers (in units of their scale), Categorical categories, Counts, Circular angles; the last three
    where the table has such columns.
    """
    flags = {role: flag.expand(x.shape) for role, flag in role_flags(layout, x).items()}
    seen = ~x.isnan()
    parts: list[Continuous | Categorical | Circular | Counts] = [
        Continuous(values=x[..., None], valid=seen & flags["number"])
    ]
    part = torch.zeros_like(x, dtype=torch.long)
    present = {cell.role for cell in layout}
    if "class" in present:
        part = part.masked_fill(flags["class"], len(parts))
        known = seen & flags["class"] & (x < vocabulary)
        parts.append(Categorical(values=x.nan_to_num(-1).long(), valid=known, size=vocabulary))
    if "count" in present:
        part = part.masked_fill(flags["count"], len(parts))
        counts = x.expm1().round().clamp(max=LARGEST_COUNT)
        parts.append(Counts(values=counts, valid=seen & flags["count"]))
    if "angle" in present:
        part = part.masked_fill(flags["angle"], len(parts))
        parts.append(Circular(values=x, valid=seen & flags["angle"]))
    valid = torch.stack([each.valid for each in parts]).any(0)
    return Mixed(parts=tuple(parts), part=part, valid=valid)
