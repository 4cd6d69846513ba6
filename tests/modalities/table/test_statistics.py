"""Scaling against scikit-learn and slow loops; vocabularies; what is never seen."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.preprocessing import QuantileTransformer
from tests.modalities.table.makers import place_of, prepare, rows_of

from selftaught.core.errors import DataError
from selftaught.modalities.table import Table
from selftaught.modalities.table.statistics import EDGE, QUANTILES, class_codes, frequent, normal_scores


def test_normal_scores_agree_with_scikit_learn_where_values_tie_too():
    numbers = np.random.default_rng(0)
    known, asked = numbers.normal(size=(400, 2)), numbers.normal(size=(50, 2))
    for values in (known, asked):
        values[:, 1][np.abs(values[:, 1]) < 0.7] = 0.0
    table = np.quantile(known, np.linspace(0, 1, QUANTILES), axis=0).T
    ours = normal_scores(torch.from_numpy(asked), torch.from_numpy(np.ascontiguousarray(table)))
    theirs = QuantileTransformer(n_quantiles=QUANTILES, output_distribution="normal", subsample=None).fit(known)
    expected = norm.ppf(np.clip(norm.cdf(theirs.transform(asked)), EDGE, 1 - EDGE))
    np.testing.assert_allclose(ours.numpy(), expected, atol=0.02)


def test_normal_scores_keep_missing_cells_and_stay_finite_at_the_ends():
    table = torch.linspace(0, 1, QUANTILES, dtype=torch.float64)[None]
    values = torch.tensor([[-5.0], [0.5], [7.0], [torch.nan]], dtype=torch.float64)
    scores = normal_scores(values, table)[:, 0]
    assert scores[1].item() == pytest.approx(0, abs=1e-9)
    assert scores[0].item() == pytest.approx(norm.ppf(EDGE))
    assert scores[2].item() == pytest.approx(-norm.ppf(EDGE))
    assert scores[3].isnan()
    constant = normal_scores(values, torch.zeros(1, QUANTILES, dtype=torch.float64))
    assert constant[:3].isfinite().all()


def test_codes_are_places_among_known_hashes_and_one_code_for_all_others():
    known = torch.tensor([[2.0, 5.0, torch.inf]], dtype=torch.float64)
    values = torch.tensor([[5.0], [2.0], [3.0], [9.0], [torch.nan]], dtype=torch.float64)
    codes = class_codes(values, known)[:, 0]
    assert codes[:4].tolist() == [1, 0, 3, 3]
    assert codes[4].isnan()


def test_the_most_frequent_are_kept_and_what_was_seen_once_is_not():
    values = np.array([3.0, 3, 3, 1, 1, 9, 7, 7])
    assert frequent(values, 2, 2).tolist() == [1, 3]
    assert frequent(values, 9, 2).tolist() == [1, 3, 7]
    assert frequent(np.array([4.0, 8.0]), 9, 2).tolist() == [4, 8]
    assert frequent(np.array([]), 9, 2).tolist() == []


@pytest.mark.parametrize("scaling", ["quantile", "standard"])
def test_scaled_numbers_have_mean_zero_and_spread_near_one(scaling):
    table, _, rows, _ = prepare(600)
    table = Table(columns=table.columns, vocabulary=4, words=3, scaling=scaling)
    fitted = table.fit([rows])
    x = table.batch(rows, fitted).x[0]
    for name in ("height", "income"):
        column = x[:, place_of(table, name, fitted)]
        column = column[~column.isnan()]
        assert abs(column.mean().item()) < 0.1
        assert 0.8 < column.std().item() < 1.2


def test_counts_can_be_read_back_and_missing_cells_stay_missing():
    table, fitted, rows, _ = prepare()
    x = table.batch(rows, fitted).x[0]
    place = place_of(table, "children", fitted)
    raw = rows.fields["cells"][:, place]
    assert torch.equal(x[:, place].isnan(), raw.isnan())
    torch.testing.assert_close(x[:, place].expm1().double(), raw, atol=1e-4, rtol=1e-4, equal_nan=True)
    assert torch.equal(x.isnan(), rows.fields["cells"].isnan())


def test_an_unseen_category_has_the_last_code():
    table, fitted, _, _ = prepare()
    rows = rows_of(table, [{"town": "Atlantis"}, {"town": "Oslo"}, {"town": ""}])
    codes = table.batch(rows, fitted).x[0][:, place_of(table, "town", fitted)]
    assert codes[0] == table.vocabulary
    assert codes[1] < table.vocabulary
    assert codes[2].isnan()


def test_columns_that_are_missing_or_constant_in_the_training_part_give_finite_cells():
    table, _, _, _ = prepare()
    same = [{"height": "1.7", "town": "Oslo"}] * 20
    fitted = table.fit([rows_of(table, same)])
    x = table.batch(prepare(30, seed=3)[2], fitted).x[0]
    assert not x.isinf().any()


def test_nothing_to_fit_on_is_refused():
    table, _, _, _ = prepare()
    with pytest.raises(DataError, match="no rows"):
        table.fit([])
