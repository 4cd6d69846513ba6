"""Labels that are numbers: R2 by ridge regression, the right winner, and none where the numbers say nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.compare.quick import quicken
from tests.engine.making import MODALITY, TRUNK, draw

from selftaught import compare
from selftaught.compare.answer import Decision, Table, decide
from selftaught.compare.judge import Reading
from selftaught.compare.numbers import FEWEST, NumberJudge, make_number_judge
from selftaught.core.errors import DataError
from selftaught.engine.prepare import DataOptions, prepare
from selftaught.probes.ridge import fit_ridge, predict_ridge
from selftaught.recipe import Recipe
from selftaught.trials.parts import Parts, labelled_parts
from selftaught.trials.scores import SCRATCH
from selftaught.trials.training import cut

COUNT = 240


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """240 pictures in 60 groups of four, each with a number, and the numbers of a group alike."""
    rng = np.random.default_rng(0)
    groups = np.arange(COUNT) // 4
    values = 100 + 20 * (rng.normal(size=60)[groups] + 0.3 * rng.normal(size=COUNT))
    options = DataOptions(labels=values.tolist(), group=groups.astype(str))
    prepared = prepare(draw(COUNT)[0], MODALITY, tmp_path_factory.mktemp("stores"), options, quiet=True)
    return labelled_parts(prepared, cut(prepared))


def with_values(parts: Parts, values: np.ndarray, train: int | None = None) -> Parts:
    return replace(parts, values=values, groups=None, train=parts.train[:train])


def seen(judge: NumberJudge, name: str, signal: float, seeds: tuple[int, ...] = (1, 2)) -> list[Reading]:
    """What probes make of twelve columns of which one follows the numbers as well as `signal` says."""
    latent = (judge.values - judge.values.mean()) / judge.values.std()
    vectors = []
    for seed in seeds:
        columns = np.random.default_rng((sum(map(ord, name)), seed)).normal(size=(len(judge.rows), 12))
        columns[:, 0] += signal * latent
        vectors.append(columns.astype(np.float32))
    return judge.features(name, vectors)


def answered(judge: NumberJudge, found: dict[str, list[Reading]]) -> Decision:
    """The answer where the last contestant is the control."""
    standings = judge.standings(found)
    table = Table(everywhere=standings, first=judge.standings(found, folds=1), metric=judge.metric)
    *candidates, control = found
    return decide(table, candidates, [control], len(judge.rows))


def test_folds_hold_groups_together_and_every_budget_is_so_many_labels_in_all(parts: Parts) -> None:
    judge = make_number_judge(parts)
    assert parts.groups is not None
    assert sorted(judge.rows.tolist()) == sorted(parts.train.tolist())
    assert judge.sizes == (20, 100, None)
    for fold, budgets in zip(judge.parts, judge.budgets, strict=True):
        assert not set(parts.groups[fold.train]) & set(parts.groups[fold.test])
        for draw_of_20, draw_of_100 in zip(budgets.at(20), budgets.at(100), strict=True):
            assert (len(draw_of_20.rows), len(draw_of_100.rows)) == (20, 100)
            assert set(draw_of_20.rows) < set(draw_of_100.rows)
            assert len(np.unique(parts.groups[fold.train][draw_of_20.rows])) == 20
    assert make_number_judge(with_values(parts, np.asarray(parts.values), 60)).sizes == (20, None)


def test_r2_is_one_minus_squared_error_by_deviation_over_all_judged_records(parts: Parts) -> None:
    judge = make_number_judge(parts)
    columns = np.random.default_rng(0).normal(size=(COUNT, 3)) + 0.02 * np.asarray(parts.values)[:, None]
    error = 0.0
    for fold in judge.parts:
        fit = fit_ridge(columns[fold.train], np.asarray(parts.values)[fold.train])
        error += float(((predict_ridge(fit, columns[fold.test]) - np.asarray(parts.values)[fold.test]) ** 2).sum())
    deviation = float(((judge.values - judge.values.mean()) ** 2).sum())
    standing = judge.standings({"own": judge.features("own", [columns[judge.rows]])})["own"]
    assert standing.by_size[None] == pytest.approx(1 - error / deviation)
    assert standing.value == pytest.approx(np.mean(list(standing.by_size.values())))
    assert standing.low < standing.value < standing.high


def test_a_feature_that_follows_the_numbers_wins_and_the_answer_is_in_r2(parts: Parts) -> None:
    judge = make_number_judge(parts)
    decision = answered(judge, {"good": seen(judge, "good", 3.0), "poor": seen(judge, "poor", 0.5)})
    assert (decision.answer, decision.winner) == ("pretrain", "good")
    assert decision.lead.low > 0.1
    assert f"over 20, 100 and all labels: {decision.lead.value:+.3f} R2" in decision.sentences[0]
    assert "points" not in " ".join((decision.headline, *decision.sentences))
    worse = answered(judge, {"poor": seen(judge, "poor", 0.5), "good": seen(judge, "good", 3.0)})
    assert (worse.answer, worse.winner) == ("do not pretrain", "good")


def test_equals_are_within_hundredths_of_r2(parts: Parts) -> None:
    judge = make_number_judge(parts)
    same = seen(judge, "same", 3.0, (1,))
    decision = answered(judge, {"one": [replace(each, name="one") for each in same], "same": same})
    assert decision.answer == "no clear winner"
    assert decision.headline == "No clear winner between one and same: they are within 0.02 R2."


@pytest.mark.slow
def test_shuffled_numbers_have_no_false_winner(parts: Parts) -> None:
    false = 0
    for shuffle in range(10):
        mixed = np.random.default_rng(shuffle).permutation(np.asarray(parts.values))
        judge = make_number_judge(with_values(parts, mixed))
        names = [f"{kind} {shuffle}" for kind in ("first", "second", "control")]
        false += answered(judge, {name: seen(judge, name, 0.0) for name in names}).answer == "pretrain"
    assert false == 0


def test_few_equal_and_ungrouped_numbers_are_refused_with_what_would_do(parts: Parts) -> None:
    values = np.asarray(parts.values)
    with pytest.raises(DataError, match=f"29 labelled records, and a comparison by numbers needs {FEWEST}"):
        make_number_judge(with_values(parts, values, FEWEST - 1))
    with pytest.raises(DataError, match=r"the same number, 7\. Give numbers that differ"):
        make_number_judge(with_values(parts, np.full(COUNT, 7.0)))
    with pytest.raises(DataError, match="Give more groups"):
        make_number_judge(replace(parts, groups=np.zeros(COUNT, np.int64)))


def test_a_label_set_of_equal_numbers_predicts_that_number(parts: Parts) -> None:
    judge = make_number_judge(with_values(parts, (np.arange(COUNT) % 40 == 0).astype(np.float64)))
    found = {each.size: each.said for each in seen(judge, "rare", 1.0)}
    flat = np.array([len(np.unique(draw)) == 1 for draw in found[20][0, :, : len(judge.parts[0].test)]])
    assert flat.any()
    assert np.isfinite(found[20]).all()


@pytest.mark.slow
def test_a_race_by_numbers_ends_in_a_report_that_speaks_of_r2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch)
    pictures, kinds = draw(160)
    values = 1000 * kinds + pictures.mean((1, 2, 3))
    recipe = Recipe(minutes=0.02, size="xs", precision="fp32", batch=32, encoder=TRUNK)
    report = compare(pictures, out=tmp_path / "race", recipe=recipe, labels=values, pretexts=("mae",), quiet=True)
    names = {entry.name for entry in report.entries}
    assert {"MAE", "untrained twin", SCRATCH, "PCA of pixels"} <= names
    assert (report.metric, report.sizes) == ("R2", (20, None))
    assert report.tested is not None
    assert {score.name for score in report.tested.scores} >= names - {"MAE"} | {"encoder"}
    assert {score.per_class for score in report.tested.scores} == {None}
    own = {score.name: score for score in report.tested.scores}
    lead = own["encoder"].value - own["PCA of pixels"].value
    assert own["PCA of pixels"].lead == pytest.approx(lead)
    page = (tmp_path / "race" / "report.html").read_text().partition("<body")[2].partition("<script")[0]
    for text in (report.text(), page):
        assert "Few-label R2" in text
        for word in ("accuracy", "labels a class", "per class", "points"):
            assert word not in text
