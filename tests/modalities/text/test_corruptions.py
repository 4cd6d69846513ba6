"""Corruptions: at least six kinds, harder with each severity, the same for a record wherever it is read."""

import numpy as np
import pytest
import torch
from tests.modalities.text.samples import SMALL, rows_of, text_documents

from selftaught.core.errors import UsageError
from selftaught.core.rng import Rng
from selftaught.modalities.text.corruptions import NEIGHBOURS, SHARES, corrupt_texts

RNG = Rng(seed=4)
TEXTS = [str(text) for text in text_documents(40, np.random.default_rng(3))[0]]
RECORD = torch.arange(40) * 101
EACH = pytest.mark.parametrize("name", SMALL.corruptions)


def distance(first: str, second: str) -> float:
    """Share of places that differ, and of length that does."""
    apart = sum(one != other for one, other in zip(first, second, strict=False))
    return apart + abs(len(first) - len(second))


def test_there_are_at_least_six_kinds_in_five_severities():
    assert len(SMALL.corruptions) >= 6
    assert len(SHARES) == 5
    assert list(SHARES) == sorted(SHARES)


@EACH
def test_every_kind_changes_texts_and_more_at_higher_severity(name):
    changed = [
        sum(old != new for old, new in zip(TEXTS, corrupt_texts(TEXTS, RECORD, name, severity, RNG), strict=True))
        for severity in range(1, 6)
    ]
    assert changed[0] <= changed[2] <= changed[4]
    assert changed[4] > 20


@EACH
def test_a_record_is_corrupted_alike_alone_and_among_others(name):
    together = corrupt_texts(TEXTS, RECORD, name, 3, RNG)
    alone = corrupt_texts(TEXTS[7:8], RECORD[7:8], name, 3, RNG)
    assert alone == together[7:8]
    assert corrupt_texts(TEXTS, RECORD, name, 3, RNG) == together


@EACH
def test_no_text_is_lost_altogether(name):
    made = corrupt_texts(["a", "a b", "漢 字", "..."], torch.arange(4), name, 5, RNG)
    assert all(text.strip() for text in made)


@EACH
def test_corrupted_rows_are_decoded_rows_again(name):
    rows = rows_of(TEXTS)
    changed = SMALL.corrupt(rows, name, 2, RNG)
    assert torch.equal(changed.record, rows.record)
    assert torch.equal(changed.label, rows.label)
    assert all(part.dtype == torch.uint8 and part.ndim == 1 for part in changed.fields["text"])


def test_words_lose_nothing_but_their_order_when_swapped():
    made = corrupt_texts(TEXTS, RECORD, "swapped words", 5, RNG)
    assert all(sorted(old.split()) == sorted(new.split()) for old, new in zip(TEXTS, made, strict=True))


def test_letters_lose_nothing_but_their_order_when_swapped():
    made = corrupt_texts(TEXTS, RECORD, "swapped letters", 5, RNG)
    assert all(sorted(old) == sorted(new) for old, new in zip(TEXTS, made, strict=True))


def test_case_changes_nothing_but_case():
    made = corrupt_texts(TEXTS, RECORD, "case", 5, RNG)
    assert [text.lower() for text in made] == [text.lower() for text in TEXTS]


@pytest.mark.parametrize("name", ["wrong letters", "neighbour keys"])
def test_typed_letters_change_about_the_asked_share_and_keep_their_case(name):
    made = corrupt_texts(TEXTS, RECORD, name, 4, RNG)
    letters = sum(letter.isalpha() for text in TEXTS for letter in text)
    changed = sum(distance(old, new) for old, new in zip(TEXTS, made, strict=True))
    assert changed / letters == pytest.approx(0.15, abs=0.03)
    assert all([x.isupper() for x in old] == [x.isupper() for x in new] for old, new in zip(TEXTS, made, strict=True))


def test_neighbours_lie_beside_each_other_on_the_keyboard():
    assert set(NEIGHBOURS) == set("abcdefghijklmnopqrstuvwxyz")
    assert set(NEIGHBOURS["g"]) >= set("fh")
    assert all(key not in beside for key, beside in NEIGHBOURS.items())


@pytest.mark.parametrize(("name", "severity"), [("rain", 1), ("case", 0), ("case", 6)])
def test_unknown_kinds_and_severities_are_refused(name, severity):
    with pytest.raises(UsageError, match="severities 1 to 5"):
        corrupt_texts(TEXTS, RECORD, name, severity, RNG)
