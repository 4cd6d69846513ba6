"""Who is ahead: few-label probes by cross-validation inside the training part, paired over records, draws and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from selftaught.core.errors import DataError
from selftaught.core.modality import Classical, Predictor
from selftaught.engine.embedding import embed_records
from selftaught.probes.budgets import Budgets, nested_budgets
from selftaught.probes.curve import Contestant, Outcome, Predictions, bootstrap, run_contestant
from selftaught.probes.linear import STRENGTHS
from selftaught.probes.statistics import RESAMPLES, fold_of, interval
from selftaught.runs.encoder import Pretrained
from selftaught.trials.controls import predictor_controls
from selftaught.trials.parts import Parts

FOLDS = 3
DRAWS = 3
SIZES: tuple[int, ...] = (1, 5, 20)
"""Labels a class at which candidates are compared; all labels too, where there are at most MANY a class."""
MANY = 50
MOST = 2_000
"""Labelled training records that are judged on, at most: every candidate is embedded in seconds."""
FEWEST = 12
"""Labelled training records below which nothing is compared."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """The folds. parts: of each fold, `train` to learn from and `test` to predict. rows: all judged records, in the
    order of the folds' test parts, which is the order of every outcome."""

    parts: tuple[Parts, ...]
    budgets: tuple[Budgets, ...]
    sizes: tuple[int | None, ...]
    rows: np.ndarray

    @property
    def codes(self) -> np.ndarray:
        """Classes of the judged records."""
        return np.asarray(self.parts[0].codes[self.rows])

    @property
    def groups(self) -> np.ndarray | None:
        """Groups of the judged records."""
        known = self.parts[0].groups
        return None if known is None else known[self.rows]

    def standings(self, found: Mapping[str, Sequence[Outcome]]) -> dict[str, Standing]:
        """How candidates stand against each other."""
        return stand(found, self)

    def encoders(self, name: str, encoders: Sequence[Pretrained]) -> list[Outcome]:
        """What probes on the features of encoders (seeds of one candidate) have right."""
        return self.features(name, [embed_records(each, self.parts[0].store, self.rows) for each in encoders])

    def features(self, name: str, vectors: Sequence[np.ndarray]) -> list[Outcome]:
        """What probes on features have right. vectors: one array a seed, (judged records, dim), as `rows` lie."""
        order = np.argsort(self.rows, kind="stable")

        def cut(features: np.ndarray, wanted: np.ndarray) -> np.ndarray:
            return np.asarray(features[order[np.searchsorted(self.rows[order], wanted)]])

        folds = [[(cut(seed, parts.train), cut(seed, parts.test)) for seed in vectors] for parts in self.parts]
        return self._join(name, folds)

    def classical(self, control: Classical | Predictor) -> list[Outcome]:
        """What a classical control has right; it is fitted anew in every fold."""
        folds: list[Contestant] = []
        for parts, budgets in zip(self.parts, self.budgets, strict=True):
            if isinstance(control, Predictor):
                folds.append(predictor_controls([control], parts, budgets, inner=False)[control.name])
            else:
                known, asked = parts.store.rows(parts.train), parts.store.rows(parts.test)
                folds.append([control.features(known, asked)])
        return self._join(control.name, folds)

    def first_fold(self, name: str, predictions: Predictions) -> list[Outcome]:
        """The outcomes of a control that runs in the first fold alone."""
        return [
            Outcome(name, size, correct, None, None, ())
            for size, correct in predictions.correct.items()
            if size in self.sizes
        ]

    def _join(self, name: str, folds: Sequence[Contestant]) -> list[Outcome]:
        found = []
        for parts, budgets, contestant in zip(self.parts, self.budgets, folds, strict=True):
            found.append(run_contestant(name, contestant, parts.labels, budgets, STRENGTHS, parts.train_groups, 0))
        return [
            replace(
                found[0][index],
                correct=np.concatenate([fold[index].correct for fold in found], axis=2),
                inner_accuracy=None,
            )
            for index in range(len(found[0]))
        ]


def make_judge(parts: Parts, seed: int = 0) -> Judge:
    """Folds over at most MOST labelled training records, whole groups in one fold, every class in proportion.

    Raises DataError where no class boundary can be learned and tested: one class, or fewer than FEWEST records.
    """
    rows = _some(parts.train, parts.codes, np.random.default_rng(seed))
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
    sets = [nested_budgets(cut.labels[0], sizes, DRAWS, seed, cut.train_groups) for cut in cuts]
    return Judge(parts=tuple(cuts), budgets=tuple(sets), sizes=sizes, rows=np.concatenate([cut.test for cut in cuts]))


def _some(rows: np.ndarray, codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Standing:
    """How one contestant stands. value: accuracy, mean over the judged budgets, with its 95 % interval. by_size: per
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
    """One contestant minus another, in accuracy, with its standard error and 95 % interval."""

    value: float
    error: float
    low: float
    high: float


def stand(outcomes: Mapping[str, Sequence[Outcome]], judge: Judge, folds: int | None = None) -> dict[str, Standing]:
    """The standing of every contestant, on all judged records or on those of the first folds."""
    count = len(judge.rows) if folds is None else sum(len(parts.test) for parts in judge.parts[:folds])
    flat = [
        replace(each, correct=each.correct[:, :, :count])
        for own in outcomes.values()
        for each in own
        if each.per_class in judge.sizes
    ]
    groups = None if judge.groups is None else judge.groups[:count]
    drawn = bootstrap(flat, judge.codes[:count], groups, RESAMPLES, np.random.default_rng(0))
    found = {}
    for name in outcomes:
        own = [each for each in flat if each.name == name]
        by_size = {each.per_class: float(each.correct.mean()) for each in own}
        draws = {each.per_class: drawn[name, each.per_class][0] for each in own}
        mean = np.mean(list(draws.values()), axis=0)
        low, high = interval(mean)
        found[name] = Standing(
            name=name, seeds=own[0].correct.shape[0], value=float(np.mean(list(by_size.values()))), low=low, high=high,
            by_size=by_size, drawn=mean, drawn_by_size=draws,
        )  # fmt: skip
    return found


def difference(first: Standing, second: Standing, size: int | str | None = "mean") -> Difference:
    """First minus second, over the same resamples: of the mean, or at one budget."""
    if size == "mean":
        change, value = first.drawn - second.drawn, first.value - second.value
    else:
        change = first.drawn_by_size[size] - second.drawn_by_size[size]  # type: ignore[index]
        value = first.by_size[size] - second.by_size[size]  # type: ignore[index]
    low, high = interval(change)
    return Difference(value=value, error=float(change.std()), low=low, high=high)
