"""What the texts of a data set are like: lengths, words, scripts, repeats."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

Fact = tuple[str, float | str, str]


def describe(contents: Iterable[bytes], row: int) -> tuple[Fact, ...]:
    """(fact, value, unit) of some documents in UTF-8; none where there are no documents. row: tokens of a row.

    A word is what stands between white space; a document of more words than a row has tokens is surely cut.
    """
    counts: list[int] = []
    sizes: list[int] = []
    words: set[bytes] = set()
    seen: set[int] = set()
    wide = 0
    for content in contents:
        parts = content.split()
        counts.append(len(parts))
        sizes.append(len(content))
        words.update(part.lower() for part in parts)
        seen.add(hash(content))
        wide += int((np.frombuffer(content, np.uint8) > 127).sum())
    if not counts:
        return ()
    low, middle, high = np.quantile(counts, (0.05, 0.5, 0.95)).tolist()
    return (
        ("documents", float(len(counts)), "records"),
        ("length, 5 % have at most", low, "words"),
        ("length, median", middle, "words"),
        ("length, 95 % have at most", high, "words"),
        ("length, longest", float(max(counts)), "words"),
        ("different words", float(len(words)), "words"),
        ("different words per 1,000 words", 1_000 * len(words) / max(1, sum(counts)), "words"),
        ("bytes beyond ASCII", 100 * wide / max(1, sum(sizes)), "%"),
        ("repeats of another document", 100 * (1 - len(seen) / len(counts)), "%"),
        ("longer than a row", 100 * float(np.mean(np.array(counts) > row)), "%"),
    )
