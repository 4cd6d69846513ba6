"""evaluate: runs in, a measured answer out: did pretraining help, against what, how many labels does it save."""

from __future__ import annotations

import inspect
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from selftaught.core.errors import DataError, GateError, UsageError
from selftaught.data.labelling import Given, Task
from selftaught.engine.device import keep_memory
from selftaught.engine.prepare import DataOptions
from selftaught.evaluate.ahead import parse_horizons, score_forecasts
from selftaught.evaluate.decide import decide
from selftaught.evaluate.look import draw_map, find_neighbours
from selftaught.evaluate.nearest import score_nearest
from selftaught.evaluate.numbers import score_numbers
from selftaught.evaluate.report import EvaluateReport, Facts, evaluate_command, open_facts
from selftaught.evaluate.subject import Subject, open_subject
from selftaught.evaluate.tags import score_tags
from selftaught.probes.budgets import Budgets, nested_budgets
from selftaught.probes.curve import Contestant, label_efficiency
from selftaught.runs.files import read_json
from selftaught.runs.folder import read_rows
from selftaught.trials.controls import encoder_features
from selftaught.trials.parts import FEWEST_TEST, Parts, labelled_parts
from selftaught.trials.scores import ENCODER, SCRATCH, score_rows
from selftaught.trials.supervised import Scratch, gather_controls


