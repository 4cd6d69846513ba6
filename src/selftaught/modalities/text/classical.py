"""What an expert would have computed from text before representation learning: TF-IDF of words and of characters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from selftaught.core.modality import Classical, Rows

Texts = Callable[[Rows], list[str]]

COLUMNS = 2_048
"""Features after the projection; the inner product of two texts then errs by about 1 / sqrt(COLUMNS) = 0.02."""

FEWEST, MIXED = 8, 256
"""Columns that a term enters at least, and terms that a column mixes about at least."""

TERMS = 200_000
"""Terms of a kind (words and pairs of words; character sequences) that are kept at most, the most frequent ones."""

CHUNK = 4_096
RARE = 1_000
"""Records from which on a term must be in two of them."""


def feature_sets(texts: Texts) -> tuple[Classical, ...]:
    """TF-IDF of words 1-2 and of characters 3-5. texts: of some rows.

    There are far more terms than a probe can hold, and standardising them, as the probe does, would blow up the rare
    ones. So rows are projected onto sparse random directions (Kane 2014): inner products stay, and every column mixes
    many terms, so that all columns have about one scale and logistic regression sees TF-IDF as it is.
    """

    def features(train: Rows, other: Rows) -> tuple[np.ndarray, np.ndarray]:
        first, second = weigh_terms(texts(train), texts(other))
        directions = draw_directions(first.shape[1])
        return project(first, directions), project(second, directions)

    return (Classical(name="TF-IDF of words and characters", features=features),)


def weigh_terms(train: Sequence[str], other: Sequence[str]) -> tuple[Any, Any]:
    """Sparse rows of both texts, the words' and the characters' part of unit length each; all is fitted on the first.

    Sublinear counts: 1 + log of how often a term occurs (Manning 2008, section 6.4.1).
    """
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfVectorizer

    least = 2 if len(train) >= RARE else 1
    shared: dict[str, Any] = {
        "sublinear_tf": True,
        "min_df": least,
        "max_features": TERMS,
        "dtype": np.float32,
    }
    kinds = (
        TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", **shared),
        TfidfVectorizer(ngram_range=(3, 5), analyzer="char_wb", **shared),
    )
    first, second = [], []
    for kind in kinds:
        try:
            known = kind.fit_transform(train)
        except ValueError:
            continue  # no text has a word, or all terms are rare
        first.append(known)
        second.append(kind.transform(other))
    if not first:
        first, second = ([sparse.csr_matrix((len(part), 1), dtype=np.float32)] for part in (train, other))
    return sparse.hstack(first, format="csr"), sparse.hstack(second, format="csr")


def draw_directions(terms: int) -> Any:
    """Sparse (terms, COLUMNS): each term enters some columns with random signs; the same for equal `terms`."""
    from scipy import sparse

    each = min(COLUMNS, max(FEWEST, MIXED * COLUMNS // terms))
    numbers = np.random.default_rng(0)
    column = numbers.integers(COLUMNS, size=terms * each)
    sign = numbers.integers(2, size=terms * each) * 2 - 1
    row = np.repeat(np.arange(terms), each)
    return sparse.csr_matrix(((sign / each**0.5).astype(np.float32), (row, column)), shape=(terms, COLUMNS))


def project(rows: Any, directions: Any) -> np.ndarray:
    """Dense float32 rows (n, COLUMNS)."""
    parts = [(rows[start : start + CHUNK] @ directions).toarray() for start in range(0, rows.shape[0], CHUNK)]
    return np.concatenate(parts) if parts else np.zeros((0, COLUMNS), np.float32)
