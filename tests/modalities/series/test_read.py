"""Cells, dates, files and archives as columns of numbers, and what is refused with a reason."""

import datetime
import io

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch

from selftaught.core.errors import DataError
from selftaught.modalities.series.archive import holds_many, part_of, read_archive
from selftaught.modalities.series.read import read_value, to_numbers, to_seconds

HOUR = 3600.0


def cells(*values: object) -> np.ndarray:
    found = np.empty(len(values), object)
    found[:] = values
    return found


def test_missing_cells_of_every_spelling_become_nan():
    found = to_numbers(cells("1.5", "", " NA ", None, "nan", "?", 2, float("nan"), "-3e2"))
    np.testing.assert_array_equal(found, [1.5, np.nan, np.nan, np.nan, np.nan, np.nan, 2, np.nan, -300])


@pytest.mark.parametrize("odd", ["walking", "1,234", "2016-07-01", b"\xff", [1]])
def test_a_column_with_a_cell_that_is_no_number_is_none(odd):
    assert to_numbers(cells("1", odd)) is None


def test_dates_of_every_kind_are_seconds():
    text = to_seconds(cells("2016-07-01 00:00:00", "2016-07-01T01:00:00Z", "2016-07-01 04:00:00+02:00", ""))
    np.testing.assert_array_equal(np.diff(text[:3]), [HOUR, HOUR])
    assert np.isnan(text[3])
    moments = [datetime.datetime(2016, 7, 1, hour) for hour in (0, 1)]
    np.testing.assert_array_equal(to_seconds(cells(*moments)), text[:2])
    np.testing.assert_array_equal(to_seconds(np.array(moments, "datetime64[ns]")), text[:2])
    assert to_seconds(cells(datetime.date(2016, 7, 1)))[0] == text[0]
    assert np.isnan(to_seconds(np.array(["NaT"], "datetime64[s]"))[0])
    assert to_seconds(cells("yesterday")) is None
    np.testing.assert_array_equal(to_seconds(np.array([3, 5])), [3.0, 5.0])


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte-order-mark"])
def test_csv_files_with_and_without_a_header_are_columns(start):
    table = read_value(start + b"t,x,y\n0,1.5,a\n1,,b\n", "walk.csv")
    assert list(table) == ["t", "x", "y"]
    np.testing.assert_array_equal(to_numbers(table["x"]), [1.5, np.nan])
    plain = read_value(start + b"0,1.5\n1,2.5\n", "walk.csv")
    assert list(plain) == ["0", "1"]
    np.testing.assert_array_equal(plain["1"], [1.5, 2.5])
    tabs = read_value(start + b"1\t2\n3\t4\n", "walk.tsv")
    np.testing.assert_array_equal(tabs["0"], [1, 3])


def test_parquet_bytes_are_columns_whatever_the_name():
    stream = io.BytesIO()
    times = [datetime.datetime(2020, 1, 1, 0, 0, second) for second in (0, 1)]
    pyarrow.parquet.write_table(pyarrow.table({"time": times, "x": [1.0, None]}), stream)
    table = read_value(stream.getvalue(), "walk")
    np.testing.assert_array_equal(np.diff(to_seconds(table["time"])), [1.0])
    np.testing.assert_array_equal(to_numbers(table["x"]), [1.0, np.nan])


def test_tensors_and_arrays_of_numbers_are_taken_as_they_are():
    assert read_value(torch.ones(3, 2), "x").shape == (3, 2)
    assert read_value(np.arange(4), "x").dtype == np.arange(4).dtype


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"", "a.csv"),
        (b"\n", "a.csv"),
        (b"RIFF....", "a.wav"),
        (b"1,2\n3\n", "a.csv"),
        (b"1,2\n3,x\n", "a.csv"),
        (b"1,2\n\xff\xfe,3\n", "a.csv"),
        (b"x,y\n\xff\xfe,3\n", "a.csv"),
        (b"PAR1broken", "a.parquet"),
        (np.zeros((2, 2, 2)), "a"),
        (np.array(["a"]), "a"),
        (np.array(1.0), "a"),
        ({"x": 1.0, "y": "b"}, "a"),
        ({"x": np.zeros(2), "y": np.zeros(3)}, "a"),
        ({}, "a"),
        ("text", "a"),
        (None, "a"),
    ],
)
def test_what_is_no_recording_is_refused(value, name):
    with pytest.raises(DataError):
        read_value(value, name)


TS = b"""# two recordings
@problemName Two
@timeStamps false
@classLabel true walk run
@data
1,2,?:4,5,6:walk
1,2:4,5,6,7:run
"""


def test_a_ts_file_holds_recordings_of_several_channels_and_labels():
    (first, walk), (second, run) = read_archive(TS, "Two_TRAIN.ts")
    assert (walk, run) == ("walk", "run")
    np.testing.assert_array_equal(first, [[1, 4], [2, 5], [np.nan, 6]])
    np.testing.assert_array_equal(second, [[1, 4], [2, 5], [np.nan, 6], [np.nan, 7]])
    assert part_of("deep/Two_TRAIN.ts") == "train"
    assert part_of("Two_TEST.tsv") == "test"
    assert part_of("Two.ts") is None


def test_a_ucr_file_holds_a_label_and_values_a_line():
    (first, one), (second, two) = read_archive(b"1\t0.5\t1.5\tNaN\n-2.0\t3\t4\t5\n", "Gun_TEST.tsv")
    assert (one, two) == ("1", "-2")
    np.testing.assert_array_equal(first, [[0.5], [1.5]])
    np.testing.assert_array_equal(second, [[3], [4], [5]])


def test_only_archives_hold_many():
    assert holds_many("a.ts")
    assert holds_many("Gun_TRAIN.tsv")
    assert not holds_many("walk.tsv")
    assert not holds_many("walk.csv")


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"@data\n", "a.ts", "no recording"),
        (b"@timeStamps true\n@data\n(0,1):a\n", "a.ts", "time for every value"),
        (b"@classLabel true a\n@data\n1,x:a\n", "a.ts", "no numbers"),
        (b"\xff\xfe@data\n1,2\n", "a.ts", "UTF-8"),
        (b"label\tx\n1\t2\n", "a_TRAIN.tsv", "no UCR file"),
        (b"1\n2\n", "a_TRAIN.tsv", "no UCR file"),
    ],
)
def test_broken_archives_are_refused_with_the_reason(content, name, said):
    with pytest.raises(DataError, match=said):
        list(read_archive(content, name))
