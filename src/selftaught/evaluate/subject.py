"""What is evaluated: one or several runs of one recipe, and the data they are measured on."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from selftaught.core.errors import DataError, RunError, UsageError
from selftaught.data.labelling import Labelling
from selftaught.data.splits import Splits, load_splits, make_splits
from selftaught.data.store import Store
from selftaught.engine.prepare import DataOptions, Prepared, prepare, tell
from selftaught.recipe import Recipe, read_recipe
from selftaught.runs.command import flags, spelled
from selftaught.runs.encoder import Pretrained, load_pretrained
from selftaught.runs.files import read_json
from selftaught.runs.folder import RunFolder, open_run

ROLES = ("labels", "group", "split", "id_column")
"""What a column can be besides an input."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """Runs, their encoders and recipes, and labelled records to measure on.

    data, options: where those come from and how they are read. stores: folder of decoded stores. own: the runs' own
    data and splits.
    """

    data: Any
    options: DataOptions
    stores: Path
    runs: tuple[RunFolder, ...]
    recipes: tuple[Recipe, ...]
    encoders: tuple[Pretrained, ...]
    prepared: Prepared
    splits: Splits
    own: bool

    @property
    def store(self) -> Store:
        """The decoded records."""
        return self.prepared.store

    @property
    def labelling(self) -> Labelling:
        """Labels and groups."""
        return self.prepared.labelling


def open_subject(
    runs: Sequence[Path | str], data: Any, options: DataOptions, stores: Path | str | None, quiet: bool
) -> Subject:
    """Opens runs and data. Raises UsageError for runs that cannot be averaged, DataError for data without use."""
    if not runs:
        raise UsageError("give at least one run folder.")
    if options.split is not None and data is None:
        raise UsageError("the run's own parts hold on its own data. Give --split to pretrain, or --data with it.")
    folders = tuple(open_run(run) for run in runs)
    recipes = tuple(read_recipe(folder.recipe) for folder in folders)
    known = [read_json(folder.data) for folder in folders]
    _check_alike(folders, recipes, known)
    source = data if data is not None else known[0]["data"]
    if source is None:
        raise UsageError(f"{folders[0].path} was trained on an array; give the data to measure on.")
    encoders = tuple(load_pretrained(folder.path) for folder in folders)
    place = Path(stores) if stores else Path(known[0]["store"]).parent
    wanted = _options(options, known[0]["options"] if data is None else {})
    check_inputs(folders[0], recipes[0], known[0], wanted, source)
    prepared = prepare(source, encoders[0].modality, place, wanted, quiet=quiet, say=None if quiet else tell)
    own = data is None
    if own and prepared.store.digest != known[0]["digest"]:
        raise DataError(
            f"The data has changed since the run was trained ({len(prepared.store)} records now, "
            f"{known[0]['records']} then), and its recorded splits do not fit it. Give the old data, or train again."
        )
    splits = load_splits(folders[0].splits) if own else make_splits(prepared.store, prepared.labelling)
    _check_groups(prepared.labelling.groups, splits)
    return Subject(
        data=source, options=wanted, stores=place, runs=folders, recipes=recipes, encoders=encoders, prepared=prepared,
        splits=splits, own=own,
    )  # fmt: skip


def _check_groups(groups: np.ndarray | None, splits: Splits) -> None:
    """Raises DataError where records of one group were trained on and are tested on."""
    if groups is None:
        return
    torn = np.intersect1d(groups[splits.train], groups[splits.test])
    torn = torn[torn >= 0]
    if len(torn):
        raise DataError(
            f"{len(torn):,} groups lie in the training part and in the test part of the run, so the test would flatter "
            f"the encoder. Train again with --group."
        )


def _options(given: DataOptions, known: dict[str, Any]) -> DataOptions:
    chosen = {name: value if value is not None else known.get(name) for name, value in vars(given).items()}
    arrays = [name for name, value in chosen.items() if isinstance(value, str) and value.startswith("array ")]
    if arrays:
        raise UsageError(f"the run was given {', '.join(arrays)} as an array; give it again.")
    return DataOptions(**chosen)


def _check_alike(folders: Sequence[RunFolder], recipes: Sequence[Recipe], known: Sequence[dict[str, Any]]) -> None:
    first = replace(recipes[0], seed=0)
    for folder, recipe, facts in zip(folders, recipes, known, strict=True):
        if replace(recipe, seed=0) != first:
            raise UsageError(f"{folder.path} has another recipe than {folders[0].path}; only seeds may differ.")
        if facts["source"] != known[0]["source"]:
            raise RunError(f"{folder.path} was trained on other data than {folders[0].path}.")


def check_inputs(run: RunFolder, recipe: Recipe, known: Mapping[str, Any], wanted: DataOptions, source: Any) -> None:
    """Raises DataError where a column that the encoder of a run reads is to be a label, group, split or id now.

    known: the run's data.json. Such a label leaks: the encoder has seen it in every record, the test part's too.
    """
    inputs: frozenset[str] = frozenset() if recipe.modality is None else frozenset(recipe.modality.inputs)
    for role in ROLES:
        given = getattr(wanted, role)
        names = {str(given)} if isinstance(given, (str, Path)) else set()
        place, _, column = str(given).rpartition(":") if names else ("", "", "")
        if place and isinstance(source, (str, Path)) and Path(place).absolute() == Path(source).absolute():
            names.add(column)
        for name in sorted(names & inputs):
            raise DataError(
                f"{spelled(role)} names the column {name!r}, which the encoder of {run.path} was trained to "
                f"read as an input: what it learned holds the answer. Train again without it: "
                f"{_without(run, recipe, known, role, name)}"
            )


def _without(run: RunFolder, recipe: Recipe, known: Mapping[str, Any], role: str, name: str) -> str:
    """The command that trains such a run again with a column in a role of its own; the columns are chosen anew."""
    words = ["selftaught", "pretrain", str(known["data"] or "DATA"), *flags({**known["options"], role: name})]
    words += ["--pretext", type(recipe.objective).__name__.lower(), "--size", recipe.size]
    for budget in ("minutes", "epochs", "steps"):
        if getattr(recipe, budget) is not None:
            words += [f"--{budget}", str(getattr(recipe, budget))]
    return shlex.join([*words, "--out", f"{run.path}-without-{name}"])
