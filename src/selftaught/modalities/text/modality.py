"""The text modality: options, and how a record becomes a batch and a batch becomes views.

Shape letters: B documents, N tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from selftaught.core.batch import Axis, Batch, Facts, View, map_tensors
from selftaught.core.errors import DataError, UsageError
from selftaught.core.modality import Fitted, Modality, Portrait, Predictor, Record, Rows, Stored
from selftaught.core.rng import Rng
from selftaught.core.targets import Categorical
from selftaught.data.source import Source
from selftaught.modalities.pieces import Piece, cut_in_order
from selftaught.modalities.text.audit import describe
from selftaught.modalities.text.classical import predictors
from selftaught.modalities.text.corruptions import EDITS, corrupt_texts
from selftaught.modalities.text.decode import SUFFIXES, read_text
from selftaught.modalities.text.passages import MANY, PASSAGES, ROWS, file_sizes, passage_of
from selftaught.modalities.text.pieces import given_pieces, learn_pieces, speller, usual_size
from selftaught.modalities.text.stem import PieceStem
from selftaught.modalities.text.views import (
    Shown,
    cut,
    delete_words,
    draw_window,
    number_words,
    pack,
    replace_pieces,
    spread,
    swap_halves,
)

PEEK = 64
PORTRAYED = 600
BYTES_A_TOKEN = 3
"""Bytes that a piece of a small vocabulary holds at least, on average."""

SHORTEST, LONGEST = 16, 512
"""Bounds of the length that is chosen from the data; longer rows must be asked for."""

MOST = 0.9
"""Largest share of words that a view may lose, whatever the strength."""

AXES = (Axis(name="time"),)


@dataclass(frozen=True, kw_only=True)
class Text(Modality):
    """Documents as sequences of word pieces. Options left None are chosen from the data.

    length: tokens of a document that a view holds at most; covers nine in ten documents, 512 at most. size: pieces of
    the vocabulary; from the corpus when it is fitted, and below 259 every byte is a piece. tokenizer: a tokenizer.json,
    or a folder with one, instead of pieces learned from the training part. lowercase: of learned pieces. ending: every
    document ends with a piece of its own, so that generated text can end. strength: dial on how hard views are;
    multiplies deletion, noise and the part of a document that a crop may leave out. deletion, noise: share of words
    that a "strong" view loses, of pieces that a "noisy" one replaces. crop: share of a document that a strong view may
    leave out. span: share of a document that a "span" view covers. dropout: of the pieces' vectors in training.
    room: tokens of a packed row, if that is more than the length. limit: bytes of a record that are read.

    A document longer than a view is cut at the end in a "clean" view, at random in others. Words are units.
    """

    name: ClassVar[str] = "text"
    offers: ClassVar[frozenset[str]] = frozenset({"target", "order", "transform"})
    layout: ClassVar[Literal["picture", "columns", "words", "other"]] = "words"
    reads: ClassVar[frozenset[str]] = frozenset({"files", "text"})
    corruptions: ClassVar[tuple[str, ...]] = tuple(EDITS)
    fit_rows: ClassVar[int] = 50_000  # a vocabulary grows with the corpus

    length: int | None = None
    size: int | None = None
    tokenizer: str | None = None
    lowercase: bool = False
    ending: bool = False
    strength: float = 1.0
    deletion: float = 0.3
    noise: float = 0.1
    crop: float = 0.7
    span: tuple[float, float] = (0.25, 0.5)
    dropout: float = 0.0
    room: int = 128
    limit: int = 1_000_000

    def __post_init__(self) -> None:
        for name in ("length", "size", "room", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"Text.{name} must be at least 1; got {value}.")
        for name in ("deletion", "noise", "crop", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"Text.{name} is a share from 0 to below 1; got {getattr(self, name)}.")
        if self.strength < 0 or not 0 < self.span[0] <= self.span[1] <= 1:
            raise UsageError(f"Text.strength must be 0 or more, Text.span two rising shares; got {self}.")

    @classmethod
    def recognises(cls, ids: Sequence[str], values: Sequence[Any]) -> bool:
        """Whether most of these values are readable text with letters in it; of files, only those named as text."""
        return 2 * sum(map(_looks_like_text, ids, values)) > len(values)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Tokens stand one after the other."""
        return AXES

    @property
    def shape(self) -> None:
        """None: documents differ in length."""
        return None

    @property
    def sentence(self) -> str:
        """What was decided, in one line."""
        learned = f"{self.size:,} pieces" if self.size else "pieces"
        pieces = f"pieces of {self.tokenizer}" if self.tokenizer else f"{learned} learned from the training part"
        return f"text, rows of {self._row():,} tokens, {pieces}"

    def recognise(self, records: Sequence[Record]) -> Text:
        """A copy with the length chosen from up to 64 records, evenly spread. Raises DataError, and UsageError for a
        tokenizer that cannot be read."""
        if self.tokenizer is not None:
            given_pieces(self.tokenizer)
        sizes: list[int] = []
        count, problem = min(PEEK, len(records)), "there are no records"
        for index in (place * len(records) // count for place in range(count)):
            try:
                sizes.append(len(read_text(records[index].read(), self.limit).content))
            except DataError as error:
                problem = f"{records[index].id}: {error}"
        if not sizes:
            raise DataError(f"None of {count} records could be read as text ({problem}).")
        return replace(self, length=self.length or usual_length(sizes))

    def cut(self, source: Source) -> Source:
        """The source with long files as passages, where there are few; those of a single file are split in order."""
        if len(source) >= MANY:
            return source
        sizes = file_sizes(source.records)
        total = sum(size for size in sizes if size is not None)
        return cut_in_order(source, sizes, max(float(ROWS * BYTES_A_TOKEN * self._row()), total / PASSAGES))

    def decode(self, record: Record) -> Stored:
        """text (bytes,): clean UTF-8 as uint8. Raises DataError for what is empty or no text."""
        try:
            value = record.read()
            written = passage_of(value) if isinstance(value, Piece) else value
            content, findings = read_text(written, self.limit)
        except DataError as error:
            raise DataError(f"{record.id}: {error}") from error
        if max(len(content.split()), len(content) / BYTES_A_TOKEN) > self._row():
            findings = (*findings, "text-longer-than-a-row")
        return Stored(fields={"text": np.frombuffer(content, np.uint8).copy()}, findings=findings)

    def fit(self, rows: Iterable[Rows]) -> Fitted:
        """tokenizer: JSON of learned or given pieces; size: of the vocabulary; closes (size,): 1 ends a sentence."""
        contents = [content for part in rows for content in _contents(part)]
        if not contents:
            raise DataError("There is no text in the training part; nothing can be fitted.")
        if self.tokenizer is None:
            size = self.size or usual_size(sum(map(len, contents)))
            text = learn_pieces([_plain(content) for content in contents], size, lowercase=self.lowercase)
        else:
            text = given_pieces(self.tokenizer)
        known = speller(text)
        if self.ending and known.end is None:
            raise UsageError(f"The tokenizer {self.tokenizer} has no piece that ends a document; use ending=false.")
        facts = {"tokenizer": text, "size": known.size, "length": self._row(), "end": known.end}
        return Fitted(arrays={"closes": known.closers()}, facts=facts)

    def batch(self, rows: Rows, fitted: Fitted) -> Batch:
        """x: pieces, words, sentence ends, each (B, N) of whole documents, and the vocabulary's size (B,)."""
        pieces = speller(fitted.facts["tokenizer"]).split(_contents(rows))
        more = int(self.ending)
        lengths = [len(each.ids) + more for each in pieces]
        table = np.zeros((2, len(pieces), max(lengths)), np.int64)
        for row, each in enumerate(pieces):
            table[0, row, : len(each.ids)], table[1, row, : len(each.ids)] = each.ids, each.word
            if self.ending:
                table[:, row, len(each.ids)] = fitted.facts["end"], each.word[-1] + 1
        ids, word = torch.from_numpy(table).unbind(0)
        closes = torch.from_numpy(np.array(fitted.arrays["closes"], np.int64))[ids]
        total = torch.tensor(lengths)
        place = torch.arange(ids.shape[1]).expand_as(ids)
        return Batch(
            x=(ids, word, closes, torch.full_like(total, fitted.facts["size"])),
            stream=self.name,
            segment=(place < total[:, None]).long(),
            pos=place[..., None].float(),
            axes=AXES,
            origin=spread(total, place),
            unit=word,
            facts=Facts(record=rows.record, group=rows.group, label=rows.label),
        )

    def augment(self, batch: Batch, view: View, rng: Rng) -> Batch:
        """One view: x (B, N) piece numbers, or (R, W) where documents share rows.

        strong: a random window without some words. weak: all of a document, or a window where it is longer than a
        view. clean: its beginning. noisy: weak with other pieces here and there. span: a small window. transform: weak,
        its halves swapped at a sentence end where facts.transform is 1 (Lan 2020).
        """
        if not isinstance(batch.x, tuple):
            raise UsageError("Text.augment starts from Text.batch; it was given a batch that is a view already.")
        ids, word, closes, size = batch.x
        record, total, facts = batch.facts.record, batch.valid.sum(1), batch.facts
        most = max(1, round(self._row() * view.size))
        start, count = torch.zeros_like(total), total.clamp(max=most)
        if view.kind != "clean":
            start, count = draw_window(record, total, most, view.scale or self._share(view), rng)
        shown = cut(ids, word, start, count)
        if view.kind == "strong":
            shown = delete_words(shown, record, min(MOST, self.deletion * self.strength), rng)
        if view.kind == "noisy":
            shown = replace_pieces(shown, record, size, min(MOST, self.noise * self.strength), rng)
        if view.kind == "transform":
            swap = rng.chance(record, "transform", 0.5)
            shown, facts = swap_halves(shown, closes, swap), replace(facts, transform=swap.long())
        shape = (max(most, round(self.room * view.size)), int(size[0]))
        return _lay_out(shown, total, facts, view, shape)

    def stem(self, dim: int, fitted: Fitted) -> PieceStem:
        """The table of the pieces' vectors."""
        return PieceStem(dim, int(fitted.facts["size"]), self.dropout)

    def classical(self) -> tuple[Predictor, ...]:
        """TF-IDF of words 1-2 and of characters 3-5."""
        return predictors(_texts)

    def corrupt(self, rows: Rows, name: str, severity: int, rng: Rng) -> Rows:
        """The documents with one kind of fault, severity 1 to 5, that leaves their meaning. Raises UsageError."""
        changed = corrupt_texts(_texts(rows), rows.record, name, severity, rng)
        fields = {"text": tuple(torch.from_numpy(_bytes_of(text)) for text in changed)}
        return Rows(fields=fields, record=rows.record, group=rows.group, label=rows.label)

    def audit(self, rows: Iterable[Rows]) -> tuple[tuple[str, float | str, str], ...]:
        """Lengths, different words, repeats, and what does not fit a row."""
        return describe((content for part in rows for content in _contents(part)), self._row())

    def portray(self, rows: Rows, side: int) -> tuple[Portrait, ...]:
        """The beginnings of the texts."""
        return tuple(Portrait(kind="text", content=text[:PORTRAYED]) for text in _texts(rows))

    def spell(self, ids: Int[Tensor, "b n"], fitted: Fitted) -> list[str]:
        """The texts of rows of pieces, such as generated ones; each ends where its first end piece stands."""
        known, end = speller(fitted.facts["tokenizer"]), fitted.facts["end"]
        lines = [row[: row.index(end)] if end in row else row for row in ids.tolist()]
        return [known.join(line) for line in lines]

    def _row(self) -> int:
        if self.length:
            return self.length
        raise UsageError("This Text has open options; call Text.recognise(records) first and use what it returns.")

    def _share(self, view: View) -> tuple[float, float]:
        if view.kind == "span":
            return self.span
        return (max(1 - MOST, 1 - self.crop * self.strength), 1.0) if view.kind == "strong" else (1.0, 1.0)


def usual_length(sizes: Sequence[int]) -> int:
    """Tokens, a power of two, that nine in ten documents of these bytes have at most."""
    wanted = sorted(sizes)[round(0.9 * (len(sizes) - 1))] / BYTES_A_TOKEN
    length = SHORTEST
    while length < min(wanted, LONGEST):
        length *= 2
    return length


def _lay_out(shown: Shown, total: Tensor, facts: Facts, view: View, shape: tuple[int, int]) -> Batch:
    """The batch of a view. shape: tokens that a packed row has room for, pieces of the vocabulary."""
    valid = shown.valid
    step = torch.arange(valid.shape[1], device=valid.device).expand_as(valid)
    segment, x, unit = valid.long(), shown.ids * valid, number_words(shown.word)
    pos, origin = step[..., None].float(), spread(total, shown.place)
    if view.packed:
        packing = pack(valid.sum(1).tolist(), shape[0], valid.device)
        segment = packing.segment[:, None].expand_as(valid)
        segment, x, unit, pos, origin = (packing.lay(part, valid) for part in (segment, x, unit, pos, origin))
        facts = map_tensors(facts, lambda known: known[packing.order])
    target = Categorical(values=x, valid=segment > 0, size=shape[1]) if view.target else None
    return Batch(
        x=x, stream=Text.name, segment=segment, pos=pos, axes=AXES, origin=origin, unit=unit, facts=facts, target=target
    )


def _looks_like_text(name: str, value: Any) -> bool:
    if not isinstance(value, str) and not (isinstance(value, bytes) and name.lower().endswith(SUFFIXES)):
        return False
    try:
        text = _plain(read_text(value, 10_000).content)
    except DataError:
        return False
    return any(letter.isalpha() for letter in text)


def _contents(rows: Rows) -> list[bytes]:
    return [part.cpu().numpy().tobytes() for part in rows.fields["text"]]


def _texts(rows: Rows) -> list[str]:
    return [_plain(content) for content in _contents(rows)]


def _plain(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _bytes_of(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-8", "replace"), np.uint8).copy()
