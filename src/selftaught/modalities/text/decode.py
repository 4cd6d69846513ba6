"""Text of any origin as clean UTF-8: byte order marks, other encodings, broken bytes, and what is no text at all."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from selftaught.core.errors import DataError

SUFFIXES = (".txt", ".text", ".md", ".rst", ".log", ".tex")
"""Ends of the names of files that hold text."""

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks; those of 32 bits first, for one begins like that of 16."""

BROKEN = "\ufffd"
CONTROLS = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
MOST_CONTROLS = 0.05
"""Share of control characters above which something is no text."""


class Written(NamedTuple):
    """Clean text as UTF-8, and codes of what was odd about it."""

    content: bytes
    findings: tuple[str, ...]


def read_text(value: object, limit: int) -> Written:
    """The text of a string or of a file's bytes, of which at most the first `limit` bytes are kept.

    Line ends become "\\n", control characters go, and white space around the text too. Findings: text-truncated,
    text-encoding (not UTF-8), text-broken (bytes that are no character), text-controls. Raises DataError for what is
    empty, binary or of another type.
    """
    if value is None:
        raise DataError("the cell is empty")
    if isinstance(value, str):
        findings: tuple[str, ...] = ("text-truncated",) if len(value) > limit else ()
        text = value[:limit]
    elif isinstance(value, (bytes, bytearray, memoryview)):
        text, findings = _decode(bytes(value[: limit + len(codecs.BOM_UTF32_LE)]), len(value) > limit)
    else:
        raise DataError(f"a {type(value).__name__} is no text. Name the column that holds text with --column.")
    if "\0" in text:
        raise DataError("it holds NUL characters, so it is binary and no text")
    controls = len(CONTROLS.findall(text))
    if controls > MOST_CONTROLS * len(text):
        raise DataError(f"{100 * controls / len(text):.0f}% of it are control characters, so it is binary and no text")
    if controls:
        text, findings = CONTROLS.sub("", text), (*findings, "text-controls")
    # Half of a surrogate pair, which JSON allows, has no UTF-8.
    content = text.replace("\r\n", "\n").replace("\r", "\n").strip().encode("utf-8", "replace")
    if not content:
        raise DataError("it is empty")
    return Written(content, findings)


def _decode(data: bytes, truncated: bool) -> tuple[str, tuple[str, ...]]:
    findings = ("text-truncated",) if truncated else ()
    for mark, encoding in MARKS:
        if data.startswith(mark):
            text = _all_but_a_cut_end(data[len(mark) :], encoding, truncated)
            odd = () if encoding == "utf-8" else ("text-encoding",)
            return text, (*findings, *odd, *(("text-broken",) if BROKEN in text else ()))
    try:
        return codecs.getincrementaldecoder("utf-8")("strict").decode(data, not truncated), findings
    except UnicodeDecodeError:
        text = _all_but_a_cut_end(data, "utf-8", truncated)
    wide = sum(letter > "\x7f" for letter in text)
    # More broken than whole characters beyond ASCII: the bytes mean something else, most often Windows' Latin.
    if 2 * text.count(BROKEN) > wide and b"\0" not in data:
        return data.decode("cp1252", "replace"), (*findings, "text-encoding")
    return text, (*findings, "text-broken")


def _all_but_a_cut_end(data: bytes, encoding: str, truncated: bool) -> str:
    """Decoded, with broken bytes replaced; a character that the limit cut in two is left out."""
    return codecs.getincrementaldecoder(encoding)("replace").decode(data, not truncated)
