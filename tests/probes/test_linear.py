import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from selftaught.core.errors import DataError
from selftaught.probes.linear import class_scores, fit_logistic, fit_logistic_grid, predict

STRENGTHS = (1e-3, 1e-1, 10.0)


def blobs(n: int, dim: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    mixing = rng.normal(size=(dim, dim)) * np.arange(1, dim + 1) ** -0.7
    centres = rng.normal(size=(classes, dim))
    features = (centres[labels] + 1.5 * rng.normal(size=(n, dim))) @ mixing + 3
    return features.astype(np.float32), labels


def oracle(features: np.ndarray, labels: np.ndarray, strength: float) -> tuple[StandardScaler, LogisticRegression]:
    scaler = StandardScaler().fit(features.astype(np.float64))
    rows = scaler.transform(features.astype(np.float64))
    return scaler, LogisticRegression(C=strength, tol=1e-9, max_iter=20000).fit(rows, labels)


@pytest.mark.parametrize(("n", "dim", "classes"), [(300, 12, 4), (20, 60, 4), (50, 60, 5), (200, 8, 2), (12, 40, 2)])
def test_probabilities_equal_those_of_scikit_learn(n: int, dim: int, classes: int) -> None:
    features, labels = blobs(n, dim, classes)
    unseen, _ = blobs(100, dim, classes, seed=1)
    fit = fit_logistic(features, labels, STRENGTHS, tolerance=1e-8)
    scores = class_scores(fit, unseen).astype(np.float64)
    chance = np.exp(scores - scores.max(2, keepdims=True))
    chance /= chance.sum(2, keepdims=True)
    assert fit.converged.all()
    for index, strength in enumerate(STRENGTHS):
        scaler, peer = oracle(features, labels, strength)
        expected = peer.predict_proba(scaler.transform(unseen.astype(np.float64)))
        np.testing.assert_allclose(chance[index], expected, atol=2e-4)


def test_reported_gradient_norm_is_that_of_the_stated_objective() -> None:
    features, labels = blobs(400, 10, 3)
    fit = fit_logistic(features, labels, STRENGTHS, tolerance=1e-4)
    mean, scale = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64)
    rows = (features - mean) / scale
    for index, strength in enumerate(STRENGTHS):
        weights = fit.weights[index].astype(np.float64) * scale
        logits = features.astype(np.float64) @ fit.weights[index].T + fit.intercepts[index]
        chance = np.exp(logits - logits.max(1, keepdims=True))
        chance /= chance.sum(1, keepdims=True)
        residual = (chance - np.eye(3)[labels]) / len(rows)
        gradient = residual.T @ rows + weights / (strength * len(rows))
        size = max(np.abs(gradient).max(), np.abs(residual.sum(0)).max())
        assert size == pytest.approx(fit.gradient_norm[index], abs=3e-6)
        assert size <= 1.1e-4


def test_a_grid_solved_together_equals_its_problems_solved_alone() -> None:
    features, labels = blobs(300, 20, 3)
    rng = np.random.default_rng(0)
    subsets = [rng.permutation(300)[:size] for size in (30, 33, 36, 150, 7)]
    together = fit_logistic_grid(features, labels, subsets, STRENGTHS, tolerance=1e-7)
    for subset, fit in zip(subsets, together, strict=True):
        alone = fit_logistic(features[subset], labels[subset], STRENGTHS, tolerance=1e-7)
        np.testing.assert_allclose(fit.weights, alone.weights, atol=2e-3)
        np.testing.assert_array_equal(predict(fit, features), predict(alone, features))


def test_strengths_come_back_in_the_order_given() -> None:
    features, labels = blobs(90, 6, 3)
    up = fit_logistic(features, labels, (0.01, 1.0), 1e-7)
    down = fit_logistic(features, labels, (1.0, 0.01), 1e-7)
    np.testing.assert_allclose(up.weights[::-1], down.weights, atol=1e-4)
    assert np.linalg.norm(up.weights[0]) < np.linalg.norm(up.weights[1])


