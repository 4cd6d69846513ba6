"""Labels, groups and given splits: from class folders, a column of the data, a file keyed by id or path, or values."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from torch import Tensor

from selftaught.core.errors import DataError
from selftaught.data.findings import Finding, name_some, note
from selftaught.data.location import exists, is_remote, suffix_of
from selftaught.data.records import Label, Listing, Table, clean_id
from selftaught.data.tables import TABLE_SUFFIXES, read_table

Given = str | Path | Sequence[Any] | np.ndarray | Tensor | None
Role = Literal["labels", "group", "split"]
Task = Literal["classes", "numbers", "tags"]
"""What labels are: one class a record, one number, or any number of names."""

KEY_NAMES = ("id", "path", "file", "filename", "file_name", "filepath", "image", "name")
VALUE_NAMES = {
    "labels": ("label", "class", "target", "category", "labels", "y"),
    "group": ("group", "patient", "subject", "speaker", "person", "site", "groups"),
    "split": ("split", "fold", "set", "part", "subset"),
}
SPLITS = {"train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation"}
SPLITS |= {"dev": "validation", "test": "test", "testing": "test"}

CLASSES_LIMIT = 50
LISTS = (list, tuple, set, frozenset, np.ndarray)


@dataclass(frozen=True, kw_only=True, eq=False)
class Column:
    """One value per record, None where it is missing; values is None when nothing was asked for."""

    values: list[Any] | None = None
    findings: tuple[Finding, ...] = ()


def find_labels(listing: Listing, given: Given, task: Task | None = None) -> Column:
    """The label of every record: text for a class, a float for a number, a tuple of names for tags."""
    raw = find_column(listing, given, "labels")
    if raw.values is None:
        return raw
    labels, kind = type_labels(raw.values, task)
    present = Counter(label for label in labels if label is not None)
    if not present:
        where = f"None of the {len(labels):,} records has a label in {_describe(given)}"
        raise DataError(f"{where}. Give another column or file.")
    missing = [record_id for record_id, label in zip(listing.ids, labels, strict=True) if label is None]
    only = list(present) if len(present) == 1 else []
    single = [label for label, count in present.items() if count == 1 and isinstance(label, str) and not only]
    findings = (
        *raw.findings,
        Finding(code="label-kind", message=kind, count=len(labels) - len(missing)),
        *note("labels-missing", missing, f"{len(missing):,} of {len(labels):,} records have no label."),
        *note("one-class", only, f"All labels are {only}: nothing can be learned or measured with one class."),
        *note("class-of-one", single, f"Classes of one record cannot be trained and tested: {name_some(single)}."),
    )
    return Column(values=labels, findings=findings)


def find_groups(listing: Listing, given: Given) -> Column:
    """The group of every record as text; records without one stand alone."""
    raw = find_column(listing, given, "group")
    if raw.values is None:
        return raw
    return Column(values=[None if _is_missing(value) else _text(value) for value in raw.values], findings=raw.findings)


def find_splits(listing: Listing, given: Given) -> Column:
    """The given split of every record: `train`, `validation`, `test` or None."""
    raw = find_column(listing, given, "split")
    if raw.values is None:
        return raw
    names = [None if _is_missing(value) else SPLITS.get(_text(value).lower(), "") for value in raw.values]
    unknown = sorted({_text(value) for value, name in zip(raw.values, names, strict=True) if name == ""})
    if unknown:
        names_given = f"{_describe(given)} has {name_some(unknown)}"
        raise DataError(f"Splits must be train, validation or test; {names_given}. Rename them.")
    if not any(names):
        raise DataError(f"None of the {len(names):,} records has a split in {_describe(given)}. Leave --split out.")
    return Column(values=names, findings=raw.findings)


def find_column(listing: Listing, given: Given, role: Role) -> Column:
    """The raw values of what the user named, one per record."""
    if given is None:
        return Column()
    if not isinstance(given, (str, Path)):
        if isinstance(given, (np.ndarray, Tensor)) and given.ndim != 1:
            several = "" if role != "labels" else " For several names a record give lists of names."
            raise DataError(f"Give one value a record for {role}; got an array {tuple(given.shape)}.{several}")
        values = given.tolist() if isinstance(given, (np.ndarray, Tensor)) else list(given)
        if len(values) != len(listing.ids):
            raise DataError(f"There are {len(values):,} {role} for {len(listing.ids):,} records. Give one per record.")
        return Column(values=values)
    if str(given) == "folder":
        return Column(values=_folders(listing.ids, role))
    if listing.table is not None and str(given) in listing.table.names:
        return Column(values=listing.table.column(str(given)))
    table, name = _open_keyed(listing, str(given), role)
    return _match(listing.ids, table, name, role, str(given))


def _folders(ids: Sequence[str], role: Role) -> list[str | None]:
    """The parent folder's name; for splits the topmost folder whose name is one of a split."""
    chains = [PurePosixPath(record_id).parts[:-1] for record_id in ids]
    if role == "split":
        names = [next((part for part in chain if part.lower() in SPLITS), None) for chain in chains]
    else:
        names = [chain[-1] if chain else None for chain in chains]
    if not any(names):
        wanted = "folders named train, validation or test" if role == "split" else "folders that name them"
        raise DataError(f"--{role} folder needs {wanted}; {name_some(ids[:3])} lie in none. Name a column or file.")
    return names


