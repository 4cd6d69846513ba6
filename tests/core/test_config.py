"""An object is its own config: strict both ways."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftaught.core.config import fingerprint, from_dict, members, override, to_dict
from selftaught.core.errors import UsageError
from selftaught.encoders import Transformer


@dataclass(frozen=True, kw_only=True)
class Round:
    radius: float = 1.0
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Square:
    side: int
    corners: tuple[int, ...] = ()
    span: tuple[float, float] = (0.0, 1.0)


Shape = Round | Square


@dataclass(frozen=True, kw_only=True)
class Drawing:
    shape: Round | Square = field(default_factory=Round)
    second: Round | Square | None = None
    style: Literal["solid", "dashed"] = "solid"
    filled: bool = False
    size: int | Literal["auto"] = "auto"
    note: Any = None


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
ROUNDS = st.builds(Round, radius=NUMBERS, name=st.none() | st.text())
SQUARES = st.builds(
    Square, side=st.integers(), corners=st.lists(st.integers()).map(tuple), span=st.tuples(NUMBERS, NUMBERS)
)
DRAWINGS = st.builds(
    Drawing,
    shape=ROUNDS | SQUARES,
    second=st.none() | ROUNDS | SQUARES,
    style=st.sampled_from(["solid", "dashed"]),
    filled=st.booleans(),
    size=st.integers() | st.just("auto"),
)


@given(DRAWINGS)
def test_any_config_survives_json(drawing):
    again = from_dict(Drawing, json.loads(json.dumps(to_dict(drawing))))
    assert again == drawing
    assert fingerprint(again) == fingerprint(drawing)


@given(DRAWINGS, DRAWINGS)
def test_fingerprints_are_equal_exactly_for_equal_configs(first, second):
    assert (fingerprint(first) == fingerprint(second)) == (to_dict(first) == to_dict(second))


def test_a_union_member_may_be_named_alone_in_any_case():
    assert from_dict(Shape, "round") == Round()
    assert from_dict(Drawing, {"shape": "ROUND"}) == Drawing()
    assert from_dict(Drawing, {"shape": {"type": "square", "side": 2}}) == Drawing(shape=Square(side=2))


def test_a_built_object_passes_as_it_is():
    assert from_dict(Shape, Round(radius=2.0)) == Round(radius=2.0)
    assert from_dict(Drawing, {"second": None}).second is None


def test_a_whole_number_is_a_legal_float_and_becomes_one():
    radius = from_dict(Round, {"radius": 2}).radius
    assert radius == 2.0
    assert isinstance(radius, float)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (Drawing, {"stile": "solid"}, r"recipe \(Drawing\) has no 'stile'.*Did you mean 'style'\?"),
        (Drawing, {"shape": {"type": "Rond"}}, r"recipe.shape has no 'Rond'.*Did you mean 'Round'\?"),
        (Drawing, {"shape": {"type": "Round", "radios": 1}}, r"recipe.shape \(Round\).*Did you mean 'radius'\?"),
        (Drawing, {"shape": {"radius": 1}}, r"recipe.shape"),
        (Drawing, {"style": "dotted"}, r"recipe.style must be one of 'solid', 'dashed'; got 'dotted'"),
        (Drawing, {"filled": 1}, r"recipe.filled must be bool; got 1"),
        (Drawing, {"filled": "yes"}, r"recipe.filled must be bool"),
        (Drawing, {"size": 1.5}, r"recipe.size must be int; got 1.5"),
        (Drawing, {"size": True}, r"recipe.size must be int; got True"),
        (Round, {"radius": "1"}, r"recipe.radius must be float; got '1'"),
        (Round, {"radius": None}, r"recipe.radius must be float"),
        (Round, {"name": 3}, r"recipe.name must be str; got 3"),
        (Square, {}, r"recipe \(Square\) needs 'side'"),
        (Square, {"side": 1, "corners": 4}, r"recipe.corners must be a list; got 4"),
        (Square, {"side": 1, "corners": [1, "2"]}, r"recipe.corners\[1\] must be int; got '2'"),
        (Square, {"side": 1, "span": [1.0]}, r"recipe.span must have 2 entries; got 1"),
        (Square, 4, r"recipe must be a table of Square's fields; got 4"),
        (Square, {"type": "Round", "side": 1}, r"recipe has no 'Round'; it has Square"),
        (Round, "square", r"recipe has no 'square'; it has Round"),
        (Drawing, {"shape": Drawing()}, r"recipe.shape must be one of Round, Square; got Drawing"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_place_and_remedy(kind, value, said):
    with pytest.raises(UsageError, match=said):
        from_dict(kind, value)


def test_overriding_a_dotted_path_changes_only_that_field():
    drawing = Drawing(second=Square(side=1))
    assert override(drawing, {"second.side": 5}) == Drawing(second=Square(side=5))
    assert override(drawing, {"style": "dashed"}) == Drawing(second=Square(side=1), style="dashed")
    assert override(drawing, {"shape": "round"}) == drawing
    assert drawing.second.side == 1


def test_fields_that_fit_only_together_are_changed_together():
    trunk = Transformer(width=192, heads=3)
    assert override(trunk, {"width": 320, "heads": 5}) == Transformer(width=320, heads=5)
    with pytest.raises(UsageError):
        override(trunk, {"width": 320})


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("stile", "solid", "Did you mean 'style'"),
        ("shape.radios", 1.0, "Did you mean 'radius'"),
        ("style.width", 1, "has no field 'width'"),
        ("shape.radius", "wide", "radius must be float"),
    ],
)
def test_overriding_is_as_strict_as_reading(path, value, said):
    with pytest.raises(UsageError, match=said):
        override(Drawing(), {path: value})


def test_members_of_a_union_go_by_lower_case_name():
    assert members(Shape) == {"round": Round, "square": Square}
    assert members(Round) == {"round": Round}


def test_plain_mappings_become_plain_dicts():
    content: Mapping[Any, Any] = {1: (Round(), None)}
    assert to_dict(content) == {"1": [{"type": "Round", "radius": 1.0, "name": None}, None]}
