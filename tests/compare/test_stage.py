"""A whole race on pictures of three kinds: what it answers, what it keeps, what it survives."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.compare.quick import quicken
from tests.journeys.photos import DATA, USAGE, Ready, call, refused, write_labels

from selftaught import compare
from selftaught.compare import legs
from selftaught.compare.report import CompareReport
from selftaught.core.errors import DataError, RunError, UsageError
from selftaught.recipe import Recipe, read_recipe

pytestmark = pytest.mark.slow
MINUTES = 0.06
SMALL = Recipe(minutes=MINUTES, size="xs", precision="fp32", batch=16)
FIELD = ("simclr", "vicreg", "mae")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of a second, and few probes."""
    quicken(monkeypatch)


@pytest.fixture(scope="module")
def raced(ready: Ready, tmp_path_factory: pytest.TempPathFactory) -> tuple[CompareReport, Path]:
    """One race, and its folder."""
    place = tmp_path_factory.mktemp("race")
    site = place / "site.csv"
    site.write_text("id,site\n" + "".join(f"{name},{name.split('/')[0]}\n" for name in ready.labels))
    with pytest.MonkeyPatch.context() as patch:
        quicken(patch)
        report = compare(
            ready.photos, out=place / "race", recipe=SMALL, labels=ready.file, pretexts=FIELD, stores=place / "stores",
            by=(f"{site}:site",), quiet=True,
        )  # fmt: skip
    return report, place / "race"


def test_every_candidate_and_control_has_its_line(raced: tuple[CompareReport, Path]) -> None:
    report, _ = raced
    names = {entry.name for entry in report.entries}
    assert {"SimCLR", "VICReg", "MAE", "untrained twin", "supervised from scratch", "PCA of pixels"} <= names
    finalists = [entry for entry in report.entries if entry.kind == "candidate" and entry.round == len(report.rounds)]
    assert len(finalists) == 2
    assert all(entry.seeds == 2 for entry in finalists)
    assert report.decision.winner in names
    for entry in report.entries:
        assert entry.low <= entry.value <= entry.high


def test_candidates_of_a_round_are_given_the_same_time_and_all_of_it_is_given(
    raced: tuple[CompareReport, Path],
) -> None:
    _, place = raced
    given: dict[str, set[float | None]] = {}
    total = 0.0
    for path in (place / "runs").glob("*/recipe.toml"):
        minutes = read_recipe(path).minutes
        given.setdefault(path.parent.name.split("-")[1], set()).add(minutes)
        total += minutes or 0
    assert [len(given[number]) for number in sorted(given)] == [1, 1]
    assert total == pytest.approx(MINUTES)


def test_the_recipe_is_one_that_pretrain_takes(raced: tuple[CompareReport, Path], ready: Ready, tmp_path: Path) -> None:
    report, place = raced
    recipe = read_recipe(place / "recipe.toml")
    assert type(recipe.pretext).__name__ == report.decision.taken
    assert recipe.minutes == MINUTES
    assert report.next is not None
    assert f"--recipe {place / 'recipe.toml'}" in report.next.command
    said = call("pretrain", ready.photos, "--recipe", place / "recipe.toml", "--steps", 4, "--out", tmp_path / "run",
                "--quiet")  # fmt: skip
    assert said.code == 0, said.err


def test_the_page_the_text_and_the_json_say_the_answer(raced: tuple[CompareReport, Path]) -> None:
    report, place = raced
    for name in ("report.txt", "report.html"):
        assert report.decision.headline in " ".join((place / name).read_text().split())
    assert json.loads((place / "report.json").read_text())["data"]["decision"]["winner"] == report.decision.winner
    assert f"Protocol {report.protocol}; data {report.fingerprint}" in (place / "report.html").read_text()