def _open_keyed(listing: Listing, given: str, role: Role) -> tuple[Table, str | None]:
    """The table that `FILE` or `FILE:COLUMN` means, looked for here and then within the data."""
    place, _, name = given.rpartition(":")
    tries = [(given, None)] + ([(place, name)] if place and suffix_of(place) in TABLE_SUFFIXES else [])
    for path, column in tries:
        if suffix_of(path) in TABLE_SUFFIXES and exists(path):
            return read_table(path), column
        content = listing.inside(path) if listing.inside is not None and not is_remote(path) else None
        if content is not None and suffix_of(path) in TABLE_SUFFIXES:
            return read_table(content, suffix_of(path)), column
    beside = [name for found in listing.findings for name in found.ids if suffix_of(name) in TABLE_SUFFIXES]
    hint = f" Among the files is {beside[0]}; name its column as {beside[0]}:{given}." if beside else ""
    raise DataError(
        f"--{role} {given!r} is neither a file ({' '.join(sorted(TABLE_SUFFIXES))}) nor a column. The data has "
        f"{', '.join(listing.table.names) if listing.table else 'no columns'}. Use `folder` if folders name them.{hint}"
    )


def _match(ids: Sequence[str], table: Table, name: str | None, role: Role, given: str) -> Column:
    """The values of a keyed table, put in the order of the records."""
    key_name = _guess(table, KEY_NAMES, None, f"the column of ids or paths of {given!r}")
    value_name = _guess(table, VALUE_NAMES[role], name, f"the column of the {role} of {given!r}", but=key_name)
    keys = [clean_id(str(cell).strip()).removeprefix("./") for cell in table.column(key_name)]
    values = table.column(value_name)
    position, spelled = _best_spelling(ids, keys)
    unknown = [key for key in keys if spelled(key) not in position]
    if unknown:
        raise DataError(
            f"{len(unknown):,} of {len(keys):,} ids in {given!r} are not in the data: {name_some(unknown)}. "
            f"The data's ids look like {name_some(ids[:2])}. Remove those rows, or correct column {key_name!r}."
        )
    found: list[Any] = [None] * len(ids)
    clashes = []
    for key, value in zip(keys, values, strict=True):
        place = position[spelled(key)]
        known = not _is_missing(found[place])
        clashes += [key] if known and not _is_missing(value) and found[place] != value else []
        found[place] = found[place] if known and _is_missing(value) else value  # a blank is "none of the tags"
    if clashes:
        twice = f"{len(clashes):,} records have two different {role} in {given!r}: {name_some(clashes)}"
        raise DataError(f"{twice}. Keep one row each.")
    repeated = [key for key, count in Counter(map(spelled, keys)).items() if count > 1]
    message = f"{len(repeated):,} records have several equal rows in {given!r}: {name_some(repeated)}."
    return Column(values=found, findings=note(f"{role}-repeated", repeated, message))


def _best_spelling(ids: Sequence[str], keys: Sequence[str]) -> tuple[dict[str, int], Callable[[str], str]]:
    """How keys name records: by id, by file name, or by file name without suffix; the first that matches most keys."""
    best: tuple[int, dict[str, int], Callable[[str], str]] = (-1, {}, str)
    for spelling in (str, lambda key: PurePosixPath(key).name, lambda key: PurePosixPath(key).stem):
        spelled = [spelling(record_id) for record_id in ids]
        often = Counter(spelled)
        position = {name: index for index, name in enumerate(spelled) if often[name] == 1}
        matched = sum(spelling(key) in position for key in keys)
        if matched > best[0]:
            best = matched, position, spelling
        if matched == len(keys):
            break
    return best[1], best[2]


