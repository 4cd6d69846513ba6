"""TF-IDF and logistic regression: terms weigh what they should, classes and numbers are told, odd texts do no harm."""

import warnings

import numpy as np
import pytest
from tests.modalities.text.samples import ODD, SMALL, rows_of, text_documents

from selftaught.modalities.text import classical
from selftaught.modalities.text.classical import MOST, predict_texts, weigh_terms

TEXTS, LABELS = text_documents(200, np.random.default_rng(5))
LABELS = np.array(LABELS)


def predict(known, labels, asked):
    (control,) = SMALL.classical()
    return control.predict(rows_of(known), np.array(labels), rows_of(asked))


def test_classes_are_told_apart_and_the_same_texts_give_the_same_answer():
    first, again = (predict(TEXTS[:150], LABELS[:150], TEXTS[150:]) for _ in range(2))
    assert (first == LABELS[150:]).mean() > 0.9
    assert np.array_equal(first, again)


def test_one_label_a_class_is_enough_to_beat_chance():
    rows = [int(np.flatnonzero(kind == LABELS)[0]) for kind in range(3)]
    found = predict([TEXTS[row] for row in rows], LABELS[rows], TEXTS[100:])
    assert (found == LABELS[100:]).mean() > 0.5


def test_numbers_are_predicted_as_numbers():
    values = np.array([2.5 * ("boat" in text.lower()) for text in TEXTS])
    found = predict(TEXTS[:150], values[:150], TEXTS[150:])
    assert np.corrcoef(found, values[150:])[0, 1] > 0.8


def test_two_classes_and_labels_of_any_whole_numbers_are_served():
    found = predict(["a red boat", "warm bread", "the boat", "bread and butter"], [7, 3, 7, 3], ["old boat", "bread"])
    assert found.tolist() == [7, 3]


def test_one_class_is_the_answer_to_everything():
    assert predict(["a boat", "a wave"], [4, 4], ["bread"]).tolist() == [4]


def test_a_word_that_two_texts_share_brings_them_together():
    known, _ = weigh_terms(["a red boat", "a blue boat", "warm bread"], ["x"])
    dots = (known @ known.T).toarray()
    assert dots[0, 1] > dots[0, 2]
    np.testing.assert_allclose(np.diag(dots), 2.0, rtol=1e-5)


@pytest.mark.parametrize("name", ODD)
def test_odd_texts_have_an_answer(name):
    assert len(predict(ODD[name], range(len(ODD[name])), TEXTS[:3])) == 3
    assert len(predict(TEXTS[:10], LABELS[:10], ODD[name])) == len(ODD[name])


def test_a_corpus_of_many_labels_is_learned_from_evenly():
    known = [f"word{index % 2}" for index in range(MOST + 10_000)]
    labels = np.arange(len(known)) % 2
    assert predict_texts(known, labels, ["word0", "word1"]).tolist() == [0, 1]


def test_a_class_that_does_not_converge_says_nothing(monkeypatch):
    monkeypatch.setattr(classical, "ITERATIONS", 1)
    texts = [f"word{number % 7} thing{number % 5}" for number in range(60)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = classical.predict_texts(texts, np.arange(60) % 3, texts[:4])
    assert len(found) == 4