def test_where_a_control_is_ahead_the_report_says_whether_more_minutes_would_turn_it(
    raced: tuple[CompareReport, Path],
) -> None:
    report, place = raced
    assert report.next is not None
    lead = report.decision.lead.value
    assert report.next.missing == (None if lead >= 0 else -lead)
    told = " ".join((place / "report.txt").read_text().split())
    assert ("More minutes would hardly" in told or "would make that up" in told) == (lead < 0)
    assert ("To pretrain all the same" in told) == (report.decision.answer == "do not pretrain")


def test_the_reasons_are_what_the_features_hold_and_what_is_kept_under_corruptions(
    raced: tuple[CompareReport, Path],
) -> None:
    report, place = raced
    assert report.reasons is not None
    assert report.reasons.name == report.decision.taken
    found = {each.name: each for each in report.reasons.nuisances}
    assert set(found) == {"site", "brightness"}
    # The site goes with the class, which an untrained network tells apart: it can be read.
    assert all(value > found["site"].chance for _, value, _, _ in found["site"].values)
    assert {each.severity for each in report.reasons.held} == {0, None, 2, 4}
    everyone = {"encoder", "untrained twin", "HOG and colour histogram", "PCA of pixels", "random-patch k-means"}
    assert {each.contestant for each in report.reasons.held} == everyone
    page = (place / "report.html").read_text()
    assert "Share of accuracy kept" in page
    assert "What else the features hold" in page