def _guess(table: Table, usual: Sequence[str], name: str | None, what: str, but: str | None = None) -> str:
    """The named column, else the one with a usual name, else the only other one of a table of two."""
    if name is not None:
        if name not in table.names:
            raise DataError(f"{what} was given as {name!r}; the file has {', '.join(table.names)}.")
        return name
    found = [column for each in usual for column in table.names if column.lower() == each and column != but]
    rest = [column for column in table.names if column != but]
    if found or (but is not None and len(rest) == 1):
        return found[0] if found else rest[0]
    there = ", ".join(table.names) or "an empty file"
    raise DataError(f"{what} cannot be told from {there}. Give FILE:COLUMN, and ids as `id`.")


def type_labels(values: Sequence[Any], task: Task | None) -> tuple[list[Label], str]:
    """Labels as text (classes), floats (numbers) or tuples of names (tags), and a sentence on which it is and why.

    Text, and whole numbers of at most 50 kinds, are classes; other numbers are numbers; lists are tags.
    """
    lists = any(isinstance(value, LISTS) for value in values)
    if task == "tags" or (task is None and lists):
        return type_tags(values)
    if lists:
        raise DataError(f"The labels were said to be {task}, and some are lists. Say tags, or leave the task out.")
    numbers = [_number(value) for value in values]
    numeric = all(number is not None or _is_missing(value) for number, value in zip(numbers, values, strict=True))
    known = {number for number in numbers if number is not None}
    whole = numeric and all(number.is_integer() for number in known)
    if task == "numbers" and not numeric:
        raise DataError("The labels were said to be numbers, and some are text. Correct them, or leave the task out.")
    if task == "numbers" or (task is None and numeric and not (whole and len(known) <= CLASSES_LIMIT)):
        words = f"{len(known):,} distinct numbers, {'whole' if whole else 'not whole'}: predicted as numbers"
        return list(numbers), f"The labels are {words} (`evaluate --task classes` changes that)."
    if numeric and whole:
        labels: list[Label] = [None if number is None else str(int(number)) for number in numbers]
        return (
            labels,
            f"The labels are {len(known):,} whole numbers, taken as classes (`evaluate --task numbers` changes that).",
        )
    labels = [None if _is_missing(value) else _text(value) for value in values]
    joined = any("|" in value for value in values if isinstance(value, str))
    hint = " Some hold a `|`: `evaluate --task tags` reads several names a record." if joined else ""
    return labels, f"The labels are {len({label for label in labels if label is not None}):,} classes.{hint}"


def type_tags(values: Sequence[Any]) -> tuple[list[Label], str]:
    """The names that every record has, and a sentence on them: () is none of the tags, None is not labelled.

    A cell is a list of names, or text with `|` or `;` between them. Raises DataError for numbers.
    """
    plain = [value for value in values if isinstance(value, LISTS) or not _is_missing(value)]
    if plain and not any(isinstance(value, LISTS) or _number(value) is None for value in plain):
        raise DataError("The labels were said to be tags, and they are numbers. Give names, or leave the task out.")
    labels: list[Label] = [_names(value) for value in values]
    known = [label for label in labels if isinstance(label, tuple)]
    names = {name for label in known for name in label}
    if not names:
        raise DataError(f"None of the {len(values):,} records has a tag. Give another column or file.")
    return (
        labels,
        f"The labels are {len(names):,} tags; {known.count(()):,} of {len(known):,} records have none of them.",
    )


def _names(value: Any) -> tuple[str, ...] | None:
    """The names in one cell, sorted, each once; None where the cell is missing. Empty text is a cell without names."""
    if isinstance(value, LISTS):
        cells = [each for each in value if not _is_missing(each)]
        if cells and not isinstance(cells[0], str) and len(set(map(_text, cells))) < len(cells):
            raise DataError(
                f"{value} is no list of names: it repeats a number. Give the names of the tags of a record."
            )
    elif isinstance(value, str) and value.strip().lower() != "nan":
        cells = re.split(r"[|;]", value)
    else:
        cells = [] if _is_missing(value) else [value]
    return None if not cells and not isinstance(value, LISTS) else tuple(sorted({*map(_text, cells)} - {""}))


def _number(value: Any) -> float | None:
    if isinstance(value, (bool, np.bool_)) or _is_missing(value):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _is_missing(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in ("", "nan")
    if isinstance(value, (float, np.floating)):
        return not math.isfinite(value)
    return value is None or str(value) in ("<NA>", "NaT")


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _describe(given: Given) -> str:
    return repr(str(given)) if isinstance(given, (str, Path)) else "the given values"
