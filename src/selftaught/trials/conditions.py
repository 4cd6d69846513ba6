"""Other conditions: records under corruptions of a known severity, or from elsewhere, and the accuracy that is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from selftaught.core.errors import UsageError
from selftaught.core.modality import Classical, Modality, Predictor, Rows
from selftaught.core.rng import Rng
from selftaught.data.store import Store
from selftaught.engine.embedding import STEPS
from selftaught.probes.budgets import nested_draws
from selftaught.probes.curve import FeatureSet
from selftaught.probes.protocol import probe
from selftaught.probes.statistics import RESAMPLES, bootstrap_difference, bootstrap_mean, interval, resample
from selftaught.runs.encoder import Pretrained
from selftaught.trials.parts import Parts
from selftaught.trials.scores import ENCODER
from selftaught.trials.supervised import Network

SEVERITIES = (1, 2, 3, 4, 5)
MOST = 256
"""Test records that are put under corruptions, at most."""
ELSEWHERE = 2_000
"""Records of the test part, and of data from elsewhere, that are compared, at most."""
MEMORY = 1 << 28
"""Bytes that all corrupted records may have together; fewer records are taken where they are large."""
CHUNK = 256

Answers = Callable[[Sequence[Rows], np.ndarray], np.ndarray]
"""Which records of several lots of rows are right, given their classes: one number a record, the mean over seeds."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """Accuracy of one contestant under one condition.

    corruption: None for the mean over all, "" for none at all. severity: None for the mean over severities. kept: share
    of the accuracy without it. lead: of the encoder, with its 95 % interval, None for the encoder itself.
    """

    contestant: str
    corruption: str | None
    severity: int | None
    value: float
    low: float
    high: float
    kept: float
    lead: tuple[float, float, float] | None


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Accuracy of one contestant on the test part and elsewhere, each with its 95 % interval. kept: the one by the
    other. lead: of the encoder elsewhere, None for the encoder itself."""

    contestant: str
    here: tuple[float, float, float]
    there: tuple[float, float, float]
    kept: float
    lead: tuple[float, float, float] | None


def contenders(
    networks: Mapping[str, Sequence[Pretrained]],
    known: Mapping[str, Sequence[FeatureSet]],
    parts: Parts,
    scratch: tuple[str, Network] | None = None,
) -> dict[str, Answers]:
    """Everyone that can answer for new records, having learned from all labelled training records.

    networks: encoders by contestant. known: feature sets of the training records by contestant, as `label_efficiency`
    takes them. scratch: the supervised control with its name, where it was trained with all labels.
    """
    found: dict[str, Answers] = {}
    for name, encoders in networks.items():
        found[name] = _by_features(parts, encoders, [train for train, _ in known[name][: len(encoders)]])
    first = next(iter(networks.values()))[0]
    for control in first.modality.classical():
        found[control.name] = _by_control(parts, control)
    if scratch is not None:
        found[scratch[0]] = _by_network(scratch[1])
    return found


def find_corruptions(modality: Modality, asked: Sequence[str]) -> tuple[str, ...]:
    """The corruptions that are asked for by name; "all" is every one. Raises UsageError for one that is unknown."""
    if tuple(asked) == ("all",):
        return modality.corruptions
    unknown = [name for name in asked if name not in modality.corruptions]
    if unknown:
        raise UsageError(
            f"{modality.name} has the corruptions {', '.join(modality.corruptions) or 'none'}, or `all`; got "
            f"{', '.join(unknown)}."
        )
    return tuple(dict.fromkeys(asked))


