import numpy as np
import pytest
import torch

from selftaught.core.errors import DataError, UsageError
from selftaught.probes import knn
from selftaught.probes.knn import knn_predict, knn_scores


def sample(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(3, size=n)
    return (rng.normal(size=(n, 5)) + 2 * np.eye(3, 5)[codes]).astype(np.float32), codes


def test_scores_equal_a_slow_loop_over_the_equation() -> None:
    bank, codes = sample(60, 0)
    queries, _ = sample(9, 1)
    expected = np.zeros((9, 3))
    for row, query in enumerate(queries):
        cosine = bank @ query / np.linalg.norm(bank, axis=1) / np.linalg.norm(query)
        for near in np.argsort(-cosine)[:20]:
            expected[row, codes[near]] += np.exp(cosine[near] / 0.1)
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(knn_scores(bank, codes, queries, 3), expected, atol=1e-5)


def test_predictions_agree_with_scikit_learn() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    bank, codes = sample(200, 0)
    queries, _ = sample(50, 1)
    peer = KNeighborsClassifier(15, metric="cosine", weights=lambda far: np.exp((1 - far) / 0.1)).fit(bank, codes)
    np.testing.assert_array_equal(knn_predict(bank, codes, queries, 15), peer.predict(queries))


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bank, codes = sample(40, 0)
    queries, _ = sample(17, 1)
    whole = knn_scores(bank, codes, queries, 3)
    monkeypatch.setattr(knn, "CHUNK", 40 * 4)
    np.testing.assert_allclose(knn_scores(bank, codes, queries, 3), whole, atol=1e-6)


def test_tensors_arrays_and_text_labels_are_taken_alike() -> None:
    bank, codes = sample(40, 0)
    names = np.array(["ant", "bee", "cow"])[codes]
    from_tensors = knn_predict(torch.from_numpy(bank), names, torch.from_numpy(bank))
    np.testing.assert_array_equal(from_tensors, knn_predict(bank, names, bank))


def test_a_bank_smaller_than_the_neighbours_and_a_tiny_temperature_work() -> None:
    bank, codes = np.eye(2, dtype=np.float32), np.array([0, 1])
    np.testing.assert_allclose(knn_scores(bank, codes, bank, 2, temperature=1e-4), np.eye(2), atol=1e-6)


def test_no_queries_give_no_scores() -> None:
    assert knn_scores(np.eye(2, dtype=np.float32), np.array([0, 1]), np.zeros((0, 2), np.float32), 2).shape == (0, 2)


def test_nan_and_an_empty_bank_are_refused() -> None:
    with pytest.raises(DataError, match="finite"):
        knn_scores(np.full((2, 2), np.nan, np.float32), np.array([0, 1]), np.eye(2, dtype=np.float32), 2)
    with pytest.raises(DataError, match="not empty"):
        knn_scores(np.zeros((0, 2), np.float32), np.zeros(0, np.int64), np.eye(2, dtype=np.float32), 2)
    with pytest.raises(UsageError, match="temperature"):
        knn_scores(np.eye(2, dtype=np.float32), np.array([0, 1]), np.eye(2, dtype=np.float32), 2, temperature=0.0)
