"""A closer look: groups, nuisances, layers, corruptions and another place in one evaluation of a real run."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.evaluate.curves import point
from tests.journeys.photos import DATA, USAGE, Ready, call, refused, write_photos

from selftaught import evaluate
from selftaught.evaluate.closer import Closer
from selftaught.evaluate.report import EvaluateReport, pace
from selftaught.evaluate.slices import OTHERS, slice_by, slice_table
from selftaught.probes.curve import Curve, Outcome
from selftaught.reports.blocks import Table, Text

pytestmark = pytest.mark.slow
FAST = {"budgets": (5, "all"), "draws": 2, "from_scratch": ("all",), "quiet": True}


@pytest.fixture(scope="module")
def sites(ready: Ready, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of two sites, by the number of the picture."""
    place = tmp_path_factory.mktemp("sites") / "site.csv"
    names = [(name, ("north", "south")[index % 5 == 0]) for index, name in enumerate(ready.labels)]
    place.write_text("id,site\n" + "".join(f"{name},{site}\n" for name, site in names))
    return place


@pytest.fixture(scope="module")
def report(ready: Ready, sites: Path, tmp_path_factory: pytest.TempPathFactory) -> EvaluateReport:
    """One evaluation with everything."""
    place = tmp_path_factory.mktemp("closer")
    write_photos(place / "elsewhere", count=60, seed=5)
    run = shutil.copytree(ready.run, place / "run")
    found = evaluate(
        run, labels=ready.file, by=(f"{sites}:site",), corruptions=("noise", "blur"), layers=True,
        shift=place / "elsewhere", shift_labels="folder", **FAST,
    )  # fmt: skip
    assert isinstance(found, EvaluateReport)
    return found


@pytest.fixture(scope="module")
def closer(report: EvaluateReport) -> Closer:
    assert report.closer is not None
    return report.closer


def test_every_large_site_has_its_accuracy_and_the_rest_are_counted_together(
    closer: Closer, report: EvaluateReport
) -> None:
    (found,) = closer.slices
    assert found.column == "site"
    assert [each.group for each in found.groups] == ["north", OTHERS]
    assert sum(each.records for each in found.groups) == report.facts.parts[2]
    assert [worst for _, worst, _ in found.worst] == pytest.approx([value for _, value, *_ in found.groups[0].values])


def test_the_worst_group_is_the_lowest_and_the_gap_is_that_to_the_best() -> None:
    right = np.repeat([True, False], 30)[None, None]  # of 60 records the first half
    bad = replace(point("encoder", None, 0.5, None), outcome=Outcome("encoder", None, right, None, None, ()))
    good = replace(point("HOG", None, 1.0, None), outcome=Outcome("HOG", None, right | True, None, None, ()))
    drawn = Curve("encoder", (bad, good), (), (), (), 60, None, 100)
    codes = np.repeat([0, 1, 2], 20)
    found = slice_by("site", codes, ("a", "b", "c"), drawn, None, ("encoder", "HOG"), None, asked=True)
    assert found is not None
    assert [each.values[0][1] for each in found.groups] == [1.0, 0.5, 0.0]
    assert found.worst == (("encoder", 0.0, 1.0), ("HOG", 1.0, 0.0))
    table = slice_table(found)
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows] == ["c", "b", "a", "gap, best to worst"]
    same = np.zeros(60, np.int64)
    assert slice_by("site", same, ("a", "b"), drawn, None, ("encoder",), None, asked=False) is None
    alone = slice_by("site", same, ("a", "b"), drawn, None, ("encoder",), None, asked=True)
    assert alone is not None
    assert "too few" in alone.missing
    assert isinstance(slice_table(alone), Text)


def test_calibration_stands_at_two_budgets_for_everyone_with_probabilities(closer: Closer) -> None:
    assert {each.per_class for each in closer.trust} == {None}  # five labels a class are no size of interest
    names = {each.name for each in closer.trust}
    assert {"encoder", "untrained twin", "HOG and colour histogram"} <= names
    assert "majority" not in names
    assert all(0 <= each.error <= 1 and each.low <= each.brier <= each.high for each in closer.trust)


