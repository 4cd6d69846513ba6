"""TF-IDF features: inner products survive the projection, classes can be told apart, odd texts do no harm."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from tests.modalities.text.samples import ODD, SMALL, rows_of, text_documents

from selftaught.modalities.text.classical import COLUMNS, draw_directions, project, weigh_terms

TEXTS, LABELS = text_documents(200, np.random.default_rng(5))


@pytest.fixture(scope="module")
def features():
    return SMALL.classical()[0].features(rows_of(TEXTS[:150]), rows_of(TEXTS[150:]))


def test_features_are_dense_finite_and_of_one_width(features):
    assert features[0].shape == (150, COLUMNS)
    assert features[1].shape == (50, COLUMNS)
    assert all(part.dtype == np.float32 and np.isfinite(part).all() for part in features)


def test_inner_products_of_texts_survive_the_projection(features):
    first, _ = weigh_terms(TEXTS[:150], TEXTS[150:])
    exact = (first @ first.T).toarray()
    assert np.abs(features[0] @ features[0].T - exact).mean() < 0.06


def test_a_word_that_two_texts_share_brings_them_together():
    known, _ = weigh_terms(["a red boat", "a blue boat", "warm bread"], ["x"])
    dots = (known @ known.T).toarray()
    assert dots[0, 1] > dots[0, 2]
    np.testing.assert_allclose(np.diag(dots), 2.0, rtol=1e-5)


def test_logistic_regression_on_the_features_tells_the_classes_apart(features):
    scale = features[0].std(0) + 1e-6
    model = LogisticRegression(C=0.01, max_iter=200).fit(features[0] / scale, LABELS[:150])
    assert model.score(features[1] / scale, LABELS[150:]) > 0.9


def test_the_same_texts_give_the_same_features(features):
    again = SMALL.classical()[0].features(rows_of(TEXTS[:150]), rows_of(TEXTS[150:]))
    assert all(np.array_equal(one, other) for one, other in zip(features, again, strict=True))


@pytest.mark.parametrize("name", ODD)
def test_odd_texts_have_finite_features(name):
    made = SMALL.classical()[0].features(rows_of(ODD[name]), rows_of(TEXTS[:3]))
    assert all(np.isfinite(part).all() for part in made)


def test_no_record_has_no_row():
    assert project(weigh_terms(["a b"], ["a"])[0][:0], draw_directions(3)).shape == (0, COLUMNS)
