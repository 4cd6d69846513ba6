"""Long recordings become several records that no split tears apart."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from tests.modalities.audio.makers import RATE, sixteen, sound, wav

from selftaught.data.source import open_source
from selftaught.modalities.audio import Audio
from selftaught.modalities.pieces import Piece, cut_source

ARRAYS = [np.arange(10.0), np.arange(40.0), np.arange(20.0)]


def test_what_is_long_is_cut_evenly_and_the_rest_stays_as_it_is() -> None:
    source = open_source(ARRAYS, labels=["a", "b", "c"], split=["train", "test", "train"])
    cut = cut_source(source, [10.0, 40.0, 15.0], 10.0)
    assert list(cut.records.ids) == ["0", "1#1", "1#2", "1#3", "1#4", "2"]
    assert [record.label for record in cut.records] == ["a", "b", "b", "b", "b", "c"]
    assert [record.split for record in cut.records] == ["train", "test", "test", "test", "test", "train"]
    assert [record.group for record in cut.records] == ["0", "1", "1", "1", "1", "2"]
    assert np.array_equal(cut.records[0].read(), ARRAYS[0])
    pieces = [record.read() for record in cut.records[1:5]]
    assert all(isinstance(piece, Piece) and np.array_equal(piece.content, ARRAYS[1]) for piece in pieces)
    assert [(piece.first, piece.length) for piece in pieces] == [(0, 10), (10, 10), (20, 10), (30, 10)]
    assert len(set(cut.stamps.tolist())) == 6
    assert [finding.code for finding in cut.findings][-1] == "recordings-cut"
    assert cut.fingerprint != source.fingerprint
    assert cut_source(source, [10.0, 40.0, 15.0], 20.0).fingerprint != cut.fingerprint


def test_a_group_that_was_given_stays() -> None:
    source = open_source(ARRAYS, group=["x", "x", "y"])
    assert [record.group for record in cut_source(source, [1.0, 4.0, 1.0], 2.0).records] == ["x", "x", "x", "y"]


@pytest.mark.parametrize("lengths", [[1.0, 1.5, 1.0], [None, None, None]])
def test_a_source_without_long_recordings_is_the_same_source(lengths: list[float | None]) -> None:
    source = open_source(ARRAYS)
    assert cut_source(source, lengths, 1.0) is source


def test_the_reader_of_pieces_survives_another_process() -> None:
    cut = cut_source(open_source(ARRAYS), [1.0, 4.0, 1.0], 2.0)
    again = pickle.loads(pickle.dumps(cut.records.reader))  # noqa: S301 (our own bytes)
    assert np.array_equal(again(2).content, ARRAYS[1])


def test_a_long_sound_file_is_cut_and_its_pieces_make_the_whole(tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    long = sound(36.0)
    (tmp_path / "long.wav").write_bytes(wav(long))
    (tmp_path / "short.wav").write_bytes(wav(sound(0.5)))
    (tmp_path / "torn.wav").write_bytes(b"RIFF")
    source = open_source(tmp_path)
    audio = Audio().recognise(source.records)
    cut = audio.cut(source)
    assert list(cut.records.ids) == ["long.wav#1", "long.wav#2", "long.wav#3", "long.wav#4", "short.wav", "torn.wav"]
    assert [record.group for record in cut.records] == ["long.wav"] * 4 + ["short.wav", "torn.wav"]
    waves = [audio.decode(record).fields["wave"] for record in cut.records[:4]]
    assert [len(wave) for wave in waves] == [9 * RATE] * 4
    assert np.array_equal(np.concatenate(waves), sixteen(long))
    assert len(audio.decode(cut.records[4]).fields["wave"]) == RATE // 2