def test_clusters_are_told_for_everyone_with_features(closer: Closer) -> None:
    values = {each.name: each for each in closer.clusters}
    assert values["HOG and colour histogram"].nmi > 0.3
    assert all(-1 <= each.silhouette <= 1 for each in closer.clusters)


def test_a_site_that_pictures_do_not_show_cannot_be_read(closer: Closer) -> None:
    found = {each.name: each for each in closer.nuisances}
    assert set(found) == {"site", "brightness"}
    assert all(abs(value - found["site"].chance) < 0.2 for _, value, _, _ in found["site"].values)


def test_every_layer_is_probed_and_the_vector_itself(closer: Closer) -> None:
    layers = [each.layer for each in closer.depths]
    assert layers == [*range(1, len(layers)), 0]
    assert len(layers) > 2
    assert max(each.value for each in closer.depths) > 0.5


def test_everyone_meets_corruptions_and_the_other_place(closer: Closer) -> None:
    everyone = {
        "encoder", "untrained twin", "HOG and colour histogram", "PCA of pixels", "random-patch k-means",
        "supervised from scratch",
    }  # fmt: skip
    assert {each.contestant for each in closer.held} == everyone
    assert {each.severity for each in closer.held if each.corruption == "noise"} == {None, 1, 2, 3, 4, 5}
    assert {each.contestant for each in closer.moved} == everyone
    assert closer.place == "elsewhere"
    kept = {each.contestant: each for each in closer.moved}
    assert kept["HOG and colour histogram"].there[0] > 0.7  # the same shapes, drawn anew


def test_the_page_and_the_json_have_all_of_it(report: EvaluateReport) -> None:
    page, told = report.page.read_text(), json.loads((report.page.parent / "report.json").read_text())
    for title in ("Elsewhere: elsewhere", "Under corruptions", "By group", "What the features hold", "Confidence"):
        assert title in page
    assert told["data"]["closer"]["held"]
    assert "--by" in report.facts.command
    assert "--shift-labels folder" in report.facts.command


def test_what_cannot_be_looked_at_is_refused_before_anything_is_measured(ready: Ready, tmp_path: Path) -> None:
    run, fast = ready.run, ("--labels", ready.file, "--quiet", "--out", tmp_path / "out")
    refused(call("evaluate", run, *fast, "--by", "nothing"), DATA, "--by", "nothing")
    refused(call("evaluate", run, *fast, "--corruptions", "fog"), USAGE, "fog", "noise")
    refused(call("evaluate", run, *fast, "--shift-labels", "folder"), USAGE, "--shift")
    refused(call("evaluate", run, *fast, "--shift", ready.photos), USAGE, "--shift-labels")  # the labels are a file
    refused(call("evaluate", run, *fast, "--shift", tmp_path / "none", "--shift-labels", "folder"), DATA, "none")
    refused(call("evaluate", run, "--quiet", "--layers"), USAGE, "--layers", "class labels")
    other = write_photos(tmp_path / "animals", count=12)
    for name in {each.split("/")[0] for each in other}:
        (tmp_path / "animals" / name).rename(tmp_path / "animals" / f"other {name}")
    said = call("evaluate", run, *fast, "--shift", tmp_path / "animals", "--shift-labels", "folder")
    refused(said, DATA, "0 records of the classes", "other rows")
    assert not (tmp_path / "out").exists()


def test_groups_need_a_package_where_they_are_asked_for(
    ready: Ready, sites: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fairlearn.metrics", None)
    said = call("evaluate", ready.run, "--labels", ready.file, "--by", f"{sites}:site", "--quiet")
    refused(said, USAGE, "pip install 'selftaught[fair]'")


def test_the_pace_is_the_time_to_nine_tenths_of_the_end() -> None:
    losses = [{"step": float(step), "seconds": 6.0 * step} for step in range(1, 101)]
    watched = [{"step": step, "score": score} for step, score in ((0.0, 0.3), (20.0, 0.7), (40.0, 0.75), (100.0, 0.8))]
    assert pace(losses, watched) == [("time to 90% of the last validation kNN", "4 of 10", "min")]
    assert pace(losses, watched[:3]) == []
    assert pace(losses, [{**row, "score": 0.8} for row in watched])[0][1] == "0 of 10"
