"""Who takes part in a race: the legal pretexts, each in the sizes and view strengths that were asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast, get_args

from selftaught.core.config import members, override
from selftaught.core.errors import IllegalPair, UsageError
from selftaught.modalities import AnyModality
from selftaught.pretexts import AnyPretext, Supervised
from selftaught.pretexts.choice import default_pretext
from selftaught.recipe import Recipe, Size, resolve


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to pretrain. family: of its pretext. first: the one of its family that runs in the first round.
    modality: with the candidate's view strength. recipe: not resolved; seed and budget are the race's."""

    name: str
    family: str
    first: bool
    modality: AnyModality
    recipe: Recipe

    @property
    def slug(self) -> str:
        """The name as a folder."""
        return re.sub(r"[^a-z0-9.]+", "-", self.name.lower())


def find_candidates(
    base: Recipe,
    modality: AnyModality,
    records: int,
    pretexts: Sequence[str],
    sizes: Sequence[str],
    strengths: Sequence[float],
    loaded: bool,
) -> tuple[Candidate, ...]:
    """All candidates, the usual pretext's family first, and in a family its representative first.

    base: what all recipes share. pretexts: names; none: every legal one. loaded: all begin with weights that exist.
    Raises UsageError for an unknown name, IllegalPair for one that does not go with the data.
    """
    usual = type(default_pretext(modality, base.encoder))
    chosen = _named(pretexts) if pretexts else [kind for kind in get_args(AnyPretext) if kind is not Supervised]
    legal = [kind for kind in chosen if _goes(kind, base, modality, records, loaded, asked=bool(pretexts))]
    if not legal:
        raise IllegalPair(f"No pretext goes with {modality.name} and these options; see `selftaught list`.")
    legal.sort(key=lambda kind: (family_of(kind) != family_of(usual), kind is not usual))
    order = list(dict.fromkeys(family_of(kind) for kind in legal))
    found: list[Candidate] = []
    for family in order:
        own = [kind for kind in legal if family_of(kind) == family]
        for kind in own:
            for number, (words, shown, recipe) in enumerate(_variants(base, modality, sizes, strengths)):
                name = " ".join([kind.__name__, *words])
                first = kind is own[0] and number == 0
                recipe = replace(recipe, pretext=kind())
                found.append(Candidate(name=name, family=family, first=first, modality=shown, recipe=recipe))
    return tuple(found)


def family_of(kind: type) -> str:
    """The family of a pretext: the file that it is written in."""
    return kind.__module__.rpartition(".")[2]


def _named(names: Sequence[str]) -> list[type]:
    known: Mapping[str, type] = {name: kind for name, kind in members(AnyPretext).items() if kind is not Supervised}
    wrong = [name for name in names if name.lower() not in known]
    if wrong:
        raise UsageError(f"--pretexts: {', '.join(wrong)} is unknown; there are {', '.join(sorted(known))}.")
    return [known[name.lower()] for name in dict.fromkeys(names)]


def _goes(kind: type, base: Recipe, modality: AnyModality, records: int, loaded: bool, asked: bool) -> bool:
    try:
        resolve(replace(base, pretext=kind()), modality, records, loaded=loaded)
    except (IllegalPair, UsageError):
        if asked:
            raise
        return False
    return True


def _variants(
    base: Recipe, modality: AnyModality, sizes: Sequence[str], strengths: Sequence[float]
) -> list[tuple[list[str], AnyModality, Recipe]]:
    """Modalities and recipes of one pretext, with the words that tell them apart; the first represents it."""
    known = get_args(Size)
    wrong = [size for size in sizes if size not in known]
    if wrong:
        raise UsageError(f"--sizes takes {', '.join(known)}; got {', '.join(wrong)}.")
    if any(not strength > 0 for strength in strengths):
        raise UsageError(f"--strengths takes numbers above 0; got {', '.join(map(str, strengths))}.")
    found = []
    for size in sizes or (base.size,):
        for strength in strengths or (None,):
            words = [size] if len(sizes) > 1 else []
            words += [f"strength {strength:g}"] if len(strengths) > 1 and strength is not None else []
            shown = modality if strength is None else override(modality, {"strength": float(strength)})
            found.append((words, shown, replace(base, size=cast(Size, size), modality=shown)))
    return found
