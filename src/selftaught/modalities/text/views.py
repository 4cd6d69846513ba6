"""Views of documents: windows, deleted and replaced words, sentences in another order; and packing.

Everything runs on whole batches on their device. Shape letters: B documents, N tokens of the longest, R packed rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from selftaught.core.rng import Rng
from selftaught.layers.packing import fit_rows

SPECIAL = 2
"""Pieces at the start of a vocabulary that stand for no text: padding and the end of a document."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One document a row, its tokens from the left. ids: pieces. word: which word each belongs to. place: where in the
    whole document it stands, tokens. valid: which are there."""

    ids: Int[Tensor, "b n"]
    word: Int[Tensor, "b n"]
    place: Int[Tensor, "b n"]
    valid: Bool[Tensor, "b n"]

    def take(self, index: Int[Tensor, "b m"], valid: Bool[Tensor, "b m"]) -> Shown:
        """The tokens at `index` of every row."""
        ids, word, place = (part.gather(1, index) for part in (self.ids, self.word, self.place))
        return Shown(ids=ids, word=word, place=place, valid=valid)


def draw_window(
    record: Int[Tensor, " b"], total: Int[Tensor, " b"], most: int, share: tuple[float, float], rng: Rng
) -> tuple[Int[Tensor, " b"], Int[Tensor, " b"]]:
    """Where a window of each document starts and how many tokens it has.

    total: tokens of the documents. share: smallest and largest fraction of a document; `most` tokens at most.
    """
    fraction = rng.uniform(record, "share", (), *share)
    count = (fraction * total).round().long().clamp(min=1).minimum(total).clamp(max=most)
    start = (rng.uniform(record, "start") * (total - count + 1)).long().minimum(total - count)
    return start, count


def cut(ids: Int[Tensor, "b n"], word: Int[Tensor, "b n"], start: Int[Tensor, " b"], count: Int[Tensor, " b"]) -> Shown:
    """`count` tokens of every document from `start` on."""
    step = torch.arange(int(count.max()), device=ids.device)
    index = (start[:, None] + step).clamp(max=ids.shape[1] - 1)
    place = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    whole = Shown(ids=ids, word=word, place=place, valid=torch.ones_like(ids, dtype=torch.bool))
    return whole.take(index, step < count[:, None])


def delete_words(shown: Shown, record: Int[Tensor, " b"], share: float, rng: Rng) -> Shown:
    """Without a random share of the words; whole where nothing would stay."""
    draw = rng.uniform(record, "delete", (int(shown.word.max()) + 1,)).gather(1, shown.word)
    stays = shown.valid & (draw >= share)
    stays = stays | (shown.valid & ~stays.any(1, keepdim=True))
    order = stays.byte().argsort(dim=1, descending=True, stable=True)[:, : int(stays.sum(1).max())]
    return shown.take(order, stays.gather(1, order))


def replace_pieces(shown: Shown, record: Int[Tensor, " b"], size: Int[Tensor, " b"], share: float, rng: Rng) -> Shown:
    """With a random share of the tokens replaced by others, drawn evenly from the vocabulary of `size` pieces."""
    drawn = rng.uniform(record, "replace", (int(shown.place.max()) + 1, 2))
    draw = drawn.gather(1, shown.place[..., None].expand(-1, -1, 2))
    first, end = (size.clamp(max=SPECIAL + 1) - 1)[:, None], size[:, None]
    other = (first + (draw[..., 1] * (end - first)).long()).minimum(end - 1)
    return replace(shown, ids=torch.where(shown.valid & (draw[..., 0] < share), other, shown.ids))


def swap_halves(shown: Shown, closes: Int[Tensor, "b n"], swap: Bool[Tensor, " b"]) -> Shown:
    """Where `swap`, what follows the sentence end nearest to the middle stands before what leads up to it.

    closes: 1 at tokens of the whole documents that end a sentence. Without one inside, the middle itself divides.
    """
    count = shown.valid.sum(1, keepdim=True)
    step = torch.arange(shown.ids.shape[1], device=shown.ids.device).expand_as(shown.ids)
    ends = (closes.gather(1, shown.place) > 0) & (step < count - 1)
    far = torch.where(ends, (step + 1 - count / 2).abs(), torch.inf)
    least, nearest = far.min(1, keepdim=True)
    middle = torch.where(least.isinf(), count // 2, nearest + 1)
    moved = (step + middle * swap[:, None]) % count
    return shown.take(torch.where(shown.valid, moved, step), shown.valid)


def number_words(word: Int[Tensor, "b n"]) -> Int[Tensor, "b n"]:
    """Words numbered anew from 0 in the order of the row, so that no number is left out."""
    changes = word[:, 1:] != word[:, :-1]
    return F.pad(changes.long().cumsum(1), (1, 0))


def spread(length: Int[Tensor, " b"], place: Int[Tensor, "b n"]) -> Float[Tensor, "b n 1"]:
    """The middle of each token in its document's own coordinates, 0..1."""
    return ((place + 0.5) / length[:, None])[..., None]


@dataclass(frozen=True, kw_only=True)
class Packing:
    """Where documents go. row: of each. start: its first column. segment: its number in the row, from 1.

    order: the documents as they lie, row after row, which `Facts` of the packed batch follow.
    """

    row: Int[Tensor, " b"]
    start: Int[Tensor, " b"]
    segment: Int[Tensor, " b"]
    order: Int[Tensor, " b"]
    rows: int
    width: int

    def lay(self, values: Tensor, valid: Bool[Tensor, "b n"]) -> Tensor:
        """Values (B, N, ...) of documents in packed rows (R, W, ...); the rest is 0."""
        step = torch.arange(valid.shape[1], device=valid.device)
        row, column = self.row[:, None].expand_as(valid)[valid], (self.start[:, None] + step)[valid]
        laid = values.new_zeros(self.rows, self.width, *values.shape[2:])
        laid[row, column] = values[valid]
        return laid


def pack(counts: Sequence[int], room: int, device: torch.device | str = "cpu") -> Packing:
    """Documents of `counts` tokens side by side in few rows of `room` tokens, none of them empty.

    The rows are then made as narrow as halving finds them to need no more of them, so that little is padded. A
    document longer than the room makes all rows as long.
    """
    high = max(room, *counts)
    needed = fit_rows(counts, high)[2]
    low = max(-(-sum(counts) // needed), *counts)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fit_rows(counts, middle)[2] <= needed else (middle + 1, high)
    row, start, rows = fit_rows(counts, high)
    order = sorted(range(len(counts)), key=lambda each: (row[each], start[each]))
    segment = [1] * len(counts)
    for before, after in itertools.pairwise(order):
        if row[before] == row[after]:
            segment[after] = segment[before] + 1
    laid = (torch.tensor(part, device=device) for part in (row, start, segment, order))
    own, first, number, lie = laid
    return Packing(row=own, start=first, segment=number, order=lie, rows=rows, width=high)
