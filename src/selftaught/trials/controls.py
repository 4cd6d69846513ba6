"""Contestants without training of their own: encoders' features, untrained twins, classical controls, the majority."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from selftaught.core.modality import Classical, Predictor
from selftaught.engine.embedding import embed_records, untrained_twin
from selftaught.probes.budgets import Budgets
from selftaught.probes.curve import FeatureSet, Predictions
from selftaught.probes.protocol import inner_folds
from selftaught.runs.encoder import Pretrained
from selftaught.trials.parts import Parts
from selftaught.trials.scores import TWIN

TWINS = 3
"""Untrained twins that stand beside an encoder, at least."""


def encoder_features(encoders: Sequence[Pretrained], parts: Parts) -> list[FeatureSet]:
    """The encoders' features of training and test records, one pair per encoder."""
    return [
        (embed_records(each, parts.store, parts.train), embed_records(each, parts.store, parts.test))
        for each in encoders
    ]


def untrained_twins(first: Pretrained, count: int = TWINS) -> list[Pretrained]:
    """The same encoder with fresh weights, as often as asked."""
    return [untrained_twin(first, 1000 + seed) for seed in range(count)]


def feature_controls(encoders: Sequence[Pretrained], parts: Parts) -> dict[str, list[FeatureSet]]:
    """Untrained twins of the first encoder (as many as encoders, three at least) and every classical feature set."""
    first = encoders[0]
    controls = {TWIN: encoder_features(untrained_twins(first, max(TWINS, len(encoders))), parts)}
    known, asked = parts.store.rows(parts.train), parts.store.rows(parts.test)
    for classical in first.modality.classical():
        if isinstance(classical, Classical):
            controls[classical.name] = [classical.features(known, asked)]
    return controls


def predictor_controls(
    controls: Iterable[Classical | Predictor], parts: Parts, budgets: Budgets, *, inner: bool = True
) -> dict[str, Predictions]:
    """Those of the controls that are whole predictors, fitted anew on each labelled set.

    inner: measure their inner accuracy too, over the same folds as that of the probes.
    """
    own = [each for each in controls if isinstance(each, Predictor)]
    return {each.name: _run_predictor(each, parts, budgets, inner) for each in own}


def _run_predictor(predictor: Predictor, parts: Parts, budgets: Budgets, judged: bool) -> Predictions:
    """Which test records it has right."""
    labels, truth = parts.labels

    def right(known: np.ndarray, asked: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        rows, other = parts.store.rows(parts.train[known]), parts.store.rows(asked)
        return np.asarray(predictor.predict(rows, labels[known], other) == wanted)

    correct: dict[int | None, np.ndarray] = {}
    inner: dict[int | None, float] = {}
    for per_class in dict.fromkeys(budget.per_class for budget in budgets.sets):
        draws = budgets.at(per_class)
        correct[per_class] = np.array([[right(budget.rows, parts.test, truth) for budget in draws]])
        if not judged:
            continue
        held = [
            [
                right(kept, parts.train[rest], labels[rest])
                for kept, rest in inner_folds(labels, budget, parts.train_groups, 0)
            ]
            for budget in draws
        ]
        shares = [float(np.concatenate(folds).mean()) for folds in held if folds]
        if shares:
            inner[per_class] = float(np.mean(shares))
    return Predictions(correct=correct, inner_accuracy=inner)


def majority(parts: Parts, budgets: Budgets) -> Predictions:
    """Always the class most frequent among the labelled rows; balanced budgets tie, and the first class wins."""
    correct: dict[int | None, np.ndarray] = {}
    train_codes, test_codes = parts.labels
    for per_class in dict.fromkeys(budget.per_class for budget in budgets.sets):
        rows = [test_codes == np.bincount(train_codes[budget.rows]).argmax() for budget in budgets.at(per_class)]
        correct[per_class] = np.array(rows)[None]
    return Predictions(correct=correct)
