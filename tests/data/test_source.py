"""Every container that data comes in gives the same records, and what is wrong with one is said before a run starts."""

import io
import json
import pickle
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest
import torch
from tests.data.making import pictures, png, write_folder, write_zip

from selftaught.core.errors import DataError, UsageError
from selftaught.data import files
from selftaught.data.source import open_source
from selftaught.data.tables import BLOCK_ROWS

NESTED = {"b/deep/2.png": png(2), "a/1.png": png(1), "0.PNG": png(0)}


def codes(source) -> list[str]:
    return [finding.code for finding in source.findings]


def test_a_folder_of_any_nesting_gives_its_pictures_sorted_by_relative_path(tmp_path: Path):
    source = open_source(write_folder(tmp_path / "data", NESTED))
    assert [record.id for record in source.records] == ["0.PNG", "a/1.png", "b/deep/2.png"]
    assert [record.read() for record in source.records] == [png(0), png(1), png(2)]
    assert source.kind == "folder of 3 pictures"


def test_a_zip_gives_the_same_records_as_the_folder_and_writes_nothing(tmp_path: Path):
    folder = open_source(write_folder(tmp_path / "data", NESTED))
    path = write_zip(tmp_path / "data.zip", NESTED)
    before = sorted(tmp_path.rglob("*"))
    archive = open_source(str(path))
    assert [(r.id, r.read()) for r in archive.records] == [(r.id, r.read()) for r in folder.records]
    assert sorted(tmp_path.rglob("*")) == before


def test_many_threads_and_other_processes_may_read_one_zip(tmp_path: Path):
    source = open_source(write_zip(tmp_path / "data.zip", pictures(200)))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda record: record.read(), source.records)) == list(pictures(200).values())
    again = pickle.loads(pickle.dumps(source.records[7]))  # noqa: S301 (what a process pool does)
    assert again.read() == png(7)


def test_junk_and_hidden_files_are_left_out_in_folders_and_zips(tmp_path: Path):
    junk = {".DS_Store": b"x", "__MACOSX/a/._1.png": b"x", "a/Thumbs.db": b"x", ".git/2.png": b"x", "a/.3.png": b"x"}
    everything = NESTED | junk
    for data in (write_folder(tmp_path / "data", everything), write_zip(tmp_path / "data.zip", everything)):
        source = open_source(data)
        assert len(source) == 3
        assert source.findings == ()


def test_files_of_other_kinds_are_left_out_with_a_finding(tmp_path: Path):
    source = open_source(write_folder(tmp_path, NESTED | {"readme.txt": b"hello", "a/notes.txt": b"hello"}))
    assert len(source) == 3
    (finding,) = source.findings
    assert (finding.code, finding.count) == ("files-left-out", 2)
    assert ".txt (2)" in finding.message


def test_the_files_to_take_can_be_named(tmp_path: Path):
    source = open_source(write_folder(tmp_path, NESTED | {"x.raw": b"1"}), suffixes=["raw"])
    assert [record.id for record in source.records] == ["x.raw"]


def test_one_picture_is_a_source_of_one(tmp_path: Path):
    write_folder(tmp_path, {"only.png": png(1)})
    source = open_source(tmp_path / "only.png")
    assert [record.id for record in source.records] == ["only.png"]


def test_a_folder_that_links_to_itself_is_read_once(tmp_path: Path):
    write_folder(tmp_path / "a", {"1.png": png(1)})
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "dead.png").symlink_to(tmp_path / "nothing")
    assert 1 <= len(open_source(tmp_path)) <= 2


def test_an_empty_folder_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="holds no files"):
        open_source(tmp_path)


def test_a_folder_without_a_readable_file_says_which_suffixes_it_has(tmp_path: Path):
    with pytest.raises(DataError, match=r"found \.xyz \(2\), no suffix \(1\)") as caught:
        open_source(write_folder(tmp_path, {"a.xyz": b"1", "b.xyz": b"1", "c": b"1"}))
    assert caught.value.exit_code == 3
    assert ".png" in str(caught.value)


