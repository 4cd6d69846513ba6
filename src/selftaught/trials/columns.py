"""Further columns of the data: what should not matter, such as a site or a speaker, for the records of a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from selftaught.core.errors import DataError
from selftaught.data.labelling import Labelling, align
from selftaught.data.source import open_source
from selftaught.engine.prepare import DataOptions, Prepared
from selftaught.modalities.tabular import arrange, join_parts

GROUP = "group"
"""What the groups are called where nothing else is known of them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Further:
    """One column. values: of all records of the store; codes into `names`, -1 where unknown, or numbers, NaN where
    unknown. asked: whether the user named it."""

    name: str
    values: np.ndarray
    names: tuple[str, ...] = ()
    asked: bool = True


def further_columns(given: Sequence[str], data: Any, options: DataOptions, prepared: Prepared) -> tuple[Further, ...]:
    """The columns, or files keyed by id, that are named, after the groups where there are any.

    Raises DataError where one cannot be found.
    """
    found = [_read(str(name), data, options, prepared) for name in given]
    labelling: Labelling = prepared.labelling
    if labelling.groups is not None and str(options.group) not in map(str, given):
        found.insert(0, Further(name=GROUP, values=labelling.groups, names=labelling.group_names, asked=False))
    return tuple(found)


def _read(given: str, data: Any, options: DataOptions, prepared: Prepared) -> Further:
    """One column, read as labels are; no other column changes its role."""
    roles = (options.labels, options.group, options.split, given)
    try:
        source = open_source(
            join_parts(data),
            labels=given,
            column=options.column,
            id_column=options.id_column,
            arrange=partial(
                arrange,
                reads=prepared.modality.reads,
                column=options.column,
                id_column=options.id_column,
                apart=[str(each) for each in roles if isinstance(each, str)],
            ),
        )
    except DataError as problem:
        raise DataError(str(problem).replace("--labels", "--by")) from problem
    found = align(prepared.modality.cut(source), prepared.store)
    name = given.rpartition(":")[2]
    if found.codes is not None:
        return Further(name=name, values=found.codes, names=found.classes)
    if found.values is None:
        raise DataError(f"--by {given} holds lists; a column of one value a record is needed.")
    return Further(name=name, values=found.values)
