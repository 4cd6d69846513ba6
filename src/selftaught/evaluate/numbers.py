"""Numeric labels: ridge regression on frozen features, R2 on the test part."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from selftaught.core.errors import DataError
from selftaught.core.modality import Predictor
from selftaught.evaluate.decide import SEEDS, UNDERPOWERED, Answer, Decision
from selftaught.evaluate.report import EvaluateReport, Facts
from selftaught.evaluate.subject import Subject
from selftaught.probes.curve import RESAMPLES, FeatureSet
from selftaught.probes.protocol import FOLDS
from selftaught.probes.ridge import fit_ridge, predict_ridge
from selftaught.probes.statistics import interval, resample
from selftaught.trials.controls import encoder_features, feature_controls
from selftaught.trials.parts import labelled_parts
from selftaught.trials.scores import ENCODER, TWIN, Score

PROTOCOL = "selftaught-ridge-1"
FEWEST = 10
"""Labelled records that a ridge regression and its test need."""


def score_numbers(subject: Subject, facts: Facts, page: Path, began: float) -> EvaluateReport:
    """R2 of encoder, twin and classical features with all labels; intervals by bootstrap over test records.

    The best control is the one with the least leave-one-out error on the training records.
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
    fitted = {name: _fit(sets, values[train], values[test]) for name, sets in contestants.items()}
    fitted |= _predicted(subject, train, test, values)
    groups = None if subject.labelling.groups is None else subject.labelling.groups[test]
    weights = resample(groups, len(test), RESAMPLES, np.random.default_rng(0))
    even = np.ones((1, len(test)))
    drawn = {name: _r2(fit.errors, values[test], weights) for name, fit in fitted.items()}
    value = {name: float(_r2(fit.errors, values[test], even)[0]) for name, fit in fitted.items()}
    scores = []
    for name in fitted:
        low, high = interval(drawn[name])
        lead = lead_low = lead_high = None
        seeds = len(contestants[name]) if name in contestants else 1
        if name != ENCODER:
            lead = value[ENCODER] - value[name]
            lead_low, lead_high = interval(drawn[ENCODER] - drawn[name])
        scores.append(
            Score(
                name=name, per_class=None, labels=len(train), seeds=seeds, draws=1,
                value=value[name], low=low, high=high, balanced=None, lead=lead, lead_low=lead_low, lead_high=lead_high,
            )
        )  # fmt: skip
    best = min((name for name in fitted if name != ENCODER), key=lambda name: fitted[name].inner)
    return EvaluateReport(
        facts=facts,
        page=page,
        metric="R2",
        decision=decide_numbers(scores, best),
        scores=tuple(scores),
        best=((None, best),),
        protocol=PROTOCOL,
        seconds=time.perf_counter() - began,
    )


@dataclass(frozen=True)
class _Fit:
    """errors: squared, per test record, mean over seeds. inner: leave-one-out error on the training records."""

    errors: np.ndarray
    inner: float


def _predicted(subject: Subject, train: np.ndarray, test: np.ndarray, values: np.ndarray) -> dict[str, _Fit]:
    """The modality's whole predictors; their inner error is that of held-out fifths of the training records."""
    store, fold = subject.store, np.random.default_rng(0).permutation(len(train)) % FOLDS

    def errors(predictor: Predictor, known: np.ndarray, asked: np.ndarray) -> np.ndarray:
        predicted = predictor.predict(store.rows(known), values[known], store.rows(asked))
        return np.asarray(np.square(predicted - values[asked]))

    fits = {}
    for each in subject.encoders[0].modality.classical():
        if isinstance(each, Predictor):
            held = [errors(each, train[fold != part], train[fold == part]) for part in range(FOLDS)]
            fits[each.name] = _Fit(errors(each, train, test), float(np.concatenate(held).mean()))
    return fits


def _fit(sets: list[FeatureSet], known: np.ndarray, asked: np.ndarray) -> _Fit:
    fits = [(fit_ridge(train, known), test) for train, test in sets]
    errors = np.mean([np.square(predict_ridge(fit, test) - asked) for fit, test in fits], axis=0)
    return _Fit(np.asarray(errors), float(np.mean([fit.leave_one_out.min() for fit, _ in fits])))


def _r2(errors: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    total = weights.sum(1)
    mean = weights @ values / total
    variance = weights @ np.square(values) / total - np.square(mean)
    return np.asarray(1 - (weights @ errors / total) / np.maximum(variance, 1e-12))


def decide_numbers(scores: Sequence[Score], best: str) -> Decision:
    """The answer for numeric labels, by the lead over the best control and over the untrained twin."""
    by_name = {score.name: score for score in scores}
    rival, twin = by_name[best], by_name[TWIN]
    learned = twin.lead_low is not None and twin.lead_low > 0
    answer: Answer = "no clear winner"
    headline = f"No clear winner between the encoder and {best}."
    if rival.lead_low is not None and rival.lead_low > 0 and learned:
        headline, answer = f"Pretraining helps: it beats {best}.", "pretrain"
    elif rival.lead_high is not None and rival.lead_high < 0:
        headline, answer = f"Do not pretrain here: {best} wins.", "do not pretrain"
    sentences = [
        "The encoder learned: it beats its untrained twin."
        if learned
        else "The encoder is not shown to beat its untrained twin: it learned nothing that these labels can use.",
        f"R2 with all labels: encoder {by_name[ENCODER].value:.3f}, best control {rival.value:.3f} with {best}.",
    ]
    if by_name[ENCODER].seeds < SEEDS:
        sentences.append(UNDERPOWERED)
    return Decision(answer=answer, headline=headline, sentences=tuple(sentences), better=(), worse=())