def test_a_class_that_the_rows_lack_is_never_predicted() -> None:
    features, labels = blobs(90, 6, 3)
    fit = fit_logistic_grid(features, labels, [np.flatnonzero(labels != 1)], STRENGTHS)[0]
    assert np.isneginf(fit.intercepts[:, 1]).all()
    assert not (predict(fit, features) == 1).any()
    assert fit.converged.all()


def test_a_constant_feature_gets_weight_zero() -> None:
    features, labels = blobs(90, 6, 3)
    features[:, 2] = 1e4
    fit = fit_logistic(features, labels, STRENGTHS)
    assert (fit.weights[:, :, 2] == 0).all()
    assert np.isfinite(fit.weights).all()


def test_features_that_are_all_constant_give_the_class_shares() -> None:
    labels = np.array([0, 0, 0, 1])
    fit = fit_logistic(np.ones((4, 3), np.float32), labels, (1.0,), 1e-7)
    shares = np.exp(class_scores(fit, np.ones((1, 3), np.float32))[0, 0])
    np.testing.assert_allclose(shares / shares.sum(), [0.75, 0.25], atol=1e-4)


def test_a_decomposition_that_float32_cannot_do_is_done_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(40, 6)).astype(np.float32), np.arange(40) % 2
    expected = fit_logistic(features, labels, [0.1]).weights
    decompose, refused = torch.linalg.eigh, []

    def eigh(matrix: torch.Tensor) -> object:
        if matrix.dtype == torch.float32 and matrix.shape[-1] == features.shape[1]:
            refused.append(matrix)
            raise torch.linalg.LinAlgError("did not converge")
        return decompose(matrix)

    monkeypatch.setattr(torch.linalg, "eigh", eigh)
    np.testing.assert_allclose(fit_logistic(features, labels, [0.1]).weights, expected, atol=1e-4)
    assert refused


def test_a_large_offset_does_not_harm() -> None:
    features, labels = blobs(200, 5, 3)
    near = fit_logistic(features.astype(np.float64), labels, (1.0,), 1e-7)
    far = fit_logistic(features.astype(np.float64) + 1000, labels, (1.0,), 1e-7)
    np.testing.assert_allclose(near.weights, far.weights, atol=1e-3)


def test_text_labels_and_one_row_per_class_work() -> None:
    features = np.eye(3, 5, dtype=np.float32)
    fit = fit_logistic(features, np.array(["cat", "dog", "owl"]), (1.0,))
    assert predict(fit, features)[0].tolist() == ["cat", "dog", "owl"]


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="at least two classes"):
        fit_logistic(np.ones((4, 3), np.float32), np.zeros(4, np.int64), (1.0,))


def test_nan_features_are_refused_with_their_row() -> None:
    features, labels = blobs(30, 4, 3)
    features[7, 1] = np.nan
    with pytest.raises(DataError, match="row 7"):
        fit_logistic(features, labels, (1.0,))


def test_a_missing_label_is_refused() -> None:
    features, labels = blobs(30, 4, 3)
    with pytest.raises(DataError, match="30 rows, 29 labels"):
        fit_logistic(features, labels[1:], (1.0,))


@pytest.mark.slow
def test_accuracies_of_a_grid_equal_those_of_scikit_learn() -> None:
    features, labels = blobs(3000, 64, 10)
    unseen, truth = blobs(2000, 64, 10, seed=0)
    unseen = unseen + np.random.default_rng(5).normal(size=unseen.shape).astype(np.float32)
    subsets = [np.arange(size) for size in (10, 50, 200, 1000, 3000)]
    differences = []
    for subset, fit in zip(subsets, fit_logistic_grid(features, labels, subsets, STRENGTHS), strict=True):
        for index, strength in enumerate(STRENGTHS):
            scaler, peer = oracle(features[subset], labels[subset], strength)
            expected = (peer.predict(scaler.transform(unseen.astype(np.float64))) == truth).mean()
            differences.append((predict(fit, unseen)[index] == truth).mean() - expected)
    assert np.abs(differences).mean() < 0.003
    assert np.abs(differences).max() < 0.01
