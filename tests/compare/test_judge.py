"""The judge: folds that hold groups together, paired standings, and no winner where labels say nothing."""

from dataclasses import replace

import numpy as np
import pytest
from tests.engine.making import MODALITY, draw

from selftaught.compare import judge as judging
from selftaught.compare.answer import Table, decide
from selftaught.compare.judge import FEWEST, MOST, difference, make_judge
from selftaught.core.errors import DataError
from selftaught.engine.prepare import DataOptions, prepare
from selftaught.trials.parts import labelled_parts
from selftaught.trials.training import cut

COUNT = 240


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Labelled parts of 240 pictures of four kinds, in 24 groups of one kind each."""
    pictures, kinds = draw(COUNT)
    groups = [f"{kind}/{index % 6}" for index, kind in enumerate(kinds)]
    options = DataOptions(labels=[str(kind) for kind in kinds], group=groups)
    prepared = prepare(pictures, MODALITY, tmp_path_factory.mktemp("stores"), options, quiet=True)
    return labelled_parts(prepared, cut(prepared))


def features(judge, signal, seed):
    """Vectors of the judged records that tell their class as well as `signal` says."""
    rng = np.random.default_rng(seed)
    return (signal * np.eye(4, 12)[judge.codes] + rng.normal(size=(len(judge.rows), 12))).astype(np.float32)


def with_codes(parts, codes, groups=None):
    full = np.full(COUNT, -1)
    full[: len(codes)] = codes
    keep = {name: getattr(parts, name)[full[getattr(parts, name)] >= 0] for name in ("train", "validation", "test")}
    return replace(parts, codes=full, groups=groups, **keep)


def test_every_judged_record_is_predicted_once_by_probes_that_never_saw_its_group(parts):
    judge = make_judge(parts)
    assert sorted(judge.rows.tolist()) == sorted(parts.train.tolist())
    for fold in judge.parts:
        assert not set(fold.train) & set(fold.test)
        assert not set(parts.groups[fold.train]) & set(parts.groups[fold.test])
        assert not set(fold.test) & set(parts.test)


def test_better_features_stand_higher_and_the_difference_is_told(parts):
    judge = make_judge(parts)
    outcomes = {
        name: judge.features(name, [features(judge, signal, seed) for seed in (1, 2)])
        for name, signal in {"good": 2.5, "poor": 0.5}.items()
    }
    standings = judge.standings(outcomes)
    assert standings["good"].seeds == 2
    assert set(standings["good"].by_size) == set(judge.sizes)
    lead = difference(standings["good"], standings["poor"])
    assert lead.low > 0.1
    assert lead.value == pytest.approx(standings["good"].value - standings["poor"].value)
    in_one = judge.standings(outcomes, folds=1)
    assert in_one["good"].high - in_one["good"].low > standings["good"].high - standings["good"].low


def test_shuffled_labels_have_no_false_winners(parts, monkeypatch):
    # One budget and one seed, for the time; folds and draws must stay, for the intervals rest on them.
    monkeypatch.setattr(judging, "SIZES", (5,))
    monkeypatch.setattr(judging, "MANY", 0)
    false = 0
    for shuffle in range(40):
        rng = np.random.default_rng(shuffle)
        judge = make_judge(with_codes(parts, np.maximum(rng.permutation(parts.codes), 0)))
        outcomes = {
            name: judge.features(name, [rng.normal(size=(len(judge.rows), 4)).astype(np.float32)])
            for name in ("first", "second", "control")
        }
        table = judge.standings(outcomes)
        decision = decide(Table(everywhere=table, first=table), ["first", "second"], ["control"], len(judge.rows))
        false += decision.answer == "pretrain"
    assert false <= 3


def test_few_or_equal_labels_are_refused_with_what_would_do(parts):
    with pytest.raises(DataError, match=f"a comparison needs {FEWEST}"):
        make_judge(with_codes(parts, np.arange(FEWEST - 4) % 2))
    with pytest.raises(DataError, match="of one class"):
        make_judge(with_codes(parts, np.zeros(COUNT, np.int64)))


def test_groups_that_tell_the_classes_apart_are_refused(parts):
    codes = np.arange(COUNT) % 2
    with pytest.raises(DataError, match="groups tell the classes apart"):
        make_judge(with_codes(parts, codes, groups=codes))


def test_few_labels_are_judged_with_all_of_them_and_many_are_sampled(parts, monkeypatch):
    assert None in make_judge(parts).sizes
    monkeypatch.setattr(judging, "MANY", 1)
    assert None not in make_judge(parts).sizes
    monkeypatch.setattr(judging, "MOST", 60)
    some = make_judge(parts)
    assert 50 <= len(some.rows) <= 70 < MOST
    assert set(some.codes) == {0, 1, 2, 3}


def thinned(parts, counts):
    """The same parts with at most so many training records of each kind, and no groups."""
    codes = np.full(COUNT, -1)
    for kind, count in enumerate(counts):
        own = parts.train[parts.codes[parts.train] == kind][:count]
        codes[own] = kind
    return with_codes(parts, codes)


def test_a_class_of_three_gives_all_it_has_and_takes_no_budget_from_the_others(parts):
    judge = make_judge(thinned(parts, (40, 40, 40, 3)))
    assert judge.sizes == (1, 5, 20, None)
    for fold, budgets in zip(judge.parts, judge.budgets, strict=True):
        for budget in budgets.at(5):
            assert np.bincount(fold.labels[0][budget.rows]).tolist() == [5, 5, 5, 2]


def test_a_budget_that_most_classes_cannot_fill_is_not_judged(parts):
    assert make_judge(thinned(parts, (40, 4, 4, 3))).sizes == (1, None)
