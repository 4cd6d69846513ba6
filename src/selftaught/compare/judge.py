"""Who is ahead: few-label probes by cross-validation inside the training part, paired over records, draws and seeds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from selftaught.core.errors import DataError
from selftaught.core.modality import Classical, Predictor
from selftaught.engine.embedding import embed_records
from selftaught.probes.budgets import Budgets, nested_budgets
from selftaught.probes.curve import FeatureSet
from selftaught.probes.linear import STRENGTHS
from selftaught.probes.protocol import PROTOCOL, probe
from selftaught.probes.statistics import RESAMPLES, fold_of, interval, resample, resample_runs
from selftaught.runs.encoder import Pretrained
from selftaught.trials.controls import predictor_controls
from selftaught.trials.parts import Parts

FOLDS = 3
DRAWS = 10
"""Label sets of every budget, at most: a score with few labels moves with nothing as much as with them."""
LEAST_DRAWS = 3
"""Label sets where there are many classes: each set then chooses for all of them, and probes take long."""
CHOICES = 60
"""Classes times label sets that are enough."""
SIZES: tuple[int, ...] = (1, 5, 20)
"""Labels a class at which candidates are compared; all labels too, where there are at most MANY a class."""
MANY = 50
MOST = 2_000
"""Labelled training records that are judged on, at most: every candidate is embedded in seconds."""
FEWEST = 12
"""Labelled training records below which nothing is compared."""

Metric = Literal["accuracy", "R2"]
"""What a race scores: accuracy where labels are classes, R2 where they are numbers."""
Said = Mapping[int | None, np.ndarray]
"""What one contestant says of the test records of a fold at every budget, (draw, record)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """What a contestant says of the judged records at one budget. said: (seed, draw, record), right or wrong where
    labels are classes, the predicted number where they are numbers."""

    name: str
    size: int | None
    said: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Standing:
    """How one contestant stands. value: score, mean over the judged budgets, with its 95 % interval. by_size: per
    budget. drawn: the same mean in every resample, alike for all contestants, so that differences are paired."""

    name: str
    seeds: int
    value: float
    low: float
    high: float
    by_size: Mapping[int | None, float]
    drawn: np.ndarray
    drawn_by_size: Mapping[int | None, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One contestant minus another, with its standard error and 95 % interval."""

    value: float
    error: float
    low: float
    high: float


def difference(first: Standing, second: Standing, size: int | str | None = "mean") -> Difference:
    """First minus second, over the same resamples: of the mean, or at one budget."""
    if size == "mean":
        change, value = first.drawn - second.drawn, first.value - second.value
    else:
        change = first.drawn_by_size[size] - second.drawn_by_size[size]  # type: ignore[index]
        value = first.by_size[size] - second.by_size[size]  # type: ignore[index]
    low, high = interval(change)
    return Difference(value=value, error=float(change.std()), low=low, high=high)


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge(ABC):
    """The folds. parts: of each fold, `train` to learn from and `test` to predict. rows: all judged records, in the
    order of the folds' test parts, which is the order of every reading."""

    metric: ClassVar[Metric]
    protocol: ClassVar[str]

    parts: tuple[Parts, ...]
    budgets: tuple[Budgets, ...]
    sizes: tuple[int | None, ...]
    rows: np.ndarray

    @abstractmethod
    def probe(self, features: FeatureSet, fold: int) -> Said:
        """What probes on features of a fold's training and test records say."""

    @abstractmethod
    def ask(self, control: Predictor, fold: int) -> Said:
        """What a whole predictor says, fitted on the labelled records of a fold."""

    @abstractmethod
    def score(self, said: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The scores (seed, draw, resample) of a reading of the first records. weights: (resample, record), how often
        each record is drawn."""

    @property
    def groups(self) -> np.ndarray | None:
        """Groups of the judged records."""
        known = self.parts[0].groups
        return None if known is None else known[self.rows]

    def encoders(self, name: str, encoders: Sequence[Pretrained]) -> list[Reading]:
        """What probes on the features of encoders (seeds of one candidate) say."""
        return self.features(name, [embed_records(each, self.parts[0].store, self.rows) for each in encoders])

    def features(self, name: str, vectors: Sequence[np.ndarray]) -> list[Reading]:
        """What probes on features say. vectors: one array a seed, (judged records, dim), as `rows` lie."""
        order = np.argsort(self.rows, kind="stable")

        def cut(features: np.ndarray, wanted: np.ndarray) -> np.ndarray:
            return np.asarray(features[order[np.searchsorted(self.rows[order], wanted)]])

        folds = [
            [self.probe((cut(seed, parts.train), cut(seed, parts.test)), number) for seed in vectors]
            for number, parts in enumerate(self.parts)
        ]
        return self.join(name, folds)

    def classical(self, control: Classical | Predictor) -> list[Reading]:
        """What a classical control says; it is fitted anew in every fold."""
        folds = []
        for number, parts in enumerate(self.parts):
            if isinstance(control, Predictor):
                folds.append([self.ask(control, number)])
            else:
                known, asked = parts.store.rows(parts.train), parts.store.rows(parts.test)
                folds.append([self.probe(control.features(known, asked), number)])
        return self.join(control.name, folds)

    def join(self, name: str, folds: Sequence[Sequence[Said]]) -> list[Reading]:
        """The readings of a contestant in all folds, or in the first ones. folds: of each, what every seed says."""
        return [
            Reading(
                name=name,
                size=size,
                said=np.concatenate([np.stack([seed[size] for seed in fold]) for fold in folds], axis=2),
            )
            for size in self.sizes
            if size in folds[0][0]
        ]

    def standings(self, found: Mapping[str, Sequence[Reading]], folds: int | None = None) -> dict[str, Standing]:
        """How contestants stand against each other, on all judged records or on those of the first folds.

        Records (whole groups where there are groups) and draws are resampled alike for all, seeds for each.
        """
        count = len(self.rows) if folds is None else sum(len(parts.test) for parts in self.parts[:folds])
        rng = np.random.default_rng(0)
        weights = resample(None if self.groups is None else self.groups[:count], count, RESAMPLES, rng)
        even = np.ones((1, count))
        cut = {(each.name, each.size): each.said[:, :, :count] for own in found.values() for each in own}
        drawn = resample_runs({key: self.score(said, weights)[None] for key, said in cut.items()}, rng)
        standings = {}
        for name in found:
            sizes = [size for owner, size in cut if owner == name]
            by_size = {size: float(self.score(cut[name, size], even).mean()) for size in sizes}
            draws = {size: drawn[name, size][0] for size in sizes}
            mean = np.mean(list(draws.values()), axis=0)
            low, high = interval(mean)
            standings[name] = Standing(
                name=name, seeds=cut[name, sizes[0]].shape[0], value=float(np.mean(list(by_size.values()))), low=low,
                high=high, by_size=by_size, drawn=mean, drawn_by_size=draws,
            )  # fmt: skip
        return standings


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassJudge(Judge):
    """Judges by logistic regression: accuracy."""

    metric: ClassVar[Metric] = "accuracy"
    protocol: ClassVar[str] = PROTOCOL

    @property
    def codes(self) -> np.ndarray:
        """Classes of the judged records."""
        return np.asarray(self.parts[0].codes[self.rows])

    def probe(self, features: FeatureSet, fold: int) -> Said:
        """Which records probes have right."""
        parts = self.parts[fold]
        (known, asked), (labels, truth) = features, parts.labels
        found = probe(known, labels, asked, truth, self.budgets[fold], STRENGTHS, parts.train_groups, 0)
        return {size: np.array([each.correct for each in found if each.per_class == size]) for size in self.sizes}

    def ask(self, control: Predictor, fold: int) -> Said:
        """Which records a predictor has right."""
        found = predictor_controls([control], self.parts[fold], self.budgets[fold], inner=False)[control.name]
        return {size: correct[0] for size, correct in found.correct.items()}

    def score(self, said: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Accuracy."""
        flat = said.reshape(-1, said.shape[2]).astype(np.float64)
        return np.asarray((flat @ weights.T / weights.sum(1)).reshape(*said.shape[:2], -1))


def make_judge(parts: Parts, seed: int = 0) -> ClassJudge:
    """Folds over at most MOST labelled training records, whole groups in one fold, every class in proportion.

    Raises DataError where no class boundary can be learned and tested: one class, or fewer than FEWEST records.
    """
    rows = sample(parts.train, parts.codes, np.random.default_rng(seed))
    codes = np.unique(parts.codes[rows], return_inverse=True)[1]
    if len(rows) < FEWEST:
        raise DataError(
            f"Underpowered: the training part has {len(rows)} labelled records, and a comparison needs {FEWEST}. Give "
            f"more labels, or none: then label-free metrics rank the candidates, with low confidence."
        )
    if codes.max() < 1:
        raise DataError(
            f"All {len(rows)} labelled training records are of one class, and a probe needs two classes. Give other "
            f"labels, or none: then label-free metrics rank the candidates, with low confidence."
        )
    groups = None if parts.groups is None else parts.groups[rows]
    folds = min(FOLDS, int(np.bincount(codes).min()), len(rows) if groups is None else len(np.unique(groups)))
    fold = fold_of(codes, max(2, folds), np.random.default_rng(seed), groups)
    cuts = []
    for number in np.unique(fold):
        known, asked = np.sort(rows[fold != number]), np.sort(rows[fold == number])
        if len(np.unique(parts.codes[known])) > 1:
            cuts.append(replace(parts, train=known, validation=asked, test=asked))
    if not cuts:
        raise DataError("Every fold would learn from one class: the groups tell the classes apart. Give more groups.")
    sizes = _sizes(cuts)
    draws = min(DRAWS, max(LEAST_DRAWS, CHOICES // int(codes.max() + 1)))
    sets = [nested_budgets(cut.labels[0], sizes, draws, seed, cut.train_groups) for cut in cuts]
    return ClassJudge(
        parts=tuple(cuts), budgets=tuple(sets), sizes=sizes, rows=np.concatenate([cut.test for cut in cuts])
    )


def sample(rows: np.ndarray, codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """At most MOST rows, of every class in proportion, two of each at least."""
    if len(rows) <= MOST:
        return rows
    chosen = []
    for code in np.unique(codes[rows]):
        own = rng.permutation(rows[codes[rows] == code])
        chosen.append(own[: max(2, round(MOST * len(own) / len(rows)))])
    return np.sort(np.concatenate(chosen))


def _sizes(cuts: Sequence[Parts]) -> tuple[int | None, ...]:
    """The label budgets that most classes can fill in every fold; all labels where they are few."""
    budgets = [nested_budgets(cut.labels[0], SIZES, draws=1) for cut in cuts]
    missing = {size for each in budgets for size in each.not_applicable}
    sizes = tuple(size for size in SIZES if size not in missing)
    mean = max(len(cut.train) / len(np.unique(cut.labels[0])) for cut in cuts)
    return (*sizes, None) if mean <= MANY or not sizes else sizes
