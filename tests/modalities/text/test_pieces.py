"""Pieces: learned from a corpus or given, split and joined again, remembered, and never read as commands."""

import json

import numpy as np
import pytest
from tests.modalities.text.samples import text_documents

from selftaught.core.errors import UsageError
from selftaught.modalities.text import pieces
from selftaught.modalities.text.pieces import END, Speller, given_pieces, learn_pieces, speller, usual_size

TEXTS = [str(text) for text in text_documents(80, np.random.default_rng(1))[0]]


@pytest.fixture(scope="module")
def learned() -> str:
    return learn_pieces(TEXTS, 600, lowercase=False)


def test_learning_twice_gives_the_same_pieces(learned):
    assert learn_pieces(TEXTS, 600, lowercase=False) == learned
    assert 258 < Speller(learned).size <= 600


def test_frequent_words_become_one_piece_and_unseen_ones_a_few(learned):
    known = Speller(learned)
    assert len(known.split([b"the"])[0].ids) == 1
    assert len(known.split(["zyxq 漢".encode()])[0].ids) > 3


@pytest.mark.parametrize("text", ["the old boat", "Ein Gruß!", "漢字 🙂", "a  b\n\nc", "x"])
def test_pieces_join_to_the_text_they_came_from(learned, text):
    known = Speller(learned)
    assert known.join(known.split([text.encode()])[0].ids.tolist()) == text


def test_pieces_of_one_word_carry_its_number_and_numbers_rise_by_one(learned):
    split = Speller(learned).split([b"zyxq was, then zyxq"])[0]
    assert len(split.word) == len(split.ids)
    assert split.word[0] == 0
    assert set(np.diff(split.word)) <= {0, 1}
    assert split.word[-1] == 4  # zyxq | was | , | then | zyxq


def test_a_vocabulary_below_the_bytes_has_a_piece_for_each_byte():
    known = Speller(learn_pieces(["abc"], 1, lowercase=False))
    assert known.size == 258
    assert len(known.split([b"abc"])[0].ids) == 4  # a blank is put before the first word


def test_lower_case_is_learned_when_asked_for():
    known = Speller(learn_pieces(["Abc abc"], 300, lowercase=True))
    upper, lower = known.split([b"ABC", b"abc"])
    assert upper.ids.tolist() == lower.ids.tolist()


def test_a_document_that_spells_a_special_piece_does_not_become_one(learned):
    known = Speller(learned)
    assert known.end == 1
    assert known.end not in known.split([f"a {END} b".encode()])[0].ids


def test_sentences_end_at_full_stops_and_line_ends_and_quotes_after_them_do_not_hide_that(learned):
    known, closers = Speller(learned), Speller(learned).closers()
    flags = {text: bool(closers[known.split([text.encode()])[0].ids[-1]]) for text in ("the.", "the!", "the", "a\nb")}
    assert flags == {"the.": True, "the!": True, "the": False, "a\nb": False}
    assert closers.shape == (known.size,)
    assert set(closers) == {0, 1}


def test_documents_are_split_once_and_the_oldest_are_forgotten_first(learned, monkeypatch):
    known = Speller(learned)
    first = known.split([b"the old boat", b"the oven"])
    assert known.split([b"the oven"])[0] is first[1]
    monkeypatch.setattr(pieces, "KEPT_PIECES", 4)
    again = known.split([b"a very long sentence about a boat", b"the old boat"])
    assert again[1].ids.tolist() == first[0].ids.tolist()
    assert b"the old boat" not in known.known
    assert known.held <= 4


def test_one_json_is_one_speller(learned):
    assert speller(learned) is speller(learned)


def test_what_a_tokenizer_makes_nothing_of_is_one_piece(learned):
    content = json.loads(learned)
    content["normalizer"] = {"type": "Strip", "strip_left": True, "strip_right": True}
    content["pre_tokenizer"] = {"type": "WhitespaceSplit"}
    split = Speller(json.dumps(content)).split([b" "])[0]
    assert split.ids.tolist() == split.word.tolist() == [0]


def test_a_tokenizer_is_read_from_its_file_or_its_folder(learned, tmp_path):
    (tmp_path / "tokenizer.json").write_text(learned, encoding="utf-8")
    assert given_pieces(str(tmp_path)) == given_pieces(str(tmp_path / "tokenizer.json")) == learned


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"model": 3}', None])
def test_a_file_that_is_no_tokenizer_is_refused(content, tmp_path):
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=r"Text\.tokenizer"):
        given_pieces(str(path))


@pytest.mark.parametrize(("count", "size"), [(0, 512), (100_000, 2_000), (10**9, 8_192)])
def test_the_vocabulary_grows_with_the_corpus_within_bounds(count, size):
    assert usual_size(count) == size
