"""Who takes part: every legal pretext once, the usual family first, and the variants that were asked for."""

import pytest

from selftaught.compare.candidates import family_of, find_candidates
from selftaught.core.errors import IllegalPair, UsageError
from selftaught.encoders import ConvNet
from selftaught.modalities import Image, Series
from selftaught.pretexts import MaskedToken, NextToken, SimCLR, TS2Vec
from selftaught.recipe import Recipe, resolve

SERIES = Series(window=48, channels=("a",))


def found(modality=None, base=None, pretexts=(), sizes=(), strengths=()):
    return find_candidates(base or Recipe(), modality or Image(), 4000, pretexts, sizes, strengths, False)


def test_every_candidate_is_legal_and_stands_once():
    for modality in (Image(), SERIES):
        candidates = found(modality)
        names = [each.name for each in candidates]
        assert len(set(names)) == len(names) > 3
        for each in candidates:
            assert type(resolve(each.recipe, modality, 4000).pretext).__name__ == each.name
    assert "TS2Vec" not in [each.name for each in found()]


def test_the_usual_pretext_comes_first_and_each_family_has_one_representative():
    candidates = found(SERIES)
    assert candidates[0].name == "TS2Vec"
    families = {each.family for each in candidates}
    assert sum(each.first for each in candidates) == len(families)
    assert family_of(MaskedToken) == family_of(NextToken) != family_of(SimCLR) != family_of(TS2Vec)


def test_sizes_and_strengths_are_siblings_of_their_pretext():
    candidates = found(pretexts=("mae", "SimCLR"), sizes=("xs", "s"), strengths=(0.5, 1.0))
    assert [each.name for each in candidates][:4] == [
        "SimCLR xs strength 0.5", "SimCLR xs strength 1", "SimCLR s strength 0.5", "SimCLR s strength 1"
    ]  # fmt: skip
    assert [each.first for each in candidates] == [True, False, False, False] * 2
    assert candidates[2].recipe.size == "s"
    assert candidates[2].modality.strength == candidates[2].recipe.modality.strength == 0.5
    assert len({each.slug for each in candidates}) == 8


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"pretexts": ("simclear",)}, "simclear"),
        ({"pretexts": ("supervised",)}, "supervised"),
        ({"sizes": ("huge",)}, "huge"),
        ({"strengths": (0.0,)}, "above 0"),
    ],
)
def test_what_is_unknown_is_refused(asked, word):
    with pytest.raises(UsageError, match=word):
        found(**asked)


def test_a_pretext_that_was_asked_for_and_does_not_go_is_refused_and_otherwise_left_out():
    base = Recipe(encoder=ConvNet())
    assert "MAE" not in [each.name for each in found(base=base)]
    with pytest.raises(IllegalPair, match="drop"):
        found(base=base, pretexts=("mae",))
