"""Tables without files, lone files without names, folders of other kinds: what lists as what."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.data.making import png, write_folder

from selftaught.core.errors import DataError
from selftaught.data.records import Listing
from selftaught.data.source import open_source


def test_a_table_without_files_is_refused_unless_its_rows_are_arranged(tmp_path: Path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(DataError, match="names files that exist"):
        open_source(tmp_path / "t.csv")
    said = []

    def arrange(table, kind):
        said.append((table.names, table.rows, kind))
        return Listing(ids=["0", "1"], stamps=["", ""], read=table.column("a").__getitem__, kind=kind, table=table)

    source = open_source(tmp_path / "t.csv", labels="b", arrange=arrange)
    assert [(record.read(), record.label) for record in source.records] == [("1", "2"), ("3", "4")]
    assert said == [(("a", "b"), 2, "csv table")]


def test_texts_in_a_table_are_no_paths_however_long_or_odd(tmp_path: Path):
    rows = ["x" * 5000, "see https://nowhere.invalid/a b.png", "nul \0 here", ".", "", "train"]
    (tmp_path / "train").mkdir()
    lines = "".join(json.dumps({"words": row}) + "\n" for row in rows)
    (tmp_path / "t.jsonl").write_text(lines)
    with pytest.raises(DataError, match="names files that exist"):
        open_source(tmp_path / "t.jsonl")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("Gun_TRAIN.tsv", b"1\t0.5\t0.25\n2\t-1e-3\tNaN\n"),
        ("plain.csv", b"1,2\n3,4\n"),
        ("Two_TRAIN.ts", b"@data\n1,2:3,4\n"),
    ],
)
def test_a_lone_file_of_numbers_without_names_is_a_source_of_one_file(tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    source = open_source(tmp_path / name)
    assert [(record.id, record.read()) for record in source.records] == [(name, content)]


@pytest.mark.parametrize("head", ["0,1,2", "a,b,c", "2,x,4", "e1,e2,e3", "date,1,2"])
def test_names_may_hold_numbers(tmp_path: Path, head: str):
    (tmp_path / "t.csv").write_text(f"\ufeff{head}\n5,6,7\n", encoding="utf-8")
    seen = []

    def arrange(table, kind):
        seen.append(table.names)
        return Listing(ids=["0"], stamps=[""], read=lambda index: index, kind=kind)

    open_source(tmp_path / "t.csv", arrange=arrange)
    assert seen == [tuple(head.split(","))]


def test_folders_of_other_kinds_of_files_are_read_by_the_kind_that_most_are_of(tmp_path: Path):
    for kind, suffix in (("sounds", "oga"), ("texts", "rst"), ("recordings", "ts"), ("recordings", "parquet")):
        files_of = {f"{place}.{suffix}": b"x" for place in range(3)} | {"notes.md": b"y"}
        source = open_source(write_folder(tmp_path / suffix, files_of))
        assert len(source) == (4 if kind == "texts" else 3)
        assert kind in source.kind
        assert source.records[0].read() == b"x"


def test_npz_with_training_and_test_arrays_keeps_its_split_unless_another_is_given(tmp_path: Path):
    train, test = np.zeros((3, 1, 9)), np.ones((2, 1, 9))
    np.savez(tmp_path / "a.npz", X_train=train, y_train=np.arange(3), X_test=test, y_test=np.arange(2))
    assert [record.split for record in open_source(tmp_path / "a.npz").records] == ["train"] * 3 + ["test"] * 2
    given = ["test", "train", "train", "train", "validation"]
    assert [record.split for record in open_source(tmp_path / "a.npz", split=given).records] == given


def test_a_polars_frame_is_read_like_any_other():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"image": [png(0), png(1)], "label": ["a", "b"]})
    source = open_source(frame, labels="label")
    assert [(record.read(), record.label) for record in source.records] == [(png(0), "a"), (png(1), "b")]
