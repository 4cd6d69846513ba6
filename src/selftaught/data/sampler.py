"""Which records make which batch: a pure function of seed, epoch and step, so any run resumes exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Int

from selftaught.core.errors import DataError, UsageError
from selftaught.core.rng import Rng


@dataclass(frozen=True, kw_only=True, order=True)
class Position:
    """Where the sampler stands: the next batch is number `step` of epoch `epoch`, both from 0."""

    epoch: int = 0
    step: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampler:
    """Batches of record numbers in a new random order every epoch.

    batch: records of the global batch; process `rank` of `ranks` gets its slice of it, so that W processes with
    batch / W each see what one process would. drop_last: leave an incomplete last batch out (training).
    Raises DataError if the batch is larger than the data, UsageError if it cannot be shared evenly.
    """

    indices: Int[np.ndarray, " n"] = field(repr=False)
    batch: int
    seed: int
    rank: int = 0
    ranks: int = 1
    drop_last: bool = True

    def __post_init__(self) -> None:
        if not len(self.indices):
            raise DataError("There is no record to sample from. Check the splits, and the labels asked for.")
        if self.batch < 1 or not 0 <= self.rank < self.ranks:
            raise UsageError(f"batch must be positive, and rank below ranks; got {self}.")
        if self.batch % self.ranks:
            raise UsageError(f"A batch of {self.batch} cannot be shared by {self.ranks} processes; take a multiple.")
        if self.drop_last and self.batch > len(self.indices):
            raise DataError(
                f"A batch of {self.batch} is larger than the {len(self.indices)} training records. Use a batch of at "
                f"most {len(self.indices)}, or give more data."
            )

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        full, rest = divmod(len(self.indices), self.batch)
        return full if self.drop_last or not rest else full + 1

    def position(self, step: int) -> Position:
        """The place after `step` batches from the beginning."""
        epoch, inner = divmod(step, self.steps_per_epoch)
        return Position(epoch=epoch, step=inner)

    def order(self, epoch: int) -> Int[np.ndarray, " n"]:
        """All record numbers in the order of an epoch: by a draw of each record's own, so that no batch size or
        process count changes it."""
        records = torch.from_numpy(np.ascontiguousarray(self.indices, dtype=np.int64))
        draws = Rng(seed=self.seed).at(epoch).uniform(records, "order", (2,)).double()
        return records[(draws[:, 0] + draws[:, 1] * 2.0**-24).argsort(stable=True)].numpy()

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Int[np.ndarray, " b"]]:
        """This process's batches of one epoch, from batch `start` on."""
        order = self.order(epoch)
        for step in range(start, self.steps_per_epoch):
            whole = order[step * self.batch : (step + 1) * self.batch]
            low, high = (len(whole) * rank // self.ranks for rank in (self.rank, self.rank + 1))
            yield whole[low:high]

    def batches(self, start: Position | None = None) -> Iterator[tuple[Position, Int[np.ndarray, " b"]]]:
        """Batches without end from a position on, each with the position it stands at."""
        position = start or Position()
        while True:
            for step, index in enumerate(self.epoch(position.epoch, position.step), position.step):
                yield Position(epoch=position.epoch, step=step), index
            position = Position(epoch=position.epoch + 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Partners:
    """For every record another one of its group, drawn anew each epoch; itself where it is alone or has no group (-1).

    indices: the records to draw from. groups: of all records. Raises DataError if no two records share a group.
    """

    indices: Int[np.ndarray, " n"] = field(repr=False)
    groups: Int[np.ndarray, " m"] = field(repr=False)
    seed: int

    @cached_property
    def order(self) -> Int[np.ndarray, " n"]:
        """The records, those of a group beside each other."""
        return self.indices[np.argsort(self.groups[self.indices], kind="stable")]

    @cached_property
    def ordered(self) -> Int[np.ndarray, " n"]:
        """The group of each record of `order`, ascending."""
        ordered: np.ndarray = self.groups[self.order]
        return ordered

    @cached_property
    def place(self) -> Int[np.ndarray, " m"]:
        """Where each record stands in `order`."""
        place = np.zeros(len(self.groups), np.int64)
        place[self.order] = np.arange(len(self.order))
        return place

    def __post_init__(self) -> None:
        if not (np.bincount(self.groups[self.indices] + 1)[1:] > 1).any():
            raise DataError("No two training records share a group, so none has a partner. Check --group.")

    def of(self, records: Int[np.ndarray, " b"], epoch: int) -> Int[np.ndarray, " b"]:
        """The partner of each of some records of `indices`."""
        mine = self.groups[records]
        first, end = np.searchsorted(self.ordered, mine), np.searchsorted(self.ordered, mine, side="right")
        others = np.where(mine < 0, 0, end - first - 1)
        draws = Rng(seed=self.seed).at(epoch).uniform(torch.from_numpy(records), "partner").double().numpy()
        away = (draws * others).astype(np.int64) + (others > 0)  # 1..others; 0 where there is none
        found: np.ndarray = self.order[first + (self.place[records] - first + away) % (end - first)]
        return found