def meet_corruptions(
    answers: Mapping[str, Answers],
    parts: Parts,
    modality: Modality,
    corruptions: Sequence[str],
    severities: Sequence[int] = SEVERITIES,
    most: int = MOST,
) -> tuple[Held, ...]:
    """Accuracy of everyone on some test records, clean and under every corruption at every severity.

    The encoder must be among them. Intervals are over the same records (whole groups) for all.
    """
    rows = some_records(parts.store, parts.test, most, len(corruptions) * len(severities) + 1)
    clean, codes = parts.store.rows(rows), parts.codes[rows]
    cases: list[tuple[str, int]] = [("", 0)]
    cases += [(corruption, severity) for corruption in corruptions for severity in severities]
    lots = [clean, *(modality.corrupt(clean, corruption, severity, Rng(seed=0)) for corruption, severity in cases[1:])]
    right = {name: answer(lots, np.tile(codes, len(lots))).reshape(len(lots), -1) for name, answer in answers.items()}
    groups = None if parts.groups is None else parts.groups[rows]
    wanted: list[tuple[str | None, int | None]] = [("", 0), (None, None)]
    wanted += [(None, severity) for severity in severities]
    wanted += [(corruption, None) for corruption in corruptions]
    wanted += cases[1:]
    weights = resample(groups, len(rows), RESAMPLES, np.random.default_rng(0))
    weights /= weights.sum(1, keepdims=True)
    return tuple(
        _hold(
            name, case, own[_chosen(cases, case)], right[ENCODER][_chosen(cases, case)], float(own[0].mean()), weights
        )
        for name, own in right.items()
        for case in wanted
    )


def _chosen(cases: Sequence[tuple[str, int]], wanted: tuple[str | None, int | None]) -> list[int]:
    """The places of the cases that one number is the mean of."""
    corruption, severity = wanted
    inside = [bool(name) and corruption in (None, name) and severity in (None, grade) for name, grade in cases]
    return [place for place, case in enumerate(cases) if case == wanted or inside[place]]


def _hold(
    name: str,
    case: tuple[str | None, int | None],
    own: np.ndarray,
    encoder: np.ndarray,
    whole: float,
    weights: np.ndarray,
) -> Held:
    """own, encoder: what is right in some cases, (cases, records). weights: of records in every resample."""
    value, low, high = float(own.mean()), *interval(weights @ own.mean(0))
    ahead = (encoder - own).mean(0)
    lead = None if name == ENCODER else (float(ahead.mean()), *interval(weights @ ahead))
    return Held(
        contestant=name, corruption=case[0], severity=case[1], value=value, low=low, high=high,
        kept=value / max(whole, 1e-9), lead=lead,
    )  # fmt: skip


def meet_elsewhere(
    answers: Mapping[str, Answers], parts: Parts, rows: Rows, codes: np.ndarray, groups: np.ndarray | None
) -> tuple[Moved, ...]:
    """Accuracy of everyone on the test part and on rows from elsewhere. groups: of those rows, drawn together."""
    test = some_records(parts.store, parts.test, ELSEWHERE)
    here, own = parts.store.rows(test), parts.codes[test]
    right = {name: answer([here, rows], np.concatenate([own, codes])) for name, answer in answers.items()}
    cut, found = len(own), []
    kin = None if parts.groups is None else parts.groups[test]
    for name, each in right.items():
        home = bootstrap_mean(each[:cut], np.random.default_rng(0), kin)
        away = bootstrap_mean(each[cut:], np.random.default_rng(0), groups)
        lead = None if name == ENCODER else _lead(right[ENCODER][cut:], each[cut:], groups)
        found.append(
            Moved(
                contestant=name, here=(home.value, home.low, home.high), there=(away.value, away.low, away.high),
                kept=away.value / max(home.value, 1e-9), lead=lead,
            )
        )  # fmt: skip
    return tuple(found)


def join_rows(lots: Sequence[Rows]) -> Rows:
    """Several lots of rows as one, without labels and groups. All must have the same fields.

    A field whose rows differ in shape between the lots becomes a tuple of rows, as in a store of ragged records.
    """
    fields: dict[str, Tensor | tuple[Tensor, ...]] = {}
    for name in lots[0].fields:
        own = [lot.fields[name] for lot in lots]
        fixed = [each for each in own if isinstance(each, Tensor)]
        if len(fixed) == len(own) and len({(each.shape[1:], each.dtype) for each in fixed}) == 1:
            fields[name] = torch.cat(fixed)
        else:
            fields[name] = tuple(row for each in own for row in each)
    return Rows(fields=fields, record=torch.cat([lot.record for lot in lots]))


