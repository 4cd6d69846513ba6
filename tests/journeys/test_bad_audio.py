"""Bad recordings: a clear message before work starts, or a finding and the run goes on; never a traceback."""

import struct
from pathlib import Path

import numpy as np
import pytest
from tests.journeys.photos import DATA, call, pretrain, refused
from tests.modalities.audio.makers import sound, wav, write_sounds

from selftaught.modalities.remarks import REMARKS

TONE = sound(0.4)
HEARD = 40


def header(place: int, value: int) -> bytes:
    """A good file with another number of 4 bytes in its header."""
    good = wav(TONE)
    return good[:place] + struct.pack("<I", value) + good[place + 4 :]


def spoiled(value: float) -> bytes:
    """A file of floats, one of which is no sample."""
    return wav(np.where(np.arange(len(TONE)) == 7, value, TONE).astype(np.float32), kind="float")


SET_ASIDE = {
    "zero bytes": b"",
    "text in place of sound": b"hello",
    "a wrong header": header(8, 0x21212121),
    "0 Hz": header(24, 0),
    "no channel": header(20, 1),
    "a header alone": wav(TONE)[:44],
    "one sample": wav(TONE[:1]),
    "NaN": spoiled(np.nan),
    "infinity": spoiled(np.inf),
    "a torn FLAC file": b"fLaC" + bytes(300),
}
REMARKED = {
    "silent": wav(np.zeros(3000, np.float32)),
    "clipped": wav((9 * TONE).clip(-1, 1)),
    "truncated": wav(TONE)[:3000],
    "mixed-to-mono": wav(np.stack([TONE, 0.5 * sound(0.4, 700.0, seed=3)], 1)),
    "channels-cancel": wav(np.stack([TONE, -TONE], 1)),
    "resampled": wav(sound(0.4, rate=44_100), 44_100),
}


@pytest.mark.slow
def test_broken_recordings_are_set_aside_and_odd_ones_remarked_on_and_the_run_goes_on(tmp_path: Path) -> None:
    folder = write_sounds(tmp_path / "sounds", HEARD)
    for number, content in enumerate(SET_ASIDE.values()):
        (folder / f"broken{number}.wav").write_bytes(content)
    for name, content in REMARKED.items():
        (folder / f"{name}.wav").write_bytes(content)
    said = pretrain(folder)
    assert said.code == 0, said.err
    assert f"{len(SET_ASIDE)} records could not be decoded and were set aside" in said.out
    assert f"records                    {HEARD + len(REMARKED)}" in said.out
    shown = " ".join(said.out.split())
    for name in REMARKED:
        assert f"[i] {name} 1 of the records {REMARKS[name]}." in shown, said.out
    vectors = call("embed", tmp_path / "run", folder, "--out", tmp_path / "v.npy", "--quiet")
    assert vectors.code == 0, vectors.err
    assert np.load(tmp_path / "v.npy").shape[0] == HEARD + len(REMARKED)
    assert np.isfinite(np.load(tmp_path / "v.npy")).all()


def test_files_that_are_no_sound_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.wav").write_text("hello")
    refused(pretrain(tmp_path / "texts"), DATA, "a.wav", "Not a sound", "Format not recognised")
    assert not (tmp_path / "run").exists()


def test_one_recording_is_refused(tmp_path: Path) -> None:
    refused(pretrain(write_sounds(tmp_path / "one", 1)), DATA, "more data")


def test_identical_recordings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "same").mkdir()
    for number in range(HEARD):
        (tmp_path / "same" / f"{number}.wav").write_bytes(wav(TONE))
    refused(pretrain(tmp_path / "same"), DATA, "all records are identical")


def test_nothing_but_silence_is_refused(tmp_path: Path) -> None:
    (tmp_path / "silence").mkdir()
    for number in range(HEARD):
        (tmp_path / "silence" / f"{number}.wav").write_bytes(wav(np.zeros(2000 + 10 * number, np.float32)))
    refused(pretrain(tmp_path / "silence"), DATA, "all silent")


def test_waves_in_an_array_need_their_rate(tmp_path: Path) -> None:
    waves = np.stack([sound(0.3, 200 + 150 * (number % 3), seed=number) for number in range(HEARD)])
    np.save(tmp_path / "waves.npy", waves)
    refused(pretrain(tmp_path / "waves.npy", "--modality", "audio"), DATA, "--set modality.rate=16000")
    said = pretrain(tmp_path / "waves.npy", "--modality", "audio", "--set", "modality.rate=8000")
    assert said.code == 0, said.err


def test_a_label_column_of_a_table_among_the_files_is_pointed_out(tmp_path: Path) -> None:
    folder = write_sounds(tmp_path / "sounds", 3)
    (folder / "metadata.csv").write_text("file,digit\n000.wav,1\n001.wav,2\n002.wav,1\n")
    refused(pretrain(folder, "--labels", "digit"), DATA, "metadata.csv:digit")


@pytest.mark.slow
def test_a_long_recording_is_cut_with_a_finding_and_its_pieces_share_a_part(tmp_path: Path) -> None:
    folder = write_sounds(tmp_path / "sounds", 30)
    (folder / "long.wav").write_bytes(wav(sound(47.0, seed=5)))
    said = pretrain(folder)
    assert said.code == 0, said.err
    assert "Long recordings were cut: 1 of 31, which makes 35 records in all" in " ".join(said.out.split())
    parts = np.load(tmp_path / "run" / "splits.npz")
    vectors = call("embed", tmp_path / "run", folder, "--out", tmp_path / "v.npy", "--quiet")
    assert vectors.code == 0, vectors.err
    ids = (tmp_path / "v.ids.txt").read_text().split()
    pieces = [number for number, name in enumerate(ids) if name.startswith("long.wav#")]
    assert len(pieces) == 5
    assert sum(bool(np.isin(pieces, parts[name]).any()) for name in ("train", "validation", "test")) == 1
