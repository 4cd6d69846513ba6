"""Bad text: refused with the reason before work starts, or set aside with a finding while the run goes on."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from tests.journeys.photos import DATA, USAGE, Said, call, pretrain, refused
from tests.modalities.text.samples import text_documents

TEXTS = [str(text) for text in text_documents(80, np.random.default_rng(3))[0]]
"""Eighty good documents."""


def ran(said: Said, *words: str) -> None:
    """The run went on, and its report has all the words, wherever its lines break."""
    assert said.code == 0, said.err
    flat = " ".join(said.out.split())
    for word in words:
        assert word in flat, said.out


def folder(place: Path, files: dict[str, bytes]) -> Path:
    """A folder of text files."""
    place.mkdir()
    for name, content in files.items():
        (place / name).write_bytes(content)
    return place


def good(count: int = 80) -> dict[str, bytes]:
    """Files of good documents."""
    return {f"{index:03d}.txt": text.encode() for index, text in enumerate(TEXTS[:count])}


def table(path: Path, cells: list[object], name: str = "text") -> Path:
    """A JSONL file of one column."""
    path.write_text("".join(json.dumps({name: cell}) + "\n" for cell in cells), encoding="utf-8")
    return path


def test_one_record_is_refused(tmp_path: Path) -> None:
    refused(pretrain(folder(tmp_path / "one", good(1))), DATA, "more data")
    refused(pretrain(table(tmp_path / "one.jsonl", TEXTS[:1]), "--column", "text"), DATA, "more data")


def test_documents_that_are_all_alike_are_refused(tmp_path: Path) -> None:
    refused(pretrain(table(tmp_path / "same.jsonl", ["a boat"] * 60), "--column", "text"), DATA, "identical")


@pytest.mark.parametrize("cell", ["", None, "  \n "], ids=["empty", "missing", "blank"])
def test_a_column_without_any_text_is_refused(tmp_path: Path, cell: object) -> None:
    data = table(tmp_path / "none.jsonl", [cell] * 60)
    refused(pretrain(data, "--modality", "text", "--column", "text"), DATA, "empty")
    assert not (tmp_path / "run").exists()


def test_files_of_length_zero_alone_are_refused(tmp_path: Path) -> None:
    data = folder(tmp_path / "zero", {f"{index}.txt": b"" for index in range(40)})
    refused(pretrain(data), DATA, "--modality")
    refused(pretrain(data, "--modality", "text"), DATA, "it is empty")


def test_numbers_asked_for_as_text_are_refused_with_the_remedy(tmp_path: Path) -> None:
    data = table(tmp_path / "numbers.jsonl", list(range(60)), "amount")
    said = pretrain(data, "--modality", "text", "--column", "amount")
    refused(said, DATA, "amount")


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    refused(pretrain(table(tmp_path / "t.jsonl", TEXTS), "--column", "txet"), DATA, "txet", "text")


@pytest.mark.parametrize(
    ("tokenizer", "words"),
    [("nowhere.json", ["nowhere.json", "tokenizer.json"]), ("broken.json", ["broken.json", "tokenizer.json"])],
)
def test_a_tokenizer_that_cannot_be_read_is_refused(tmp_path: Path, tokenizer: str, words: list[str]) -> None:
    (tmp_path / "broken.json").write_text('{"model": 3')
    data, place = table(tmp_path / "t.jsonl", TEXTS), tmp_path / tokenizer
    said = pretrain(data, "--column", "text", "--modality", "text", "--set", f"modality.tokenizer={place}")
    refused(said, USAGE, *words)


def test_a_tokenizer_of_which_the_library_makes_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text('{"model": {"type": "Nonsense"}}')
    data = table(tmp_path / "t.jsonl", TEXTS)
    said = pretrain(data, "--column", "text", "--modality", "text", "--set", f"modality.tokenizer={tmp_path}/odd.json")
    refused(said, USAGE, "odd.json")


@pytest.mark.slow
def test_empty_and_binary_files_are_set_aside_and_named_and_the_run_goes_on(tmp_path: Path) -> None:
    odd = {"empty.txt": b"", "blank.txt": b" \n", "binary.txt": b"\0\1\2" * 50, "controls.txt": b"\x01a\x02" * 30}
    said = pretrain(folder(tmp_path / "texts", {**good(), **odd}))
    ran(said, "4 records could not be decoded and were set aside", "binary.txt, blank.txt", "records 80")


@pytest.mark.slow
def test_empty_cells_are_set_aside_and_counted(tmp_path: Path) -> None:
    said = pretrain(table(tmp_path / "t.jsonl", [*TEXTS, "", None, "   "]), "--column", "text")
    ran(said, "3 records could not be decoded and were set aside", "records 80")


@pytest.mark.slow
def test_mixed_encodings_and_byte_order_marks_are_read_and_remarked_on(tmp_path: Path) -> None:
    odd = {
        "bom.txt": b"\xef\xbb\xbf" + "the old boat près de la côte".encode(),
        "latin.txt": "une vague près de l'île déjà passée".encode("cp1252"),
        "utf16.txt": "an island in the sea".encode("utf-16"),
        "utf32.txt": "a harbour in the sea".encode("utf-32"),
        "broken.txt": "déjà vu, vu déjà, encore et déjà ".encode() + b"\xff\xfe and more",
    }
    said = pretrain(folder(tmp_path / "texts", {**good(), **odd}))
    ran(said, "text-encoding", "text-broken", "broken.txt", "records 85")


@pytest.mark.slow
def test_documents_of_one_token_beside_long_ones_are_learned_from(tmp_path: Path) -> None:
    said = pretrain(table(tmp_path / "t.jsonl", [*"abcdefghijklmnopqrst", *TEXTS]), "--column", "text")
    ran(said, "records 100")


@pytest.mark.slow
def test_documents_of_one_token_alone_are_learned_from_as_far_as_it_goes(tmp_path: Path) -> None:
    letters = [chr(place) for place in range(ord("a"), ord("a") + 26)]
    cells = [one + other for one in letters for other in "xyz"]
    for pretext in ("simclr", "maskedtoken", "nexttoken"):
        place = tmp_path / pretext
        place.mkdir()
        ran(pretrain(table(place / "t.jsonl", cells), "--column", "text", "--pretext", pretext), "records 78")


@pytest.mark.slow
def test_a_line_of_a_hundred_megabytes_is_cut_counted_and_survived(tmp_path: Path) -> None:
    long = ("the boat was seen near the old harbour " * 2_700_000)[:100_000_000]
    said = pretrain(folder(tmp_path / "texts", {**good(), "long.txt": long.encode()}))
    ran(said, "text-truncated", "long.txt", "records 81")


@pytest.mark.slow
def test_a_long_line_in_a_table_is_cut_counted_and_survived(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([["text"], *([text] for text in TEXTS), ["a boat near the harbour " * 200_000]])
    ran(pretrain(path, "--column", "text"), "text-truncated", "records 81")


def test_a_table_that_is_no_utf8_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"text\n" + b"".join(f"{text} \xe9t\xe9\n".encode("latin-1") for text in TEXTS))
    refused(pretrain(tmp_path / "t.csv", "--column", "text"), DATA, "UTF-8")


@pytest.mark.slow
def test_a_table_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbftext,label\n" + b"".join(f"{text},x\n".encode() for text in TEXTS))
    ran(pretrain(tmp_path / "t.csv", "--column", "text"), "records 80")


@pytest.mark.slow
def test_half_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text("".join(json.dumps({"text": f"{text} \ud83d"}) + "\n" for text in TEXTS))
    ran(pretrain(tmp_path / "t.jsonl", "--column", "text"), "records 80")


@pytest.mark.slow
def test_embed_sets_bad_documents_aside_and_says_so(tmp_path: Path) -> None:
    ran(pretrain(table(tmp_path / "t.jsonl", TEXTS), "--column", "text"))
    other = table(tmp_path / "new.jsonl", ["the boat", "", "the oven", None])
    said = call("embed", tmp_path / "run", other, "--column", "text", "--out", tmp_path / "v.npy", "--quiet")
    assert said.code == 0, said.err
    assert "set aside  2 records" in said.out
    assert np.load(tmp_path / "v.npy").shape[0] == 2
