"""Numeric labels: ridge regression on frozen features, R2 and rank correlation on the test part."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from selftaught.core.errors import DataError
from selftaught.core.modality import Predictor
from selftaught.evaluate.decide import decide_with_all
from selftaught.evaluate.report import EvaluateReport, Facts
from selftaught.evaluate.subject import Subject
from selftaught.probes.budgets import nested_draws
from selftaught.probes.curve import RESAMPLES, FeatureSet
from selftaught.probes.protocol import FOLDS
from selftaught.probes.ridge import PROTOCOL, fit_ridge, guess_by_ridge, predict_ridge, r_squared
from selftaught.probes.statistics import fold_of, interval, rank_correlation, resample
from selftaught.reports.blocks import Cell, Column, Estimate, NotApplicable, Table
from selftaught.trials.controls import encoder_features, feature_controls
from selftaught.trials.parts import Parts, labelled_parts
from selftaught.trials.scores import ENCODER, SCRATCH, paired_scores
from selftaught.trials.supervised import Scratch, train_from_scratch

RANK_RESAMPLES = 500
"""Bootstrap resamples of a rank correlation, each of which is ranked anew; enough for two digits of an interval."""
FEWEST = 10
"""Labelled records that a ridge regression and its test need."""


def score_numbers(
    subject: Subject, facts: Facts, page: Path, began: float, scratch: Scratch | None, notes: Sequence[str]
) -> EvaluateReport:
    """R2 and rank correlation of all contestants with all labels; intervals by bootstrap over test records.

    The best control is the one with the least error on held-out fifths of the training records, whole groups together;
    the network trained from scratch stands beside it. scratch: None leaves that out. notes: sentences for the answer.
    """
    parts = labelled_parts(subject.prepared, subject.splits)
    train, test = parts.train, parts.test
    if len(train) < FEWEST or len(test) < FEWEST:
        raise DataError(
            f"Ridge needs {FEWEST} labelled records to train and to test; there are {len(train)} and {len(test)}. "
            f"Give labels for more records."
        )
    values = subject.labelling.values
    assert values is not None  # the task is numbers
    contestants = {ENCODER: encoder_features(subject.encoders, parts), **feature_controls(subject.encoders, parts)}
    fold = _folds(parts)
    fitted = {name: _fit(sets, values[train], fold) for name, sets in contestants.items()}
    fitted |= _predicted(subject, train, test, values, fold)
    fitted |= {} if scratch is None else _from_scratch(scratch, parts)
    kin = None if parts.kin is None else parts.kin[1]
    weights = resample(kin, len(test), RESAMPLES, np.random.default_rng(0))
    even, asked = np.ones((1, len(test))), values[test]
    drawn = {name: r_squared(fit.errors(asked), asked, weights) for name, fit in fitted.items()}
    value = {name: float(r_squared(fit.errors(asked), asked, even)[0]) for name, fit in fitted.items()}
    scores = paired_scores(value, drawn, {name: len(fit.guesses) for name, fit in fitted.items()}, len(train))
    best = min((name for name in fitted if name != ENCODER), key=lambda name: fitted[name].inner)
    return EvaluateReport(
        facts=facts,
        page=page,
        metric="R2",
        decision=decide_with_all(scores, best, "R2", notes, beside=(SCRATCH,) if SCRATCH in fitted else ()),
        scores=scores,
        best=((None, best),),
        more=(rank_table({name: fit.guesses for name, fit in fitted.items()}, asked, weights[:RANK_RESAMPLES]),),
        protocol=PROTOCOL,
        seconds=time.perf_counter() - began,
    )


@dataclass(frozen=True)
class _Fit:
    """guesses: predicted numbers, (seeds, test records). inner: squared error on held-out fifths of the training
    records; infinite where it was not measured, so that it is never the best control."""

    guesses: np.ndarray
    inner: float

    def errors(self, asked: np.ndarray) -> np.ndarray:
        """Squared, per test record, mean over seeds."""
        return np.asarray(np.square(self.guesses - asked).mean(0))


def _folds(parts: Parts) -> np.ndarray:
    """A fifth for every training record, whole groups in one; halves or thirds where there are fewer groups."""
    rng, groups = np.random.default_rng(0), parts.train_groups
    if groups is None or len(np.unique(groups)) < 2:
        return rng.permutation(len(parts.train)) % FOLDS
    codes = np.zeros(len(parts.train), np.int64)
    return fold_of(codes, min(FOLDS, len(np.unique(groups))), rng, groups)


def _predicted(
    subject: Subject, train: np.ndarray, test: np.ndarray, values: np.ndarray, fold: np.ndarray
) -> dict[str, _Fit]:
    """The modality's whole predictors."""
    store = subject.store

    def guess(predictor: Predictor, known: np.ndarray, asked: np.ndarray) -> np.ndarray:
        return np.asarray(predictor.predict(store.rows(known), values[known], store.rows(asked)), np.float64)

    fits = {}
    for each in subject.encoders[0].modality.classical():
        if isinstance(each, Predictor):
            held = np.empty(len(train))
            for part in np.unique(fold):
                held[fold == part] = guess(each, train[fold != part], train[fold == part])
            fits[each.name] = _Fit(guess(each, train, test)[None], float(np.square(held - values[train]).mean()))
    return fits