def test_a_missing_path_is_refused_with_the_folder_it_is_relative_to(tmp_path: Path):
    with pytest.raises(DataError, match="no file or folder"):
        open_source(tmp_path / "nothing")


def test_a_file_of_an_unknown_kind_is_refused(tmp_path: Path):
    write_folder(tmp_path, {"a.docx": b"1"})
    with pytest.raises(DataError, match="not of a kind"):
        open_source(tmp_path / "a.docx")


def test_an_object_that_is_no_data_is_a_usage_error():
    with pytest.raises(UsageError, match="got int"):
        open_source(3)


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "C:\\evil.png", "a\\..\\..\\e.png"]
)
def test_a_zip_with_a_name_that_leads_out_of_it_is_refused(tmp_path: Path, name: str):
    with pytest.raises(DataError, match="lead out of the archive"):
        open_source(write_zip(tmp_path / "data.zip", {"ok.png": png(1), name: png(2)}))


def test_a_zip_bomb_is_refused_before_anything_is_unpacked(tmp_path: Path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.png", "w") as entry:
        for _ in range(300):
            entry.write(bytes(1 << 20))
    with pytest.raises(DataError, match="decompression bomb"):
        open_source(path)


def test_a_zip_of_many_small_bombs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "TOTAL_LIMIT_BYTES", 1 << 20)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(20):
            archive.writestr(f"{index}.png", bytes(1 << 18))
    with pytest.raises(DataError, match="decompression bomb"):
        open_source(path)


def test_an_entry_that_claims_to_be_smaller_than_it_is_gives_no_more_than_it_claims(tmp_path: Path):
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(1 << 20))
    raw = path.read_bytes()
    path.write_bytes(raw.replace(struct.pack("<L", 1 << 20), struct.pack("<L", 10)))
    with pytest.raises(DataError, match="cannot be read"):
        open_source(path).records[0].read()


def test_an_encrypted_zip_is_refused(tmp_path: Path):
    path = write_zip(tmp_path / "data.zip", {"a.png": png(1)})
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match="encrypted"):
        open_source(path)


def test_a_truncated_zip_is_refused(tmp_path: Path):
    path = write_zip(tmp_path / "data.zip", pictures(5))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="not a readable zip"):
        open_source(path)


def test_a_damaged_entry_of_a_zip_fails_alone(tmp_path: Path):
    path = write_zip(tmp_path / "data.zip", pictures(3))
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"IDAT") + 6] ^= 255
    path.write_bytes(raw)
    records = open_source(path).records
    with pytest.raises(DataError, match=r"00000\.png.*cannot be read"):
        records[0].read()
    assert records[1].read() == png(1)


def write_parquet(path: Path, columns: dict, **options) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), path, **options)
    return path


def test_parquet_with_encoded_bytes_is_read_in_any_order(tmp_path: Path):
    count = 5 * BLOCK_ROWS + 17
    columns = {"image": [png(index) for index in range(count)], "label": [index % 3 for index in range(count)]}
    source = open_source(write_parquet(tmp_path / "a.parquet", columns, row_group_size=700), labels="label")
    order = np.random.default_rng(0).permutation(count)
    assert all(source.records[index].read() == png(index) for index in order[:300])
    assert all(record.read() == png(index) for index, record in enumerate(source.records))
    assert [record.label for record in source.records[:4]] == ["0", "1", "2", "0"]
    assert source.records[5].id == "5"


def test_the_bytes_and_path_of_hugging_face_are_read(tmp_path: Path):
    cells = [{"bytes": png(index), "path": f"{index}.png"} for index in range(3)]
    source = open_source(write_parquet(tmp_path / "a.parquet", {"image": cells, "label": ["a", "b", "a"]}))
    assert [record.read() for record in source.records] == [png(0), png(1), png(2)]


def test_an_empty_cell_fails_alone(tmp_path: Path):
    source = open_source(write_parquet(tmp_path / "a.parquet", {"image": [png(0), None]}))
    with pytest.raises(DataError, match="empty"):
        source.records[1].read()


