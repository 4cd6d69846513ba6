"""Ranks without labels: the share of rivals, seeds averaged, and what cannot be read comes last."""

import csv
from pathlib import Path

import numpy as np
import pytest
from tests.engine.making import Desk

from selftaught.compare import blind
from selftaught.compare.answer import Table, rank_blindly, told_agreement
from selftaught.compare.blind import AGREEMENT, SIGNS, Signs, make_blind, read_signs
from selftaught.core.errors import DataError
from selftaught.engine.loop import train

ROOT = Path(__file__).resolve().parents[2]


def signs(*values):
    return Signs(**dict(zip(SIGNS, values, strict=True)))


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    return Desk.of(tmp_path_factory.mktemp("desk"))


def test_a_candidate_is_worth_the_share_of_rivals_that_it_is_ahead_of(desk):
    judge = make_blind(desk.store, desk.held)
    found = {
        "best": [signs(9.0, 9.0, 0.9, 0.9, 0.9)],
        "split": [signs(5.0, 1.0, 0.5, 0.1, 0.5)],
        "other": [signs(1.0, 5.0, 0.1, 0.5, 0.5)],
    }
    standings = judge.standings(found)
    assert standings["best"].value == 1.0
    assert standings["split"].value == pytest.approx((0.5 + 0 + 0.5 + 0 + 0.25) / 5)
    assert standings["other"].value == pytest.approx((0 + 0.5 + 0 + 0.5 + 0.25) / 5)
    assert standings["best"].low == standings["best"].high == 1.0
    assert standings["split"].low < standings["split"].value < standings["split"].high


def test_seeds_are_averaged_before_they_are_ranked(desk):
    judge = make_blind(desk.store, desk.held)
    found = {"one": [signs(*[1.0] * 5), signs(*[4.0] * 5)], "two": [signs(*[2.0] * 5)]}
    standings = judge.standings(found)
    assert (standings["one"].value, standings["two"].value) == (1.0, 0.0)
    assert standings["one"].seeds == 2


def test_signs_of_a_real_encoder_are_finite_and_those_of_a_broken_one_come_last(desk):
    trained = train(desk.job("run")).pretrained
    found = read_signs(trained, desk.store, desk.held)
    assert all(np.isfinite(getattr(found, name)) for name in SIGNS)
    assert 0 <= found.consistency <= 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blind, "embed_records", lambda *_: np.full((4, 8), np.nan, np.float32))
        broken = read_signs(trained, desk.store, desk.held)
    judge = make_blind(desk.store, desk.held)
    assert judge.standings({"well": [found], "broken": [broken]})["broken"].value == 0.0


def test_the_answer_is_stamped_and_says_when_nothing_beats_an_untrained_network(desk):
    judge = make_blind(desk.store, desk.held)
    good, poor = signs(*[2.0] * 5), signs(*[1.0] * 5)
    standings = judge.standings({"SimCLR": [good], "untrained twin": [poor]})
    decision = rank_blindly(Table(everywhere=standings, first=standings), ["SimCLR"], "untrained twin")
    assert decision.answer == "low confidence"
    assert decision.headline == "LOW CONFIDENCE: without labels, SimCLR looks best."
    standings = judge.standings({"SimCLR": [poor], "untrained twin": [good]})
    decision = rank_blindly(Table(everywhere=standings, first=standings), ["SimCLR"], "untrained twin")
    assert "no candidate looks better than an untrained network" in decision.headline


def test_too_few_records_for_clusters_are_refused(desk):
    with pytest.raises(DataError, match="4 records"):
        make_blind(desk.store, desk.held[:4])


def test_the_agreement_that_is_told_is_the_one_that_was_measured():
    with (ROOT / "benchmarks" / "results" / "race.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    mean = next(row for row in rows if row["set"] == "mean")
    told = (len(rows) - 1, *(round(float(mean[name]), 2) for name in ("spearman", "spearman_low", "spearman_high")))
    assert told == AGREEMENT
    assert f"{AGREEMENT[1]:.2f}" in told_agreement()
