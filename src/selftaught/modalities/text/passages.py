"""Long files as several records: passages that begin and end between words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from selftaught.core.errors import DataError
from selftaught.core.modality import Record
from selftaught.modalities.pieces import Piece

MANY = 64
"""Files from which on nothing is cut: a view of a long one is a window of it, and a label is of the whole."""

PASSAGES = 1_000
"""That few files are cut into, at most."""

ROWS = 4
"""Rows of tokens that a passage fills, at least."""

REACH = 200
"""Bytes after a cut within which a line, or else a word, is looked for that ends."""

WIDE = (b"\xff\xfe", b"\xfe\xff")
"""How files begin whose characters are not cut byte by byte."""


def file_sizes(records: Iterable[Record]) -> list[float | None]:
    """The bytes of the records that are files in one byte a letter or UTF-8; None for all others."""
    sizes: list[float | None] = []
    for record in records:
        try:
            value: Any = record.read()
        except DataError:  # explained when it is decoded
            value = None
        plain = isinstance(value, (bytes, bytearray, memoryview)) and bytes(value[:2]) not in WIDE
        sizes.append(float(len(value)) if plain else None)
    return sizes


def passage_of(piece: Piece) -> bytes:
    """The text of a piece; where one piece ends the next one begins."""
    content = bytes(piece.content)
    first, last = round(piece.first), round(piece.first + piece.length)
    return content[boundary(content, first) : boundary(content, last)]


def boundary(content: bytes, place: int) -> int:
    """Where a line or a word begins at or after a place, or at least a character."""
    if not 0 < place < len(content):
        return max(0, min(place, len(content)))
    near = content[place : place + REACH]
    found = re.search(rb"\n", near) or re.search(rb"\s", near)
    if found is not None:
        return place + found.end()
    while place < len(content) and content[place] & 0xC0 == 0x80:  # within a character of UTF-8
        place += 1
    return place
