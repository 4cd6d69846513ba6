"""Word pieces: byte pairs learned from the corpus, or a given tokenizer file; text to pieces and back.

The only file of this folder that knows the library `tokenizers`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from selftaught.core.errors import MissingExtra, UsageError

PADDING, END = "<pad>", "<end>"
ENDS = (END, "</s>", "<|endoftext|>", "[SEP]", "<eos>")
"""Names under which a given tokenizer may have its end of a document."""

SMALLEST, LARGEST, BYTES_A_PIECE = 512, 8_192, 50
"""Bounds of the vocabulary, and bytes of the corpus for each of its pieces, so that most are seen often enough."""

BYTES = 256
KEPT_PIECES = 10_000_000
"""Pieces that are remembered, 16 bytes each."""

CLOSERS = (".", "!", "?", "\n", "\u2026", "\u3002", "\uff01", "\uff1f")
QUOTES = " \"')]}\u201d\u2019\u00bb"


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """One document: the number of each piece in the vocabulary, and of the word that it belongs to."""

    ids: Int[np.ndarray, " n"]
    word: Int[np.ndarray, " n"]


def library() -> Any:
    """The module `tokenizers`. Raises MissingExtra."""
    try:
        import tokenizers
    except ImportError as missing:
        raise MissingExtra("tokenizers", "text", "Text") from missing
    return tokenizers


def usual_size(count: int) -> int:
    """The vocabulary's size for a corpus of `count` bytes."""
    return min(LARGEST, max(SMALLEST, count // BYTES_A_PIECE))


def learn_pieces(texts: Sequence[str], size: int, *, lowercase: bool) -> str:
    """The JSON of a tokenizer of byte pairs (Sennrich 2016, on bytes as in Radford 2019) learned from these texts.

    size: of the vocabulary, the two special pieces and all 256 bytes included; fewer where no pair comes twice.
    """
    parts = library()
    tokenizer = parts.Tokenizer(parts.models.BPE())
    steps = [parts.normalizers.NFC(), *([parts.normalizers.Lowercase()] if lowercase else [])]
    tokenizer.normalizer = parts.normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = parts.pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = parts.decoders.ByteLevel()
    trainer = parts.trainers.BpeTrainer(
        vocab_size=max(size, BYTES + 2),
        min_frequency=2,
        show_progress=False,
        special_tokens=[PADDING, END],
        initial_alphabet=sorted(parts.pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(texts, trainer, length=len(texts))
    return str(tokenizer.to_str())


def given_pieces(place: str) -> str:
    """The JSON of a tokenizer.json file, or of the one in a folder. Raises UsageError where none works."""
    path = Path(place) / "tokenizer.json" if Path(place).is_dir() else Path(place)
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
    except (OSError, ValueError) as problem:
        raise UsageError(f"Text.tokenizer {place} cannot be read ({problem}); give a tokenizer.json.") from problem
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise UsageError(f"Text.tokenizer {place} holds no model of the library tokenizers; give a tokenizer.json.")
    try:
        speller(text)
    except UsageError as problem:
        raise UsageError(f"Text.tokenizer {place} cannot be used: {problem}") from problem
    return text


@lru_cache(maxsize=8)
def speller(text: str) -> Speller:
    """The tokenizer of some JSON; the same object for the same JSON, so that what it has split stays known."""
    return Speller(text)


class Speller:
    """Splits documents into pieces, all new ones of a batch at once, and remembers those it has split."""

    def __init__(self, text: str) -> None:
        try:
            self.tokenizer = library().Tokenizer.from_str(text)
        except Exception as problem:  # the library has no narrower one
            raise UsageError(f"The tokenizer is none of the library tokenizers ({problem}).") from problem
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        # A document that spells "<end>" means these five letters.
        self.tokenizer.encode_special_tokens = True
        # Files may leave numbers out, so the count of pieces would be too small for a table.
        self.size: int = 1 + max(self.tokenizer.get_vocab().values(), default=-1)
        self.known: dict[bytes, Pieces] = {}
        self.held = 0
        self.lock = threading.Lock()

    @property
    def end(self) -> int | None:
        """The piece that ends a document, or None where a given tokenizer has none."""
        found = (self.tokenizer.token_to_id(name) for name in ENDS)
        return next((int(number) for number in found if number is not None), None)

    def split(self, texts: Sequence[bytes]) -> list[Pieces]:
        """The pieces of each text; one, number 0, where the tokenizer makes nothing of it."""
        with self.lock:
            found = {text: self.known[text] for text in texts if text in self.known}
        fresh = [text for text in dict.fromkeys(texts) if text not in found]
        if fresh:
            plain = [text.decode("utf-8", "replace") for text in fresh]
            encoded = self.tokenizer.encode_batch(plain, add_special_tokens=False)
            made = {text: _pieces_of(each) for text, each in zip(fresh, encoded, strict=True)}
            found |= made
            with self.lock:
                self._keep(made)
        return [found[text] for text in texts]

    def join(self, ids: Sequence[int]) -> str:
        """The text of some pieces; special ones are left out."""
        text = str(self.tokenizer.decode(list(ids), skip_special_tokens=True))
        return text.removeprefix(" ")

    def closers(self) -> Int[np.ndarray, " size"]:
        """1 for pieces at whose end a sentence ends, else 0, by number of the piece."""
        plain = self.tokenizer.decode_batch([[number] for number in range(self.size)])
        return np.array([text.rstrip(QUOTES).endswith(CLOSERS) for text in plain], dtype=np.int64)

    def _keep(self, made: dict[bytes, Pieces]) -> None:
        self.known.update(made)
        self.held += sum(len(pieces.ids) for pieces in made.values())
        while self.held > KEPT_PIECES and self.known:
            oldest = next(iter(self.known))
            self.held -= len(self.known.pop(oldest).ids)


def _pieces_of(encoded: Any) -> Pieces:
    ids = np.array(encoded.ids or [0], dtype=np.int64)
    words = [0 if word is None else word for word in encoded.word_ids] or [0]
    return Pieces(ids=ids, word=np.array(words, dtype=np.int64))
