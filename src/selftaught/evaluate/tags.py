"""Several labels a record: a logistic regression per tag on frozen features, mean average precision on test records."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Shaped

from selftaught.core.errors import DataError
from selftaught.core.modality import Predictor
from selftaught.data.findings import name_some
from selftaught.evaluate.decide import decide_with_all
from selftaught.evaluate.report import EvaluateReport, Facts
from selftaught.evaluate.subject import Subject
from selftaught.probes.budgets import Budget
from selftaught.probes.curve import FeatureSet
from selftaught.probes.linear import STRENGTHS, LogisticFit, class_scores, fit_logistic_grid
from selftaught.probes.protocol import FEWEST as FEWEST_TO_CHOOSE
from selftaught.probes.protocol import FIXED_STRENGTH, inner_folds, smallest_class
from selftaught.probes.statistics import average_precision, interval, resample
from selftaught.reports.blocks import Cell, Column, Estimate, Table
from selftaught.trials.controls import encoder_features, feature_controls
from selftaught.trials.parts import FEWEST_TEST, labelled_parts
from selftaught.trials.scores import ENCODER, SCRATCH, paired_scores

PROTOCOL = "selftaught-tags-1"
RESAMPLES = 500
"""Bootstrap resamples: every tag of every contestant is ranked in each; enough for two digits of an interval."""
FEWEST = 2
"""Training records with a tag, and without it, that its probe needs."""
SHOWN = 20
"""Tags in the table, the most frequent ones."""
CHANCE = "share of the tag"


def score_tags(subject: Subject, facts: Facts, page: Path, began: float, notes: Sequence[str] = ()) -> EvaluateReport:
    """Mean average precision of all contestants with features, all labels; intervals by bootstrap over test records.

    The best control is the one with the highest mean average precision on held-out training records. notes: sentences
    for the answer.
    """
    parts = labelled_parts(subject.prepared, subject.splits)
    train, test, tags = parts.train, parts.test, subject.labelling.tags
    assert tags is not None  # the task is tags
    able = measurable(tags[train], tags[test])
    names = [name for name, chosen in zip(subject.labelling.classes, able, strict=True) if chosen]
    known, asked = tags[train][:, able], tags[test][:, able]
    contestants = {ENCODER: encoder_features(subject.encoders, parts), **feature_controls(subject.encoders, parts)}
    probed = {name: probe_tags(sets, known, parts.train_groups) for name, sets in contestants.items()}
    best = choose_best({name: each.inner for name, each in probed.items() if name != ENCODER})
    ranked = {name: each.scores for name, each in probed.items()} | {CHANCE: np.zeros((1, *asked.shape), np.float32)}
    weights = resample(None if parts.kin is None else parts.kin[1], len(test), RESAMPLES, np.random.default_rng(0))
    weights = np.concatenate([np.ones((1, len(test))), weights])
    weights = weights[(weights @ asked > 0).any(1)]  # a resample of few groups may hold no tag at all
    precision = {name: precisions(own, asked, weights) for name, own in ranked.items()}
    mean = {name: macro_mean(own) for name, own in precision.items()}
    scores = paired_scores(
        {name: float(own[0]) for name, own in mean.items()},
        {name: own[1:] for name, own in mean.items()},
        {name: len(own) for name, own in ranked.items()},
        len(train),
    )
    table = tag_table(names, known.sum(0) + asked.sum(0), {name: precision[name] for name in (ENCODER, best, CHANCE)})
    return EvaluateReport(
        facts=facts,
        page=page,
        metric="mAP",
        decision=decide_with_all(scores, best, "mAP", (*say_left_out(subject, able), *notes)),
        scores=scores,
        best=((None, best),),
        more=(table,),
        protocol=PROTOCOL,
        seconds=time.perf_counter() - began,
    )


def measurable(train: Bool[np.ndarray, "n k"], test: Bool[np.ndarray, "m k"]) -> Bool[np.ndarray, " k"]:
    """Which tags can be trained and tested. Raises DataError where none can, or the test part is too small."""
    if len(test) < FEWEST_TEST:
        raise DataError(
            f"The test part has {len(test)} labelled records; {FEWEST_TEST} are needed to say anything. "
            f"Give labels for more records."
        )
    able = (train.sum(0) >= FEWEST) & ((~train).sum(0) >= FEWEST) & test.any(0)
    if not able.any():
        raise DataError(
            f"No tag can be measured: each needs {FEWEST} training records with it, {FEWEST} without it and a test "
            f"record with it. Give labels for more records; an empty cell says that a record has none of the tags."
        )
    return np.asarray(able)


def say_left_out(subject: Subject, able: np.ndarray) -> tuple[str, ...]:
    """Sentences on the tags and the controls that were not measured."""
    left = [name for name, chosen in zip(subject.labelling.classes, able, strict=True) if not chosen]
    sentences = []
    if left:
        sentences.append(
            f"Left out: {name_some(left)}. A tag needs {FEWEST} training records with it, {FEWEST} without it and a "
            f"test record with it."
        )
    whole = [each.name for each in subject.encoders[0].modality.classical() if isinstance(each, Predictor)]
    sentences.append(f"No controls here, because they answer with one label a record: {', '.join([SCRATCH, *whole])}.")
    return tuple(sentences)


@dataclass(frozen=True)
class Probed:
    """scores: log-odds (nats) of every tag. inner: mean average precision on held-out training records, mean over
    seeds; NaN where nothing can be held out."""

    scores: Float[np.ndarray, "seed m k"]
    inner: float


def probe_tags(
    sets: Sequence[FeatureSet], known: Bool[np.ndarray, "n k"], groups: Shaped[np.ndarray, " n"] | None
) -> Probed:
    """One probe per tag and feature set."""
    scores, inner = [], []
    for train, test in sets:
        found = [probe_tag(train, own, test, groups) for own in known.T]
        scores.append(np.stack([odds for odds, _ in found], 1))
        inner += [precision for _, precision in found]
    held = np.array(inner)[np.isfinite(inner)]
    return Probed(np.stack(scores), float(held.mean()) if len(held) else float("nan"))


def probe_tag(
    train: Float[np.ndarray, "n d"],
    known: Bool[np.ndarray, " n"],
    test: Float[np.ndarray, "m d"],
    groups: Shaped[np.ndarray, " n"] | None,
) -> tuple[Float[np.ndarray, " m"], float]:
    """Log-odds (nats) of one tag for the test rows, and its average precision on held-out training rows, NaN without.

    The strength is chosen by the cross-entropy of stratified inner folds that respect groups; it is `FIXED_STRENGTH`
    where the tag, or its absence, has fewer than four training records, or no fold holds out a record with the tag.
    """
    rows = np.arange(len(known))
    folds = inner_folds(known, Budget(None, 0, rows), groups, 0)
    *inner, whole = fit_logistic_grid(train, known, [*(kept for kept, _ in folds), rows], STRENGTHS)
    held = np.full((len(STRENGTHS), len(known)), np.nan, np.float32)
    for fit, (_, out) in zip(inner, folds, strict=True):
        held[:, out] = log_odds(fit, train[out])
    seen = np.isfinite(held[0])
    index, precision = STRENGTHS.index(FIXED_STRENGTH), float("nan")
    if known[seen].any():
        surprise = np.logaddexp(0, np.where(known, -held, held)[:, seen]).clip(max=30).mean(1)
        index = int(surprise.argmin()) if smallest_class(known) >= FEWEST_TO_CHOOSE else index
        precision = float(average_precision(held[index, seen], known[seen], np.ones((1, int(seen.sum()))))[0])
    return log_odds(whole, test)[index], precision


def log_odds(fit: LogisticFit, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "s n"]:
    """Log-odds (nats) of the tag for every row under every strength."""
    scores = class_scores(fit, features)
    return np.asarray(scores[:, :, 1] - scores[:, :, 0])


def choose_best(inner: Mapping[str, float]) -> str:
    """The control with the highest score on held-out training records. Raises DataError where none were held out."""
    if not np.isfinite(list(inner.values())).all():
        raise DataError(
            "No tag can be held out of the training part: each lies within one group, or has next to no records. "
            "Give labels for more records or groups."
        )
    return max(inner, key=lambda name: inner[name])


def precisions(
    scores: Float[np.ndarray, "seed m k"], truth: Bool[np.ndarray, "m k"], weights: Float[np.ndarray, "r m"]
) -> Float[np.ndarray, "r k"]:
    """Average precision per resample and tag, mean over seeds; NaN where a resample lost the tag."""
    each = [[average_precision(one[:, tag], truth[:, tag], weights) for one in scores] for tag in range(truth.shape[1])]
    return np.stack([np.mean(own, axis=0) for own in each], 1)


def macro_mean(precision: Float[np.ndarray, "r k"]) -> Float[np.ndarray, " r"]:
    """Mean average precision: the plain mean over the tags that a resample holds."""
    held = np.isfinite(precision)
    return np.asarray(np.where(held, precision, 0).sum(1) / held.sum(1))


def tag_table(names: Sequence[str], counts: np.ndarray, precision: Mapping[str, np.ndarray]) -> Table:
    """Average precision per tag of some contestants, the most frequent tags first; counts: labelled records with it."""
    rows: list[tuple[Cell, ...]] = []
    for tag in np.argsort(-counts, kind="stable")[:SHOWN]:
        cells: list[Cell] = [names[tag], int(counts[tag])]
        for name, own in precision.items():
            drawn = own[1:, tag][np.isfinite(own[1:, tag])]
            low, high = (None, None) if name == CHANCE or not len(drawn) else interval(drawn)
            cells.append(Estimate(value=float(own[0, tag]), low=low, high=high, digits=3))
        rows.append(tuple(cells))
    more = f" The {SHOWN} most frequent of {len(names)} tags." if len(names) > SHOWN else ""
    return Table(
        columns=("tag", Column(name="records", digits=0), *(Column(name=name, digits=3) for name in precision)),
        rows=tuple(rows),
        title="Average precision by tag",
        caption=f"Encoder and best control on the test part. The share of the tag in it is chance.{more}",
    )
