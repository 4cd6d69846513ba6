"""What an expert would have done with text before representation learning: TF-IDF, then logistic regression."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from selftaught.core.modality import Predictor, Rows

Texts = Callable[[Rows], list[str]]

ITERATIONS = 400
STRENGTH = 30.0
"""C of scikit-learn; texts have unit length, so that few labels need a large one, and 1 to 100 hardly differ."""

TERMS = 200_000
"""Terms of a kind (words and pairs of words; character sequences) that are kept at most, the most frequent ones."""

MOST = 50_000
"""Labelled records that are learned from at most, evenly spread over what is given."""

RARE = 1_000
"""Records from which on a term must be in two of them."""


def predictors(texts: Texts) -> tuple[Predictor, ...]:
    """TF-IDF of words 1-2 and of characters 3-5 with logistic regression, one class against the others; ridge
    regression for numbers. texts: of some rows.

    A predictor and no feature set, for the sparse terms must reach the regression as they are: standardised, as the
    probe does, rare ones would rule, and 2,048 random projections of them cost 12 points on agnews at 20 labels.
    """

    def predict(known: Rows, labels: np.ndarray, asked: Rows) -> np.ndarray:
        return predict_texts(texts(known), labels, texts(asked))

    return (Predictor(name="TF-IDF of words and characters", predict=predict),)


def predict_texts(known: Sequence[str], labels: np.ndarray, asked: Sequence[str]) -> np.ndarray:
    """Labels of the asked texts: classes where the known labels are whole numbers, else numbers."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.multiclass import OneVsRestClassifier

    some = np.linspace(0, len(known) - 1, min(MOST, len(known))).round().astype(np.int64)
    labels = np.asarray(labels)[some]
    first, second = weigh_terms([known[index] for index in some], asked)
    if labels.dtype.kind not in "iub":
        return np.asarray(Ridge(alpha=1.0).fit(first, labels).predict(second))
    if len(np.unique(labels)) < 2:
        return np.full(len(asked), labels[0])
    # The dual solver takes a fiftieth of the time of the joint loss, which is no better here.
    model = LogisticRegression(C=STRENGTH, solver="liblinear", dual=True, max_iter=ITERATIONS, random_state=0)
    with warnings.catch_warnings():  # a class that is not quite converged is as good
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(OneVsRestClassifier(model).fit(first, labels).predict(second))


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
        "dtype": np.float64,
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
        first, second = ([sparse.csr_matrix((len(part), 1))] for part in (train, other))
    return sparse.hstack(first, format="csr"), sparse.hstack(second, format="csr")
