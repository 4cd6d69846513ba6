"""A few long files become passages that begin and end between words, and many files stay whole."""

from itertools import pairwise
from pathlib import Path

import pytest

from selftaught.data.source import open_source
from selftaught.modalities import Text
from selftaught.modalities.pieces import Piece
from selftaught.modalities.text.passages import MANY, boundary, passage_of

TEXT = Text(length=16)
LINES = "".join(f"Line {place} says żółć and goes on to its end.\n" for place in range(400)).encode()


def test_the_passages_of_a_single_file_are_all_of_it_in_order_and_split_in_order(tmp_path: Path):
    (tmp_path / "book.txt").write_bytes(LINES)
    source = TEXT.cut(open_source(tmp_path / "book.txt"))
    assert len(source) > 16
    assert b"".join(passage_of(record.read()) for record in source.records) == LINES
    splits = [record.split for record in source.records]
    assert splits == sorted(splits, key=["train", "validation", "test"].index)
    assert set(splits) == {"train", "validation", "test"}
    texts = [TEXT.decode(record).fields["text"].tobytes().decode() for record in source.records]
    assert all(text.startswith("Line ") and text.endswith("end.") for text in texts)


def test_files_are_cut_only_where_they_are_few_and_each_stays_in_one_part(tmp_path: Path):
    for place in range(MANY):
        (tmp_path / f"{place}.txt").write_bytes(LINES)
    assert len(TEXT.cut(open_source(tmp_path))) == MANY
    for place in range(3, MANY):
        (tmp_path / f"{place}.txt").unlink()
    source = TEXT.cut(open_source(tmp_path))
    assert len(source) > 30
    assert {record.group for record in source.records} == {"0.txt", "1.txt", "2.txt"}
    assert {record.split for record in source.records} == {None}


def test_files_in_wide_characters_and_texts_of_tables_are_never_cut(tmp_path: Path):
    (tmp_path / "wide.txt").write_bytes(LINES.decode().encode("utf-16"))
    assert len(TEXT.cut(open_source(tmp_path / "wide.txt"))) == 1


@pytest.mark.parametrize("content", [b"", b"word", "漢字".encode() * 200, b"x" * 900, b"a b\nc d\n" * 90])
def test_pieces_join_without_a_gap_wherever_they_are_cut(content: bytes):
    places = [len(content) * part / 7 for part in range(8)]
    pairs = list(pairwise(places))
    pieces = [Piece(content=content, first=first, length=last - first) for first, last in pairs]
    assert b"".join(map(passage_of, pieces)) == content
    for place in range(len(content)):
        content[: boundary(content, place)].decode()
