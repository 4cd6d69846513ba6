"""Something to look at or to listen to: a map of the test records, nearest neighbours, records with findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from selftaught.core.modality import Portrait
from selftaught.data.findings import Finding
from selftaught.evaluate.subject import Subject
from selftaught.reports.blocks import Gallery, Neighbours, Sample, ScatterMap, as_numbers
from selftaught.reports.samples import sample_of
from selftaught.trials.parts import Parts

POINTS = 1_500
SIDE = 48
QUERIES = 8
FOUND = 6
EXAMPLES = 4
"""Records that are shown with a finding."""
CHUNK = 64
"""Records that are read at once: sounds and series may be large."""


def draw_map(subject: Subject, parts: Parts, vectors: np.ndarray, names: Sequence[str]) -> ScatterMap | None:
    """A two-dimensional map of test records by openTSNE (Policar 2024), coloured by class; None below 10 records."""
    if len(vectors) < 10:
        return None
    from openTSNE import TSNE

    chosen = np.sort(np.random.default_rng(0).permutation(len(vectors))[:POINTS])
    points = TSNE(
        perplexity=min(30, (len(chosen) - 1) / 3), random_state=0, n_jobs=1, n_iter=400, initialization="pca"
    ).fit(unit(vectors[chosen]))
    records = parts.test[chosen]
    return ScatterMap(
        x=as_numbers(np.asarray(points)[:, 0]),
        y=as_numbers(np.asarray(points)[:, 1]),
        codes=tuple(int(code) for code in parts.codes[records]),
        names=tuple(names),
        samples=portraits(subject, records, names, parts.codes),
        title="Map of the test records",
        caption=f"t-SNE of {len(chosen):,} encoder vectors; near points are alike to the encoder.",
    )


def find_neighbours(
    subject: Subject, parts: Parts, features: tuple[np.ndarray, np.ndarray], names: Sequence[str]
) -> Gallery | None:
    """The training records nearest to a few test records by cosine, with whether their classes agree."""
    known, asked = features
    chosen = np.random.default_rng(1).permutation(len(asked))[:QUERIES]
    close = np.argsort(-(unit(asked[chosen]) @ unit(known).T), axis=1, kind="stable")[:, :FOUND]
    queries = portraits(subject, parts.test[chosen], names, parts.codes)
    if not queries:
        return None
    width = close.shape[1]
    found = portraits(subject, parts.train[close.ravel()], names, parts.codes)
    rows = tuple(
        Neighbours(
            query=queries[row],
            found=found[row * width : (row + 1) * width],
            agrees=tuple(
                bool(parts.codes[parts.train[index]] == parts.codes[parts.test[chosen[row]]]) for index in close[row]
            ),
        )
        for row in range(len(chosen))
    )
    return Gallery(
        rows=rows, title="Nearest neighbours", caption="Test record first, then its nearest training records."
    )


def portraits(subject: Subject, records: np.ndarray, names: Sequence[str], codes: np.ndarray) -> tuple[Sample, ...]:
    """The records as samples of a report, captioned with id and class; empty where they cannot be shown."""
    return tuple(
        sample_of(each, f"{subject.store.ids[record]} ({names[codes[record]] if codes[record] >= 0 else 'no label'})")
        for each, record in zip(_portrayed(subject, records), records, strict=False)
    )


def show_findings(subject: Subject, findings: Sequence[Finding]) -> Mapping[str, tuple[Sample, ...]]:
    """The first few records of every finding that are in the store, captioned with their id, by the finding's code."""
    wanted = {finding.code: finding.ids[: 8 * EXAMPLES] for finding in findings}
    asked = {record_id for ids in wanted.values() for record_id in ids}
    place = {record_id: index for index, record_id in enumerate(subject.store.ids) if record_id in asked}
    shown = {}
    for code, ids in wanted.items():
        records = np.array([place[record_id] for record_id in ids if record_id in place][:EXAMPLES], np.int64)
        pairs = zip(_portrayed(subject, records), records, strict=False)
        shown[code] = tuple(sample_of(each, subject.store.ids[record]) for each, record in pairs)
    return shown


def _portrayed(subject: Subject, records: np.ndarray) -> list[Portrait]:
    found: list[Portrait] = []
    for start in range(0, len(records), CHUNK):
        found += subject.encoders[0].modality.portray(subject.store.rows(records[start : start + CHUNK]), SIDE)
    return found


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows brought to length 1."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), np.float32)
