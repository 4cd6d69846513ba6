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
from selftaught.probes.labelfree import alignment, lidar, mean_cosine, rankme, spread, uniformity, alpha_req
from selftaught.runs.encoder import Pretrained

HELD_OUT = 512
BANK = 2_000
PAIRS = 256
"""Records of the held-out buffer, of the labelled bank for the online kNN, and of those seen in two views."""


def watch(store: Store, train: np.ndarray, held: np.ndarray, labelling: Labelling) -> Observer:
    """An observer of label-free metrics, and of the kNN accuracy on held-out records where there are classes."""
    held = held[:HELD_OUT]
    labels = labelling.codes
    bank = _labelled(train, labels)[:BANK]
    queries = _labelled(held, labels)

    def observe(pretrained: Pretrained, clock: Clock) -> Mapping[str, float]:
        vectors = embed_records(pretrained, store, held)
        row = {
            "spread": spread(vectors),
            "rank": rankme(vectors),
            "dim": float(pretrained.encoder.dim),
            "mean_cosine": mean_cosine(vectors),
            "alpha": alpha_req(vectors),
        }
        row |= _pair_metrics(pretrained, store, held[:PAIRS])
        if labels is not None and len(bank) >= 10 and len(queries) >= 10:
            known = embed_records(pretrained, store, bank)
            asked = vectors[np.isin(held, queries)]
            found = knn_predict(known, labels[bank], asked).classes
            score = float(np.mean(found == labels[queries]))
            row |= {"score": score, "score_error": float(np.sqrt(score * (1 - score) / len(queries)))}
        return row

    return observe


def _labelled(indices: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    return indices if labels is None else indices[labels[indices] >= 0]


def _pair_metrics(pretrained: Pretrained, store: Store, held: np.ndarray) -> dict[str, float]:
    clean = pretrained.modality.batch(store.rows(held), pretrained.fitted)
    seen = [
        pretrained.encode(pretrained.modality.augment(clean, View(kind="strong"), Rng(seed=0).fold(index)))
        .pooled.float()
        .numpy()
        for index in range(4)
    ]
    views = np.stack(seen, 1)
    return {
        "alignment": alignment(views[:, 0], views[:, 1]),
        "uniformity": uniformity(views[:, 0]),
        "lidar": lidar(views),
    }