def join_alike(lots: Sequence[Rows]) -> list[Rows]:
    """The lots as few rows as possible: those that follow each other and have the same fields are joined.

    Records that are stored as the bytes of their files are decoded by a corruption, so that clean ones differ.
    """
    found: list[list[Rows]] = []
    for lot in lots:
        if found and set(found[-1][0].fields) == set(lot.fields):
            found[-1].append(lot)
        else:
            found.append([lot])
    return [join_rows(each) for each in found]


def embed_rows(pretrained: Pretrained, rows: Rows) -> np.ndarray:
    """Pooled vectors (float32) of decoded rows, (rows, dim)."""
    parts, chunk = [], CHUNK
    ragged = [len(row) for field in rows.fields.values() if isinstance(field, tuple) for row in field]
    if "time" in pretrained.modality.offers:
        chunk = max(1, min(CHUNK, STEPS // max(1, *ragged, 1)))
    for start in range(0, len(rows.record), chunk):
        cut = slice(start, start + chunk)
        some = replace(
            rows, fields={name: each[cut] for name, each in rows.fields.items()}, record=rows.record[cut],
            group=None, label=None,
        )  # fmt: skip
        parts.append(pretrained.encode(pretrained.batch(some)).pooled.float().cpu().numpy())
    return np.concatenate(parts)


def some_records(store: Store, index: np.ndarray, most: int, lots: int = 1) -> np.ndarray:
    """Records of a store at random, at most so many and as many as the memory holds so often."""
    one = store.rows(index[:8])
    size = sum(each.numel() * each.element_size() for field in one.fields.values() for each in field) / len(one.record)
    count = min(most, len(index), max(32, int(MEMORY / max(1.0, size * lots))))
    return np.sort(np.random.default_rng(0).permutation(index)[:count])


def _by_features(parts: Parts, encoders: Sequence[Pretrained], known: Sequence[np.ndarray]) -> Answers:
    def answer(lots: Sequence[Rows], codes: np.ndarray) -> np.ndarray:
        asked = [np.concatenate([embed_rows(each, lot) for lot in lots]) for each in encoders]
        right = [_probe(parts, *pair, codes) for pair in zip(known, asked, strict=True)]
        return np.asarray(np.mean(right, axis=0))

    return answer


def _by_control(parts: Parts, control: Classical | Predictor) -> Answers:
    def answer(lots: Sequence[Rows], codes: np.ndarray) -> np.ndarray:
        known, joined, right = parts.store.rows(parts.train), join_alike(lots), []
        cuts = np.cumsum([len(each.record) for each in joined])[:-1]
        for asked, wanted in zip(joined, np.split(codes, cuts), strict=True):
            if isinstance(control, Predictor):
                found = control.predict(known, parts.labels[0], asked) == wanted
                right.append(np.asarray(found, np.float64))
            else:
                right.append(_probe(parts, *control.features(known, asked), wanted))
        return np.concatenate(right)

    return answer


def _by_network(network: Network) -> Answers:
    def answer(lots: Sequence[Rows], codes: np.ndarray) -> np.ndarray:
        vectors = np.concatenate([embed_rows(network.pretrained, lot) for lot in lots])
        return np.asarray((vectors @ network.weight.T + network.bias).argmax(1) == codes, np.float64)

    return answer


def _probe(parts: Parts, known: np.ndarray, asked: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """What the usual probe, with all labels, has right."""
    whole = nested_draws(len(known), ())
    return probe(known, parts.labels[0], asked, codes, whole, groups=parts.train_groups)[0].correct.astype(np.float64)


def _lead(encoder: np.ndarray, other: np.ndarray, groups: np.ndarray | None) -> tuple[float, float, float]:
    found = bootstrap_difference(encoder, other, np.random.default_rng(0), groups)
    return found.value, found.low, found.high
