"""From standings to an answer: what wins, what cannot be told, and how many labels would tell."""

import numpy as np
import pytest

from selftaught.compare.answer import Table, decide, enough, nothing_ran
from selftaught.compare.judge import Difference, Standing, difference
from selftaught.probes.statistics import interval
from selftaught.trials.scores import SCRATCH


def standing(name, value, error=0.01, shared=0.03, by_size=None):
    """Draws around a value: `error` is its own, `shared` that of records which all contestants have in common."""
    rng = np.random.default_rng(sum(map(ord, name)))
    common = np.random.default_rng(0).normal(size=4000) * shared
    by_size = by_size or {5: value, 20: value}
    drawn = {size: each + common + rng.normal(size=4000) * error for size, each in by_size.items()}
    mean = np.mean(list(drawn.values()), 0)
    low, high = interval(mean)
    value = float(np.mean(list(by_size.values())))
    return Standing(
        name=name, seeds=2, value=value, low=low, high=high, by_size=by_size, drawn=mean, drawn_by_size=drawn
    )


def answered(*standings, candidates=("SimCLR", "MAE"), first=(), labels=400):
    table = Table(
        everywhere={each.name: each for each in standings},
        first={each.name: each for each in (*standings, *first)},
    )
    names = [each.name for each in (*standings, *first) if each.name not in candidates]
    return decide(table, [name for name in candidates if name in table.everywhere], names, labels)


def test_a_clear_lead_over_every_control_is_a_reason_to_pretrain():
    decision = answered(standing("HOG", 0.7), standing("twin", 0.6), standing("SimCLR", 0.8), standing("MAE", 0.65))
    assert decision.answer == "pretrain"
    assert decision.winner == decision.candidate == "SimCLR"
    assert decision.control == "HOG"
    assert decision.lead.low > 0
    assert decision.needed is None


def test_a_control_that_is_clearly_ahead_wins():
    decision = answered(standing("TF-IDF", 0.8), standing("twin", 0.6), standing("SimCLR", 0.7))
    assert decision.answer == "do not pretrain"
    assert decision.winner == "TF-IDF"
    assert "TF-IDF" in decision.headline


def test_what_is_within_two_points_is_no_clear_winner_and_the_simplest_is_taken():
    decision = answered(standing("HOG", 0.7, 0.004), standing("SimCLR", 0.701, 0.004))
    assert decision.answer == "no clear winner"
    assert decision.winner == "HOG"


def test_wide_intervals_are_underpowered_and_say_how_many_labels_would_do():
    decision = answered(standing("HOG", 0.7, 0.05), standing("SimCLR", 0.75, 0.05), labels=40)
    assert decision.answer == "underpowered"
    assert decision.needed > 40
    assert "40 labels" in decision.headline
    assert f"{decision.needed:,}" in decision.headline


def test_of_candidates_within_a_standard_error_the_simplest_is_taken():
    close = standing("MAE", 0.798), standing("SimCLR", 0.8), standing("HOG", 0.6)
    decision = answered(*close, candidates=("MAE", "SimCLR"))
    assert (decision.candidate, decision.taken, decision.winner) == ("SimCLR", "MAE", "MAE")
    assert any("MAE is taken: it is the simpler" in each for each in decision.sentences)
    apart = standing("MAE", 0.7), standing("SimCLR", 0.8), standing("HOG", 0.6)
    assert answered(*apart, candidates=("MAE", "SimCLR")).winner == "SimCLR"


def test_the_supervised_control_is_compared_where_it_ran():
    candidates = standing("SimCLR", 0.8), standing("HOG", 0.7)
    better = answered(*candidates, first=(standing(SCRATCH, 0.9),))
    assert (better.answer, better.control, better.winner) == ("do not pretrain", SCRATCH, SCRATCH)
    worse = answered(*candidates, first=(standing(SCRATCH, 0.65),))
    assert (worse.answer, worse.control) == ("pretrain", "HOG")


def test_an_answer_that_changes_with_the_labels_says_where():
    own = standing("SimCLR", 0, by_size={5: 0.7, 20: 0.72})
    decision = answered(own, standing("HOG", 0, by_size={5: 0.5, 20: 0.8}))
    assert any("ahead of all controls at 5 labels" in each for each in decision.sentences)
    assert any("HOG wins at 20 labels" in each for each in decision.sentences)


def test_labels_needed_grow_with_the_square_of_error_over_difference():
    lead = Difference(value=0.05, error=0.05, low=-0.05, high=0.15)
    assert enough(100, lead) == pytest.approx(100 * 2.8**2, rel=0.05)
    half = Difference(value=0.05, error=0.025, low=0.0, high=0.1)
    assert enough(100, half) == pytest.approx(100 * 1.4**2, rel=0.05)
    assert enough(100, Difference(value=0.0, error=0.05, low=-0.1, high=0.1)) == pytest.approx(100 * 14**2, rel=0.05)


def test_differences_are_paired():
    first, second = standing("SimCLR", 0.8, 0.001), standing("HOG", 0.79, 0.001)
    assert first.high - first.low > 0.1
    assert difference(first, second).error < 0.003
    assert difference(first, second, 5).value == pytest.approx(0.01)


def test_without_any_candidate_the_best_control_is_the_answer():
    table = {each.name: each for each in (standing("HOG", 0.7), standing("PCA", 0.6))}
    decision = nothing_ran(Table(everywhere=table, first=table), ["HOG", "PCA"])
    assert (decision.answer, decision.winner) == ("do not pretrain", "HOG")
