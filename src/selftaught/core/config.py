"""An object is its own config: dataclasses to plain dicts and back, strictly.

A union member is written with its class name under `type`; an unknown key or a wrong type is a UsageError that names
the place and the nearest legal name.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin

from selftaught.core.errors import UsageError


def to_dict(item: Any) -> Any:
    """Plain dicts, lists, strings and numbers; every dataclass carries its name under `type`. None stays None."""
    if is_dataclass(item) and not isinstance(item, type):
        content = {part.name: to_dict(getattr(item, part.name)) for part in fields(item) if part.init}
        return {"type": type(item).__name__, **content}
    if isinstance(item, Mapping):
        return {str(key): to_dict(value) for key, value in item.items()}
    if isinstance(item, (list, tuple)):
        return [to_dict(value) for value in item]
    return item


def fingerprint(item: Any) -> str:
    """Hex digest (16 characters) of an object's whole configuration."""
    text = json.dumps(to_dict(item), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def from_dict(kind: Any, value: Any, place: str = "recipe") -> Any:
    """An object of `kind` (a dataclass, a union of them, or a plain type) from what `to_dict` gave."""
    origin = get_origin(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _from_union(get_args(kind), value, place)
    if origin is Literal:
        if value in get_args(kind):
            return value
        raise UsageError(f"{place} must be one of {', '.join(map(repr, get_args(kind)))}; got {value!r}.")
    if origin is tuple:
        return _from_tuple(get_args(kind), value, place)
    if is_dataclass(kind):
        return _from_dataclass(typing.cast(type, kind), value, place)
    return _from_plain(kind, value, place)


def override(item: Any, changes: Mapping[str, Any]) -> Any:
    """A copy of a config with the fields at dotted paths changed, all at once, checked like everything else."""
    content = {part.name: getattr(item, part.name) for part in fields(item) if part.init}
    hints, inner = field_types(type(item)), dict[str, dict[str, Any]]()
    for path, value in changes.items():
        name, _, rest = path.partition(".")
        if name not in content:
            raise UsageError(_unknown(name, list(content), type(item).__name__))
        if not rest:
            content[name] = from_dict(hints[name], value, name)
        elif is_dataclass(content[name]):
            inner.setdefault(name, {})[rest] = value
        else:
            raise UsageError(f"{type(item).__name__}.{name} has no field {rest!r}.")
    content |= {name: override(content[name], part) for name, part in inner.items()}
    return type(item)(**content)


def members(union: Any) -> dict[str, type]:
    """The dataclasses of a union by lower-case name."""
    kinds: tuple[Any, ...] = get_args(union) or (union,)
    return {kind.__name__.lower(): kind for kind in kinds if isinstance(kind, type) and is_dataclass(kind)}


def field_types(kind: Any) -> dict[str, Any]:
    """The resolved annotation of every field."""
    return typing.get_type_hints(kind)


def _unknown(name: str, known: list[str], place: str) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{place} has no {name!r}; it has {', '.join(sorted(known))}.{hint}"


def _from_union(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    named: dict[str, Any] = {kind.__name__: kind for kind in kinds if isinstance(kind, type) and is_dataclass(kind)}
    if isinstance(value, str) and named and str not in kinds:
        value = {"type": value}
    if isinstance(value, Mapping) and "type" in value:
        by_lower = {name.lower(): kind for name, kind in named.items()}
        chosen = by_lower.get(str(value["type"]).lower())
        if chosen is None:
            raise UsageError(_unknown(str(value["type"]), list(named), place))
        return _from_dataclass(typing.cast(type, chosen), value, place)
    if is_dataclass(value) and not isinstance(value, type):
        return _checked_instance(tuple(named.values()), value, place)
    problems = []
    for kind in kinds:
        if is_dataclass(kind) or kind is type(None):
            continue
        try:
            return from_dict(kind, value, place)
        except UsageError as problem:
            problems.append(str(problem))
    raise UsageError(problems[0] if problems else f"{place}: {value!r} is not one of {', '.join(named)}.")


def _checked_instance(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    if isinstance(value, kinds):
        return value
    known = ", ".join(kind.__name__ for kind in kinds)
    raise UsageError(f"{place} must be one of {known}; got {type(value).__name__}.")


def _from_tuple(kinds: tuple[Any, ...], value: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise UsageError(f"{place} must be a list; got {value!r}.")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(from_dict(kinds[0], part, f"{place}[{index}]") for index, part in enumerate(value))
    if len(kinds) != len(value):
        raise UsageError(f"{place} must have {len(kinds)} entries; got {len(value)}.")
    pairs = enumerate(zip(kinds, value, strict=True))
    return tuple(from_dict(kind, part, f"{place}[{index}]") for index, (kind, part) in pairs)


def _from_dataclass(kind: type, value: Any, place: str) -> Any:
    if isinstance(value, kind):
        return value
    if isinstance(value, str):
        value = {"type": value}
    if not isinstance(value, Mapping):
        raise UsageError(f"{place} must be a table of {kind.__name__}'s fields; got {value!r}.")
    named = str(value.get("type", kind.__name__))
    if named.lower() != kind.__name__.lower():
        raise UsageError(_unknown(named, [kind.__name__], place))
    content = {key: part for key, part in value.items() if key != "type"}
    hints = field_types(kind)
    known = [part.name for part in fields(kind) if part.init]
    for key in content:
        if key not in known:
            raise UsageError(_unknown(key, known, f"{place} ({kind.__name__})"))
    for part in fields(kind):
        if part.init and part.name not in content and part.default is MISSING and part.default_factory is MISSING:
            raise UsageError(f"{place} ({kind.__name__}) needs {part.name!r}.")
    return kind(**{key: from_dict(hints[key], part, f"{place}.{key}") for key, part in content.items()})


def _from_plain(kind: Any, value: Any, place: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is type(None):
        wrong = value is not None
    else:
        wrong = not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
    if wrong:
        raise UsageError(f"{place} must be {getattr(kind, '__name__', kind)}; got {value!r}.")
    return value
