"""Who is ahead where labels are numbers: ridge regression with few labels in the same folds, judged by R2."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from selftaught.compare.judge import FOLDS, Judge, Metric, Said, sample
from selftaught.core.errors import DataError
from selftaught.core.modality import Predictor
from selftaught.probes.budgets import nested_draws
from selftaught.probes.curve import FeatureSet
from selftaught.probes.ridge import PROTOCOL, guess_by_ridge, r_squared
from selftaught.probes.statistics import fold_of
from selftaught.trials.parts import Parts

SIZES: tuple[int, ...] = (20, 100)
"""Labels in all at which candidates are compared, beside all labels."""
DRAWS = 10
"""Label sets of every budget: R2 with 20 labels moves so much with them that three would often give a false winner."""
FEWEST = 30
"""Labelled training records below which nothing is compared: with them every fold can fill the smallest budget."""
STRATA = 10
"""Tenths of the numbers, of which every fold gets its share."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NumberJudge(Judge):
    """Judges by ridge regression: R2 = 1 - SSE / SST, over all judged records together, clipped nowhere."""

    metric: ClassVar[Metric] = "R2"
    protocol: ClassVar[str] = PROTOCOL

    @property
    def values(self) -> np.ndarray:
        """Numbers of the judged records."""
        return np.asarray(values_of(self.parts[0])[self.rows])

    def probe(self, features: FeatureSet, fold: int) -> Said:
        """What ridge regressions predict."""
        values, (known, asked) = values_of(self.parts[fold])[self.parts[fold].train], features

        def predict(rows: np.ndarray) -> np.ndarray:
            return guess_by_ridge(known[rows], values[rows], asked)

        return {size: np.array([predict(each.rows) for each in self.budgets[fold].at(size)]) for size in self.sizes}

    def ask(self, control: Predictor, fold: int) -> Said:
        """What a predictor predicts."""
        parts = self.parts[fold]
        values, asked = values_of(parts), parts.store.rows(parts.test)

        def predict(rows: np.ndarray) -> np.ndarray:
            known = parts.train[rows]
            return np.asarray(control.predict(parts.store.rows(known), values[known], asked), np.float64)

        return {size: np.array([predict(each.rows) for each in self.budgets[fold].at(size)]) for size in self.sizes}

    def score(self, said: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """R2, the spread of the numbers being that of each resample."""
        truth = self.values[: said.shape[2]]
        return r_squared(np.square(said - truth), truth, weights)


def values_of(parts: Parts) -> np.ndarray:
    """The numeric labels of all records of the store."""
    assert parts.values is not None  # the task is numbers
    return parts.values


def make_number_judge(parts: Parts, seed: int = 0) -> NumberJudge:
    """Folds over at most MOST labelled training records, whole groups in one fold, every tenth of the numbers spread.

    Raises DataError where nothing can be learned and tested: fewer than FEWEST records, equal numbers, one group.
    """
    values = values_of(parts)
    rows = sample(parts.train, parts.codes, np.random.default_rng(seed))
    if len(rows) < FEWEST:
        raise DataError(
            f"Underpowered: the training part has {len(rows)} labelled records, and a comparison by numbers needs "
            f"{FEWEST}. Give more labels, or none: then label-free metrics rank the candidates, with low confidence."
        )
    if np.ptp(values[rows]) == 0:
        raise DataError(
            f"All {len(rows)} labelled training records have the same number, {values[rows[0]]:g}. Give numbers that "
            f"differ, or no labels: then label-free metrics rank the candidates, with low confidence."
        )
    edges = np.quantile(values[rows], np.linspace(0, 1, STRATA + 1)[1:-1])
    groups = None if parts.groups is None else parts.groups[rows]
    count = FOLDS if groups is None else min(FOLDS, len(np.unique(groups)))
    fold = fold_of(np.searchsorted(edges, values[rows]), max(2, count), np.random.default_rng(seed), groups)
    cuts = []
    for number in np.unique(fold):
        known, asked = np.sort(rows[fold != number]), np.sort(rows[fold == number])
        if len(known) and np.ptp(values[known]) > 0:
            cuts.append(replace(parts, train=known, validation=asked, test=asked))
    judged = np.concatenate([cut.test for cut in cuts]) if cuts else rows[:1]
    if np.ptp(values[judged]) == 0:
        raise DataError("No fold has numbers to learn from and to test: there are too few groups. Give more groups.")
    smallest = min(len(cut.train) for cut in cuts)
    sizes = tuple(size for size in SIZES if size <= smallest)
    sets = tuple(nested_draws(len(cut.train), sizes, DRAWS, seed, cut.train_groups) for cut in cuts)
    return NumberJudge(parts=tuple(cuts), budgets=sets, sizes=(*sizes, None), rows=judged)
