"""evaluate: runs in, a measured answer out: did pretraining help, against what, how many labels does it save."""

from __future__ import annotations

import inspect
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from selftaught.core.errors import DataError, GateError, UsageError
from selftaught.data.labelling import Given, Task
from selftaught.engine.device import keep_memory
from selftaught.evaluate.ahead import score_forecasts
from selftaught.evaluate.baseline import conditions_of, load_baseline, save_outcomes
from selftaught.evaluate.closer import look_closer, read_wish
from selftaught.evaluate.decide import decide
from selftaught.evaluate.elsewhere import open_elsewhere
from selftaught.evaluate.look import draw_map, find_neighbours
from selftaught.evaluate.nearest import score_nearest
from selftaught.evaluate.numbers import score_numbers
from selftaught.evaluate.question import Question
from selftaught.evaluate.report import EvaluateReport, Facts, open_facts
from selftaught.evaluate.several import SeveralReport, check_same, compare_subjects, group_runs
from selftaught.evaluate.subject import Subject, open_subject
from selftaught.evaluate.tags import score_tags
from selftaught.probes.budgets import Budgets, nested_budgets
from selftaught.probes.curve import Contestant, label_efficiency
from selftaught.runs.files import read_json
from selftaught.runs.folder import read_rows
from selftaught.trials.controls import encoder_features
from selftaught.trials.parts import FEWEST_TEST, Parts, labelled_parts
from selftaught.trials.scores import ENCODER, SCRATCH, score_rows
from selftaught.trials.supervised import Scratch, gather_controls, load_network
from selftaught.trials.tables import size_of_interest


def evaluate(
    *runs: Annotated[Path | str, "run folders; those of one recipe count as its seeds"],
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
    by: Annotated[tuple[str, ...], "columns or files of what should not matter, such as site,camera"] = (),
    corruptions: Annotated[tuple[str, ...], "corruptions to put the test records under, or `all`"] = (),
    layers: Annotated[bool, "probe the output of every layer too"] = False,
    shift: Annotated[Path | str | None, "other data of the same classes: another site, speaker or camera"] = None,
    shift_labels: Annotated[Given, "labels of --shift (default: named as those of the data)"] = None,
    baseline: Annotated[Path | str | None, "report of an earlier evaluation to compare with"] = None,
    gate: Annotated[float | None, "exit with code 4 when the score at the largest budget is below this"] = None,
    no_samples: Annotated[bool, "leave the records themselves out of the report"] = False,
    out: Annotated[Path | str | None, "folder of the report (default: reports/ of the first run)"] = None,
    stores: Annotated[Path | str | None, "folder of decoded stores (default: that of the run)"] = None,
    quiet: Annotated[bool, "no progress bars"] = False,
) -> EvaluateReport | SeveralReport:
    """Measures frozen features with few labels, beside every control, and gives a plain verdict.

    Runs that differ in their seed alone are averaged; runs of several recipes are put into one paired table. The test
    part is read once, after every choice. Raises DataError for labels that cannot be used, UsageError for options that
    do not go together, RunError for a baseline of other conditions, GateError below the gate.
    """
    given = {name: value for name, value in locals().items() if name != "runs"}
    keep_memory()
    defaults = {each.name: each.default for each in inspect.signature(evaluate).parameters.values()}
    question = Question(**given, defaults=defaults)
    question.check()
    groups = group_runs(runs)
    return answer_several(groups, question) if len(groups) > 1 else answer_one(runs, question)


def answer_one(runs: Sequence[Path | str], question: Question) -> EvaluateReport:
    """The report on runs of one recipe."""
    began = time.perf_counter()
    subject = open_subject(runs, question.data, question.options, question.stores, question.quiet)
    question.check_task(subject.labelling.task)
    place = question.place(subject)
    facts, page = open_facts(subject, question.command(subject.runs)), place / "report.html"
    kind = subject.labelling.task
    if kind is None:
        report = EvaluateReport(facts=facts, page=page, metric="none", seconds=time.perf_counter() - began)
    elif kind == "numbers":
        scratch = scratch_of(subject, question.quiet) if None in question.scratch else None
        report = score_numbers(subject, facts, page, began, scratch, question.without_budgets())
    elif kind == "tags":
        report = score_tags(subject, facts, page, began, question.without_budgets())
    else:
        report = score_classes(subject, facts, page, question, began)
    forecasts = score_forecasts(subject, question.horizons) if question.horizons else ()
    report = replace(report, forecasts=forecasts)
    report.write(place, samples=not question.no_samples)
    check_gate(report, question.gate)
    return report


def answer_several(groups: Sequence[Sequence[Path | str]], question: Question) -> SeveralReport:
    """The report on runs of several recipes, which were trained on the same parts of the same data."""
    began = time.perf_counter()
    question.check_several()
    opened = [open_subject(runs, question.data, question.options, question.stores, question.quiet) for runs in groups]
    check_same(opened)
    first = opened[0]
    task = first.labelling.task
    if task != "classes":
        found = f"these are {task}" if task else "there are none; give --labels NAME|FILE"
        raise UsageError(f"Runs of several recipes are compared by class labels, and {found}.")
    parts, budgets = find_budgets(first, question)
    scratch = scratch_of(first, question.quiet)
    controls = gather_controls(first.encoders, parts, budgets, scratch, question.scratch, question.from_scratch_draws)
    place = question.place(first)
    command = question.command([run for subject in opened for run in subject.runs])
    report = compare_subjects(opened, parts, budgets, controls, place / "report.html", command, began)
    report.write(place, samples=not question.no_samples)
    return report


def find_budgets(subject: Subject, question: Question) -> tuple[Parts, Budgets]:
    """The labelled records and the sets of labels that probes learn from. Raises DataError where there are too few."""
    parts = labelled_parts(subject.prepared, subject.splits)
    check_parts(parts)
    codes, _ = parts.labels
    budgets = nested_budgets(codes, question.sizes, question.draws, 0, parts.train_groups)
    check_budgets(budgets, codes)
    return parts, budgets


def score_classes(subject: Subject, facts: Facts, page: Path, question: Question, began: float) -> EvaluateReport:
    """The label-efficiency curve with all controls, the decision, the closer look, the map and the neighbours."""
    parts, budgets = find_budgets(subject, question)
    conditions = conditions_of(parts, budgets)
    earlier = None if question.baseline is None else load_baseline(question.baseline, conditions)
    away = None
    if question.shift is not None:
        away = open_elsewhere(subject, parts, question.shift, question.shift_labels, question.quiet)
    wish = read_wish(subject, question.by, question.corruptions, question.layers, away)
    scratch = scratch_of(subject, question.quiet)
    own = encoder_features(subject.encoders, parts)
    controls = gather_controls(subject.encoders, parts, budgets, scratch, question.scratch, question.from_scratch_draws)
    contestants: dict[str, Contestant] = {ENCODER: own, **controls}
    near = score_nearest(contestants, parts)
    if earlier is not None:
        contestants[earlier[0]] = earlier[1]
    curve = label_efficiency(contestants, ENCODER, parts.labels, budgets, parts.kin, beside=(SCRATCH,))
    save_outcomes(page.parent, curve, facts.pretext, conditions)
    names = subject.labelling.classes
    size = size_of_interest([budget.per_class for budget in budgets.sets])
    network = load_network(scratch, parts, budgets) if None in question.scratch else None
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
        closer=look_closer(subject, parts, contestants, curve, size, wish, network),
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