def test_the_same_command_again_trains_nothing_and_says_the_same(
    raced: tuple[CompareReport, Path], ready: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, place = raced
    monkeypatch.setattr(legs, "train", lambda job: pytest.fail("trained again"))
    again = compare(
        ready.photos, out=place, recipe=SMALL, labels=ready.file, pretexts=FIELD, stores=place.parent / "stores",
        quiet=True,
    )  # fmt: skip
    assert again.decision == report.decision
    assert again.entries == report.entries


def test_a_candidate_that_crashes_is_a_result_and_not_an_end(
    ready: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = legs.train

    def failing(job):
        if type(job.recipe.pretext).__name__ == "MAE":
            raise RuntimeError("the decoder has no head")
        return train(job)

    monkeypatch.setattr(legs, "train", failing)
    report = compare(ready.photos, out=tmp_path / "race", recipe=SMALL, labels=ready.file, pretexts=("mae", "vicreg"),
                     quiet=True)  # fmt: skip
    entry = next(each for each in report.entries if each.name == "MAE")
    assert entry.health == "failed"
    assert entry.trouble == "RuntimeError: the decoder has no head"
    assert report.decision.candidate == "VICReg"


def test_where_all_candidates_crash_the_classical_controls_are_the_answer(
    ready: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(job):
        raise MemoryError

    monkeypatch.setattr(legs, "train", failing)
    report = compare(ready.photos, out=tmp_path / "race", recipe=SMALL, labels=ready.file, pretexts=("simclr",),
                     quiet=True)  # fmt: skip
    assert report.decision.answer == "do not pretrain"
    assert "out of memory" in report.entries[-1].trouble
    assert report.tested is None
    assert "No candidate could be trained" in report.text()


def test_without_labels_the_answer_is_of_low_confidence_and_no_control_with_labels_stands_beside_it(
    ready: Ready, tmp_path: Path
) -> None:
    report = compare(ready.photos, out=tmp_path / "race", recipe=SMALL, pretexts=("simclr", "mae"), quiet=True)
    assert report.decision.answer == "low confidence"
    assert {entry.name for entry in report.entries} == {"SimCLR", "MAE", "untrained twin"}
    assert report.tested is None
    assert report.next is not None
    assert report.next.expected is None
    text = (tmp_path / "race" / "report.txt").read_text()
    assert "LOW CONFIDENCE" in text
    assert "consistency" in text
    assert "nan" not in text.lower().split()


def test_pretext_auto_races_and_then_trains_the_best(ready: Ready, tmp_path: Path) -> None:
    options = ("--minutes", MINUTES, "--size", "xs", "--precision", "fp32", "--batch", 16, "--encoder", "convnet")
    said = call("pretrain", ready.photos, "--out", tmp_path / "run", "--labels", ready.file, "--pretext", "auto",
                *options)  # fmt: skip
    assert said.code == 0, said.err
    raced = json.loads((tmp_path / "run-race" / "report.json").read_text())["data"]["decision"]
    assert raced["headline"] in said.err
    recipe = read_recipe(tmp_path / "run" / "recipe.toml")
    assert type(recipe.pretext).__name__ == raced["taken"]
    assert recipe.minutes == MINUTES
    assert (tmp_path / "run" / "manifest.json").exists()


def test_every_candidate_is_trained_with_its_own_size_and_strength(
    ready: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()

    def failing(job):
        seen.add((job.recipe.size, job.modality.strength, job.recipe.modality.strength))
        raise MemoryError

    monkeypatch.setattr(legs, "train", failing)
    compare(ready.photos, out=tmp_path / "race", recipe=SMALL, labels=ready.file, pretexts=("simclr",),
            sizes=("xs", "s"), strengths=(0.5,), quiet=True)  # fmt: skip
    assert seen == {("xs", 0.5, 0.5), ("s", 0.5, 0.5)}


def test_another_race_in_the_folder_is_refused(raced: tuple[CompareReport, Path], ready: Ready) -> None:
    _, place = raced
    with pytest.raises(RunError, match="another race"):
        compare(ready.photos, out=place, recipe=SMALL, labels=ready.file, pretexts=("mae",),
                stores=place.parent / "stores", quiet=True)  # fmt: skip


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--pretext", "simclr"], USAGE, ["--pretexts"]),
        (["--steps", "5"], USAGE, ["--minutes"]),
        (["--pretexts", "simclear"], USAGE, ["simclear"]),
        (["--strengths", "much"], USAGE, ["much"]),
        (["--sizes", "huge"], USAGE, ["huge"]),
        (["--from", "nowhere"], DATA, ["nowhere"]),
        (["--labels", "nowhere.csv"], DATA, ["nowhere.csv"]),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_trained(
    ready: Ready, tmp_path: Path, options: list[str], code: int, words: list[str]
) -> None:
    labels = [] if "--labels" in options else ["--labels", str(ready.file)]
    said = call("compare", ready.photos, "--out", tmp_path / "race", "--quiet", *labels, *options)
    refused(said, code, *words)
    assert not (tmp_path / "race").exists()


def test_several_labels_a_record_are_refused(ready: Ready, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="these are tags"):
        compare(ready.photos, out=tmp_path / "race", recipe=SMALL, labels=[[name] for name in ready.labels.values()],
                stores=tmp_path / "stores", quiet=True)  # fmt: skip
    assert not (tmp_path / "race").exists()


def test_a_folder_with_other_files_is_refused(ready: Ready, tmp_path: Path) -> None:
    (tmp_path / "race").mkdir()
    (tmp_path / "race" / "holiday.txt").write_text("sun")
    with pytest.raises(RunError, match="not empty"):
        compare(ready.photos, out=tmp_path / "race", recipe=SMALL, labels=ready.file, quiet=True)


def test_labels_that_say_nothing_are_no_reason_to_pretrain(ready: Ready, tmp_path: Path) -> None:
    shuffled = np.random.default_rng(0).permutation(list(ready.labels.values()))
    file = write_labels(tmp_path / "labels.csv", dict(zip(ready.labels, shuffled.tolist(), strict=True)))
    photos = shutil.copytree(ready.photos, tmp_path / "photos")
    report = compare(photos, out=tmp_path / "race", recipe=SMALL, labels=file, pretexts=("simclr",), quiet=True)
    assert report.decision.answer != "pretrain"


def test_a_negative_budget_is_refused(ready: Ready, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="above 0"):
        compare(ready.photos, out=tmp_path / "race", recipe=Recipe(minutes=-1.0), labels=ready.file)
