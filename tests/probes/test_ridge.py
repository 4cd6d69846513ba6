import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.preprocessing import StandardScaler

from selftaught.core.errors import DataError
from selftaught.probes.ridge import fit_ridge, guess_by_ridge, predict_ridge, r_squared


def sample(n: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(n, dim)) * np.arange(1, dim + 1) + 5).astype(np.float32)
    return features, features[:, 0] * 2.0 + rng.normal(size=n) + 7


@pytest.mark.parametrize(("n", "dim"), [(60, 5), (20, 50)])
def test_predictions_and_leave_one_out_equal_scikit_learn(n: int, dim: int) -> None:
    features, targets = sample(n, dim)
    rows = StandardScaler().fit_transform(features.astype(np.float64))
    fit = fit_ridge(features, targets, (0.1, 10.0, 1000.0))
    for penalty, error in zip(fit.penalties, fit.leave_one_out, strict=True):
        guess = cross_val_predict(Ridge(alpha=penalty), rows, targets, cv=LeaveOneOut())
        assert error == pytest.approx(np.mean((targets - guess) ** 2), rel=1e-4)
    peer = Ridge(alpha=fit.penalty).fit(rows, targets)
    np.testing.assert_allclose(predict_ridge(fit, features), peer.predict(rows), rtol=1e-4)
    assert fit.penalty == fit.penalties[fit.leave_one_out.argmin()]


def test_constant_features_predict_the_mean() -> None:
    fit = fit_ridge(np.ones((4, 3), np.float32), np.arange(4.0))
    np.testing.assert_allclose(predict_ridge(fit, np.ones((2, 3), np.float32)), 1.5)


@pytest.mark.parametrize(
    ("features", "targets", "message"),
    [
        (np.ones((2, 3), np.float32), np.arange(2.0), "at least 3 rows"),
        (np.full((4, 3), np.nan, np.float32), np.arange(4.0), "finite"),
        (np.eye(4, dtype=np.float32), np.ones(4), "equal"),
    ],
)
def test_what_ridge_cannot_use_is_refused(features: np.ndarray, targets: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit_ridge(features, targets)


def test_labels_that_are_one_number_predict_it() -> None:
    rows = np.random.default_rng(0).normal(size=(5, 3))
    assert guess_by_ridge(rows, np.full(5, 7.0), rows[:2]).tolist() == [7.0, 7.0]


def test_r_squared_equals_scikit_learn_of_the_records_drawn_for_every_set_of_errors() -> None:
    rng = np.random.default_rng(0)
    values, guesses = rng.normal(size=40) * 1e-4 + 3, rng.normal(size=(2, 3, 40)) * 1e-4 + 3
    counts = rng.multinomial(40, np.full(40, 1 / 40), size=5).astype(float)
    found = r_squared(np.square(guesses - values), values, counts)
    assert found.shape == (2, 3, 5)
    for (one, two), place in [((0, 0), 4), ((1, 2), 1)]:
        expected = r2_score(values, guesses[one, two], sample_weight=counts[place])
        assert found[one, two, place] == pytest.approx(expected)
