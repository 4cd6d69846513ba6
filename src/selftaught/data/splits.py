"""Train, validation and test: fixed before training, seeded, and never sharing a record, a group or a duplicate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from selftaught.core.errors import DataError, UsageError
from selftaught.data.findings import Finding, name_some, note
from selftaught.data.labelling import SPLIT_NAMES, Labelling
from selftaught.data.store import Store

STABLE_UNITS = 1000
STRATA_OF_NUMBERS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Splits:
    """Sorted record numbers of each part. facts: how they were made, in JSON."""

    train: Int[np.ndarray, " a"] = field(repr=False)
    validation: Int[np.ndarray, " b"] = field(repr=False)
    test: Int[np.ndarray, " c"] = field(repr=False)
    facts: Mapping[str, Any]
    findings: tuple[Finding, ...] = ()


def make_splits(
    store: Store,
    labelling: Labelling | None = None,
    *,
    seed: int = 0,
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
    stratify: bool = True,
) -> Splits:
    """The parts train, validation and test, with the given fractions of the records.

    The unit that is assigned is whatever hangs together by a shared group or by equal content, so neither can leak.
    A split column of the data is obeyed: the parts it lacks are cut from train, and records without one go to train;
    training records that repeat one of the other parts are left out. Otherwise there are two ways:
    - balanced: units are dealt by class, largest first, to the part that lacks most; used where there are labels
      (numbers by tenths) or few units, because small parts must not come out skewed by chance.
    - hashed: a unit's part is a function of seed and name alone, so that records appended later move none of the old;
      used for unlabelled data of 1,000 units or more. It is also what makes splits made before labels arrive last.
    Raises DataError where there are fewer units than parts.
    """
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6 or fractions[0] == 0:
        raise UsageError(f"Fractions of train, validation and test must be positive and sum to 1; got {fractions}.")
    ids, content = store.ids, np.asarray(store.content)
    labelling = labelling or Labelling(records=len(ids))
    if labelling.records != len(ids):
        raise UsageError(f"The labels are those of {labelling.records:,} records, and the store has {len(ids):,}.")
    keys = _hash(ids, labelling, seed)
    strata = _strata(labelling) if stratify else None
    given = labelling.splits
    findings: list[Finding] = []
    if given is not None and (given >= 0).any():
        part = _obey(ids, content, labelling, findings)
    else:
        part = np.zeros(len(ids), dtype=np.int64)
    asked = tuple(share if given is None or not (given == code).any() else 0.0 for code, share in enumerate(fractions))
    pool = np.flatnonzero(part == 0)
    way = "given"
    if asked[1] or asked[2]:
        part[pool], way = _cut(content[pool], labelling, pool, keys, strata, (fractions[0], asked[1], asked[2]))
    train, validation, test = (np.flatnonzero(part == code) for code in range(3))
    facts = {
        "seed": seed,
        "fractions": list(fractions),
        "way": way if given is None else f"given, rest {way}" if way != "given" else way,
        "stratified": strata is not None and way != "hashed",
        "records": [len(train), len(validation), len(test)],
        "left_out": int((part < 0).sum()),
        "duplicates": len(ids) - len(np.unique(content)),
        "groups": len(labelling.group_names),
    }
    findings += _describe(ids, content, labelling, part)
    return Splits(train=train, validation=validation, test=test, facts=facts, findings=tuple(findings))


def _hash(ids: Sequence[str], labelling: Labelling, seed: int) -> np.ndarray:
    """A uniform draw in [0, 1) for every record, a function of seed and of its group's name, or its id's, alone."""
    names: Sequence[str] = ids
    if labelling.groups is not None:
        groups = labelling.groups
        names = [labelling.group_names[groups[row]] if groups[row] >= 0 else ids[row] for row in range(len(ids))]
    digests = b"".join(hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=8).digest() for name in names)
    return (np.frombuffer(digests, dtype="<u8") >> np.uint64(11)) * 2.0**-53


def _strata(labelling: Labelling) -> np.ndarray | None:
    """A number per record whose shares should be equal in all parts; missing labels are a stratum of their own."""
    if labelling.codes is not None:
        return labelling.codes + 1
    if labelling.values is None:
        return None
    known = np.isfinite(labelling.values)
    if not known.any():
        return None
    edges = np.quantile(labelling.values[known], np.linspace(0, 1, STRATA_OF_NUMBERS + 1)[1:-1])
    return np.where(known, np.searchsorted(edges, labelling.values) + 1, 0)


def _obey(ids: Sequence[str], content: np.ndarray, labelling: Labelling, findings: list[Finding]) -> np.ndarray:
    """The given parts, -1 for what must be left out so that no part repeats another."""
    given = labelling.splits
    assert given is not None  # the caller asked
    part = np.where(given < 0, 0, given)
    if not (part == 0).any():
        raise DataError("The given split has no training record. Name the training part `train`, or leave --split out.")
    if labelling.groups is not None:
        _check_torn(labelling, given)
        part = _keep_apart(part, labelling.groups)
    part = _keep_apart(part, np.unique(content, return_inverse=True)[1])
    left = [ids[row] for row in np.flatnonzero(part < 0).tolist()]
    message = f"{len(left):,} records were left out: they repeat a record or group of validation or test as given."
    findings += note("split-leak", left, message)
    return part


def _check_torn(labelling: Labelling, given: np.ndarray) -> None:
    """Raises DataError where the given parts share a group."""
    assert labelling.groups is not None  # the caller asked
    pairs = np.stack([labelling.groups, given])[:, (labelling.groups >= 0) & (given >= 0)]
    groups, parts = np.unique(np.unique(pairs, axis=1)[0], return_counts=True)
    torn = [labelling.group_names[group] for group in groups[parts > 1]]
    if torn:
        raise DataError(
            f"{len(torn):,} groups are in several parts of the given split: {name_some(torn)}. Correct the split, or "
            "leave --group or --split out."
        )


def _keep_apart(part: np.ndarray, key: np.ndarray) -> np.ndarray:
    """The parts with -1 for every record whose key (not -1) also occurs in a later part."""
    latest = np.full(int(key.max(initial=0)) + 1, -1)
    np.maximum.at(latest, key[key >= 0], part[key >= 0])
    return np.where((key >= 0) & (part < latest[key]), -1, part)


def _cut(
    content: np.ndarray,
    labelling: Labelling,
    pool: np.ndarray,
    keys: np.ndarray,
    strata: np.ndarray | None,
    shares: tuple[float, float, float],
) -> tuple[np.ndarray, str]:
    """The part of every record of the pool, and the way it was chosen."""
    unit = _units(content, None if labelling.groups is None else labelling.groups[pool])
    count = int(unit.max()) + 1 if len(unit) else 0
    needed = sum(share > 0 for share in shares)
    if count < needed:
        why = "all records are identical" if count == 1 and len(pool) > 1 else f"they make {count} independent units"
        raise DataError(
            f"{len(pool)} records cannot be cut into {needed} parts: {why} (what shares a group or is identical stays "
            "together). Give more data."
        )
    key = np.full(count, 2.0)
    np.minimum.at(key, unit, keys[pool])
    size = np.bincount(unit, minlength=count)
    wanted = np.array(shares) / sum(shares)
    if strata is None and count >= STABLE_UNITS:
        part = np.where(key < wanted[2], 2, np.where(key < wanted[1] + wanted[2], 1, 0))
        way = "hashed"
    else:
        stratum = np.zeros(count, np.int64)
        if strata is not None:
            shape = (count, int(strata.max()) + 1)
            table = coo_matrix((np.ones(len(pool)), (unit, strata[pool])), shape=shape).tocsr()
            stratum = np.asarray(table.argmax(axis=1)).reshape(-1)
        part, way = _deal(size, stratum, key, wanted), "balanced"
    _fill_empty(part, size, wanted)
    return part[unit], way


def _units(content: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """The number of the unit of every record: connected by equal content or equal group."""
    n = len(content)
    _, same = np.unique(content, return_inverse=True)
    rows, nodes = [np.arange(n)], [n + same]
    if groups is not None:
        grouped = np.flatnonzero(groups >= 0)
        rows.append(grouped)
        nodes.append(2 * n + groups[grouped])
    row, node = np.concatenate(rows), np.concatenate(nodes)
    edges = coo_matrix((np.ones(len(row), dtype=bool), (row, node)), shape=(int(node.max(initial=0)) + 1,) * 2)
    _, labels = connected_components(edges, directed=False)
    _, unit = np.unique(labels[:n], return_inverse=True)
    return np.asarray(unit)


def _deal(size: np.ndarray, stratum: np.ndarray, key: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Units to parts, stratum by stratum and largest first, each to the part that lacks most there, then overall."""
    part = np.zeros(len(size), np.int64)
    overall = (wanted * size.sum()).tolist()
    parts = [code for code in range(3) if wanted[code] > 0]
    lacks: list[float] = []
    current = -1
    totals = np.bincount(stratum, weights=size)
    for unit in np.lexsort((key, -size, stratum)).tolist():
        if stratum[unit] != current:
            current = int(stratum[unit])
            lacks = (wanted * totals[current]).tolist()
        chosen = max(parts, key=lambda code: (lacks[code], overall[code]))
        part[unit] = chosen
        lacks[chosen] -= float(size[unit])
        overall[chosen] -= float(size[unit])
    return part


