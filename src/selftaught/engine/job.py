"""What a training is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from lightning_fabric import Fabric
from torch import nn

from selftaught.core.encoder import Encoder
from selftaught.core.errors import DataError, UsageError
from selftaught.core.modality import Fitted, Rows
from selftaught.core.pretext import Clock
from selftaught.data.labelling import Labelling
from selftaught.data.sampler import Partners
from selftaught.data.store import Store
from selftaught.encoders import AnyEncoder
from selftaught.encoders.start import Started
from selftaught.engine.calibrate import Plan
from selftaught.engine.health import Health
from selftaught.modalities import AnyModality
from selftaught.recipe import Recipe
from selftaught.runs.encoder import Pretrained
from selftaught.runs.folder import RunFolder

Observer = Callable[[Pretrained, Clock], Mapping[str, float]]
"""Measures the encoder on held-out records. Must return `spread`, `rank` and `dim`; `score`, if given, picks the
checkpoint (higher is better) and `score_error` is its standard error."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """All that a training needs.

    recipe: resolved. train: record numbers to train on. start: puts weights
    into the fresh encoder. encoder: a user's own network, instead of the recipe's. observations: looks at the held-out
    records over the budget. quiet: no progress bar. say: is told once, before step 1, what time and disk are expected.
    scalars: gets every row of losses.csv and health.csv under the name of its file.
    """

    recipe: Recipe
    store: Store
    train: np.ndarray
    fitted: Fitted
    folder: RunFolder
    labelling: Labelling
    start: Callable[[Encoder], Started] | None = None
    encoder: Encoder | None = None
    observe: Observer | None = None
    observations: int = 8
    quiet: bool = False
    say: Callable[[str], None] | None = None
    scalars: Callable[[str, Mapping[str, float | int]], None] | None = None
    fabric: Fabric | None = None

    def __post_init__(self) -> None:
        if self.recipe.modality is None or self.recipe.encoder is None or self.recipe.batch is None:
            raise UsageError("train needs a resolved recipe; call recipe.resolve(recipe, modality, records) first.")
        if len(self.train) < self.batch:
            raise DataError(
                f"A batch of {self.batch} is larger than the {len(self.train)} training records. Use --batch "
                f"{max(2, len(self.train) // 2)} or give more data."
            )

    @cached_property
    def partners(self) -> Partners | None:
        """Who stands beside each record where positives are of one group."""
        return partners_of(self.recipe, self.labelling, self.train)

    def rows(self, index: np.ndarray) -> Rows:
        """Decoded records with their labels and groups."""
        return self.labelling.attach(self.store.rows(index))

    def check_shares(self, ranks: int) -> None:
        """Raises UsageError where a batch cannot be cut evenly among processes and their chunks."""
        shares = ranks * self.recipe.accumulate
        if self.batch % shares:
            raise UsageError(
                f"A batch of {self.batch} cannot be cut evenly into {self.recipe.accumulate} chunks on each of {ranks} "
                f"processes. Use --batch {shares * max(1, self.batch // shares)}."
            )

    @property
    def modality(self) -> AnyModality:
        """The resolved modality."""
        return cast(AnyModality, self.recipe.modality)

    @property
    def config(self) -> AnyEncoder:
        """The resolved encoder."""
        return cast(AnyEncoder, self.recipe.encoder)

    @property
    def batch(self) -> int:
        """Records per step, over all processes."""
        return cast(int, self.recipe.batch)

    @property
    def classes(self) -> int | None:
        """Number of label classes, 0 for numeric labels, None without either."""
        known = {"classes": len(self.labelling.classes), "numbers": 0}
        return known.get(self.labelling.task or "")


def partners_of(recipe: Recipe, labelling: Labelling, train: np.ndarray) -> Partners | None:
    """Partners of one group, where a recipe asks for them. Raises UsageError without groups."""
    if recipe.positives == "record":
        return None
    if labelling.groups is None:
        raise UsageError('positives "group" needs to know the groups; give them with --group COLUMN|FILE.')
    return Partners(indices=train, groups=labelling.groups, seed=recipe.seed)


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """What training gave. steps: done. kept: the step whose weights were kept. seconds: of all calls together.
    started: what was loaded before step 1."""

    pretrained: Pretrained
    head: nn.Module
    health: Health
    plan: Plan
    steps: int
    kept: int
    seconds: float
    started: Started | None = None


class Interrupted(KeyboardInterrupt):
    """SIGTERM or Ctrl-C arrived; a checkpoint was written."""
