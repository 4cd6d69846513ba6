"""Something to look at: a map of the test records and nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from selftaught.evaluate.controls import Parts
from selftaught.evaluate.subject import Subject
from selftaught.reports.blocks import Gallery, Neighbours, Sample, ScatterMap, as_numbers

POINTS = 1_500
SIDE = 48
QUERIES = 8
FOUND = 6


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
        caption=f"t-SNE of {len(chosen)} encoder vectors; near points are alike to the encoder.",
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
    found = portraits(subject, parts.train[close.ravel()], names, parts.codes)
    rows = tuple(
        Neighbours(
            query=queries[row],
            found=found[row * FOUND : (row + 1) * FOUND],
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
    shown = subject.encoders[0].modality.portray(subject.store.rows(records), SIDE)
    return tuple(
        Sample(
            kind=each.kind,
            content=each.content,
            caption=f"{subject.store.ids[record]} ({names[codes[record]] if codes[record] >= 0 else 'no label'})",
        )
        for each, record in zip(shown, records, strict=False)
    )


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows brought to length 1."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), np.float32)
