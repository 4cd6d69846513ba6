"""Bad recordings: a clear message before work starts, or a finding and the run goes on; never a traceback."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.journeys.photos import DATA, pretrain, refused

STEPS = 24


def lines(number: int, steps: int = STEPS) -> list[str]:
    """The lines of one CSV recording of two channels at 10 Hz, of one of three pitches."""
    numbers = np.random.default_rng(number)
    line = np.arange(steps) * (0.3 + 0.4 * (number % 3)) + numbers.uniform(0, 6)
    x, y = np.sin(line) + numbers.normal(0, 0.1, steps), np.cos(line) + numbers.normal(0, 0.1, steps)
    return ["t,x,y", *(f"{place / 10},{a:.4f},{b:.4f}" for place, (a, b) in enumerate(zip(x, y, strict=True)))]


def write(folder: Path, count: int = 40) -> Path:
    """A folder with one CSV file a recording."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:02d}.csv").write_text("\n".join(lines(number)) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "recordings")


def cell(row: int, column: int, value: str) -> Callable[[list[str]], list[str]]:
    """A change of one cell of a recording."""

    def change(rows: list[str]) -> list[str]:
        cells = rows[row].split(",")
        cells[column] = value
        return [*rows[:row], ",".join(cells), *rows[row + 1 :]]

    return change


SET_ASIDE = {
    "zero bytes": b"",
    "a header alone": b"t,x,y\n",
    "other channels": b"t,p,q\n0,1,2\n1,2,3\n",
    "text in a channel": b't,x,y\n0,1,2\n0.1,"1,5",3\n',
    "invalid utf-8": b"t,x,y\n0,1,2\n0.1,\xff\xfe,3\n",
    "one gap of years": b"t,x,y\n0,1,2\n0.1,2,2\n1000000000,2,3\n",
}


@pytest.mark.slow
def test_recordings_that_cannot_be_read_are_set_aside_counted_and_named(folder: Path) -> None:
    for name, content in SET_ASIDE.items():
        (folder / f"{name}.csv").write_bytes(content)
    said = pretrain(folder)
    assert said.code == 0, said.err
    assert f"{len(SET_ASIDE)} records could not be decoded and were set aside" in said.out
    assert "a header alone.csv" in said.out
    assert "records                    40" in said.out


FOUND = {
    "values-infinite": cell(5, 1, "inf"),
    "all-missing": lambda rows: [rows[0], *(f"{row.split(',')[0]},," for row in rows[1:])],
    "channel-missing": lambda rows: [row.rpartition(",")[0] for row in rows],
    "time-unsorted": lambda rows: [rows[0], *reversed(rows[1:])],
    "time-duplicated": lambda rows: [*rows, rows[-1]],
    "time-missing": cell(7, 0, ""),
    "time-gaps": lambda rows: [*rows[:6], *rows[12:]],
    "resampled": lambda rows: [rows[0], *rows[1::2]],
}


@pytest.mark.slow
def test_recordings_with_faults_are_used_and_each_fault_is_told(folder: Path) -> None:
    for number, (name, change) in enumerate(FOUND.items()):
        path = folder / f"{name}.csv"
        path.write_text("\n".join(change(lines(50 + number))) + "\n", encoding="utf-8")
    said = pretrain(folder)
    assert said.code == 0, said.err
    for name in FOUND:
        assert name in said.out, said.out
    assert f"records                    {40 + len(FOUND)}" in said.out


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_encodings_are_read_or_set_aside_by_name(folder: Path, encoding: str) -> None:
    (folder / "other.csv").write_text("\n".join(lines(50)) + "\n", encoding=encoding)
    said = pretrain(folder)
    assert said.code == 0, said.err
    read = "records                    41" in said.out
    assert read or ("other.csv" in said.out and "set aside" in said.out)
    assert read or encoding != "utf-8-sig"


