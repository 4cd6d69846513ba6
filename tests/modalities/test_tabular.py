"""What the rows of a table are: texts, recordings of a long format, lists of numbers, or rows; asked for or told from
what the columns look like."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest

from selftaught.core.errors import DataError
from selftaught.data.source import open_source
from selftaught.modalities import Audio, Image, Series, Table, Text
from selftaught.modalities.tabular import arrange, join_parts

ASKS = [
    "How do I locate my card?", "My new card has not arrived yet", "Can I top up by bank transfer?",
    "Why was I charged twice today?", "I want to close my account now", "Which currencies can I hold here?",
]  # fmt: skip


def opened(data, kind=None, apart=(), column=None, id_column=None, **options):
    reads = None if kind is None else kind.reads
    made = partial(arrange, reads=reads, column=column, id_column=id_column, apart=apart)
    return open_source(data, column=column, id_column=id_column, arrange=made, **options)


def write_csv(path: Path, columns: dict) -> Path:
    pandas.DataFrame(columns).to_csv(path, index=False)
    return path


def texts(tmp_path: Path, copies: int = 4) -> Path:
    asks = [f"{ask} {copy}" for copy in range(copies) for ask in ASKS]
    return write_csv(tmp_path / "t.csv", {"text": asks, "kind": ["a", "b", "c"] * (len(asks) // 3)})


def people(tmp_path: Path) -> Path:
    numbers = np.random.default_rng(0)
    return write_csv(
        tmp_path / "p.csv",
        {
            "age": numbers.integers(18, 80, 40),
            "job": numbers.choice(["clerk", "cook", "nurse"], 40),
            "hours": numbers.integers(10, 60, 40),
            "class": numbers.choice(["low", "high"], 40),
        },
    )


def sensors(tmp_path: Path, suffix: str = "csv", shuffled: bool = False) -> Path:
    """Five recordings of 12 rows, whose activity and owner are columns."""
    numbers = np.random.default_rng(1)
    frame = pandas.DataFrame(
        {
            "recording": np.repeat([f"r{place}" for place in range(5)], 12),
            "label": np.repeat(["walk", "run", "walk", "sit", "run"], 12),
            "volunteer": np.repeat(["ann", "bob", "ann", "bob", "cy"], 12),
            "t": np.tile(np.arange(12) / 32, 5),
            "x": numbers.normal(size=60),
            "y": numbers.normal(size=60),
        }
    )
    if shuffled:
        frame = frame.sort_values("x").sort_values("t", kind="stable")
    path = tmp_path / f"s.{suffix}"
    frame.to_parquet(path) if suffix == "parquet" else frame.to_csv(path, index=False)
    return path


def test_a_column_of_prose_is_the_text_with_labels_or_without(tmp_path: Path):
    for apart, labels in (((), None), (("kind",), "kind")):
        source = opened(texts(tmp_path), apart=apart, labels=labels)
        assert len(source) == 24
        assert source.records[1].read() == f"{ASKS[1]} 0"
        assert source.records[1].label == (labels and "b")
        assert "text in column 'text'" in source.kind


def test_the_usual_name_decides_among_several_columns_of_prose_and_without_one_a_column_must_be_named(tmp_path: Path):
    asks = [f"{ask} {place}" for place in range(4) for ask in ASKS]
    titles = [f"A title of {ask}" for ask in asks]
    path = write_csv(tmp_path / "n.csv", {"label": range(24), "title": titles, "text": asks})
    assert opened(path).records[0].read() == asks[0]
    other = write_csv(tmp_path / "o.csv", {"first": asks, "second": [f"{ask} again" for ask in asks]})
    with pytest.raises(DataError, match="'first', 'second' of the csv table could each hold the text"):
        opened(other)
    assert opened(other, column="first").records[0].read() == asks[0]
    assert opened(other, Table).records[0].read() == {"first": asks[0], "second": f"{asks[0]} again"}


def test_a_named_column_of_texts_is_taken_whatever_it_looks_like(tmp_path: Path):
    path = write_csv(tmp_path / "w.csv", {"word": ["yes", "yes", "12"], "n": [1, 2, 3]})
    assert [record.read() for record in opened(path, column="word").records] == ["yes", "yes", "12"]
    assert [record.read() for record in opened(path, Text).records] == ["yes", "yes", "12"]


def test_json_lines_with_a_text_each_are_texts(tmp_path: Path):
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps({"text": ask, "n": place}) + "\n" for place, ask in enumerate(ASKS)))
    assert [record.read() for record in opened(path).records] == ASKS


def test_an_empty_cell_of_a_text_fails_alone(tmp_path: Path):
    path = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": [*ASKS, None]}), path)
    records = opened(path).records
    assert records[0].read() == ASKS[0]
    with pytest.raises(DataError, match="empty"):
        records[6].read()


def test_a_text_may_be_longer_than_a_csv_reader_likes(tmp_path: Path):
    long = "word " * 60_000
    path = write_csv(tmp_path / "t.csv", {"text": [long, *ASKS]})
    assert opened(path).records[0].read() == long


def test_rows_of_mixed_columns_are_mappings_without_the_columns_that_are_set_apart(tmp_path: Path):
    source = opened(people(tmp_path), apart=("class",), labels="class")
    first = source.records[0].read()
    assert list(first) == ["age", "job", "hours"]
    assert source.records[0].label in ("low", "high")
    assert isinstance(first["job"], str)
    with_class = opened(people(tmp_path))
    assert list(with_class.records[0].read()) == ["age", "job", "hours", "class"]
    assert with_class.fingerprint != source.fingerprint


def test_a_row_is_stamped_by_its_content(tmp_path: Path):
    path = people(tmp_path)
    before = opened(path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[1]]) + "\n")
    after = opened(path)
    assert after.stamps[:40].tolist() == before.stamps.tolist()
    assert len(after) == 41


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_long_format_is_one_record_a_recording_with_its_own_label_and_group(tmp_path: Path, suffix: str):
    apart = ("label", "volunteer")
    source = opened(sensors(tmp_path, suffix), apart=apart, labels="label", group="volunteer")
    assert list(source.records.ids) == [f"r{place}" for place in range(5)]
    assert [record.label for record in source.records] == ["walk", "run", "walk", "sit", "run"]
    assert [record.group for record in source.records] == ["ann", "bob", "ann", "bob", "cy"]
    value = source.records[2].read()
    assert set(value) == {"t", "x", "y"}
    assert value["x"].shape == (12,)
    assert value["x"].dtype == np.float64
    assert "5 recordings by column 'recording'" in source.kind


def test_rows_of_recordings_may_be_mixed(tmp_path: Path):
    plain = opened(sensors(tmp_path))
    mixed = opened(sensors(tmp_path, shuffled=True))
    assert set(mixed.records.ids) == set(plain.records.ids)
    by_id = {record.id: record.read() for record in mixed.records}
    for record in plain.records:
        assert sorted(by_id[record.id]["x"]) == sorted(record.read()["x"])


def test_a_label_that_changes_within_a_recording_is_refused(tmp_path: Path):
    path = sensors(tmp_path)
    path.write_text(path.read_text().replace("r0,walk,ann,0.0,", "r0,sit,ann,0.0,", 1))
    with pytest.raises(DataError, match="'r0' has several values in column 'label'"):
        opened(path, apart=("label",), labels="label")


def test_rows_without_a_recording_are_refused(tmp_path: Path):
    path = sensors(tmp_path)
    path.write_text(path.read_text().replace("r4,run", ",run", 1))
    with pytest.raises(DataError, match="1 rows have no 'recording'"):
        opened(path)


def test_a_column_of_ids_may_have_any_name(tmp_path: Path):
    path = tmp_path / "s.csv"
    path.write_text(sensors(tmp_path).read_text().replace("recording,", "run,", 1))
    assert len(opened(path, id_column="run")) == 5
    assert len(opened(path, Table)) == 60


def test_regular_dates_with_numbers_beside_them_are_one_recording(tmp_path: Path):
    dates = [str(np.datetime64("2016-07-01T00:00") + np.timedelta64(hour, "h")).replace("T", " ") for hour in range(50)]
    path = write_csv(tmp_path / "e.csv", {"date": dates, "load": np.arange(50.0), "oil": np.arange(50.0) ** 2})
    source = opened(path)
    assert list(source.records.ids) == ["recording"]
    assert source.records[0].read()["oil"][3] == 9
    mixed_up = np.random.default_rng(0).permutation(dates)
    irregular = write_csv(tmp_path / "i.csv", {"date": mixed_up, "load": np.arange(50.0)})
    assert len(opened(irregular)) == 50
    assert len(opened(irregular, Series)) == 1
    mixed = write_csv(tmp_path / "m.csv", {"date": dates, "load": np.arange(50.0), "shop": ["a", "b"] * 25})
    assert len(opened(mixed)) == 50


def test_an_index_is_no_time(tmp_path: Path):
    path = write_csv(tmp_path / "x.csv", {"index": range(30), "a": np.random.default_rng(0).normal(size=30)})
    assert len(opened(path)) == 30


def test_cells_that_are_lists_are_arrays_and_several_of_them_a_recording(tmp_path: Path):
    path = tmp_path / "l.parquet"
    lists = [[float(place), None, 2.0] for place in range(4)]
    pyarrow.parquet.write_table(pyarrow.table({"signal": lists, "label": list("abab")}), path)
    source = opened(path, apart=("label",), labels="label")
    assert source.records[3].read().tolist()[::2] == [3.0, 2.0]
    assert np.isnan(source.records[3].read()[1])
    pyarrow.parquet.write_table(pyarrow.table({"x": lists, "y": lists}), path)
    assert set(opened(path).records[0].read()) == {"x", "y"}


def test_a_table_that_cannot_be_what_was_asked_for_is_refused(tmp_path: Path):
    for kind in (Image, Audio):
        with pytest.raises(DataError, match="names files that exist, and none can be read as arrays or files"):
            opened(people(tmp_path), kind)
    with pytest.raises(DataError, match="There is no column 'nothing'"):
        opened(people(tmp_path), column="nothing")
    with pytest.raises(DataError, match="There is no column 'nothing'"):
        opened(people(tmp_path), id_column="nothing")


@pytest.mark.parametrize("make", [pandas.DataFrame, pyarrow.table], ids=["pandas", "arrow"])
def test_frames_are_tables_too(make):
    source = opened(make({"age": [1.5, 2.5, None], "job": ["cook", "cook", None]}), Table)
    assert source.records[0].read() == {"age": 1.5, "job": "cook"}
    missing = source.records[2].read()["age"]
    assert missing is None or np.isnan(missing)


def test_an_arrow_file_is_a_table(tmp_path: Path):
    table = pyarrow.table({"age": [1.5, 2.5], "job": ["cook", "clerk"]})
    with pyarrow.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    assert [record.read()["job"] for record in opened(tmp_path / "a.arrow", Table).records] == ["cook", "clerk"]
    (tmp_path / "b.arrow").write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"not a readable \.arrow table"):
        opened(tmp_path / "b.arrow", Table)


def parts(folder: Path) -> Path:
    """A folder as many sets come: tables named for their parts, and a page on them."""
    path = people(folder)
    lines = path.read_text().splitlines()
    path.unlink()
    for name, some in (("train", lines[1:31]), ("test", lines[31:])):
        (folder / f"{name}.csv").write_text("\n".join([lines[0], *some]) + "\n")
    (folder / "README.txt").write_text("People of a town. train.csv and test.csv have the same columns.")
    return folder


def test_tables_that_are_named_for_their_parts_are_one_source_with_these_parts(tmp_path: Path):
    joined = join_parts(parts(tmp_path))
    source = opened(joined, apart=("class",), labels="class")
    assert source.kind == "test.csv and train.csv, a table of 40 rows"
    assert list(source.records[0].read()) == ["age", "job", "hours"]
    assert sorted(record.split for record in source.records) == ["test"] * 10 + ["train"] * 30
    given = opened(joined, split=["train"] * 20 + ["test"] * 20)
    assert [record.split for record in given.records] == ["train"] * 20 + ["test"] * 20


def test_tables_of_other_names_or_columns_or_beside_other_files_are_not_joined(tmp_path: Path):
    assert join_parts(tmp_path / "nothing") == tmp_path / "nothing"
    assert join_parts(parts(tmp_path)) != tmp_path
    for place, content in (("more.csv", "age\n1\n"), ("a.png", ""), ("validation.csv", "colour,height\nred,2\n")):
        (tmp_path / place).write_text(content)
        assert join_parts(tmp_path) == tmp_path
        (tmp_path / place).unlink()
    for number in range(2):
        (tmp_path / f"{number}.txt").write_text("a letter")
    assert join_parts(tmp_path) == tmp_path


def test_a_part_without_the_labels_is_more_to_learn_from_and_not_tested_on(tmp_path: Path):
    folder = parts(tmp_path)
    lines = [line.split(",") for line in (folder / "test.csv").read_text().splitlines()]
    kept = [place for place, name in enumerate(lines[0]) if name != "class"]
    (folder / "test.csv").write_text("\n".join(",".join(cells[place] for place in kept) for cells in lines) + "\n")
    source = opened(join_parts(folder), apart=("class",), labels="class")
    assert [record.split for record in source.records] == [None] * 10 + ["train"] * 30
    assert [record.label is None for record in source.records] == [True] * 10 + [False] * 30
    assert list(source.records[0].read()) == ["age", "job", "hours"]


def test_a_table_with_semicolons_and_decimal_commas_is_read_as_its_country_writes_it(tmp_path: Path):
    path = tmp_path / "werte.csv"
    path.write_text("alter;ort;hoehe\n" + "".join(f"{age};Ulm, Ost;{age},5\n" for age in range(20, 60)))
    values = opened(path).records[0].read()
    assert dict(values) == {"alter": "20", "ort": "Ulm, Ost", "hoehe": "20.5"}


def test_a_list_of_texts_is_read_as_texts_and_one_of_paths_as_files(tmp_path: Path):
    source = opened(ASKS)
    assert [record.read() for record in source.records] == ASKS
    assert source.kind == "list of 6 rows with text in column 'text'"
    (tmp_path / "a.txt").write_text("A letter of a file.")
    assert opened([str(tmp_path / "a.txt")]).records[0].read() == b"A letter of a file."


def test_a_frame_with_numbers_for_names_is_read():
    assert opened(pandas.DataFrame(np.eye(3)), Table).records[1].read() == {"0": 0.0, "1": 1.0, "2": 0.0}
