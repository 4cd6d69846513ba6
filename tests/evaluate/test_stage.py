"""The evaluation of a real run: what it measures, what it keeps, what it never touches."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.journeys.photos import QUICK, Ready, call, pictures, write_labels

from selftaught import evaluate, pretrain
from selftaught.core.errors import DataError, UsageError
from selftaught.engine.job import Job, Trained
from selftaught.engine.prepare import DataOptions
from selftaught.evaluate.report import EvaluateReport, label_free_rows
from selftaught.evaluate.subject import open_subject
from selftaught.probes.budgets import nested_budgets
from selftaught.recipe import Recipe
from selftaught.trials import supervised
from selftaught.trials.controls import majority
from selftaught.trials.parts import labelled_parts
from selftaught.trials.scores import Score

pytestmark = pytest.mark.slow
FAST = {"budgets": (1, 5, "all"), "draws": 2, "from_scratch": ("none",), "quiet": True}


@pytest.fixture
def run(ready: Ready, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ready.run, tmp_path / "run"))


@pytest.fixture(scope="module")
def report(ready: Ready, tmp_path_factory: pytest.TempPathFactory) -> EvaluateReport:
    """One evaluation with class labels."""
    run = shutil.copytree(ready.run, tmp_path_factory.mktemp("module") / "run")
    return evaluate(run, labels=ready.file, **FAST)


def scores_of(report: EvaluateReport, name: str) -> dict[int | None, Score]:
    return {score.per_class: score for score in report.scores if score.name == name}


def test_every_contestant_stands_at_every_budget_with_an_interval(report: EvaluateReport) -> None:
    names = {score.name for score in report.scores}
    assert names == {
        "encoder", "untrained twin", "HOG and colour histogram", "PCA of pixels", "random-patch k-means", "majority"
    }  # fmt: skip
    for name in names:
        assert set(scores_of(report, name)) == {1, 5, None}
    assert all(score.low <= score.value <= score.high for score in report.scores)


def test_majority_is_chance_on_balanced_classes(report: EvaluateReport) -> None:
    for score in scores_of(report, "majority").values():
        assert abs(score.value - 1 / 3) < 0.15


def test_the_best_control_is_known_without_the_test_part(run: Path, ready: Ready, report: EvaluateReport) -> None:
    subject = open_subject([run], None, DataOptions(labels=ready.file), None, True)
    asked = labelled_parts(subject.prepared, subject.splits).test
    # Whatever the test labels are, the choice stays.
    rng = np.random.default_rng(0)
    ids = [subject.store.ids[index] for index in asked]
    mixed = dict(ready.labels) | dict(zip(ids, rng.permutation([ready.labels[each] for each in ids]), strict=True))
    other = evaluate(run, labels=write_labels(run / "mixed.csv", mixed), **FAST)
    assert other.best == report.best
    assert other.scores != report.scores


def test_labels_that_were_shuffled_make_no_case_for_pretraining(run: Path, ready: Ready) -> None:
    names = list(ready.labels)
    shuffled = dict(zip(names, np.random.default_rng(3).permutation(list(ready.labels.values())), strict=True))
    found = evaluate(run, labels=write_labels(run / "shuffled.csv", shuffled), **FAST)
    assert found.decision is not None
    assert not found.decision.answer.startswith("pretrain")


def test_a_report_renders_to_text_html_and_json_with_every_score(report: EvaluateReport) -> None:
    content = json.loads(report.page.with_suffix(".json").read_text())
    assert len(content["data"]["scores"]) == len(report.scores)
    assert content["data"]["protocol"].startswith("selftaught-")
    text, page = report.page.with_suffix(".txt").read_text(), report.page.read_text()
    assert report.decision is not None
    assert report.decision.headline in " ".join(text.split())
    assert re.search("data:image/(png|jpeg|webp)", page)
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_without_samples_no_picture_and_no_name_of_a_record_is_in_the_report(run: Path, ready: Ready) -> None:
    found = evaluate(run, labels=ready.file, no_samples=True, **FAST)
    for suffix in (".html", ".json", ".txt"):
        content = found.page.with_suffix(suffix).read_text()
        assert not re.search("data:image/(png|jpeg|webp|gif)", content)
        assert ".png" not in content


def test_names_of_broken_records_are_withheld_with_the_samples(ready: Ready, tmp_path: Path) -> None:
    photos = Path(shutil.copytree(ready.photos, tmp_path / "photos"))
    (photos / "secret.jpg").write_text("hello")
    pretrain(photos, out=tmp_path / "run", recipe=Recipe(steps=4, batch=16, size="xs"), quiet=True)
    for withheld in (True, False):
        found = evaluate(tmp_path / "run", labels=ready.file, no_samples=withheld, **FAST)
        assert any(finding.code == "set-aside" for finding in found.facts.findings)
        for suffix in (".html", ".json", ".txt"):
            assert ("secret" in found.page.with_suffix(suffix).read_text()) != withheld, suffix


def test_the_nearest_neighbours_of_every_feature_set_are_asked(report: EvaluateReport) -> None:
    found = {each.name: each for each in report.nearest}
    assert found.keys() == {
        "encoder",
        "untrained twin",
        "HOG and colour histogram",
        "PCA of pixels",
        "random-patch k-means",
    }
    assert all(each.low <= each.value <= each.high for each in found.values())
    assert found["HOG and colour histogram"].value > 0.5


def test_label_free_metrics_that_are_not_finite_are_left_out_of_the_correlation() -> None:
    looks = [{"rank": float(look), "alpha": np.inf, "score": look / 10} for look in range(6)]
    rows = {name: (last, cell) for name, last, cell in label_free_rows(looks)}
    assert rows["rank"][1] is not None
    assert rows["rank"][1].value == pytest.approx(1.0)
    assert rows["alpha"][1] is None
    assert all(cell is None for _, _, cell in label_free_rows([{"rank": 1.0}]))


def test_a_file_that_took_the_place_of_another_is_noticed(ready: Ready, tmp_path: Path) -> None:
    photos = Path(shutil.copytree(ready.photos, tmp_path / "photos"))
    pretrain(photos, out=tmp_path / "run", recipe=Recipe(steps=4, batch=16, size="xs"), quiet=True)
    victim = sorted(photos.rglob("*.png"))[0]
    victim.rename(victim.with_name("zzz.png"))
    with pytest.raises(DataError, match="has changed since the run was trained"):
        evaluate(tmp_path / "run", labels="folder", **FAST)


def test_the_repeat_command_says_every_option_that_was_changed(report: EvaluateReport, ready: Ready) -> None:
    command = report.facts.command
    assert command.endswith(f"--labels {ready.file} --budgets 1,5,all --draws 2 --from-scratch none")
    assert "--recipe" in report.facts.pretrain_command


def test_a_supervised_control_that_diverges_is_trained_again_at_a_third_of_the_rate(
    run: Path, ready: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = []

    def failing(job: Job, train: Callable[[Job], Trained] = supervised.train) -> Trained:
        rates.append(job.recipe.optimiser.matrix_lr)
        trained = train(job)
        state = "diverging" if len(rates) < 3 else "healthy"
        return replace(trained, health=replace(trained.health, state=state))

    monkeypatch.setattr(supervised, "train", failing)
    evaluate(run, labels=ready.file, **{**FAST, "from_scratch": (5,)})
    assert rates == pytest.approx([rates[0], rates[0] / 3, rates[0] / 9])


def test_the_supervised_control_is_trained_once_and_kept(
    run: Path, ready: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []

    def counted(job: object, train: object = supervised.train) -> object:
        trained.append(job)
        return train(job)  # type: ignore[operator]

    monkeypatch.setattr(supervised, "train", counted)
    options = {**FAST, "from_scratch": (5,)}
    first = evaluate(run, labels=ready.file, **options)
    again = evaluate(run, labels=ready.file, **options)
    assert len(trained) == 1
    assert scores_of(first, "supervised from scratch") == scores_of(again, "supervised from scratch")
    evaluate(run, labels="folder", **{**options, "draws": 3})
    assert len(trained) == 1, "the same labels from another place are the same labels"
    other = {name: {"rows": "disc", "disc": "rows"}.get(label, label) for name, label in ready.labels.items()}
    evaluate(run, labels=write_labels(run / "other.csv", other), **options)
    assert len(trained) == 2, "other labels are another control"


def test_records_without_a_label_are_left_out_of_every_part(run: Path, ready: Ready) -> None:
    some = {name: label for index, (name, label) in enumerate(ready.labels.items()) if index % 10}
    subject = open_subject([run], None, DataOptions(labels=write_labels(run / "some.csv", some)), None, True)
    parts = labelled_parts(subject.prepared, subject.splits)
    used = {subject.store.ids[index] for part in (parts.train, parts.validation, parts.test) for index in part}
    assert used == set(some)


def test_a_class_of_one_record_is_left_out_of_every_part(run: Path, ready: Ready) -> None:
    rare = dict(ready.labels) | {next(iter(ready.labels)): "rare"}
    subject = open_subject([run], None, DataOptions(labels=write_labels(run / "rare.csv", rare)), None, True)
    parts = labelled_parts(subject.prepared, subject.splits)
    assert len(parts.train) + len(parts.validation) + len(parts.test) == len(rare) - 1
    budgets = nested_budgets(parts.labels[0], (1, 20, None), 2)
    assert budgets.not_applicable == ()
    assert set(majority(parts, budgets).correct) == {1, 20, None}


def test_numbers_as_labels_are_measured_by_ridge_beside_the_same_controls(run: Path, ready: Ready) -> None:
    values = [(name, f"{['rows', 'columns', 'disc'].index(label) + i / 1000:.4f}")
              for i, (name, label) in enumerate(ready.labels.items())]  # fmt: skip
    found = evaluate(run, labels=write_labels(run / "numbers.csv", values), **FAST)
    assert found.metric == "R2"
    assert found.protocol == "selftaught-ridge-1"
    assert {"encoder", "untrained twin", "PCA of pixels"} <= {score.name for score in found.scores}
    assert len(found.best) == 1
    assert "R2 with all labels" in found.text()
    assert "Rank correlation" in found.text()
    assert found.more[0].title in found.html()
    ranks = {row[0]: row[1] for row in found.more[0].rows}
    assert ranks.keys() == {score.name for score in found.scores}
    assert ranks["PCA of pixels"].low <= ranks["PCA of pixels"].value <= ranks["PCA of pixels"].high


def test_the_task_says_what_whole_numbers_are(run: Path, ready: Ready) -> None:
    values = [(name, index % 60) for index, name in enumerate(ready.labels)]
    labels = write_labels(run / "numbers.csv", values)
    assert evaluate(run, labels=labels, **FAST).metric == "R2"
    assert evaluate(run, labels=labels, task="classes", **FAST | {"budgets": ("all",)}).metric == "accuracy"


def test_a_split_is_refused_where_the_run_has_its_own_parts(run: Path, ready: Ready) -> None:
    with pytest.raises(UsageError, match="--split to pretrain, or --data"):
        evaluate(run, labels=ready.file, split="folder", **FAST)


def test_groups_that_the_run_has_torn_are_refused(run: Path, ready: Ready) -> None:
    groups = write_labels(run / "groups.csv", [(name, "one") for name in ready.labels])
    groups.write_text(groups.read_text().replace("id,label", "id,group"))
    with pytest.raises(DataError, match=r"1 groups lie in the training part and in the test part.*--group"):
        evaluate(run, labels=ready.file, group=groups, **FAST)


def test_without_labels_the_report_says_that_nothing_was_measured(run: Path) -> None:
    found = evaluate(run, quiet=True)
    assert found.metric == "none"
    assert "Not measured" in found.text()
    assert found.page.exists()


def test_runs_of_several_seeds_are_averaged(ready: Ready, tmp_path: Path) -> None:
    for seed in (1, 2):
        said = call("pretrain", ready.photos, "--out", tmp_path / f"run{seed}", "--seed", seed, *QUICK,
                    "--stores", ready.run.parent / "stores")  # fmt: skip
        assert said.code == 0, said.err
    shutil.copytree(ready.run, tmp_path / "run0")
    found = evaluate(*(tmp_path / f"run{seed}" for seed in range(3)), labels=ready.file, **FAST)
    assert {score.seeds for score in found.scores if score.name == "encoder"} == {3}
    assert found.decision is not None
    assert "Underpowered" not in " ".join(found.decision.sentences)


def test_records_of_one_group_are_resampled_together(ready: Ready, tmp_path: Path) -> None:
    groups = write_labels(tmp_path / "groups.csv", [(name, i // 3) for i, name in enumerate(ready.labels)])
    groups.write_text(groups.read_text().replace("id,label", "id,group"))
    pretrain(ready.photos, out=tmp_path / "run", recipe=Recipe(steps=4, batch=16, size="xs"), group=groups, quiet=True)
    subject = open_subject([tmp_path / "run"], None, DataOptions(labels=ready.file), None, True)
    assert subject.labelling.groups is not None
    parts = [set(subject.labelling.groups[part]) for part in (subject.splits.train, subject.splits.test)]
    assert not parts[0] & parts[1], "a group is torn between the parts"
    found = evaluate(tmp_path / "run", labels=ready.file, **FAST)
    assert found.scores


def test_other_data_gets_splits_of_its_own(run: Path, tmp_path: Path) -> None:
    values, kinds = pictures(150, seed=5)
    found = evaluate(run, data=values, labels=[str(kind) for kind in kinds], **FAST)
    assert found.facts.parts[0] + found.facts.parts[1] + found.facts.parts[2] == 150
    assert scores_of(found, "encoder")[None].value > 0.5
