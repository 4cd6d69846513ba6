"""Vectors of any source, written whole or not at all."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.journeys.photos import Ready, pictures

import selftaught
from selftaught.core.errors import DataError, UsageError


def test_parquet_holds_ids_and_vectors_of_a_fixed_width(ready: Ready, tmp_path: Path) -> None:
    report = selftaught.embed(ready.run, ready.photos, out=tmp_path / "v.parquet", quiet=True)
    table = pq.read_table(report.file)
    assert table.column_names == ["id", "vector"]
    assert table.schema.field("vector").type.list_size == report.shape[1]
    assert table.schema.metadata[b"shape"] == str(report.shape[1]).encode()
    assert table.num_rows == report.shape[0] == 150


def test_vectors_of_an_array_are_those_of_the_loaded_encoder(ready: Ready, tmp_path: Path) -> None:
    values = pictures(9, seed=2)[0]
    report = selftaught.embed(ready.run, values, out=tmp_path / "v.npy", quiet=True)
    assert report.shape[0] == 9
    np.testing.assert_allclose(np.load(report.file), selftaught.load(ready.run).embed(values), atol=1e-5)
    assert len((tmp_path / "v.ids.txt").read_text().splitlines()) == 9


def test_tokens_come_with_a_shape_that_parquet_keeps(ready: Ready, tmp_path: Path) -> None:
    values = pictures(4)[0]
    array = selftaught.embed(ready.run, values, out=tmp_path / "t.npy", tokens=True, quiet=True)
    table = selftaught.embed(ready.run, values, out=tmp_path / "t.parquet", tokens=True, quiet=True)
    assert array.shape == table.shape
    assert len(array.shape) == 3
    stored = pq.read_table(table.file)
    shape = tuple(map(int, stored.schema.metadata[b"shape"].decode().split(",")))
    flat = np.stack(stored["vector"].to_pylist()).astype(np.float32)
    np.testing.assert_array_equal(flat.reshape(4, *shape), np.load(array.file))


def test_another_suffix_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.parquet or \.npy"):
        selftaught.embed(tmp_path / "no run", tmp_path / "no data", out=tmp_path / "v.csv")


def test_an_old_file_stays_when_the_new_data_cannot_be_used(ready: Ready, tmp_path: Path) -> None:
    (tmp_path / "v.npy").write_bytes(b"old")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        selftaught.embed(ready.run, tmp_path / "empty", out=tmp_path / "v.npy", quiet=True)
    assert (tmp_path / "v.npy").read_bytes() == b"old"