@pytest.mark.slow
def test_recordings_of_one_step_and_short_ones_are_used(folder: Path) -> None:
    for number in range(4):
        (folder / f"one {number}.csv").write_text("\n".join(lines(60 + number, 1 + number % 2)), encoding="utf-8")
    said = pretrain(folder)
    assert said.code == 0, said.err
    assert "records                    44" in said.out


def test_one_recording_is_too_few(tmp_path: Path) -> None:
    refused(pretrain(write(tmp_path / "one", 1)), DATA, "more data")


def test_identical_recordings_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "same", 2)
    for number in range(40):
        (folder / f"{number:02d}.csv").write_text("\n".join(lines(0)), encoding="utf-8")
    refused(pretrain(folder), DATA, "all records are identical")


def test_recordings_of_one_constant_each_are_refused_with_the_columns(tmp_path: Path) -> None:
    folder = write(tmp_path / "flat", 20)
    for number in range(20):
        text = "t,age\n" + "".join(f"{place},{number}\n" for place in range(9))
        (folder / f"{number:02d}.csv").write_text(text, encoding="utf-8")
    refused(pretrain(folder, "--modality", "series"), DATA, "varies over time", "age")


def test_recordings_without_any_value_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "empty", 20)
    for number in range(20):
        text = "t,x\n" + "".join(f"{place},\n" for place in range(9))
        (folder / f"{number:02d}.csv").write_text(text, encoding="utf-8")
    refused(pretrain(folder, "--modality", "series"), DATA, "No column of numbers", "x")


def long_table(tmp_path: Path, change: Callable[[list[str]], list[str]] = list) -> Path:
    """A long-format table of 40 recordings."""
    rows = [f"r{number:02d},{row}" for number in range(40) for row in lines(number)[1:]]
    path = tmp_path / "long.csv"
    path.write_text("\n".join(["id,t,x,y", *change(rows)]) + "\n", encoding="utf-8")
    return path


def test_rows_of_no_recording_are_refused_with_the_column(tmp_path: Path) -> None:
    path = long_table(tmp_path, lambda rows: [*rows[:-1], "," + rows[-1].partition(",")[2]])
    refused(pretrain(path, "--modality", "series"), DATA, "1 rows have no 'id'")


def test_a_label_that_changes_within_a_recording_is_refused(tmp_path: Path) -> None:
    path = long_table(tmp_path)
    head, *rows = path.read_text(encoding="utf-8").splitlines()
    marked = [f"{row},{'ab'[place % 2]}" for place, row in enumerate(rows)]
    path.write_text("\n".join([f"{head},state", *marked]), encoding="utf-8")
    refused(pretrain(path, "--labels", "state"), DATA, "several values in column 'state'", "r00")


def test_a_channel_that_does_not_exist_is_refused_by_name(tmp_path: Path) -> None:
    path = long_table(tmp_path)
    refused(pretrain(path, "--modality", "series", "--set", 'modality.channels=["speed"]'), DATA, "speed")


def test_a_table_that_is_not_utf8_is_refused_with_its_name(tmp_path: Path) -> None:
    path = long_table(tmp_path)
    path.write_bytes(path.read_bytes() + b"r99,0,\xff,1\n")
    refused(pretrain(path), DATA, "long.csv", "UTF-8")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("@classLabel true a b\n@data\n", ["no recording after @data"]),
        ("@timeStamps true\n@data\n(0,1),(1,2)\n", ["long-format"]),
        ("@data\n1,2,x\n", ["no numbers"]),
    ],
    ids=["no data", "timestamps", "text"],
)
def test_a_broken_archive_is_refused_with_its_name(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "Broken_TRAIN.ts").write_text(text, encoding="utf-8")
    refused(pretrain(tmp_path / "Broken_TRAIN.ts"), DATA, "Broken_TRAIN.ts", *words)


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    ragged = np.empty(3, object)
    ragged[:] = [np.ones(3), np.ones(4), np.ones(5)]
    np.savez(tmp_path / "ragged.npz", X=ragged)
    refused(pretrain(tmp_path / "ragged.npz"), DATA, "never loaded")
