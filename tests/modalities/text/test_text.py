"""The text modality: what it decides, decodes, learns, shows, and what a packed row keeps apart."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.modalities.text.samples import ODD, SMALL, prepared, records_of, rows_of, text_documents

from selftaught.core.batch import View
from selftaught.core.config import from_dict, to_dict
from selftaught.core.errors import DataError, UsageError
from selftaught.core.rng import Rng
from selftaught.encoders import Transformer
from selftaught.modalities.text import Text
from selftaught.modalities.text.modality import usual_length

RNG = Rng(seed=9)


def shown(kind="clean", text=SMALL, count=16, **options):
    text, fitted, rows = prepared(count, text)
    return text.augment(text.batch(rows, fitted), View(kind=kind, **options), RNG)


@pytest.fixture(scope="module")
def ready():
    return prepared(16)


def test_the_length_is_recognised_from_the_records_and_said():
    texts, _ = text_documents(40, np.random.default_rng(2))
    text = Text().recognise(records_of(texts))
    assert text.length in (16, 32, 64)
    assert text.sentence == f"text, rows of {text.length} tokens, pieces learned from the training part"
    assert Text(length=7).recognise(records_of(texts)).length == 7
    assert from_dict(Text, to_dict(text)) == text


@pytest.mark.parametrize(
    ("sizes", "length"), [([1], 16), ([100] * 9 + [10**6], 64), ([10**6] * 10, 512), ([96] * 10, 32), ([97] * 10, 64)]
)
def test_nine_in_ten_documents_fit_the_usual_length(sizes, length):
    assert usual_length(sizes) == length


def test_records_of_which_none_is_text_are_refused_with_a_reason():
    with pytest.raises(DataError, match=r"None of 2 records could be read as text \(1: it is empty"):
        Text().recognise(records_of([None, ""]))


@pytest.mark.parametrize(
    ("ids", "values", "expected"),
    [
        (["0", "1"], ["some text", "more of it"], True),
        (["a.txt", "b.md"], [b"some text", b"more of it"], True),
        (["a.png"], [b"some text"], False),
        (["a.txt"], [b"\0\1\2\3"], False),
        (["0", "1"], ["12", "3.5"], False),
        (["0", "1", "2"], ["", None, "a word"], False),
        (["0"], [{"text": "a word"}], False),
        (["0"], [np.zeros(3)], False),
        ([], [], False),
    ],
)
def test_text_is_recognised_by_its_letters_and_files_by_their_names(ids, values, expected):
    assert Text.recognises(ids, values) is expected


def test_a_long_document_is_kept_and_remarked_on():
    stored = SMALL.decode(records_of(["word " * 25])[0])
    assert stored.findings == ("text-longer-than-a-row",)
    assert stored.fields["text"].dtype == np.uint8
    with pytest.raises(DataError, match="0: it is empty"):
        SMALL.decode(records_of([" "])[0])


def test_a_modality_with_open_options_says_what_to_call():
    with pytest.raises(UsageError, match="recognise"):
        Text().decode(records_of(["a"])[0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"length": 0}, "at least 1"),
        ({"deletion": 1.0}, "below 1"),
        ({"dropout": -0.1}, "below 1"),
        ({"span": (0.5, 0.2)}, "rising"),
        ({"strength": -1.0}, "0 or more"),
    ],
)
def test_options_that_cannot_work_are_refused(options, said):
    with pytest.raises(UsageError, match=said):
        Text(**options)


def test_what_is_fitted_names_the_vocabulary_and_survives_json(ready):
    _, fitted, _ = ready
    assert fitted.facts["size"] == len(fitted.arrays["closes"]) <= 300
    assert fitted.facts["length"] == 24
    with pytest.raises(DataError, match="no text"):
        SMALL.fit([])


def test_documents_of_equal_length_come_as_one_tensor_and_read_alike(ready):
    text, fitted, _ = ready
    ragged = rows_of(["the boat", "the oven"])
    fixed = replace(ragged, fields={"text": torch.stack(ragged.fields["text"])})
    first, second = (text.batch(rows, fitted) for rows in (ragged, fixed))
    assert all(torch.equal(one, other) for one, other in zip(first.x, second.x, strict=True))


def test_a_clean_view_is_the_beginning_of_each_document(ready):
    text, fitted, rows = ready
    base, view = text.batch(rows, fitted), text.augment(text.batch(rows, fitted), View(kind="clean"), RNG)
    for row in range(view.rows):
        wanted = base.x[0][row][base.valid[row]][:24]
        assert torch.equal(view.x[row][view.valid[row]], wanted)
    assert view.segment.shape[1] <= 24


@pytest.mark.parametrize("kind", ["strong", "weak", "noisy", "span", "transform"])
@pytest.mark.parametrize("size", [1.0, 0.5])
def test_no_view_is_longer_than_asked_and_each_holds_a_token(kind, size):
    view = shown(kind, size=size)
    counts = view.valid.sum(1)
    assert counts.min() >= 1
    assert counts.max() <= round(24 * size)
    assert view.unit.min() >= 0
    assert view.unit.max() < view.segment.shape[1]


def test_span_views_are_small_windows_and_two_of_them_differ():
    text, fitted, rows = prepared(16)
    base = text.batch(rows, fitted)
    first, second = (text.augment(base, View(kind="span"), RNG.fold(place)) for place in range(2))
    longest = base.valid.sum(1)
    assert bool((first.valid.sum(1) <= (0.5 * longest).ceil().clamp(min=1)).all())
    assert first.x.shape != second.x.shape or not torch.equal(first.x, second.x)


def test_strength_sets_how_much_a_strong_view_loses():
    counts = [shown("strong", Text(length=200, size=300, strength=how)).valid.sum().item() for how in (0.0, 1.0, 2.0)]
    assert counts[0] == shown("clean", Text(length=200, size=300)).valid.sum().item()
    assert counts[0] > counts[1] > counts[2]


def test_a_transform_view_says_whether_its_halves_were_swapped():
    text, fitted, rows = prepared(16)
    base = text.batch(rows, fitted)
    plain, view = (text.augment(base, View(kind=kind), RNG) for kind in ("weak", "transform"))
    swapped = view.facts.transform
    assert set(swapped.tolist()) == {0, 1}
    for row in range(view.rows):
        steps = view.origin[row, :, 0][view.valid[row]].diff()
        assert bool((steps > 0).all()) == (not swapped[row] or len(steps) == 0)
        assert sorted(view.x[row].tolist()) == sorted(plain.x[row].tolist())


def test_units_are_whole_words(ready):
    text, fitted, _ = ready
    rows = rows_of(["zyxq the boat", "boat"])
    view = text.augment(text.batch(rows, fitted), View(kind="clean"), RNG)
    count = int(view.valid[0].sum())
    units = view.unit[0, :count].tolist()
    assert units[0] == units[1] == units[2] == 0
    assert units[-1] == 2
    assert set(units) == {0, 1, 2}


@pytest.mark.parametrize("packed", [False, True])
def test_targets_are_the_pieces_themselves(packed):
    view = shown(target=True, packed=packed)
    assert torch.equal(view.target.values, view.x)
    assert torch.equal(view.target.valid, view.valid)
    assert view.target.size <= 300


def test_an_ending_closes_every_document_that_is_shown_to_its_end():
    text, fitted, rows = prepared(16, replace(SMALL, ending=True, length=400))
    view = text.augment(text.batch(rows, fitted), View(kind="clean"), RNG)
    for row in range(view.rows):
        pieces = view.x[row][view.valid[row]]
        assert pieces[-1] == fitted.facts["end"] == 1
        assert view.unit[row, len(pieces) - 1] == view.unit[row, len(pieces) - 2] + 1


def test_generated_pieces_are_spelled_up_to_their_end(ready):
    text, fitted, rows = ready
    view = text.augment(text.batch(rows, fitted), View(kind="clean"), RNG)
    ids = torch.cat([view.x[:, :5], torch.full((view.rows, 1), 1), view.x[:, :5]], 1)
    whole = bytes(rows.fields["text"][0].numpy()).decode()
    assert whole.startswith(text.spell(ids, fitted)[0])


def test_a_given_tokenizer_takes_the_place_of_learned_pieces(ready, tmp_path):
    _, fitted, rows = ready
    path = tmp_path / "tokenizer.json"
    path.write_text(fitted.facts["tokenizer"], encoding="utf-8")
    text = replace(SMALL, tokenizer=str(path), size=None)
    assert text.fit([rows]).facts == fitted.facts
    assert str(path) in text.sentence


def test_packed_documents_are_blind_to_each_other_to_the_last_bit():
    text, fitted, rows = prepared(16)
    view = text.augment(text.batch(rows, fitted), View(kind="clean", packed=True), RNG)
    assert view.rows < 16
    encoder = Transformer(width=16, depth=2, heads=2).build(text, fitted)
    changed = replace(view, x=torch.where(view.segment == 2, (view.x + 1) % fitted.facts["size"], view.x))
    other = view.segment == 2
    for attend in ("full", "causal", "local"):
        outputs = [encoder.forward(encoder.tokenize(part), attend=attend) for part in (view, changed)]
        first, second = (output.tokens.content for output in outputs)
        assert torch.equal(first[~other], second[~other])
        assert not torch.equal(first[other], second[other])


def test_a_packed_document_has_the_vector_that_it_has_alone():
    text, fitted, rows = prepared(16)
    base = text.batch(rows, fitted)
    plain, packed = (text.augment(base, View(kind="clean", packed=flag), RNG) for flag in (False, True))
    encoder = Transformer(width=16, depth=2, heads=2).build(text, fitted).eval()
    pooled = [encoder.encode(view).pooled for view in (plain, packed)]
    assert packed.facts.record.tolist() != plain.facts.record.tolist()
    place = (packed.facts.record[:, None] == plain.facts.record).long().argmax(1)
    torch.testing.assert_close(pooled[0][place], pooled[1], rtol=1e-4, atol=1e-5)


def test_dropout_makes_two_views_of_one_text_in_training_only():
    text, fitted, rows = prepared(4, replace(SMALL, dropout=0.3))
    view = text.augment(text.batch(rows, fitted), View(kind="clean"), RNG)
    stem = text.stem(16, fitted)
    assert not torch.equal(stem(view), stem(view))
    assert torch.equal(stem.eval()(view), stem(view))


def test_odd_documents_give_finite_content(ready):
    text, fitted, _ = ready
    stem = text.stem(8, fitted)
    for texts in ODD.values():
        view = text.augment(text.batch(rows_of(texts), fitted), View(kind="weak"), RNG)
        assert stem(view).isfinite().all()
        assert view.valid.any(1).all()


def test_a_batch_that_is_a_view_already_is_refused(ready):
    text, fitted, rows = ready
    base = text.batch(rows, fitted)
    with pytest.raises(UsageError, match=r"starts from Text\.batch"):
        text.augment(text.augment(base, View(kind="clean"), RNG), View(kind="clean"), RNG)
    with pytest.raises(UsageError, match=r"call Text\.augment"):
        text.stem(8, fitted)(base)


def test_portraits_are_the_beginnings_of_the_texts(ready):
    text, _, rows = ready
    first = text.portray(rows, 96)[0]
    assert first.kind == "text"
    assert first.content.encode() == bytes(rows.fields["text"][0].numpy())
    assert len(text.portray(rows_of(["word " * 900]), 96)[0].content) == 600


def test_the_audit_counts_words_lengths_and_repeats(ready):
    text, _, _ = ready
    facts = {name: value for name, value, _ in text.audit([rows_of(["a b a", "a b a", "ä", "x " * 30])])}
    assert facts["documents"] == 4
    assert facts["length, longest"] == 30
    assert facts["different words"] == 4
    assert facts["repeats of another document"] == 25
    assert facts["longer than a row"] == 25
    assert facts["bytes beyond ASCII"] > 0
    assert text.audit([]) == ()
