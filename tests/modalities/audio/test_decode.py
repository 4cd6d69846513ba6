"""Every kind of sound file and array ends as one wave at one rate; what is damaged says why."""

from __future__ import annotations

import io
import struct
import sys

import numpy as np
import pytest
from tests.modalities.audio.makers import RATE, prepare, record, sixteen, sound, wav

from selftaught.core.errors import DataError, MissingExtra, UsageError
from selftaught.modalities.audio import Audio
from selftaught.modalities.audio.decode import Limits

soundfile = pytest.importorskip("soundfile")

FIXED = Audio(rate=RATE, window=0.5, frames=48, depth="int16")
TONE = sound(0.6)


def stored(value: object, audio: Audio = FIXED):
    return audio.decode(record(value))


def encoded(values: np.ndarray, kind: str, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, values, rate, format=kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "AIFF", "AU"])
def test_lossless_files_keep_every_sample(kind: str) -> None:
    result = stored(encoded(sixteen(TONE), kind))
    assert np.array_equal(result.fields["wave"], sixteen(TONE))
    assert result.fields["wave"].dtype == np.int16
    assert result.fields["source"].tolist() == [RATE, 1]
    assert result.findings == ()


def test_our_own_wav_bytes_are_read_alike() -> None:
    assert np.array_equal(stored(wav(TONE)).fields["wave"], sixteen(TONE))


@pytest.mark.parametrize("kind", ["OGG", "MP3"])
def test_lossy_files_are_about_as_long_and_as_loud(kind: str) -> None:
    if kind not in soundfile.available_formats():
        pytest.skip(f"this libsndfile does not write {kind}")
    wave = stored(encoded(TONE, kind)).fields["wave"] / 32768
    assert abs(len(wave) - len(TONE)) < 0.2 * RATE
    assert np.square(wave).mean() ** 0.5 == pytest.approx(np.square(TONE).mean() ** 0.5, rel=0.25)


def test_floats_survive_beyond_full_scale() -> None:
    audio, _, rows = prepare([wav(9 * TONE, kind="float")])
    assert audio.depth == "float32"
    np.testing.assert_array_equal(np.asarray(rows.fields["wave"][0]), (9 * TONE).astype(np.float32))
    assert "beyond-full-scale" in stored(wav(9 * TONE, kind="float")).findings


def test_channels_are_averaged_with_a_finding() -> None:
    both = np.stack([TONE, 0.5 * sound(0.6, 700.0, seed=3)], 1)
    result = stored(wav(both))
    assert result.findings == ("mixed-to-mono",)
    assert result.fields["source"].tolist() == [RATE, 2]
    assert np.abs(result.fields["wave"] - sixteen(both.mean(1))).max() <= 1


def test_channels_that_cancel_leave_the_louder_one() -> None:
    result = stored(wav(np.stack([TONE, -TONE], 1)))
    assert result.findings == ("channels-cancel",)
    assert np.array_equal(np.abs(result.fields["wave"]), np.abs(sixteen(TONE)))


def test_another_rate_is_resampled_with_a_finding() -> None:
    pytest.importorskip("soxr")
    other = wav(sound(0.5, rate=44_100), 44_100)
    audio, _, rows = prepare([wav(sound(0.5)), wav(sound(0.5)), other])
    assert audio.rate == RATE
    assert [len(part) for part in rows.fields["wave"]] == [4000, 4000, 4000]
    result = stored(other)
    assert result.findings == ("resampled",)
    assert result.fields["source"].tolist() == [44_100, 1]


def test_high_rates_are_stored_at_sixteen_kilohertz_at_most() -> None:
    pytest.importorskip("soxr")
    assert Audio().recognise([record(wav(sound(0.5, rate=44_100), 44_100))] * 2).rate == 16_000


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_arrays_of_every_type_are_the_same_sound(dtype: type) -> None:
    scale = {np.uint8: 127, np.int16: 32767, np.int32: 2**31 - 1}.get(dtype, 1)
    values = (TONE * scale + (128 if dtype is np.uint8 else 0)).astype(dtype)
    found = stored(values).fields["wave"] / 32768
    assert np.abs(found - TONE).max() < (0.02 if dtype is np.uint8 else 1e-3)
    both = np.stack([values, values])
    assert np.abs(stored(both).fields["wave"] / 32768 - found).max() < 1e-4
    assert np.abs(stored(both.T).fields["wave"] / 32768 - found).max() < 1e-4


