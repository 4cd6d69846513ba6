"""Text of any origin: marks, encodings, broken bytes, and what is refused as no text."""

import codecs
import json

import pytest

from selftaught.core.errors import DataError
from selftaught.modalities.text.decode import read_text

LIMIT = 1_000


@pytest.mark.parametrize(
    ("value", "expected", "findings"),
    [
        ("plain", "plain", ()),
        (b"plain", "plain", ()),
        ("  spaces \n around\t", "spaces \n around", ()),
        ("one\r\ntwo\rthree", "one\ntwo\nthree", ()),
        ("Grüße".encode(), "Grüße", ()),
        (codecs.BOM_UTF8 + "Grüße".encode(), "Grüße", ()),
        (codecs.BOM_UTF16_LE + "Grüße".encode("utf-16-le"), "Grüße", ("text-encoding",)),
        (codecs.BOM_UTF16_BE + "Grüße".encode("utf-16-be"), "Grüße", ("text-encoding",)),
        (codecs.BOM_UTF32_LE + "Grüße".encode("utf-32-le"), "Grüße", ("text-encoding",)),
        (codecs.BOM_UTF32_BE + "Grüße".encode("utf-32-be"), "Grüße", ("text-encoding",)),
        ("Grüße, “Ä”".encode("cp1252"), "Grüße, “Ä”", ("text-encoding",)),
        ("viele Grüße mit Öl".encode() + b"\xff!", "viele Grüße mit Öl\ufffd!", ("text-broken",)),
        ("a form\x0cfeed in a longer text than that", "a formfeed in a longer text than that", ("text-controls",)),
        (json.loads('"half \\ud83d"'), "half ?", ()),
    ],
)
def test_what_is_text_becomes_clean_utf8_and_what_was_odd_is_named(value, expected, findings):
    written = read_text(value, LIMIT)
    assert written.content.decode() == expected
    assert written.findings == findings


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "cell is empty"),
        ("", "it is empty"),
        (" \n\t ", "it is empty"),
        (b"", "it is empty"),
        (codecs.BOM_UTF8, "it is empty"),
        ("a\0b", "binary"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary"),
        ("\x01\x02\x03\x04ab", "control characters"),
        (3.5, "a float is no text"),
        ({"text": "x"}, "a dict is no text"),
    ],
)
def test_what_is_no_text_is_refused_with_the_reason(value, said):
    with pytest.raises(DataError, match=said):
        read_text(value, LIMIT)


@pytest.mark.parametrize("value", ["ä" * 100_000, ("ä" * 100_000).encode()], ids=["string", "bytes"])
def test_a_huge_line_is_cut_at_the_limit_and_never_within_a_character(value):
    content, findings = read_text(value, 1_001)
    assert findings == ("text-truncated",)
    assert set(content.decode()) == {"ä"}
    assert 500 <= len(content.decode()) <= 1_001
