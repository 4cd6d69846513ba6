"""What an evaluation was asked, checked before any work starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from selftaught.core.errors import UsageError
from selftaught.data.labelling import Given, Task
from selftaught.engine.prepare import DataOptions
from selftaught.evaluate.ahead import parse_horizons
from selftaught.evaluate.report import evaluate_command
from selftaught.evaluate.subject import Subject
from selftaught.runs.command import spelled
from selftaught.runs.folder import RunFolder

OF_CLASSES = ("by", "corruptions", "layers", "shift", "shift_labels", "baseline")
"""Options that only class labels can answer."""
OF_BUDGETS = ("budgets", "draws", "from_scratch_draws")
"""Options of measuring with few labels, which numbers and tags are not."""
OF_ONE = (*OF_CLASSES, "forecast", "gate")
"""Options of an evaluation of one recipe."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """The options of `evaluate`, as they were given. defaults: of all of them."""

    data: Any
    labels: Given
    task: Task | None
    group: Given
    split: Given
    column: str | None
    id_column: str | None
    budgets: tuple[int | str, ...]
    draws: int
    from_scratch: tuple[int | str, ...]
    from_scratch_draws: int
    forecast: tuple[int | str, ...]
    by: tuple[str, ...]
    corruptions: tuple[str, ...]
    layers: bool
    shift: Path | str | None
    shift_labels: Given
    baseline: Path | str | None
    gate: float | None
    no_samples: bool
    out: Path | str | None
    stores: Path | str | None
    quiet: bool
    defaults: Mapping[str, Any]

    @cached_property
    def sizes(self) -> tuple[int | None, ...]:
        """Labels per class that probes learn from, None for all."""
        return parse_budgets(self.budgets, "--budgets")

    @cached_property
    def scratch(self) -> tuple[int | None, ...]:
        """Labels per class at which the supervised control is trained."""
        return () if tuple(self.from_scratch) == ("none",) else parse_budgets(self.from_scratch, "--from-scratch")

    @cached_property
    def horizons(self) -> tuple[int, ...]:
        """Steps ahead to forecast."""
        return parse_horizons(self.forecast)

    @property
    def options(self) -> DataOptions:
        """How the data is read."""
        return DataOptions(
            labels=self.labels, group=self.group, split=self.split, task=self.task, column=self.column,
            id_column=self.id_column,
        )  # fmt: skip

    def place(self, subject: Subject) -> Path:
        """Where the report goes."""
        return Path(self.out) if self.out else subject.runs[0].reports

    def command(self, runs: Sequence[RunFolder]) -> str:
        """What repeats the evaluation."""
        asked = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in ("quiet", "defaults")}
        return evaluate_command([run.path for run in runs], asked, self.defaults)

    def check(self) -> None:
        """Raises UsageError for numbers out of range, and for labels of nothing."""
        _ = self.sizes, self.scratch, self.horizons
        for option, value in (("--draws", self.draws), ("--from-scratch-draws", self.from_scratch_draws)):
            if value < 1:
                raise UsageError(f"{option} must be 1 or more; got {value}.")
        if self.shift_labels is not None and self.shift is None:
            raise UsageError("--shift-labels names the labels of --shift, which is not given.")

    def check_task(self, task: str | None) -> None:
        """Raises UsageError for options that such labels cannot answer."""
        given = self._given(OF_CLASSES)
        if task != "classes" and given:
            raise UsageError(f"{given} needs class labels; the labels are {task or 'not given'}.")

    def without_budgets(self) -> tuple[str, ...]:
        """A sentence on the options that only classes have, where one was given."""
        given = [name for name in OF_BUDGETS if getattr(self, name) != self.defaults[name]]
        words = ", ".join(spelled(name) for name in given)
        return (f"Such labels are measured with all of them; {words} is for classes.",) if given else ()

    def check_several(self) -> None:
        """Raises UsageError for options that several recipes cannot share."""
        given = self._given(OF_ONE)
        if given:
            raise UsageError(f"{given} is for runs of one recipe; these are of several. Evaluate them one by one.")

    def _given(self, names: Sequence[str]) -> str:
        chosen = [name for name in names if _is_given(getattr(self, name))]
        return ", ".join(spelled(name) for name in chosen)


def _is_given(value: Any) -> bool:
    """Whether an option is not at a default that says nothing; arrays always are."""
    return not (value is None or value is False or (isinstance(value, tuple) and not value))


def parse_budgets(given: Sequence[int | str], option: str) -> tuple[int | None, ...]:
    """Labels per class, None for `all`. Raises UsageError for what is neither."""
    wrong = [each for each in given if not (each == "all" or (isinstance(each, int) and each > 0))]
    if wrong or not given:
        raise UsageError(
            f"{option} takes whole numbers of labels a class, 1 or more, and `all`, such as 1,10,all; "
            f"got {', '.join(map(str, wrong)) or 'nothing'}."
        )
    return tuple(None if each == "all" else int(each) for each in given)
