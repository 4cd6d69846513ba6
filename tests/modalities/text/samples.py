"""Generated documents for the conformance suite: a hidden class decides most of their words."""

from __future__ import annotations

import numpy as np
import torch

from selftaught.core.modality import Fitted, Record, Rows
from selftaught.modalities.text import Text

CLASSES = 3
WORDS = (
    ("river", "boat", "harbour", "wave", "sailor", "island"),
    ("oven", "butter", "bread", "flour", "kitchen", "recipe"),
    ("engine", "wheel", "brake", "garage", "driver", "petrol"),
)
SHARED = ("the", "a", "of", "and", "was", "seen", "near", "old", "very", "then")

SMALL = Text(length=24, size=300, room=48)


def text_documents(count: int, numbers: np.random.Generator) -> tuple[list[object], list[int]]:
    """Texts of one to three sentences, and the hidden class of each."""
    label = numbers.integers(CLASSES, size=count).tolist()
    return [" ".join(a_sentence(kind, numbers) for _ in range(numbers.integers(1, 4))) for kind in label], label


def a_sentence(kind: int, numbers: np.random.Generator) -> str:
    """Four to eight words and a full stop."""
    words = [
        str(numbers.choice(WORDS[kind] if numbers.random() < 0.6 else SHARED)) for _ in range(numbers.integers(4, 9))
    ]
    return " ".join(words).capitalize() + "."


ODD = {
    "one letter": ["x", "y"],
    "one word and many": ["boat", "the old boat was seen near the harbour. " * 9],
    "no letters": ["...", "!?"],
    "never seen": ["żółć 漢字 🙂", "漢"],
}


def records_of(values: list[object]) -> list[Record]:
    """Records that hold these values."""
    return [Record(id=str(place), read=lambda value=value: value) for place, value in enumerate(values)]


def rows_of(texts: list[object], text: Text = SMALL, first: int = 0) -> Rows:
    """What the store would hand out for these texts."""
    stored = [text.decode(record).fields["text"] for record in records_of(texts)]
    record = torch.arange(len(texts)) * 7_919_000_033 + 1_000_003 + first
    return Rows(fields={"text": tuple(map(torch.from_numpy, stored))}, record=record, label=torch.zeros(len(texts)))


def prepared(count: int = 64, text: Text = SMALL) -> tuple[Text, Fitted, Rows]:
    """A modality, what it learned from generated documents, and these documents."""
    texts, _ = text_documents(count, np.random.default_rng(7))
    rows = rows_of(texts, text)
    return text, text.fit([rows]), rows