def evaluate(
    *runs: Annotated[Path | str, "run folders of one recipe; they count as seeds"],
    data: Annotated[Any, "other data to measure on (default: the data of the run)"] = None,
    labels: Annotated[Given, "`folder`, a column, or a file keyed by id (default: those given to pretrain)"] = None,
    task: Annotated[
        Task | None,
        "what labels are; tags: any number of names, as in `dent|scratch` (default: at most 50 whole numbers: classes)",
    ] = None,
    group: Annotated[Given, "column or file of groups: drawn together, never on two sides of a split"] = None,
    split: Annotated[Given, "column or file of given splits, or `folder`; only with --data"] = None,
    column: Annotated[str | None, "column that holds the records"] = None,
    id_column: Annotated[str | None, "column that names the records"] = None,
    budgets: Annotated[tuple[int | str, ...], "labels per class to measure at"] = (1, 2, 5, 10, 20, 50, "all"),
    draws: Annotated[int, "random label sets per budget"] = 5,
    from_scratch: Annotated[
        tuple[int | str, ...], "budgets at which the supervised control is trained; `none` leaves it out"
    ] = (10, 20, 50, "all"),
    from_scratch_draws: Annotated[int, "label sets per budget of the supervised control"] = 1,
    forecast: Annotated[tuple[int | str, ...], "steps ahead to forecast, such as 24,168; for one long recording"] = (),
    gate: Annotated[float | None, "exit with code 4 when the score at the largest budget is below this"] = None,
    no_samples: Annotated[bool, "leave the records themselves out of the report"] = False,
    out: Annotated[Path | str | None, "folder of the report (default: reports/ of the first run)"] = None,
    stores: Annotated[Path | str | None, "folder of decoded stores (default: that of the run)"] = None,
    quiet: Annotated[bool, "no progress bars"] = False,
) -> EvaluateReport:
    """Measures frozen features with few labels, beside every control, and gives a plain verdict.

    The test part is read once, after every choice. Raises DataError for labels that cannot be used, UsageError for runs
    of different recipes, GateError below the gate.
    """
    asked = {name: value for name, value in locals().items() if name not in ("runs", "quiet")}
    began = time.perf_counter()
    keep_memory()
    sizes = parse_budgets(budgets, "--budgets")
    scratch = () if tuple(from_scratch) == ("none",) else parse_budgets(from_scratch, "--from-scratch")
    horizons = parse_horizons(forecast)
    check_draws(draws, from_scratch_draws)
    options = DataOptions(labels=labels, group=group, split=split, task=task, column=column, id_column=id_column)
    subject = open_subject(runs, data, options, stores, quiet)
    place = Path(out) if out else subject.runs[0].reports
    defaults = {each.name: each.default for each in inspect.signature(evaluate).parameters.values()}
    facts = open_facts(subject, evaluate_command([folder.path for folder in subject.runs], asked, defaults))
    page = place / "report.html"
    kind = subject.labelling.task
    if kind is None:
        report = EvaluateReport(facts=facts, page=page, metric="none", seconds=time.perf_counter() - began)
    elif kind != "classes":
        report = (score_numbers if kind == "numbers" else score_tags)(subject, facts, page, began)
    else:
        plan = Plan(sizes=sizes, draws=draws, scratch=scratch, scratch_draws=from_scratch_draws, quiet=quiet)
        report = score_classes(subject, facts, page, plan, began)
    report = replace(report, forecasts=score_forecasts(subject, horizons) if horizons else ())
    report.write(place, samples=not no_samples)
    check_gate(report, gate)
    return report


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured. sizes, scratch: labels per class (None is all) of probes and of the supervised control."""

    sizes: tuple[int | None, ...]
    draws: int
    scratch: tuple[int | None, ...]
    scratch_draws: int
    quiet: bool


def parse_budgets(given: Sequence[int | str], option: str) -> tuple[int | None, ...]:
    """Labels per class, None for `all`. Raises UsageError for what is neither."""
    wrong = [each for each in given if not (each == "all" or (isinstance(each, int) and each > 0))]
    if wrong or not given:
        raise UsageError(
            f"{option} takes whole numbers of labels a class, 1 or more, and `all`, such as 1,10,all; "
            f"got {', '.join(map(str, wrong)) or 'nothing'}."
        )
    return tuple(None if each == "all" else int(each) for each in given)


def check_draws(draws: int, scratch_draws: int) -> None:
    """Raises UsageError for less than one label set a budget."""
    for option, value in (("--draws", draws), ("--from-scratch-draws", scratch_draws)):
        if value < 1:
            raise UsageError(f"{option} must be 1 or more; got {value}.")


def score_classes(subject: Subject, facts: Facts, page: Path, plan: Plan, began: float) -> EvaluateReport:
    """The label-efficiency curve with all controls, the decision, the map and the neighbours."""
    parts = labelled_parts(subject.prepared, subject.splits)
    check_parts(parts)
    train_codes, _ = parts.labels
    budgets = nested_budgets(train_codes, plan.sizes, plan.draws, 0, parts.train_groups)
    check_budgets(budgets, train_codes)
    scratch = scratch_of(subject, plan.quiet)
    own = encoder_features(subject.encoders, parts)
    controls = gather_controls(subject.encoders, parts, budgets, scratch, plan.scratch, plan.scratch_draws)
    contestants: dict[str, Contestant] = {ENCODER: own, **controls}
    near = score_nearest(contestants, parts)
    curve = label_efficiency(contestants, ENCODER, parts.labels, budgets, parts.kin, beside=(SCRATCH,))
    names = subject.labelling.classes
    return EvaluateReport(
        facts=facts,
        page=page,
        metric="accuracy",
        decision=decide(curve),
        scores=score_rows(curve),
        best=tuple((best.per_class, best.name) for best in curve.best_controls),
        saved=curve.saved,
        nearest=near,
        not_applicable=curve.not_applicable,
        protocol=curve.protocol,
        map=draw_map(subject, parts, own[0][1], names),
        neighbours=find_neighbours(subject, parts, own[0], names),
        seconds=time.perf_counter() - began,
    )


def scratch_of(subject: Subject, quiet: bool) -> Scratch:
    """What the supervised control shares with the first run; it may take as long as that was trained."""
    run, rows = subject.runs[0], read_rows(subject.runs[0].losses)
    return Scratch(
        recipe=subject.recipes[0],
        fitted=subject.encoders[0].fitted,
        labelling=subject.labelling,
        plan=read_json(run.plan),
        seconds=rows[-1]["seconds"] if rows else 60.0,
        place=run.path / "controls",
        quiet=quiet,
    )


def check_parts(parts: Parts) -> None:
    """Raises DataError where too few labelled records are left to train or test a probe."""
    if len(parts.test) < FEWEST_TEST:
        raise DataError(
            f"The test part has {len(parts.test)} labelled records; {FEWEST_TEST} are needed to say anything. "
            f"Give labels for more records."
        )
    if len(np.unique(parts.codes[parts.train])) < 2:
        raise DataError("All labelled training records are of one class; a probe needs two. Give other labels.")


def check_budgets(budgets: Budgets, codes: np.ndarray) -> None:
    """Raises DataError where no budget that was asked for can be filled."""
    if not budgets.sets:
        middle = int(np.median(np.unique(codes, return_counts=True)[1]))
        raise DataError(
            f"Half of the classes have {middle} labelled training records or fewer, and every budget that was asked "
            f"for is larger. Give smaller --budgets, or `all`."
        )


def check_gate(report: EvaluateReport, gate: float | None) -> None:
    """Raises GateError when the score at the largest budget is below the gate, or nothing was measured."""
    if gate is None:
        return
    own = [score for score in report.scores if score.name == ENCODER]
    top = max(own, key=lambda score: score.labels, default=None)
    if top is None or top.value < gate:
        found = "not measured" if top is None else f"{top.value:.3f}"
        raise GateError(
            f"The gate asks for {gate:.3f} {report.metric}; the encoder reached {found}. The report is {report.page}."
        )
