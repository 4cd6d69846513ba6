"""The kinds of data. Another modality is one more member of the union: `AnyModality = Image | Text`."""

from collections.abc import Sequence
from typing import TypeAlias

from selftaught.core.modality import Record
from selftaught.modalities.image.modality import Image

AnyModality: TypeAlias = Image

__all__ = ["AnyModality", "Image", "recognise"]


def recognise(records: Sequence[Record], asked: AnyModality | None = None) -> AnyModality:
    """The modality of some records with every open option chosen from them; `asked` overrides the kind."""
    return (asked or Image()).recognise(records)
