"""Every code that decoding gives a record has a sentence, and no sentence is left over."""

import re
from pathlib import Path

from selftaught.data.findings import Finding
from selftaught.modalities.remarks import REMARKS, explain

CODE = re.compile(r'"([a-z]+(?:-[a-z]+)+)"|\("([a-z]+)",\)')
"""A word with a hyphen, or a word that is a tuple of its own."""
OF_SOURCES = {"recordings-cut"}
"""Codes of whole sources, which come with a message of their own."""


def test_every_code_of_a_modality_has_a_sentence_and_none_is_left_over(root: Path):
    files = (root / "src" / "selftaught" / "modalities").glob("*/*.py")
    text = "\n".join(path.read_text() for path in files)
    assert {hyphened or single for hyphened, single in CODE.findall(text)} - OF_SOURCES <= REMARKS.keys()
    assert [code for code in REMARKS if f'"{code}"' not in text] == []


def test_a_remark_says_what_it_means_and_other_findings_stay():
    odd = Finding(code="time-gaps", message="code", count=1200, ids=("a",))
    aside = Finding(code="set-aside", message="3 records could not be decoded.", count=3, ids=("b",))
    told = explain([odd, aside])
    assert told[0].message == "1,200 of the records have gaps in time; the steps between are missing."
    assert told[1] is aside
