"""Files that hold many recordings: `.ts` of UEA, UCR and aeon, and the `.tsv` of UCR.

A `.ts` file has lines that begin with # (words) and @ (facts), then after @data one recording a line: channels
separated by colons, values by commas, ? where missing, and the label in the last place where @classLabel or
@targetLabel is true. A `.tsv` file of UCR has one recording a line: the label, then its values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import numpy as np

from selftaught.core.errors import DataError
from selftaught.modalities.series.read import read_plain, to_numbers


def part_of(name: str) -> str | None:
    """The part that a file belongs to by its name, such as GunPoint_TRAIN.ts; None where it does not say."""
    stem = PurePosixPath(name).stem.lower()
    return "train" if stem.endswith("_train") else "test" if stem.endswith("_test") else None


def holds_many(name: str) -> bool:
    """Whether a file of this name holds many recordings: any `.ts`, and a `.tsv` that says _TRAIN or _TEST."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix == ".ts" or (suffix == ".tsv" and part_of(name) is not None)


def read_archive(content: bytes, name: str) -> Iterator[tuple[np.ndarray, str | None]]:
    """Recordings (time, channels) and labels of a `.ts` or UCR `.tsv` file. Raises DataError for what is broken."""
    if PurePosixPath(name).suffix.lower() == ".ts":
        yield from _read_ts(content, name)
        return
    table = read_plain(content, "\t")
    if table is None or table.shape[1] < 2:
        raise DataError(f"{name} is no UCR file: each line must hold a label and values, separated by tabs.")
    for label, *values in table.tolist():
        # Recordings of unequal length are filled up with NaN at the end.
        column = np.array(values)[:, None]
        length = int(np.flatnonzero(np.isfinite(column)).max(initial=0)) + 1
        yield column[:length], str(int(label)) if float(label).is_integer() else str(label)


def _read_ts(content: bytes, name: str) -> Iterator[tuple[np.ndarray, str | None]]:
    try:
        head, _, body = content.decode("utf-8-sig").replace("@DATA", "@data").partition("@data")
    except UnicodeDecodeError as problem:
        raise DataError(f"{name} is not UTF-8 text ({problem.reason}). Save it as UTF-8.") from problem
    facts = [line.lower().split()[:2] for line in head.splitlines() if line.startswith("@")]
    if ["@timestamps", "true"] in facts:
        raise DataError(f"{name} has a time for every value. Save it as a long-format CSV (id, time, channels).")
    labelled = ["@classlabel", "true"] in facts or ["@targetlabel", "true"] in facts
    lines = [line.strip() for line in body.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise DataError(f"{name} holds no recording after @data. Copy it again.")
    for number, line in enumerate(lines, 1):
        channels = line.split(":")
        label = channels.pop().strip() if labelled else ""
        yield _stack(channels, f"Recording {number} of {name}"), None if label in ("", "?") else label


def _stack(channels: Sequence[str], place: str) -> np.ndarray:
    """Channels of text as (time, channels); shorter ones are missing at the end."""
    columns = [to_numbers(np.array(channel.split(","), object)) for channel in channels]
    known = [column for column in columns if column is not None]
    if not known or len(known) < len(columns):
        raise DataError(f"{place} has values that are no numbers, or none. Copy the file again.")
    values = np.full((max(map(len, known)), len(known)), np.nan)
    for index, column in enumerate(known):
        values[: len(column), index] = column
    return values
