"""Numeric labels: ridge regression on frozen features, R2 on the test part."""

from __future__ import annotations

import time

import numpy as np

from selftaught.core.errors import DataError
from selftaught.engine.embedding import embed_records, untrained_twin
from selftaught.evaluate.controls import TWINS
from selftaught.evaluate.decide import Decision
from selftaught.evaluate.report import ENCODER, EvaluateReport, Facts, Score
from selftaught.evaluate.subject import Subject
from selftaught.probes.curve import RESAMPLES, FeatureSet
from selftaught.probes.ridge import fit_ridge, predict_ridge
from selftaught.probes.statistics import interval, resample

PROTOCOL = "selftaught-ridge-1"


def score_numbers(subject: Subject, facts: Facts, began: float) -> EvaluateReport:
    """R2 of encoder, twin and classical features with all labels; intervals by bootstrap over test records."""
    train, test = subject.labelled(subject.splits.train), subject.labelled(subject.splits.test)
    if len(train) < 10 or len(test) < 10:
        raise DataError(
            f"Ridge needs 10 labelled records to train and to test; there are {len(train)} and {len(test)}."
        )
    values = subject.labelling.values
    assert values is not None  # the task is numbers
    contestants = _contestants(subject, train, test)
    squares = {name: _errors(sets, values[train], values[test]) for name, sets in contestants.items()}
    groups = None if subject.labelling.groups is None else subject.labelling.groups[test]
    weights = resample(groups, len(test), RESAMPLES, np.random.default_rng(0))
    drawn = {name: _r2(errors, values[test], weights) for name, errors in squares.items()}
    even = np.ones((1, len(test)))
    scores = []
    for name, errors in squares.items():
        value = float(_r2(errors, values[test], even)[0])
        low, high = interval(drawn[name])
        lead = (None, None, None)
        if name != ENCODER:
            change = drawn[ENCODER] - drawn[name]
            lead = (float(_r2(squares[ENCODER], values[test], even)[0]) - value, *interval(change))  # type: ignore[assignment]
        scores.append(
            Score(
                name=name, per_class=None, labels=len(train), seeds=len(contestants[name]), draws=1,
                value=value, low=low, high=high, balanced=None, lead=lead[0], lead_low=lead[1], lead_high=lead[2],
            )
        )  # fmt: skip
    return EvaluateReport(
        facts=facts,
        metric="R2",
        decision=_decide(scores),
        scores=tuple(scores),
        protocol=PROTOCOL,
        seconds=time.perf_counter() - began,
    )


def _contestants(subject: Subject, train: np.ndarray, test: np.ndarray) -> dict[str, list[FeatureSet]]:
    def pair(pretrained: object) -> FeatureSet:
        return (embed_records(pretrained, subject.store, train), embed_records(pretrained, subject.store, test))  # type: ignore[arg-type]

    first = subject.encoders[0]
    known, asked = subject.store.rows(train), subject.store.rows(test)
    found = {ENCODER: [pair(each) for each in subject.encoders]}
    found["untrained twin"] = [
        pair(untrained_twin(first, subject.store, subject.splits.train, 1000 + seed)) for seed in range(TWINS)
    ]
    return found | {each.name: [each.features(known, asked)] for each in first.modality.classical()}


def _errors(sets: list[FeatureSet], known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    predicted = [predict_ridge(fit_ridge(train, known), test) for train, test in sets]
    return np.asarray(np.mean([np.square(each - asked) for each in predicted], axis=0))


def _r2(errors: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    total = weights.sum(1)
    mean = weights @ values / total
    variance = weights @ np.square(values) / total - np.square(mean)
    return np.asarray(1 - (weights @ errors / total) / np.maximum(variance, 1e-12))


def _decide(scores: list[Score]) -> Decision:
    rivals = [score for score in scores if score.name not in (ENCODER, "untrained twin")]
    best = max(rivals, key=lambda score: score.value) if rivals else scores[1]
    if best.lead_low is not None and best.lead_low > 0:
        headline, answer = f"Pretraining helps: it beats {best.name}.", "pretrain"
    elif best.lead_high is not None and best.lead_high < 0:
        headline, answer = f"Do not pretrain here: {best.name} wins.", "do not pretrain"
    else:
        headline, answer = f"No clear winner between the encoder and {best.name}.", "no clear winner"
    sentence = f"R2 with all labels: encoder {scores[0].value:.3f}, {best.name} {best.value:.3f}."
    return Decision(answer=answer, headline=headline, sentences=(sentence,), better=(), worse=())  # type: ignore[arg-type]
