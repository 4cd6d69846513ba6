"""Labels come from folders, columns, files or values; what is wrong with them is said with names and a remedy."""

from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from tests.data.making import png, write_folder, write_zip

from selftaught.core.errors import DataError
from selftaught.data.source import open_source

FILES = {f"{part}/{name}/{index}.png": png(index + 100 * len(part + name))
         for part in ("train", "test") for name in ("cat", "dog") for index in range(3)}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "data", FILES)


def labels_of(source) -> dict:
    return {record.id: record.label for record in source.records}


def finding(source, code: str):
    return next(each for each in source.findings if each.code == code)


def write_table(tmp_path: Path, rows: list[str], head: str = "id,label") -> str:
    path = tmp_path / "labels.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return str(path)


def test_class_folders_are_labels_only_if_asked_for(folder: Path):
    assert set(labels_of(open_source(folder)).values()) == {None}
    source = open_source(folder, labels="folder", split="folder")
    assert labels_of(source)["test/dog/1.png"] == "dog"
    assert {record.split for record in source.records if record.id.startswith("test")} == {"test"}


def test_a_folder_label_needs_folders(tmp_path: Path):
    flat = write_folder(tmp_path, {"1.png": png(1)})
    for option in ({"labels": "folder"}, {"split": "folder"}):
        with pytest.raises(DataError, match="needs"):
            open_source(flat, **option)


@pytest.mark.parametrize("spelling", ["{}", "./{}", "{} "])
def test_a_labels_file_is_keyed_by_id(folder: Path, tmp_path: Path, spelling: str):
    table = write_table(tmp_path, [f"{spelling.format(name)},{name.split('/')[1]}" for name in FILES])
    assert labels_of(open_source(folder, labels=table)) == {name: name.split("/")[1] for name in sorted(FILES)}


@pytest.mark.parametrize("suffix", [".png", ""])
def test_a_labels_file_may_name_files_without_folder_or_suffix(tmp_path: Path, suffix: str):
    folder = write_folder(tmp_path / "data", {"x/a.png": png(1), "y/b.png": png(2)})
    table = write_table(tmp_path, [f"a{suffix},0", f"b{suffix},1"], "filename,target")
    assert labels_of(open_source(folder, labels=table)) == {"x/a.png": "0", "y/b.png": "1"}


def test_a_labels_file_with_a_column_named_may_lie_in_the_archive(tmp_path: Path):
    content = b"image,caption,kind\na.png,a cat,cat\nb.png,a dog,dog\n"
    path = write_zip(tmp_path / "d.zip", {"pics/a.png": png(1), "pics/b.png": png(2), "meta.csv": content})
    assert list(labels_of(open_source(path, labels="meta.csv:kind")).values()) == ["cat", "dog"]


def test_unknown_ids_are_refused_with_five_names_and_the_count(folder: Path, tmp_path: Path):
    table = write_table(tmp_path, [f"{name},a" for name in FILES] + [f"ghost{index},a" for index in range(7)])
    with pytest.raises(DataError, match="7 of 19 ids") as caught:
        open_source(folder, labels=table)
    assert str(caught.value).count("ghost") == 5
    assert "and 2 more" in str(caught.value)
    assert caught.value.exit_code == 3


def test_contradicting_duplicates_are_refused_and_agreeing_ones_are_a_finding(folder: Path, tmp_path: Path):
    name = "test/cat/0.png"
    with pytest.raises(DataError, match="two different labels"):
        open_source(folder, labels=write_table(tmp_path, [f"{name},a", f"{name},b"]))
    source = open_source(folder, labels=write_table(tmp_path, [f"{name},a", f"{name},a", "test/cat/1.png,b"]))
    assert finding(source, "labels-repeated").count == 1


def test_records_without_a_label_are_counted_and_kept(folder: Path, tmp_path: Path):
    table = write_table(tmp_path, ["test/cat/0.png,a", "test/cat/1.png,", "test/dog/0.png,b", "test/dog/1.png,nan"])
    source = open_source(folder, labels=table)
    assert len(source) == 12
    assert finding(source, "labels-missing").count == 10


def test_a_labels_file_without_a_single_label_is_refused(folder: Path, tmp_path: Path):
    with pytest.raises(DataError, match="None of the 12 records"):
        open_source(folder, labels=write_table(tmp_path, ["test/cat/0.png,", "test/cat/1.png,"]))


def test_one_class_and_a_class_of_one_are_findings(folder: Path):
    assert finding(open_source(folder, labels=["a"] * 12), "one-class").message.startswith("All labels are ['a']")
    assert "'b'" in finding(open_source(folder, labels=["a"] * 11 + ["b"]), "class-of-one").message


def test_a_file_whose_columns_cannot_be_told_asks_for_them(folder: Path, tmp_path: Path):
    table = write_table(tmp_path, ["test/cat/0.png,1,2"], "id,first,second")
    with pytest.raises(DataError, match="FILE:COLUMN"):
        open_source(folder, labels=table)
    assert labels_of(open_source(folder, labels=f"{table}:second"))["test/cat/0.png"] == "2"
    with pytest.raises(DataError, match="id, first, second"):
        open_source(folder, labels=f"{table}:third")