def _from_scratch(scratch: Scratch, parts: Parts) -> dict[str, _Fit]:
    """The network trained on all labels alone."""
    said = train_from_scratch(scratch, parts, nested_draws(len(parts.train), ()), (None,), 1)
    return {SCRATCH: _Fit(said[None], np.inf)}


def _fit(sets: list[FeatureSet], known: np.ndarray, fold: np.ndarray) -> _Fit:
    """Ridge regressions on the feature sets of the seeds."""
    guesses, errors = [], []
    for train, test in sets:
        guesses.append(predict_ridge(fit_ridge(train, known), test))
        for part in np.unique(fold):
            inside, outside = fold != part, fold == part
            held = guess_by_ridge(train[inside], known[inside], train[outside])
            errors.append(np.square(held - known[outside]))
    return _Fit(np.stack(guesses), float(np.concatenate(errors).mean()))


def rank_table(guesses: Mapping[str, np.ndarray], asked: np.ndarray, weights: np.ndarray) -> Table:
    """Spearman's rank correlation of every contestant; guesses are (seeds, records), weights (resamples, records)."""
    rows: list[tuple[Cell, ...]] = [(name, rank_estimate(own, asked, weights)) for name, own in guesses.items()]
    return Table(
        columns=("contestant", Column(name="rank correlation", digits=3)),
        rows=tuple(rows),
        title="Rank correlation",
        caption="Spearman's, of predicted with true numbers of the test part: 1 is the right order, 0 is chance. Mean "
        f"over seeds; 95 % intervals of {len(weights)} bootstrap resamples of test records, or whole groups.",
        main=tuple(place for place, name in enumerate(guesses) if name == ENCODER),
    )


def rank_estimate(guesses: np.ndarray, asked: np.ndarray, weights: np.ndarray) -> Estimate | NotApplicable:
    """Spearman's rank correlation, mean over seeds, with its interval; not applicable where one side is constant.

    Resamples in which one side is constant are left out.
    """

    def mean(rows: np.ndarray) -> float:
        return float(np.mean([rank_correlation(np.stack([own[rows], asked[rows]])) for own in guesses]))

    records = np.arange(len(asked))
    value = mean(records)
    if not np.isfinite(value):
        return NotApplicable(reason="all predictions or all numbers are equal")
    drawn = np.array([mean(np.repeat(records, counts.astype(np.int64))) for counts in weights])
    low, high = interval(drawn[np.isfinite(drawn)])
    return Estimate(value=value, low=low, high=high, n=len(guesses), digits=3)
