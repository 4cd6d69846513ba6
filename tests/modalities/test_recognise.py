"""The kind of data is told from a few records; one sentence says what was decided; --modality overrides it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.data.making import png
from tests.modalities.audio.makers import sound, wav
from tests.modalities.series.makers import curves
from tests.modalities.table.samples import table_rows
from tests.modalities.text.samples import text_documents

from selftaught.core.errors import DataError
from selftaught.core.modality import Record
from selftaught.engine.prepare import DataOptions, prepare
from selftaught.modalities import Audio, Image, Series, Table, Text, choose_kind, recognise

NUMBERS = np.random.default_rng(0)
CURVE = np.sin(np.arange(60) / 9)
LINES = [",".join(f"{CURVE[place] + line % 2:.3f}" for place in range(30)) + ":" + "ab"[line % 2] for line in range(24)]
UEA = ("@problemName x\n@classLabel true a b\n@data\n" + "\n".join(LINES) + "\n").encode()


def records(values, name="{}") -> list[Record]:
    return [Record(id=name.format(place), read=lambda value=value: value) for place, value in enumerate(values)]


def unreadable() -> None:
    raise DataError("the disk is gone")


@pytest.mark.parametrize(
    ("values", "name", "kind"),
    [
        ([png(0), png(1)], "{}", Image),
        ([png(0), b"broken"], "{}.png", Image),
        ([b"broken", b""], "{}.jpg", Image),
        (list(np.zeros((9, 20, 20), np.uint8)), "{}", Image),
        (list(np.zeros((9, 3, 40, 20), np.float32)), "{}", Image),
        ([wav(sound())] * 3, "{}", Audio),
        ([b"broken", b"RIFF"], "{}.mp3", Audio),
        (text_documents(9, NUMBERS)[0], "{}", Text),
        ([b"BM is how a bitmap begins"] * 2, "{}.txt", Text),
        (table_rows(9, NUMBERS)[0], "{}", Table),
        (list(NUMBERS.normal(size=(9, 12))), "{}", Table),
        (list(np.arange(12).reshape(4, 3)), "{}", Table),
        (curves(9, NUMBERS)[0], "{}", Series),
        ([CURVE, 3 * CURVE], "{}", Series),
        ([CURVE.reshape(1, 60)] * 3, "{}", Series),
        ([{"t": np.arange(30.0), "x": CURVE[:30]}] * 2, "{}", Series),
        ([b"t,x\n" + b"".join(b"%d,%f\n" % (t, CURVE[t]) for t in range(30))] * 2, "{}.csv", Series),
        ([UEA], "Two_TRAIN.ts", Series),
    ],
)
def test_the_kind_is_told_from_the_first_records(values, name, kind):
    assert choose_kind(records(values, name)) is kind


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([b"\0\1\2\3" * 5], "look like none of image, text, audio, series, table: '0' is a file of 20 bytes"),
        (["12", "13"], "'0' is the text '12'"),
        ([np.zeros((2, 2, 2, 2))], r"an array float64 \(2, 2, 2, 2\)"),
        ([], "None of 0 records could be read"),
    ],
)
def test_what_is_of_no_kind_is_refused_with_what_was_seen(values, said):
    with pytest.raises(DataError, match=said):
        choose_kind(records(values))


def test_records_that_cannot_be_read_do_not_decide():
    some = records([png(0)] * 20)
    some[0] = Record(id="0", read=unreadable)
    assert choose_kind(some) is Image
    with pytest.raises(DataError, match="the disk is gone"):
        choose_kind([Record(id="0", read=unreadable)])


def test_two_kinds_that_fit_alike_are_refused(monkeypatch):
    monkeypatch.setattr(Text, "recognises", classmethod(lambda cls, ids, values: True))
    with pytest.raises(DataError, match=r"look like image and text alike.*--modality"):
        choose_kind(records([png(0)]))


def test_the_kind_that_was_asked_for_overrides():
    assert isinstance(recognise(records([CURVE, 3 * CURVE, 5 * CURVE]), Table()), Table)
    assert isinstance(recognise(records([CURVE, 2 * CURVE])), Series)


def write(folder: Path, kind: str) -> Path:
    """Twenty-four records of a kind, as a user has them."""
    if kind == "audio":
        with zipfile.ZipFile(folder / "clips.zip", "w") as archive:
            for place in range(24):
                archive.writestr(f"{place}.wav", wav(sound(0.3, hertz=200 + 20 * place, seed=place)))
            archive.writestr("metadata.csv", "file,word\n" + "".join(f"{place}.wav,a\n" for place in range(24)))
        return folder / "clips.zip"
    if kind == "text":
        lines = [f'"{text}",x\n' for text in text_documents(24, np.random.default_rng(1))[0]]
        (folder / "asks.csv").write_text("text,category\n" + "".join(lines))
        return folder / "asks.csv"
    if kind == "series":
        (folder / "Two_TRAIN.ts").write_bytes(UEA)
        return folder / "Two_TRAIN.ts"
    rows = table_rows(60, np.random.default_rng(1))[0]
    lines = [",".join(f'"{cell}"' for cell in row.values()) + "\n" for row in rows]
    (folder / "rows.csv").write_text(",".join(rows[0]) + "\n" + "".join(lines), encoding="utf-8")
    return folder / "rows.csv"


@pytest.mark.parametrize(
    ("kind", "count", "said"),
    [
        ("audio", 24, "Read as audio from zip archive of 24 sounds: speech or sound, 8,000 Hz"),
        ("text", 24, "Read as text from csv table of 24 rows with text in column 'text': text, rows of"),
        ("series", 24, "Read as series from file Two_TRAIN.ts: series of 1 channel"),
        ("table", 60, "Read as table from csv table of 60 rows: rows of 8 columns"),
    ],
)
def test_raw_files_become_a_store_and_one_sentence_says_as_what(tmp_path: Path, kind: str, count: int, said: str):
    lines: list[str] = []
    data = write(tmp_path, kind)
    prepared = prepare(data, None, tmp_path / "stores", DataOptions(), quiet=True, say=lines.append)
    assert prepared.modality.name == kind
    assert len(prepared.store) == len(prepared.source) == count
    assert lines[0].startswith(said)
    assert lines[0].endswith("Another kind: --modality NAME.")
    again = prepare(data, prepared.modality, tmp_path / "stores", DataOptions(), quiet=True, say=lines.append)
    assert again.store.folder == prepared.store.folder
    assert again.store.fingerprint == prepared.store.fingerprint
    assert "Another kind" not in lines[-1]


def test_the_recordings_of_an_archive_bring_their_labels_and_their_part(tmp_path: Path):
    prepared = prepare(write(tmp_path, "series"), None, tmp_path / "stores", DataOptions(), quiet=True)
    assert prepared.store.ids[:2] == ["Two_TRAIN.ts#1", "Two_TRAIN.ts#2"]
    assert prepared.labelling.classes == ("a", "b")
    assert prepared.labelling.splits is not None
    assert set(prepared.labelling.splits.tolist()) == {0}


def test_columns_that_are_labels_or_groups_are_no_inputs(tmp_path: Path):
    options = DataOptions(labels="town", group="owner")
    prepared = prepare(write(tmp_path, "table"), None, tmp_path / "stores", options, quiet=True)
    assert {"town", "owner", "id", "unit"}.isdisjoint(prepared.modality.inputs)
    assert "height" in prepared.modality.inputs
    assert len(prepared.labelling.classes) >= 3