def _fill_empty(part: np.ndarray, size: np.ndarray, wanted: np.ndarray) -> None:
    """Gives every wanted part at least one unit: the smallest of the part that has most."""
    for code in np.flatnonzero(wanted > 0):
        if not (part == code).any():
            richest = np.bincount(part, minlength=3).argmax()
            units = np.flatnonzero(part == richest)
            part[units[size[units].argmin()]] = code


def _describe(ids: Sequence[str], content: np.ndarray, labelling: Labelling, part: np.ndarray) -> list[Finding]:
    _, first = np.unique(content, return_index=True)
    copies = [ids[row] for row in np.setdiff1d(np.arange(len(ids)), first).tolist()]
    message = f"{len(copies):,} of {len(ids):,} records repeat another one exactly; copies were kept in one part."
    findings = list(note("duplicates", copies, message))
    if labelling.codes is not None:
        for number, name in enumerate(SPLIT_NAMES):
            inside = set(labelling.codes[part == number].tolist())
            absent = [label for code, label in enumerate(labelling.classes) if code not in inside]
            message = f"{len(absent)} classes have no record in {name}: {name_some(absent)}."
            findings += note(f"class-absent-{name}", absent, message) if inside else ()
    return findings


def save_splits(splits: Splits, path: str | Path) -> None:
    """Writes an NPZ file that `load_splits` reads, whole or not at all."""
    path = Path(path)
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        told = {"facts": dict(splits.facts), "findings": [asdict(finding) for finding in splits.findings]}
        facts = np.frombuffer(json.dumps(told).encode(), dtype=np.uint8)
        np.savez(file, train=splits.train, validation=splits.validation, test=splits.test, facts=facts)
    temporary.replace(path)


def load_splits(path: str | Path) -> Splits:
    """The parts that `save_splits` wrote."""
    try:
        with np.load(path) as arrays:
            told = json.loads(arrays["facts"].tobytes())
            parts = {name: arrays[name] for name in ("train", "validation", "test")}
            findings = tuple(Finding(**{**each, "ids": tuple(each["ids"])}) for each in told["findings"])
            return Splits(**parts, facts=told["facts"], findings=findings)
    except (OSError, ValueError, KeyError, EOFError) as problem:
        raise DataError(f"The splits in {str(path)!r} cannot be read: {problem}. Make them again.") from problem