@pytest.mark.parametrize(
    ("wave", "code"),
    [
        (np.zeros(4000, np.float32), "silent"),
        (1e-5 * TONE, "silent"),
        ((9 * TONE).clip(-1, 1), "clipped"),
        (TONE, None),
        (TONE / np.abs(TONE).max(), None),
    ],
)
def test_silent_and_clipped_clips_are_findings(wave: np.ndarray, code: str | None) -> None:
    assert stored(wav(wave)).findings == (() if code is None else (code,))


def header(content: bytes, place: int, format: str, value: int) -> bytes:
    return content[:place] + struct.pack(format, value) + content[place + struct.calcsize(format) :]


GOOD = wav(TONE)
NAN = wav(np.where(np.arange(4800) == 7, np.nan, TONE).astype(np.float32), kind="float")
INFINITE = wav(np.where(np.arange(4800) == 7, np.inf, TONE).astype(np.float32), kind="float")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"", "empty"),
        (b"no sound at all, but text", "Not a sound"),
        (GOOD[:20], "Not a sound|samples"),
        (GOOD[:44], "0 samples|Not a sound"),
        (header(GOOD, 24, "<I", 0), "Hz|Not a sound"),
        (header(GOOD, 22, "<H", 0), "channels|Not a sound"),
        (b"RIFF\xff\xff\xff\xffWAVE" + bytes(100), "Not a sound|samples"),
        (b"fLaC" + bytes(200), "Not a sound"),
        (b"OggS" + bytes(200), "Not a sound"),
        (wav(TONE[:1]), "needed"),
        (NAN, "1 of the recording's 4,800 samples are NaN"),
        (INFINITE, "NaN or infinite"),
        (wav(np.zeros((4000, 9), np.float32)), "channels"),
        ("a path", "bytes of a file or an array; got str"),
        (np.zeros((3, 4, 5)), "numbers"),
        (np.zeros(100, complex), "numbers"),
        (np.zeros(0, np.int16), "0 samples"),
        (np.full(500, np.nan), "NaN"),
        (np.full(500, 1e300), "infinite"),
    ],
)
def test_what_cannot_be_heard_says_why(value: object, said: str) -> None:
    with pytest.raises(DataError, match=said) as problem:
        stored(value)
    assert str(problem.value).startswith("sound.wav: ")


def test_a_recording_beyond_the_limit_is_refused_with_the_remedy() -> None:
    short = Audio(rate=RATE, window=0.5, frames=48, depth="int16", limits=Limits(seconds=0.5))
    with pytest.raises(DataError, match=r"one record may have 0\.5 s.*Limits"):
        stored(GOOD, short)


def test_half_a_file_is_kept_with_a_finding() -> None:
    result = stored(GOOD[:5000])
    assert result.findings == ("truncated",)
    assert np.array_equal(result.fields["wave"], sixteen(TONE)[: (5000 - 44) // 2])


def test_without_soundfile_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingExtra, match=r"selftaught\[audio\]"):
        stored(GOOD)


def test_sound_files_are_recognised_by_their_bytes_or_their_names() -> None:
    assert Audio.recognises(["a", "b"], [GOOD, encoded(sixteen(TONE), "FLAC")])
    assert Audio.recognises(["a.wav", "b.mp3"], [b"", b"\xff\xfb\x90\x00"])
    assert not Audio.recognises(["a.jpg", "b"], [b"\xff\xd8\xff\xe0", b"\x89PNG"])
    assert not Audio.recognises(["a.txt", "b"], [b"\xff\xfe\x41\x00", "text"])
    assert not Audio.recognises(["0", "1"], [np.zeros(100), np.zeros(100)])
    assert not Audio.recognises([], [])


def test_open_options_are_chosen_from_the_recordings() -> None:
    values = [wav(sound(0.3 + 0.01 * place, seed=place)) for place in range(20)]
    audio = Audio().recognise([record(value, str(place)) for place, value in enumerate(values)])
    assert audio.rate == RATE
    assert audio.depth == "int16"
    assert audio.window == pytest.approx(0.48, abs=0.03)
    assert audio.frames == 48
    assert audio.shape == (1, 64, 48)
    assert "8,000 Hz" in audio.sentence
    with pytest.raises(DataError, match="could be read as sound"):
        Audio().recognise([record(b"nothing")])
    with pytest.raises(DataError, match=r"modality\.rate"):
        Audio().recognise([record(np.zeros(1000))])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rate": 0}, "above 0"),
        ({"mels": 60}, "divide"),
        ({"frames": 30}, "divide"),
        ({"rate": 8000, "high": 5000.0}, "half the rate"),
        ({"low": 900.0, "high": 800.0}, "rise"),
        ({"window": -1.0}, "above 0"),
    ],
)
def test_options_that_cannot_work_are_usage_errors(options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Audio(**options)
