"""Runs of several recipes in one paired table, and an earlier evaluation as a baseline."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.journeys.photos import QUICK, Ready, call, write_labels

from selftaught import evaluate
from selftaught.core.errors import RunError, UsageError
from selftaught.evaluate.report import EvaluateReport
from selftaught.evaluate.several import Pair, SeveralReport, group_runs

FAST = {"budgets": (5, "all"), "draws": 2, "from_scratch": ("none",), "quiet": True}


def make_report(few: tuple[str, ...], corrected: float) -> SeveralReport:
    pair = Pair(first="A", second="B", per_class=None, value=0.1, low=0.05, high=0.15, chance=0.01, corrected=corrected)
    return SeveralReport(
        page=Path("report.html"), names=("A", "B"), size=None, scores=(), best=(), pairs=(pair,), few=few, only=None,
        runs=(), not_applicable=(), protocol="p", fingerprint="f", parts=(1, 1, 1), command="", seconds=1.0,
    )  # fmt: skip


def test_a_control_that_no_encoder_beats_is_named() -> None:
    report = make_report((), 0.02)
    control = replace(report.pairs[0], second="HOG", value=0.01, corrected=0.6)
    told = replace(report, pairs=(*report.pairs, control)).verdict()
    assert told.headline.endswith("No encoder is shown to beat HOG.")
    assert told.tone == "neutral"


def test_a_difference_is_told_where_it_is_sure_and_seeds_are_enough() -> None:
    assert make_report((), 0.02).verdict().headline == "A is better than every other encoder at all labels."
    assert make_report((), 0.2).verdict().headline == "No clear winner at all labels: A is not told from B."
    assert make_report(("B",), 0.001).verdict().headline == "Underpowered: B has too few seeds."


@pytest.fixture(scope="module")
def runs(ready: Ready, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Two seeds of one recipe, and one run of another pretext."""
    place = tmp_path_factory.mktemp("several")
    first = Path(shutil.copytree(ready.run, place / "first"))
    for name, more in (("second", ("--seed", "1")), ("other", ("--pretext", "vicreg"))):
        said = call("pretrain", ready.photos, "--out", place / name, "--stores", first.parent / "stores", *QUICK, *more)
        assert said.code == 0, said.err
    return first, place / "second", place / "other"


@pytest.mark.slow
def test_runs_that_differ_in_their_seed_alone_belong_together(runs: tuple[Path, Path, Path]) -> None:
    first, second, other = runs
    assert group_runs([first, other, second]) == [[first, second], [other]]


@pytest.mark.slow
def test_a_run_that_is_given_twice_is_no_second_seed(runs: tuple[Path, Path, Path]) -> None:
    with pytest.raises(UsageError, match="says nothing more"):
        group_runs([runs[0], runs[2], runs[0]])


@pytest.mark.slow
def test_two_recipes_are_one_paired_table(ready: Ready, runs: tuple[Path, Path, Path], tmp_path: Path) -> None:
    report = evaluate(*runs, labels=ready.file, out=tmp_path, **FAST)
    assert isinstance(report, SeveralReport)
    assert set(report.names) == {"SimCLR", "VICReg"}
    assert {each.name for each in report.scores} > {"SimCLR", "VICReg", "untrained twin", "PCA of pixels", "majority"}
    assert len(report.pairs) == 3  # of each other, and each beside the best control
    assert {report.pairs[0].first, report.pairs[0].second} == {"SimCLR", "VICReg"}
    assert {pair.second for pair in report.pairs[1:]} == {dict(report.best)[None]}
    at = {each.name: each.value for each in report.scores if each.per_class is None}
    for pair in report.pairs:
        assert pair.value == pytest.approx(at[pair.first] - at[pair.second])
        assert pair.low <= pair.value <= pair.high
        assert pair.corrected >= pair.chance
    assert report.few == ("SimCLR", "VICReg")
    assert report.only is not None
    page = (tmp_path / "report.html").read_text()
    assert "Underpowered" in page
    assert "selftaught-logistic-2" in page
    assert json.loads((tmp_path / "report.json").read_text())["data"]["fingerprint"] == report.fingerprint


@pytest.mark.slow
def test_runs_on_other_parts_of_the_data_are_not_compared(
    ready: Ready, runs: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    parts = [(name, ("train", "test", "validation")[index % 3]) for index, name in enumerate(ready.labels)]
    split = tmp_path / "split.csv"
    split.write_text("id,split\n" + "".join(f"{name},{part}\n" for name, part in parts))
    said = call("pretrain", ready.photos, "--out", tmp_path / "cut", "--split", split, "--pretext", "vicreg", *QUICK)
    assert said.code == 0, said.err
    with pytest.raises(UsageError, match="other parts of the data"):
        evaluate(runs[0], tmp_path / "cut", labels=ready.file, **FAST)


@pytest.mark.slow
def test_an_earlier_report_is_a_contestant_and_one_of_other_conditions_is_refused(
    ready: Ready, runs: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    first, _, other = runs
    evaluate(first, labels=ready.file, out=tmp_path / "old", **FAST)
    same = evaluate(first, labels=ready.file, out=tmp_path / "same", baseline=tmp_path / "old", **FAST)
    assert isinstance(same, EvaluateReport)
    mine = {each.per_class: each for each in same.scores if each.name == "baseline, SimCLR"}
    assert set(mine) == {5, None}
    assert all(each.lead == each.lead_low == each.lead_high == 0 for each in mine.values())
    assert any("not told from the baseline, SimCLR: +0.0 points" in each for each in same.verdict().sentences)
    changed = evaluate(other, labels=ready.file, out=tmp_path / "new", baseline=tmp_path / "old", **FAST)
    assert any("baseline, SimCLR" in each for each in changed.verdict().sentences)
    with pytest.raises(RunError, match="labelled records that its probes learned from"):
        evaluate(first, labels=ready.file, baseline=tmp_path / "old", **{**FAST, "draws": 3})
    shuffled = dict(zip(ready.labels, np.random.default_rng(0).permutation(list(ready.labels.values())), strict=True))
    with pytest.raises(RunError, match="test records or their labels"):
        evaluate(first, labels=write_labels(tmp_path / "s.csv", shuffled), baseline=tmp_path / "old", **FAST)
    told = tmp_path / "old" / "outcomes.json"
    told.write_text(told.read_text().replace("selftaught-logistic-2", "selftaught-logistic-1"))
    with pytest.raises(RunError, match="selftaught-logistic-1, now selftaught-logistic-2"):
        evaluate(first, labels=ready.file, baseline=tmp_path / "old", **FAST)
