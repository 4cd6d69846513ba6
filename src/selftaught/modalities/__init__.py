"""The kinds of data. Another modality is one more member of the union `AnyModality`."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from selftaught.core.errors import DataError
from selftaught.core.modality import Record
from selftaught.modalities.audio.modality import Audio
from selftaught.modalities.image.modality import Image
from selftaught.modalities.series.modality import Series
from selftaught.modalities.table.modality import Table
from selftaught.modalities.text.modality import Text

AnyModality: TypeAlias = Image | Text | Audio | Series | Table
AnyKind: TypeAlias = type[Image] | type[Text] | type[Audio] | type[Series] | type[Table]

KINDS: tuple[AnyKind, ...] = (Image, Text, Audio, Series, Table)
LOOKED_AT = 8

__all__ = ["AnyModality", "Audio", "Image", "Series", "Table", "Text", "choose_kind", "recognise"]


def recognise(records: Sequence[Record], asked: AnyModality | None = None) -> AnyModality:
    """The modality of some records with every open option chosen from them; `asked` overrides the kind.

    Raises DataError, with what was looked at, where no kind or more than one fits.
    """
    return (asked or choose_kind(records)()).recognise(records)


def choose_kind(records: Sequence[Record]) -> AnyKind:
    """The one kind that claims up to eight records, evenly spread. Raises DataError where there is not just one."""
    count = min(LOOKED_AT, len(records))
    ids: list[str] = []
    values: list[Any] = []
    problem = "there are no records"
    for record in (records[place * len(records) // count] for place in range(count)):
        try:
            values.append(record.read())
            ids.append(record.id)
        except DataError as error:
            problem = str(error)
    if not values:
        raise DataError(f"None of {count} records could be read ({problem}).")
    fitting = [kind for kind in KINDS if kind.recognises(ids, values)]
    if fitting == [Series, Table]:
        # A line of numbers is a row of a table too; neighbours that are alike make it a curve.
        return Series
    if len(fitting) == 1:
        return fitting[0]
    named = " and ".join(kind.name for kind in fitting)
    known = ", ".join(kind.name for kind in KINDS)
    why = f"look like {named} alike" if fitting else f"look like none of {known}"
    raise DataError(f"The records {why}: {ids[0]!r} is {_described(values[0])}. Name the kind with --modality.")


def _described(value: Any) -> str:
    """What a value is, in a few words."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"a file of {len(value):,} bytes that begins with {bytes(value[:8])!r}"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if isinstance(value, np.ndarray):
        return f"an array {value.dtype} {tuple(value.shape)}"
    return f"a row of {len(value):,} columns" if isinstance(value, dict) else type(value).__name__