def test_parquet_that_is_truncated_is_refused(tmp_path: Path):
    path = write_parquet(tmp_path / "a.parquet", {"image": [png(0)]})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match="not a readable Parquet"):
        open_source(path)


def write_path_table(root: Path, suffix: str) -> Path:
    rows = [{"path": name, "kind": "even" if index % 2 == 0 else "odd"} for index, name in enumerate(sorted(NESTED))]
    write_folder(root, NESTED)
    path = root / f"table.{suffix}"
    if suffix == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    elif suffix == "parquet":
        write_parquet(path, {key: [row[key] for row in rows] for key in rows[0]})
    else:
        pandas.DataFrame(rows).to_csv(path, index=False, sep="\t" if suffix == "tsv" else ",")
    return path


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_a_table_with_a_path_column_gives_the_files_and_its_columns_as_labels(tmp_path: Path, suffix: str):
    source = open_source(write_path_table(tmp_path, suffix), labels="kind")
    assert [(r.id, r.read(), r.label) for r in source.records] == [
        ("0.PNG", png(0), "even"), ("a/1.png", png(1), "odd"), ("b/deep/2.png", png(2), "even"),
    ]  # fmt: skip


def test_files_that_a_table_names_and_that_are_missing_are_found_out_at_once(tmp_path: Path):
    path = tmp_path / "t.csv"
    write_folder(tmp_path, {"1.png": png(1)})
    path.write_text("file,label\n1.png,a\n2.png,b\n")
    source = open_source(path)
    assert codes(source) == ["files-missing"]
    with pytest.raises(DataError, match=r"2\.png"):
        source.records[1].read()


def test_a_table_of_which_no_file_exists_is_refused(tmp_path: Path):
    (tmp_path / "t.csv").write_text("file,label\n1.png,a\n2.png,b\n")
    with pytest.raises(DataError, match="None of the 2 files"):
        open_source(tmp_path / "t.csv")
    with pytest.raises(DataError, match="None of the 2 files"):
        open_source(tmp_path / "t.csv", column="file")


def test_a_ragged_or_empty_or_badly_encoded_table_is_refused(tmp_path: Path):
    for content, words in ((b"a,b\n1\n", "Line 2 has 1 cells"), (b"a,b\n", "no rows"), (b"a\n\xff\xfe\n", "UTF-8")):
        (tmp_path / "t.csv").write_bytes(content)
        with pytest.raises(DataError, match=words):
            open_source(tmp_path / "t.csv")


def test_rows_that_name_one_file_twice_are_refused(tmp_path: Path):
    write_folder(tmp_path, {"1.png": png(1)})
    (tmp_path / "t.csv").write_text("file,key\n1.png,x\n1.png,y\n")
    with pytest.raises(DataError, match="share an id"):
        open_source(tmp_path / "t.csv")
    assert open_source(tmp_path / "t.csv", id_column="key").records[1].id == "y"


def test_an_unknown_column_is_refused_with_the_ones_there_are(tmp_path: Path):
    path = write_path_table(tmp_path, "csv")
    for options in ({"column": "nothing"}, {"id_column": "nothing"}, {"labels": "nothing"}):
        with pytest.raises(DataError, match="path, kind"):
            open_source(path, **options)


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy, list], ids=["array", "tensor", "list"])
def test_arrays_tensors_and_lists_count_records_along_the_first_axis(make):
    values = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    source = open_source(make(values), labels=["a", "b", "a", None])
    assert [record.id for record in source.records] == ["0", "1", "2", "3"]
    assert np.array_equal(source.records[2].read(), values[2])
    assert source.records[3].label is None
    assert source.fingerprint != open_source(values + 1).fingerprint


def test_arrays_that_hold_nothing_or_no_numbers_are_refused():
    for values in (np.zeros((0, 3)), np.array(["a", "b"]), np.array(3.0)):
        with pytest.raises(DataError):
            open_source(values)


