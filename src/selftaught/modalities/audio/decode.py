"""From the bytes of a sound file, or an array, to one channel at one rate.

Media are untrusted: a header is checked before any sample is read, samples are read block by block so that a false
length cannot fill the memory, and what is damaged raises DataError with the reason.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
from torch import Tensor

from selftaught.core.errors import DataError, MissingExtra
from selftaught.modalities.pieces import Piece

Depth = Literal["int16", "float32"]

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au"})
FORMATS = "WAV, FLAC, OGG, MP3, AIFF, AU"
BLOCK = 1 << 18  # frames read at once
FULL_SCALE = 32_768
QUIET = 1e-4  # amplitude below which a recording is called silent: 80 dB below full scale
TOP = 0.999
FLAT = 1e-3  # share of samples in runs of three or more at the top from which a recording is called clipped
UNKNOWN_SECONDS = 1e6  # a header that says more is not believed: some writers put the largest number for "unknown"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a recording may ask of the machine. seconds: of one record, at most; shortest: at least. channels: in all.

    Recordings longer than `Audio.piece` become several records, so that `seconds` bounds only what is never cut.
    """

    seconds: float = 600.0
    shortest: float = 0.01
    channels: int = 8


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a recording says of itself. seconds: None where it does not. deep: samples are floating-point numbers."""

    rate: int
    seconds: float | None
    deep: bool


@dataclass(frozen=True, kw_only=True)
class Sound:
    """One decoded recording. values: (n,) float32 at the asked rate. source: rate (Hz) and channels that it had."""

    values: np.ndarray
    source: tuple[int, int]
    findings: tuple[str, ...] = ()


def looks_like_sound(record_id: str, value: Any) -> bool:
    """Whether this is a sound file, by its first bytes or, where they are damaged, by the ending of its id."""
    if not isinstance(value, (bytes, bytearray, memoryview)):
        return False
    head = bytes(value[:12])
    riff = head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE"
    aiff = head[:4] == b"FORM" and head[8:11] == b"AIF"
    layer = len(head) > 1 and head[0] == 0xFF and (head[1] & 0xE6) == 0xE2  # a frame of MPEG audio, layer III
    known = head[:4] in (b"fLaC", b"OggS", b".snd") or head[:3] == b"ID3"
    return riff or aiff or layer or known or PurePosixPath(record_id.lower()).suffix in SUFFIXES


def peek_sound(value: Any, limits: Limits, rate: int | None) -> Header:
    """The header of a recording, without decoding it. rate: of an array, which does not say its own."""
    if isinstance(value, (np.ndarray, Tensor)):
        values = _channels_last(np.asarray(value))
        if rate is None:
            raise DataError("An array does not say its sampling rate. Give it with --set modality.rate=16000.")
        return Header(rate=rate, seconds=len(values) / rate, deep=values.dtype.kind == "f")
    with _opened(value, limits) as file:
        seconds = file.frames / file.samplerate
        known = seconds if seconds < UNKNOWN_SECONDS else None
        return Header(rate=int(file.samplerate), seconds=known, deep=file.subtype in ("FLOAT", "DOUBLE"))


def read_sound(value: Any, limits: Limits, rate: int) -> Sound:
    """One channel at `rate` from file bytes, a piece of them (seconds), or an array (samples,) or (samples, channels).

    Integers become -1..1. Raises DataError.
    """
    found: tuple[str, ...] = ()
    if isinstance(value, (np.ndarray, Tensor)):
        values, known = _plain_numbers(_channels_last(np.asarray(value))), rate
    else:
        values, known = _read_file(value, limits)
        found = ("truncated",) if _is_cut_short(value) else ()
    _check_samples(values, known, limits)
    mono, mixed = _to_one_channel(values)
    found = (*found, *_remarks(values), *mixed)
    if known != rate:
        mono, found = _resample(mono, known, rate), (*found, "resampled")
    return Sound(values=mono, source=(known, values.shape[1]), findings=found)


def to_depth(values: np.ndarray, depth: Depth) -> tuple[np.ndarray, tuple[str, ...]]:
    """Samples in -1..1 as they are stored, with a finding where 16 bits cannot hold what is louder than full scale."""
    if depth == "float32":
        return values.astype(np.float32), ()
    whole = np.rint(values * FULL_SCALE)
    loud = bool(np.abs(whole).max() > 1.01 * FULL_SCALE)  # resampling alone may pass full scale by a little
    stored = whole.clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return stored, ("beyond-full-scale",) if loud else ()


def is_clipped(size: np.ndarray) -> bool:
    """Whether more than a thousandth of the samples lie in runs of three at full scale. size: their absolute values."""
    top = size >= TOP * max(1.0, float(size.max()))
    return bool((top[2:] & top[1:-1] & top[:-2]).sum() > FLAT * len(size))


def _load(package: str, purpose: str) -> Any:
    try:
        return import_module(package)
    except (ImportError, OSError) as missing:  # soundfile raises OSError where its C library is not there
        raise MissingExtra(package, "audio", purpose) from missing


@contextmanager
def _opened(value: Any, limits: Limits) -> Iterator[Any]:
    """A sound file of some bytes, open for reading; every failure of the reader becomes a DataError."""
    content = value.content if isinstance(value, Piece) else value
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise DataError(f"A sound must be the bytes of a file or an array; got {type(content).__name__}.")
    if not len(content):
        raise DataError("The file is empty.")
    library = _load("soundfile", "Reading sound files")
    try:
        with library.SoundFile(io.BytesIO(bytes(content))) as file:
            if file.samplerate < 1 or not 1 <= file.channels <= limits.channels:
                raise DataError(
                    f"The header says {file.samplerate} Hz and {file.channels} channels; 1 Hz and 1 to "
                    f"{limits.channels} channels are needed. Repair it, or set Audio(limits=Limits(channels=...))."
                )
            yield file
    except (library.SoundFileError, RuntimeError, ValueError, TypeError, OSError) as problem:
        reason = str(problem).rpartition(">: ")[2].rstrip(".")  # the reader names an object before its reason
        raise DataError(
            f"Not a sound that can be read ({FORMATS}), or damaged: {reason}. Convert the file, or leave it out."
        ) from problem


def _read_file(value: Any, limits: Limits) -> tuple[np.ndarray, int]:
    """Samples (n, channels) float32 and their rate."""
    with _opened(value, limits) as file:
        rate = int(file.samplerate)
        most = round(limits.seconds * rate) + 1
        if isinstance(value, Piece):
            file.seek(round(value.first * rate))
            most = min(most, round(value.length * rate))
        blocks, count = [np.zeros((0, file.channels), np.float32)], 0
        while count < most:
            block = file.read(min(BLOCK, most - count), dtype="float32", always_2d=True)
            if not len(block):
                break
            blocks.append(block)
            count += len(block)
    return np.concatenate(blocks), rate


def _is_cut_short(value: Any) -> bool:
    """Whether a RIFF file is shorter than it says; 0 and the largest numbers mean that its writer did not know."""
    if isinstance(value, Piece) or bytes(value[:4]) != b"RIFF":
        return False
    said = int.from_bytes(bytes(value[4:8]), "little")
    return 0 < said < 0xFFFF0000 and said + 7 > len(value)


def _check_samples(values: np.ndarray, rate: int, limits: Limits) -> None:
    count, length = len(values), f"{len(values):,} samples, {len(values) / rate:.4g} s"
    if count < max(1.0, limits.shortest * rate):
        raise DataError(f"The recording has {length}; {limits.shortest:g} s are needed. Leave it out.")
    if count > limits.seconds * rate or values.shape[1] > limits.channels:
        raise DataError(
            f"The recording has at least {length}, in {values.shape[1]} channels; one record may have "
            f"{limits.seconds:g} s and {limits.channels} channels. Cut it, or raise Audio(limits=Limits(...))."
        )
    wrong = int((~np.isfinite(values)).sum())
    if wrong:
        raise DataError(f"{wrong:,} of the recording's {values.size:,} samples are NaN or infinite. Repair it first.")


def _remarks(values: np.ndarray) -> tuple[str, ...]:
    """Findings on samples (n, channels): silent, clipped."""
    size = np.abs(values).max(1)
    return ("silent",) if size.max() < QUIET else ("clipped",) if is_clipped(size) else ()


def _to_one_channel(values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The mean of the channels; the loudest one alone where they cancel each other out."""
    if values.shape[1] == 1:
        return values[:, 0], ()
    mono = values.mean(1, dtype=np.float32)
    energy = np.square(values).sum(0)
    if np.square(mono).sum() < 1e-3 * energy.max():
        return values[:, int(energy.argmax())], ("channels-cancel",)
    return mono, ("mixed-to-mono",)


def _resample(values: np.ndarray, known: int, rate: int) -> np.ndarray:
    library = _load("soxr", f"Bringing sounds of {known:,} Hz to {rate:,} Hz")
    found = np.asarray(library.resample(np.ascontiguousarray(values, np.float32), known, rate), np.float32)
    if not len(found):
        raise DataError(f"The recording has {len(values)} samples at {known:,} Hz, less than one at {rate:,} Hz.")
    return found


def _channels_last(values: np.ndarray) -> np.ndarray:
    """Samples (n, channels): the shorter of two axes holds the channels."""
    if values.dtype.kind not in "iuf" or values.ndim not in (1, 2):
        raise DataError(
            f"A sound's array must hold numbers (samples,) or (samples, channels); got {values.dtype} {values.shape}."
        )
    if values.ndim == 1:
        return values[:, None]
    return values.T if values.shape[0] < values.shape[1] else values


def _plain_numbers(values: np.ndarray) -> np.ndarray:
    """Integers of any width as -1..1; floats as they are."""
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as such
            return values.astype(np.float32)
    half = 2.0 ** (8 * values.dtype.itemsize - 1)
    shift = half if values.dtype.kind == "u" else 0.0
    return ((values.astype(np.float64) - shift) / half).astype(np.float32)
