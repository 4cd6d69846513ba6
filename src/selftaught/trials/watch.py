"""What is measured on held-out records while an encoder trains."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from selftaught.core.batch import View
from selftaught.core.pretext import Clock
from selftaught.core.rng import Rng
from selftaught.data.labelling import Labelling
from selftaught.data.store import Store
from selftaught.engine.embedding import embed_records
from selftaught.engine.job import Observer
from selftaught.probes.knn import knn_predict
from selftaught.probes.labelfree import measure
from selftaught.runs.encoder import Pretrained

HELD_OUT = 512
BANK = 2_000
PAIRS = 256
VIEWS = 4
"""Records of the held-out buffer, of the labelled bank for the online kNN, of those seen in several views."""


def watch(store: Store, train: np.ndarray, held: np.ndarray, labelling: Labelling) -> Observer:
    """An observer of label-free metrics, and of the kNN accuracy on held-out records where there are classes."""
    labels = labelling.codes
    held = look_at(held if len(held) > 1 else train, labels)  # one record has no spread
    bank = _spread(_labelled(train, labels), BANK)
    queries = _labelled(held, labels)

    def observe(pretrained: Pretrained, clock: Clock) -> Mapping[str, float]:
        vectors = embed_records(pretrained, store, held)
        views = views_of(pretrained, store, _spread(held, PAIRS))
        if not (np.isfinite(vectors).all() and np.isfinite(views).all()):
            return {"spread": float("nan"), "rank": float("nan"), "dim": float(pretrained.encoder.dim)}
        found = measure(vectors, np.random.default_rng(0), views)
        row = {
            "spread": found.spread * pretrained.encoder.dim**0.5,
            "rank": found.rankme,
            "dim": float(pretrained.encoder.dim),
            "cosine": found.cosine,
            "alpha": found.alpha,
            "uniformity": found.uniformity,
            "alignment": found.alignment if found.alignment is not None else float("nan"),
            "lidar": found.lidar if found.lidar is not None else float("nan"),
        }
        if labels is not None and len(bank) >= 10 and len(queries) >= 10:
            known = embed_records(pretrained, store, bank)
            predicted = knn_predict(known, labels[bank], vectors[np.isin(held, queries)])
            score = float(np.mean(predicted == labels[queries]))
            row |= {"score": score, "score_error": float(np.sqrt(score * (1 - score) / len(queries)))}
        return row

    return observe


def look_at(held: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """At most HELD_OUT records: those with a label first, for where labels are few an even spread has next to none."""
    known = _spread(_labelled(held, labels), HELD_OUT)
    others = np.setdiff1d(held, known)
    return np.union1d(known, _spread(others, HELD_OUT - len(known)))


def _labelled(indices: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    return indices if labels is None else indices[labels[indices] >= 0]


def _spread(indices: np.ndarray, most: int) -> np.ndarray:
    """At most so many, evenly spread: neighbours in a source often share a class."""
    return indices[np.linspace(0, len(indices) - 1, min(most, len(indices))).round().astype(np.int64)]


def views_of(pretrained: Pretrained, store: Store, held: np.ndarray) -> np.ndarray:
    """Vectors of VIEWS strong views of each record, (records, views, dim)."""
    clean = pretrained.modality.batch(store.rows(held), pretrained.fitted)
    seen = []
    for index in range(VIEWS):
        view = pretrained.modality.augment(clean, View(kind="strong"), Rng(seed=0).fold(index))
        seen.append(pretrained.encode(view).pooled.float().cpu().numpy())
    return np.stack(seen, 1)