def test_npy_and_npz_files_are_read_without_pickle(tmp_path: Path):
    values = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "a.npz", images=values, y=np.array([0, 1, 0, 1]), who=np.array(["p", "p", "q", "q"]))
    np.save(tmp_path / "bad.npy", np.array([{"a": 1}], dtype=object))
    assert np.array_equal(open_source(tmp_path / "a.npy").records[3].read(), values[3])
    source = open_source(tmp_path / "a.npz", labels="y", group="who")
    assert [(record.label, record.group) for record in source.records] == [
        ("0", "p"),
        ("1", "p"),
        ("0", "q"),
        ("1", "q"),
    ]
    with pytest.raises(DataError, match="never loaded"):
        open_source(tmp_path / "bad.npy")


def test_npz_with_training_and_test_arrays_brings_its_split(tmp_path: Path):
    train, test = np.zeros((3, 2, 2), np.uint8), np.ones((2, 2, 2), np.uint8)
    np.savez(tmp_path / "a.npz", x_train=train, y_train=np.arange(3), x_test=test, y_test=np.arange(2))
    source = open_source(tmp_path / "a.npz", labels="y", split="split")
    assert [record.split for record in source.records] == ["train"] * 3 + ["test"] * 2
    assert [record.label for record in source.records] == ["0", "1", "2", "0", "1"]


def test_an_npz_of_several_arrays_asks_which_one(tmp_path: Path):
    np.savez(tmp_path / "a.npz", left=np.zeros((2, 2)), right=np.zeros((2, 2)))
    with pytest.raises(DataError, match="left float64"):
        open_source(tmp_path / "a.npz")
    assert len(open_source(tmp_path / "a.npz", column="right")) == 2


def test_a_pandas_frame_may_hold_bytes_arrays_or_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    labels = ["a", "b"]
    encoded = open_source(pandas.DataFrame({"image": [png(0), png(1)], "label": labels}), labels="label")
    assert [(r.read(), r.label) for r in encoded.records] == [(png(0), "a"), (png(1), "b")]
    arrays = open_source(pandas.DataFrame({"image": [np.zeros((2, 2)), np.ones((2, 2))]}))
    assert arrays.records[1].read().sum() == 4
    monkeypatch.chdir(write_folder(tmp_path, {"0.png": png(0), "1.png": png(1)}))
    paths = open_source(pandas.DataFrame({"file": ["0.png", "1.png"], "label": labels}))
    assert paths.records[1].read() == png(1)


def test_a_url_is_read_through_fsspec(tmp_path: Path):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/data.zip", write_zip(tmp_path / "d.zip", NESTED).read_bytes())
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"image": [png(0), png(1)]}), file)
    memory.pipe("/bucket/data.parquet", file.getvalue())
    memory.pipe("/bucket/t.csv", b"path\nx/1.png\n")
    memory.pipe("/bucket/x/1.png", png(9))
    assert open_source("memory://bucket/data.zip").records[2].read() == png(2)
    assert open_source("memory://bucket/data.parquet").records[1].read() == png(1)
    assert open_source("memory://bucket/t.csv").records[0].read() == png(9)
    with pytest.raises(DataError, match="no file or folder"):
        open_source("memory://bucket/nothing.zip")
    with pytest.raises(DataError, match="cannot be opened"):
        open_source("nonsense://bucket/nothing.zip")


def test_the_fingerprint_changes_with_the_data_and_with_nothing_else(tmp_path: Path):
    folder = write_folder(tmp_path / "data", NESTED)
    first = open_source(folder)
    assert open_source(folder, labels="folder").fingerprint == first.fingerprint
    write_folder(folder, {"a/9.png": png(9)})
    assert open_source(folder).fingerprint != first.fingerprint
    one, two = write_zip(tmp_path / "1.zip", NESTED), write_zip(tmp_path / "2.zip", dict(reversed(NESTED.items())))
    assert open_source(one).fingerprint == open_source(two).fingerprint
