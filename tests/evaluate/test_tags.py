"""Several labels a record: what is readable is read, noise stays at chance, what cannot be measured is named."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.journeys.photos import DATA, Ready, call, pictures, refused, write_labels

from selftaught import evaluate, pretrain
from selftaught.core.errors import DataError, UsageError
from selftaught.evaluate.tags import choose_best, macro_mean, measurable, precisions, probe_tags, tag_table
from selftaught.pretexts.supervised import Supervised
from selftaught.probes.statistics import resample
from selftaught.recipe import Recipe


def sample(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 12) in which the first two of three tags can be read; the third is noise."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 12)).astype(np.float32)
    odds = np.stack([3 * features[:, 0] - 2, 3 * features[:, 1] + 2 * features[:, 2], rng.normal(size=n)], 1)
    return features, odds + rng.logistic(size=(n, 3)) > 0.5


def test_two_tags_are_read_far_above_chance_and_noise_is_not() -> None:
    (train, known), (test, asked) = sample(400, 0), sample(300, 1)
    noise = np.random.default_rng(2).normal(size=(2, 300, 12)).astype(np.float32)
    sets = [(train, test), (train + 0.1, test + 0.1)]
    own, other = probe_tags(sets, known, None), probe_tags([(noise[0], noise[1])], known[:300], None)
    weights = np.concatenate([np.ones((1, 300)), resample(None, 300, 200, np.random.default_rng(0))])
    found, chance = precisions(own.scores, asked, weights), asked.mean(0)
    lost = precisions(other.scores, asked, weights)
    assert own.scores.shape == (2, 300, 3)
    assert (found[0, :2] > chance[:2] + 0.3).all()
    assert (np.quantile(found[1:, :2], 0.025, axis=0) > chance[:2] + 0.2).all()
    assert np.abs(found[0, 2] - chance[2]) < 0.12
    assert np.abs(lost[0] - chance).max() < 0.12
    assert own.inner == pytest.approx(macro_mean(found)[0], abs=0.06)
    assert choose_best({"noise": other.inner, "read": own.inner}) == "read"


def test_a_rare_tag_is_probed_at_the_fixed_strength_and_groups_are_held_out_whole() -> None:
    train, _ = sample(60, 0)
    rare = np.zeros((60, 1), bool)
    rare[[3, 40]] = True
    train[rare[:, 0], 0] = 8
    found = probe_tags([(train, train)], rare, None)
    assert precisions(found.scores, rare, np.ones((1, 60)))[0, 0] == 1
    # Every record stands thrice: only whole groups held out tell that nothing can be read.
    rng = np.random.default_rng(0)
    thrice, noise = np.repeat(np.arange(40), 3), rng.random(40) < 0.5
    features = np.repeat(rng.normal(size=(40, 80)), 3, axis=0).astype(np.float32)
    alone = probe_tags([(features, features)], noise[thrice][:, None], None)
    apart = probe_tags([(features, features)], noise[thrice][:, None], thrice)
    assert alone.inner > 0.95
    assert apart.inner < 0.75


def test_a_tag_in_one_group_alone_cannot_be_held_out() -> None:
    train, _ = sample(40, 0)
    known = (np.arange(40) < 10)[:, None]
    assert np.isnan(probe_tags([(train, train)], known, np.arange(40) // 10).inner)
    with pytest.raises(DataError, match="No tag can be held out"):
        choose_best({"untrained twin": float("nan")})


def test_only_tags_with_records_on_both_sides_are_measurable() -> None:
    train, test = np.zeros((20, 5), bool), np.zeros((20, 5), bool)
    train[:3, :3] = test[:1, 1:] = True
    train[:1, 3], train[:19, 4] = True, True
    assert measurable(train, test).tolist() == [False, True, True, False, False]
    with pytest.raises(DataError, match="No tag can be measured"):
        measurable(train, np.zeros((20, 5), bool))
    with pytest.raises(DataError, match="9 labelled records; 10 are needed"):
        measurable(train, test[:9])


def test_a_resample_without_a_tag_leaves_it_out_of_its_mean() -> None:
    np.testing.assert_allclose(macro_mean(np.array([[0.2, 0.6], [np.nan, 0.6]])), [0.4, 0.6])


def test_the_table_holds_the_twenty_most_frequent_tags() -> None:
    names, counts = [f"tag{index}" for index in range(25)], np.arange(25)
    table = tag_table(names, counts, {"encoder": np.full((3, 25), 0.5), "share of the tag": np.full((3, 25), 0.1)})
    assert [row[0] for row in table.rows] == names[:4:-1]
    assert "20 most frequent of 25" in table.caption


def tagged(ready: Ready) -> dict[str, str]:
    """Two tags that pictures show, one of noise, one on a single record; every tenth record has no label."""
    rng = np.random.default_rng(0)
    cells = {}
    for index, (name, kind) in enumerate(ready.labels.items()):
        held = ["lines"] * (kind != "disc") + ["upright"] * (kind == "columns") + ["noise"] * (rng.random() < 0.5)
        cells[name] = "|".join(held + ["lonely"] * (index == 1))
    return {name: cell for index, (name, cell) in enumerate(cells.items()) if index % 10}


@pytest.mark.slow
def test_tags_of_a_file_are_measured_beside_the_controls_and_in_the_report(ready: Ready, tmp_path: Path) -> None:
    run = shutil.copytree(ready.run, tmp_path / "run")
    labels = write_labels(tmp_path / "tags.csv", tagged(ready))
    said = call("evaluate", run, "--labels", labels, "--task", "tags", "--quiet", "--json")
    assert said.code == 0, said.err
    data = json.loads(said.out)["data"]
    assert (data["metric"], data["protocol"]) == ("mAP", "selftaught-tags-1")
    scores = {each["name"]: each for each in data["scores"]}
    controls = {"untrained twin", "HOG and colour histogram", "PCA of pixels", "random-patch k-means"}
    assert scores.keys() == {"encoder", "share of the tag", *controls}
    labelled = len(tagged(ready))
    assert labelled == 135
    assert all(0.7 * labelled < each["labels"] < 0.9 * labelled for each in scores.values()), (
        "unlabelled rows are left out"
    )
    assert data["best"][0][1] in controls
    best = scores[data["best"][0][1]]
    assert best["value"] > scores["share of the tag"]["value"] + 0.15
    assert all(each["low"] <= each["value"] <= each["high"] for each in scores.values())
    text = (run / "reports" / "report.txt").read_text()
    assert "Average precision by tag" in text
    sentences = " ".join(data["decision"]["sentences"])
    assert "mAP with all labels" in sentences
    assert "Left out: 'lonely'" in sentences
    assert "one label a record: supervised from scratch." in sentences
    rows = {row[0]: row for row in data["more"][0]["rows"]}
    assert rows.keys() == {"lines", "upright", "noise"}


@pytest.mark.slow
def test_lists_are_tags_of_other_data_and_the_run_may_know_the_same_labels_as_classes(tmp_path: Path) -> None:
    values, kinds = pictures(120)
    lists = [["lines"] * (kind < 2) + ["upright"] * (kind == 1) for kind in kinds.tolist()]
    table = write_labels(tmp_path / "labels.csv", [(index, "|".join(own)) for index, own in enumerate(lists)])
    np.save(tmp_path / "data.npy", values)
    pretrain(tmp_path / "data.npy", out=tmp_path / "run", labels=table, recipe=Recipe(steps=4, batch=16, size="xs"),
             quiet=True)  # fmt: skip
    known = evaluate(tmp_path / "run", task="tags", quiet=True)
    assert known.metric == "mAP"
    found = evaluate(tmp_path / "run", data=values, labels=lists, quiet=True)
    assert found.metric == "mAP"
    assert found.facts.parts[2] == 12
    numbers = write_labels(tmp_path / "numbers.csv", [(index, index / 7) for index in range(120)])
    said = call("evaluate", tmp_path / "run", "--labels", numbers, "--task", "tags", "--quiet")
    refused(said, DATA, "said to be tags, and they are numbers")
    with pytest.raises(UsageError, match="one class or number a record"):
        pretrain(
            values, out=tmp_path / "trained", labels=lists, recipe=Recipe(pretext=Supervised(), steps=2), quiet=True
        )
