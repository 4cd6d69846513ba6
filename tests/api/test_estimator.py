"""SelfTaught on rows and texts, and scikit-learn's own checks of it."""

import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from tests.modalities.text.samples import text_documents

from selftaught import SelfTaught
from selftaught.api import FEWEST_ROWS

pytestmark = pytest.mark.slow

# Check by name: why it fails. A check that starts to is explained here, not skipped.
EXPECTED = {
    "check_do_not_raise_errors_in_init_or_set_params": (
        "It sets every option to -1, and these tests check the types of arguments at run time, which programs of users "
        "do not. Without that it passes: see the test below."
    ),
}


@parametrize_with_checks([SelfTaught(steps=2, size="xs")], expected_failed_checks=lambda _: EXPECTED)
def test_scikit_learn_finds_nothing_wrong_on_rows(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        # Checks that do not apply say so by a warning of theirs.
        warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")
        check(estimator)


@pytest.mark.parametrize("name", EXPECTED)
def test_what_fails_under_run_time_type_checks_alone_passes_without_them(name: str) -> None:
    program = f"""
from sklearn.utils import estimator_checks
from selftaught import SelfTaught
estimator_checks.{name}("SelfTaught", SelfTaught(steps=2, size="xs"))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def rows_of(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Numbers around one of two centres, a tenth of the cells missing, and the centre's number."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(2, size=count)
    values = rng.normal(size=(count, 6)) + 2.0 * kind[:, None]
    values[rng.random(values.shape) < 0.1] = np.nan
    return values, kind


def test_rows_with_missing_cells_work_in_a_pipeline() -> None:
    values, kind = rows_of(200)
    model = make_pipeline(SelfTaught(steps=20, size="xs"), LogisticRegression(max_iter=2000)).fit(values, kind)
    asked, truth = rows_of(60, seed=1)
    assert model.score(asked, truth) > 0.8
    assert model[0].n_features_in_ == 6
    assert len(model[0].get_feature_names_out()) == model[0].transform(asked).shape[1]


def test_a_vector_does_not_hang_on_the_rows_beside_it_and_survives_pickling() -> None:
    values, _ = rows_of(80)
    model = SelfTaught(steps=2, size="xs").fit(values)
    vectors = model.transform(values)
    np.testing.assert_array_equal(model.transform(values[7:8]), vectors[7:8])
    copied = pickle.loads(pickle.dumps(model))  # noqa: S301 (our own)
    np.testing.assert_array_equal(copied.transform(values), vectors)


def test_rows_that_cannot_be_learned_from_are_a_value_error() -> None:
    with pytest.raises(ValueError, match=f"minimum of {FEWEST_ROWS}"):
        SelfTaught(steps=2).fit(rows_of(FEWEST_ROWS - 1)[0])
    with pytest.raises(ValueError, match="No column tells records apart"):
        SelfTaught(steps=2).fit(np.ones((40, 3)))
    with pytest.raises(ValueError, match="infinity"):
        SelfTaught(steps=2).fit(np.full((40, 3), np.inf))


def test_texts_become_vectors_whose_neighbours_are_alike(tmp_path: Path) -> None:
    texts, kind = text_documents(120, np.random.default_rng(0))
    model = SelfTaught(steps=4, size="xs", folder=tmp_path / "kept")
    vectors = model.fit([str(each) for each in texts]).transform([str(each) for each in texts])
    assert vectors.shape[0] == len(kind) == 120
    assert np.isfinite(vectors).all()
    assert (tmp_path / "kept" / "run" / "manifest.json").exists()
    np.testing.assert_allclose(model.transform(np.array(texts[:3])), vectors[:3], rtol=1e-3, atol=1e-4)


def test_a_frame_of_mixed_columns_is_read_as_a_table() -> None:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "height": rng.normal(1.7, 0.1, 120),
            "town": rng.choice(["Oslo", "Bergen", "Molde"], 120),
            "owner": rng.choice(["yes", "no"], 120),
        }
    )
    model = SelfTaught(steps=2, size="xs").fit(frame)
    assert model.transform(frame).shape[0] == 120
    assert list(model.feature_names_in_) == ["height", "town", "owner"]
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(frame.rename(columns={"town": "city"}))