def test_labels_that_are_neither_column_nor_file_are_refused(folder: Path):
    with pytest.raises(DataError, match=r"neither a file .* nor a column"):
        open_source(folder, labels="nothing.csv")


def test_as_many_values_as_records_are_needed(folder: Path):
    with pytest.raises(DataError, match="3 labels for 12 records"):
        open_source(folder, labels=[1, 2, 3])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a", "b", ""], ["a", "b", None]),
        ([0, 1, 1], ["0", "1", "1"]),
        (["7", "8", "8"], ["7", "8", "8"]),
        ([0.0, 1.0, float("nan")], ["0", "1", None]),
        ([True, False, True], ["True", "False", "True"]),
        ([0.5, 1.0, float("inf")], [0.5, 1.0, None]),
        (["0.5", "1", "2"], [0.5, 1.0, 2.0]),
        (["1", "b", "2"], ["1", "b", "2"]),
    ],
)
def test_text_and_few_whole_numbers_are_classes_and_other_numbers_are_numbers(values: list, expected: list):
    source = open_source(np.zeros((3, 2, 2)), labels=values)
    assert [record.label for record in source.records] == expected
    assert "label-kind" in [each.code for each in source.findings]


def test_many_whole_numbers_are_numbers_unless_the_user_says_classes():
    data, ages = np.zeros((60, 2, 2)), list(range(60))
    assert open_source(data, labels=ages).records[3].label == 3.0
    assert open_source(data, labels=ages, task="classes").records[3].label == "3"
    assert open_source(data, labels=[0, 1] * 30, task="numbers").records[1].label == 1.0
    with pytest.raises(DataError, match="some are text"):
        open_source(data, labels=["a"] * 60, task="numbers")


def test_splits_have_known_names():
    data = np.zeros((3, 2, 2))
    source = open_source(data, split=["Train", "val", "testing"])
    assert [record.split for record in source.records] == ["train", "validation", "test"]
    with pytest.raises(DataError, match="'holdout'"):
        open_source(data, split=["train", "holdout", "test"])
    with pytest.raises(DataError, match="None of the 3"):
        open_source(data, split=["", "", ""])


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([["b", "a", "a"], [], None, ("a",)], None),
        ([{"a", "b"}, np.array([]), float("nan"), ["a"]], None),
        (["b | a", "", "nan", "a"], "tags"),
        (["b;a;", " ", None, "a|"], "tags"),
    ],
)
def test_lists_and_text_with_bars_are_tags_and_an_empty_cell_is_none_of_them(values: list, task: str | None):
    source = open_source(np.zeros((4, 2, 2)), labels=values, task=task)
    assert [record.label for record in source.records] == [("a", "b"), (), None, ("a",)]
    assert finding(source, "label-kind").message == "The labels are 2 tags; 1 of 3 records have none of them."
    assert finding(source, "labels-missing").count == 1


def test_text_with_bars_stays_classes_unless_tags_are_asked_for_and_says_how():
    source = open_source(np.zeros((3, 2, 2)), labels=["a|b", "a", "a"])
    assert [record.label for record in source.records] == ["a|b", "a", "a"]
    assert "--task tags" in finding(source, "label-kind").message


def test_tags_in_a_file_tell_an_empty_cell_from_a_record_that_is_not_there(folder: Path, tmp_path: Path):
    rows = ["test/cat/0.png,a|b", "test/cat/1.png,", "test/cat/2.png,nan"]
    source = open_source(folder, labels=write_table(tmp_path, rows), task="tags")
    known = {name: label for name, label in labels_of(source).items() if label is not None}
    assert known == {"test/cat/0.png": ("a", "b"), "test/cat/1.png": ()}
    with pytest.raises(DataError, match="two different labels"):
        open_source(folder, labels=write_table(tmp_path, [*rows, "test/cat/0.png,a"]), task="tags")


def test_a_list_column_of_parquet_is_tags(folder: Path, tmp_path: Path):
    table = pyarrow.table({"id": sorted(FILES)[:3], "label": [["x", "y"], [], None]})
    pyarrow.parquet.write_table(table, tmp_path / "labels.parquet")
    labels = list(labels_of(open_source(folder, labels=tmp_path / "labels.parquet")).values())
    assert labels[:4] == [("x", "y"), (), None, None]


@pytest.mark.parametrize(
    ("values", "task", "words"),
    [
        ([0.5, 1.5, None], "tags", "they are numbers"),
        (["1", "2", ""], "tags", "they are numbers"),
        (["", "nan", ""], "tags", "None of the 3 records has a tag"),
        ([[], [], None], None, "None of the 3 records has a tag"),
        ([["a"], [], None], "classes", "said to be classes, and some are lists"),
        ([["a"], [], None], "numbers", "said to be numbers, and some are lists"),
        ([[0, 1, 0], [1, 0, 0], [0, 0, 0]], None, "repeats a number"),
        (np.eye(3), None, "one value a record for labels.*lists of names"),
    ],
)
def test_what_is_no_tags_is_refused(values: object, task: str | None, words: str):
    with pytest.raises(DataError, match=words):
        open_source(np.zeros((3, 2, 2)), labels=values, task=task)
