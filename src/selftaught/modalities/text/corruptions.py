"""Corruptions that leave a text's meaning: what keyboards, hasty writers and scanners do to it, in five severities."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from jaxtyping import Int
from torch import Tensor

from selftaught.core.errors import UsageError
from selftaught.core.rng import Rng

SHARES = (0.02, 0.05, 0.1, 0.15, 0.25)
"""Share of characters, or of words, that are changed at severities 1 to 5."""

LETTERS = "abcdefghijklmnopqrstuvwxyz"
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
GAPS = re.compile(r"(\s+)")

Draw = Sequence[float]
Edit = Callable[[str, Draw, Draw, float], str]
"""(text, one draw a character or word for whether, one for what, share) to the changed text; draws are in [0, 1)."""


def neighbours() -> Mapping[str, str]:
    """The keys beside each letter on a QWERTY keyboard."""
    found = {}
    for line, keys in enumerate(KEYS):
        for place, key in enumerate(keys):
            beside = keys[max(0, place - 1) : place] + keys[place + 1 : place + 2]
            for other in (line - 1, line + 1):
                if 0 <= other < len(KEYS):
                    beside += KEYS[other][max(0, place - 1) : place + 1]
            found[key] = beside
    return found


NEIGHBOURS = neighbours()


def _wrong_letters(text: str, whether: Draw, what: Draw, share: float) -> str:
    return "".join(
        _like(old, LETTERS[int(which * 26)]) if draw < share and old.isalpha() else old
        for old, draw, which in zip(text, whether, what, strict=False)
    )


def _neighbour_keys(text: str, whether: Draw, what: Draw, share: float) -> str:
    changed = []
    for old, draw, which in zip(text, whether, what, strict=False):
        beside = NEIGHBOURS.get(old.lower(), "")
        changed.append(_like(old, beside[int(which * len(beside))]) if draw < share and beside else old)
    return "".join(changed)


def _swapped_letters(text: str, whether: Draw, what: Draw, share: float) -> str:
    letters, place = list(text), 0
    while place + 1 < len(letters):
        if whether[place] < share and letters[place].isalpha() and letters[place + 1].isalpha():
            letters[place : place + 2] = letters[place + 1], letters[place]
            place += 1
        place += 1
    return "".join(letters)


def _lost_letters(text: str, whether: Draw, what: Draw, share: float) -> str:
    return "".join(old for old, draw in zip(text, whether, strict=False) if draw >= share or not old.isalpha())


def _repeated_letters(text: str, whether: Draw, what: Draw, share: float) -> str:
    return "".join(
        old * (2 + int(2 * which)) if draw < share and old.isalpha() else old
        for old, draw, which in zip(text, whether, what, strict=False)
    )


def _other_case(text: str, whether: Draw, what: Draw, share: float) -> str:
    return "".join(old.swapcase() if draw < share else old for old, draw in zip(text, whether, strict=False))


def _white_space(text: str, whether: Draw, what: Draw, share: float) -> str:
    """Gaps close or widen, twice as often as the share says; within words one opens at a tenth of it."""
    changed = []
    for old, draw, which in zip(text, whether, what, strict=False):
        if old.isspace() and draw < 2 * share:
            changed.append("" if which < 0.5 else 2 * old)
        else:
            changed.append(old + " " if old.isalpha() and draw < 0.1 * share else old)
    return "".join(changed)


def _lost_words(text: str, whether: Draw, what: Draw, share: float) -> str:
    parts = GAPS.split(text)
    kept = [parts[place : place + 2] for place in range(0, len(parts), 2) if whether[place] >= share]
    return "".join(part for pair in kept for part in pair)


def _swapped_words(text: str, whether: Draw, what: Draw, share: float) -> str:
    parts, place = GAPS.split(text), 0
    while place + 2 < len(parts):
        if whether[place] < share:
            parts[place], parts[place + 2] = parts[place + 2], parts[place]
            place += 2
        place += 2
    return "".join(parts)


def _like(old: str, new: str) -> str:
    return new.upper() if old.isupper() else new


EDITS: Mapping[str, Edit] = {
    "wrong letters": _wrong_letters,
    "neighbour keys": _neighbour_keys,
    "swapped letters": _swapped_letters,
    "lost letters": _lost_letters,
    "repeated letters": _repeated_letters,
    "case": _other_case,
    "white space": _white_space,
    "lost words": _lost_words,
    "swapped words": _swapped_words,
}


def corrupt_texts(texts: Sequence[str], record: Int[Tensor, " b"], name: str, severity: int, rng: Rng) -> list[str]:
    """The texts corrupted in one way, by draws of each record's own; one of which nothing would stay is left whole."""
    if name not in EDITS or not 1 <= severity <= len(SHARES):
        raise UsageError(
            f"Text has the corruptions {', '.join(EDITS)}, at severities 1 to {len(SHARES)}; asked for {name!r} at "
            f"{severity}."
        )
    stream, edit, share = rng.fold(name), EDITS[name], SHARES[severity - 1]
    made = []
    for text, own in zip(texts, record.cpu().split(1), strict=True):
        whether, what = stream.uniform(own, "corrupt", (len(text) + 1, 2))[0].unbind(1)
        changed = edit(text, whether.tolist(), what.tolist(), share)
        made.append(changed if changed.strip() else text)
    return made
