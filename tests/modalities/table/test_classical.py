"""The feature set and the predictor: finite, fitted on the labelled rows only, and able to tell classes apart."""

import numpy as np
import pytest
from tests.modalities.table.makers import prepare, rows_of
from tests.modalities.table.samples import ODD, table_rows

from selftaught.core.modality import Classical, Predictor, Rows
from selftaught.probes.linear import fit_logistic, predict


def pick(rows, index):
    fields = {name: part[index] for name, part in rows.fields.items()}
    return Rows(fields=fields, record=rows.record[index])


def controls_of(table):
    features, trees = table.classical()
    assert isinstance(features, Classical)
    assert isinstance(trees, Predictor)
    return features, trees


def test_features_are_finite_float32_and_of_one_width_for_odd_rows_too():
    table, _, rows, _ = prepare(60)
    features, _ = controls_of(table)
    for kind in ODD:
        known, asked = features.features(rows, rows_of(table, ODD[kind]))
        assert known.dtype == asked.dtype == np.float32
        assert known.shape == (60, asked.shape[1])
        assert np.isfinite(known).all()
        assert np.isfinite(asked).all()


def test_a_row_has_its_features_whatever_else_is_asked():
    table, _, rows, _ = prepare(60)
    features, trees = controls_of(table)
    known = pick(rows, np.arange(40))
    together = features.features(known, pick(rows, np.arange(40, 60)))[1]
    alone = features.features(known, pick(rows, [50]))[1]
    np.testing.assert_allclose(alone[0], together[10], atol=1e-5)
    labels = np.arange(40) % 2
    everyone = trees.predict(known, labels, pick(rows, np.arange(40, 60)))
    assert trees.predict(known, labels, pick(rows, [50]))[0] == everyone[10]


def test_both_tell_the_hidden_classes_apart():
    table, _, rows, label = prepare(300)
    features, trees = controls_of(table)
    train, test = np.arange(200), np.arange(200, 300)
    known, asked = features.features(pick(rows, train), pick(rows, test))
    linear = predict(fit_logistic(known, label[train], [0.1]), asked)[0]
    assert np.mean(linear == label[test]) > 0.6
    assert np.mean(trees.predict(pick(rows, train), label[train], pick(rows, test)) == label[test]) > 0.6


@pytest.mark.parametrize("per_class", [1, 2, 5])
def test_trees_are_fitted_on_very_few_labels(per_class):
    table, _, rows, label = prepare(120)
    _, trees = controls_of(table)
    few = np.concatenate([np.flatnonzero(label == code)[:per_class] for code in range(3)])
    found = trees.predict(pick(rows, few), label[few], rows)
    assert set(found.tolist()) <= {0, 1, 2}


def test_numbers_as_labels_are_predicted_as_numbers():
    table, _, rows, label = prepare(300)
    _, trees = controls_of(table)
    values = label + 0.25
    found = trees.predict(pick(rows, np.arange(200)), values[:200], pick(rows, np.arange(200, 300)))
    assert np.square(found - values[200:]).mean() < 0.8 * values[200:].var()


def test_columns_that_are_all_missing_among_the_labelled_rows_do_not_stop_the_trees():
    table, _, _, _ = prepare(20)
    values, label = table_rows(40, np.random.default_rng(2))
    rows = rows_of(table, [{**row, "height": "", "town": "", "seen": ""} for row in values])
    _, trees = controls_of(table)
    assert trees.predict(rows, np.array(label), rows).shape == (40,)
