"""No record, group or duplicate is ever in two parts, and the same seed gives the same parts."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.making import decode, pictures, png, write_folder

from selftaught.core.errors import DataError, UsageError
from selftaught.data.build import build_store
from selftaught.data.labelling import Labelling, align
from selftaught.data.source import open_source
from selftaught.data.splits import Splits, load_splits, make_splits, save_splits
from selftaught.data.store import Store


def split_records(ids: list[str], content: np.ndarray, labelling: Labelling | None = None, **options) -> Splits:
    store = Store(
        folder=Path(), ids=ids, content=content, fields={}, findings=(), fingerprint="", size_bytes=0, facts={}
    )
    return make_splits(store, labelling, **options)


def names(count: int) -> list[str]:
    return [f"{index:05d}" for index in range(count)]


def parts(splits: Splits) -> list[list[int]]:
    return [splits.train.tolist(), splits.validation.tolist(), splits.test.tolist()]


def part_of(splits: Splits, count: int) -> np.ndarray:
    part = np.full(count, -1)
    for code, rows in enumerate((splits.train, splits.validation, splits.test)):
        assert (part[rows] == -1).all(), "a record is in two parts"
        part[rows] = code
    return part


tables = st.integers(12, 80).flatmap(
    lambda count: st.tuples(
        st.lists(st.integers(0, 60), min_size=count, max_size=count),
        st.lists(st.integers(-1, 30), min_size=count, max_size=count),
        st.lists(st.integers(-1, 3), min_size=count, max_size=count),
        st.booleans(),
        st.integers(0, 3),
    )
)


@given(tables)
def test_every_record_is_in_one_part_and_neither_groups_nor_duplicates_are_torn(table):
    content, groups, codes, labelled, seed = (np.array(each) for each in table)
    labelling = Labelling(
        records=len(content), groups=groups, group_names=tuple(map(str, range(31))),
        codes=codes if labelled else None, classes=tuple("abcd"),
    )  # fmt: skip
    try:
        splits = split_records(names(len(content)), content, labelling, seed=int(seed))
    except DataError as problem:
        assert "independent units" in str(problem) or "identical" in str(problem)  # noqa: PT017
        return
    part = part_of(splits, len(content))
    assert (part >= 0).all()
    assert all(len(rows) for rows in parts(splits))
    for keys in (content, np.where(groups >= 0, groups, 100 + np.arange(len(content)))):
        for key in np.unique(keys):
            assert len(set(part[keys == key])) == 1
    assert parts(split_records(names(len(content)), content, labelling, seed=int(seed))) == parts(splits)


@given(tables, st.lists(st.integers(-1, 2), min_size=80, max_size=80))
def test_a_given_split_is_obeyed_and_never_leaks(table, given_parts):
    content, _, _, _, seed = (np.array(each) for each in table)
    asked = np.array(given_parts[: len(content)])
    labelling = Labelling(records=len(content), splits=asked)
    try:
        splits = split_records(names(len(content)), content, labelling, seed=int(seed))
    except DataError:
        return
    part = part_of(splits, len(content))
    kept = part >= 0
    assert (part[kept & (asked == 2)] == 2).all()
    assert (part[asked == 2] == 2).all(), "a test record the user named is never dropped"
    if (asked == 1).any():
        assert (part[kept & (asked == 1)] == 1).all()
    for key in np.unique(content):
        assert len(set(part[(content == key) & kept])) <= 1


def test_labelled_records_are_dealt_by_class():
    codes = np.repeat(np.arange(4), [500, 100, 20, 10])
    labelling = Labelling(records=len(codes), codes=codes, classes=tuple("abcd"))
    splits = split_records(names(630), np.arange(630), labelling, seed=1)
    for code, expected in enumerate([(400, 50, 50), (80, 10, 10), (16, 2, 2), (8, 1, 1)]):
        assert tuple(int((codes[rows] == code).sum()) for rows in parts(splits)) == expected
    assert splits.facts["way"] == "balanced"
    other = split_records(names(630), np.arange(630), labelling, seed=2)
    assert parts(other) != parts(splits)


def test_many_small_classes_fill_validation_and_test_alike():
    codes = np.repeat(np.arange(200), 5)
    splits = split_records(
        names(1000), np.arange(1000), Labelling(records=1000, codes=codes, classes=tuple(names(200)))
    )
    assert splits.facts["records"] == [800, 100, 100]


def test_numeric_labels_are_dealt_by_tenths(numbers: np.random.Generator):
    values = numbers.normal(size=2000) ** 3
    splits = split_records(names(2000), np.arange(2000), Labelling(records=2000, values=values))
    medians = [np.median(values[rows]) for rows in (splits.train, splits.test)]
    assert abs(medians[0] - medians[1]) < 0.05


def test_groups_of_unequal_size_come_out_near_the_fractions():
    sizes = np.random.default_rng(0).integers(5, 60, 30)
    groups = np.repeat(np.arange(30), sizes)
    labelling = Labelling(records=len(groups), groups=groups, group_names=tuple(names(30)))
    splits = split_records(names(len(groups)), np.arange(len(groups)), labelling)
    shares = np.array(splits.facts["records"]) / len(groups)
    assert np.abs(shares - [0.8, 0.1, 0.1]).max() < 0.03


def test_unlabelled_records_keep_their_part_when_others_are_appended():
    content = np.arange(5000)
    before = part_of(split_records(names(4000), content[:4000]), 4000)
    after = part_of(split_records(names(5000), content), 5000)
    assert np.array_equal(before, after[:4000])
    assert np.abs(np.bincount(after) / 5000 - [0.8, 0.1, 0.1]).max() < 0.02


def test_the_order_of_the_store_does_not_matter_to_unlabelled_splits():
    order = np.random.default_rng(0).permutation(2000)
    straight = part_of(split_records(names(2000), np.arange(2000)), 2000)
    shuffled = part_of(split_records([names(2000)[i] for i in order], order), 2000)
    assert np.array_equal(straight[order], shuffled)


def test_a_given_test_part_stands_and_validation_is_cut_from_train():
    asked = np.repeat([0, 2], [90, 10])
    splits = split_records(names(100), np.arange(100), Labelling(records=100, splits=asked))
    assert splits.test.tolist() == list(range(90, 100))
    assert len(splits.validation) == 10
    assert splits.facts["way"] == "given, rest balanced"


def test_a_training_record_that_repeats_a_test_record_is_left_out_with_a_finding():
    content = np.arange(50)
    content[3] = content[45]
    splits = split_records(names(50), content, Labelling(records=50, splits=np.repeat([0, 2], [40, 10])))
    assert 45 in splits.test
    assert 3 not in np.concatenate([splits.train, splits.validation])
    leak = next(finding for finding in splits.findings if finding.code == "split-leak")
    assert (leak.count, leak.ids) == (1, ("00003",))


def test_a_group_in_two_given_parts_is_refused_by_name():
    labelling = Labelling(
        records=20, groups=np.arange(20) % 7, group_names=tuple("abcdefg"), splits=np.repeat([0, 2], [14, 6])
    )
    with pytest.raises(DataError, match="6 groups are in several parts"):
        split_records(names(20), np.arange(20), labelling)


def test_a_given_split_without_training_records_is_refused():
    with pytest.raises(DataError, match="no training record"):
        split_records(names(5), np.arange(5), Labelling(records=5, splits=np.array([1, 2, 2, 1, 2])))


def test_identical_pictures_are_refused_because_nothing_could_be_measured():
    with pytest.raises(DataError, match="all records are identical"):
        split_records(names(50), np.zeros(50, np.int64))


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_records_than_parts_are_refused(count: int):
    with pytest.raises(DataError, match="cannot be cut into 3 parts"):
        split_records(names(count), np.arange(count))


def test_three_records_make_three_parts():
    assert [len(rows) for rows in parts(split_records(names(3), np.arange(3)))] == [1, 1, 1]


def test_a_part_that_is_not_wanted_stays_empty():
    splits = split_records(names(100), np.arange(100), fractions=(0.9, 0.1, 0.0))
    assert [len(rows) for rows in parts(splits)] == [90, 10, 0]


@pytest.mark.parametrize("fractions", [(0.5, 0.1, 0.1), (1.2, -0.1, -0.1), (0.0, 0.5, 0.5)])
def test_fractions_that_are_no_shares_are_refused(fractions):
    with pytest.raises(UsageError, match="sum to 1"):
        split_records(names(10), np.arange(10), fractions=fractions)


def test_a_class_missing_from_a_part_and_duplicates_are_findings():
    codes = np.array([0] * 28 + [1, 1])
    content = np.arange(30)
    content[1] = 0
    splits = split_records(names(30), content, Labelling(records=30, codes=codes, classes=("a", "b")))
    found = {finding.code: finding for finding in splits.findings}
    assert found["duplicates"].count == 1
    assert "class-absent-test" in found or "class-absent-validation" in found


def test_splits_survive_the_disk(tmp_path: Path):
    splits = split_records(names(100), np.arange(100), seed=3)
    save_splits(splits, tmp_path / "splits.npz")
    again = load_splits(tmp_path / "splits.npz")
    assert parts(again) == parts(splits)
    assert again.facts == splits.facts
    (tmp_path / "splits.npz").write_bytes(b"no")
    with pytest.raises(DataError, match="Make them again"):
        load_splits(tmp_path / "splits.npz")


def test_duplicate_pictures_of_a_folder_stay_together(tmp_path: Path):
    files = pictures(40) | {f"copy-{index}.png": png(index) for index in range(20)}
    source = open_source(write_folder(tmp_path / "d", files))
    store = build_store(source, decode, tmp_path / "store", describe={}, progress=False)
    splits = make_splits(store, align(source, store), seed=0)
    part = dict(zip(store.ids, part_of(splits, 60), strict=True))
    assert all(part[f"copy-{index}.png"] == part[f"{index:05d}.png"] for index in range(20))
    assert splits.facts["duplicates"] == 20


def test_labels_are_put_in_the_order_of_the_store_and_may_come_later(tmp_path: Path):
    data = write_folder(tmp_path / "d", pictures(6) | {"00002.png": b"broken"})
    store = build_store(open_source(data), decode, tmp_path / "store", describe={}, progress=False)
    later = align(open_source(data, labels=[10, 9, 9, 9, None, 10], group=list("ppqqrr")), store)
    assert later.classes == ("9", "10")
    assert later.codes.tolist() == [1, 0, 0, -1, 1]
    assert later.labelled.tolist() == [0, 1, 2, 4]
    rows = later.attach(store.rows([4, 1]))
    assert rows.label.tolist() == [1, 0]
    assert rows.group.tolist() == [2, 0]
    numeric = align(open_source(data, labels=[0.5, 1.5, 0, 2.5, None, 3]), store)
    assert numeric.task == "numbers"
    assert numeric.attach(store.rows([0, 3])).label.isnan().tolist() == [False, True]


def test_tags_are_a_row_of_claims_a_record_and_no_strata(tmp_path: Path):
    data = write_folder(tmp_path / "d", pictures(6) | {"00002.png": b"broken"})
    cells = [["b", "a"], [], ["lost"], None, ["b"], ["a"]]
    source = open_source(data, labels=cells, group=list("ppqqrr"))
    store = build_store(source, decode, tmp_path / "store", describe={}, progress=False)
    labelling = align(source, store)
    assert labelling.task == "tags"
    assert labelling.classes == ("a", "b")
    assert labelling.tags.tolist() == [[True, True], [False, False], [False, False], [False, True], [True, False]]
    assert labelling.labelled.tolist() == [0, 1, 3, 4]
    assert labelling.attach(store.rows([0])).label is None
    splits = make_splits(store, labelling, fractions=(0.5, 0.25, 0.25))
    assert not splits.facts["stratified"]
    assert part_of(splits, 5)[0] == part_of(splits, 5)[1]
    assert align(source, store, classes=["b", "x", "a"]).tags[0].tolist() == [True, False, True]
    with pytest.raises(DataError, match="'a'"):
        align(source, store, classes=["b"])


def test_classes_fixed_by_another_data_set_keep_their_numbers(tmp_path: Path):
    data = write_folder(tmp_path / "d", pictures(3))
    source = open_source(data, labels=["b", "c", "b"])
    store = build_store(source, decode, tmp_path / "store", describe={}, progress=False)
    assert align(source, store, classes=["a", "b", "c"]).codes.tolist() == [1, 2, 1]
    with pytest.raises(DataError, match="'c'"):
        align(source, store, classes=["a", "b"])


def test_labels_of_other_data_are_refused(tmp_path: Path):
    store = build_store(
        open_source(write_folder(tmp_path / "d", pictures(3))), decode, tmp_path / "store", describe={}, progress=False
    )
    with pytest.raises(DataError, match="no record in common"):
        align(open_source(write_folder(tmp_path / "e", {"other.png": png(1)})), store)
