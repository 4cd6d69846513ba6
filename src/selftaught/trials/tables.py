"""The plot and the tables of an evaluation, made of scores that are already measured."""

from __future__ import annotations

from collections.abc import Sequence

from selftaught.probes.saved import LabelsSaved
from selftaught.reports.blocks import Cell, Column, LinePlot, NotApplicable, Table
from selftaught.reports.blocks import Curve as Line
from selftaught.trials.scores import ENCODER, SCRATCH, Score, bound, estimate, lead_of, unit_of

Best = Sequence[tuple[int | None, str]]
"""The best control of each budget."""


def curve_plot(scores: Sequence[Score], metric: str, main: Sequence[str] = (ENCODER,)) -> LinePlot:
    """Accuracy over labels per class, one line per contestant with its band."""
    sizes = sorted({score.labels for score in scores})
    ticks = {score.labels: str(score.per_class or "all") for score in scores}
    lines = []
    for name in names_of(scores):
        own = sorted((score for score in scores if score.name == name), key=lambda score: score.labels)
        lines.append(
            Line(
                name=name,
                x=tuple(score.labels for score in own),
                y=tuple(score.value for score in own),
                low=tuple(score.low for score in own),
                high=tuple(score.high for score in own),
                style="main" if name in main else "control",
            )
        )
    return LinePlot(
        curves=tuple(lines),
        x_label="labels per class",
        y_label=f"test {metric}",
        title="Label efficiency",
        caption="Bands are 95 % intervals over test records, label draws and seeds.",
        x_scale="log",
        ticks=tuple((size, ticks[size]) for size in sizes),
    )


def control_table(
    scores: Sequence[Score],
    metric: str,
    best: Best,
    missing: Sequence[int],
    *,
    intervals: bool = True,
    main: Sequence[str] = (ENCODER,),
) -> Table:
    """Contestants by budgets. main: those that are judged."""
    sizes, names = sizes_of(scores, missing), names_of(scores)
    rows: list[tuple[Cell, ...]] = []
    for name in names:
        cells: list[Cell] = [name]
        for size in sizes:
            found = at(scores, name, size)
            if found is not None:
                cells.append(estimate(found) if intervals else found.value)
            elif size in missing:
                cells.append(NotApplicable(reason="most classes have fewer records"))
            else:
                cells.append(None if intervals else "–")
        rows.append(tuple(cells))
    marks = [(names.index(name), sizes.index(size) + 1) for size, name in best]
    caption = "Marked: the best control of each budget, chosen by inner cross-validation on the labelled records."
    if intervals:
        caption += " A class with fewer records than a budget gives all that it has."
    return Table(
        columns=("contestant", *(Column(name=str(size or "all"), digits=3, align="right") for size in sizes)),
        rows=tuple(rows),
        title=f"Test {metric} by labels{'' if metric == 'R2' else ' per class'}",
        caption=caption if intervals else f"{caption} –: not measured. The page has an interval for each.",
        best=tuple(marks),
        main=tuple(names.index(each) for each in main),
    )


def lead_table(scores: Sequence[Score], metric: str = "accuracy") -> Table:
    """How far the encoder leads each contestant, with paired intervals."""
    sizes = sizes_of(scores, ())
    rows: list[tuple[Cell, ...]] = []
    for name in names_of(scores):
        if name != ENCODER:
            found = [at(scores, name, size) for size in sizes]
            rows.append((name, *(None if each is None else lead_of(each, metric) for each in found)))
    return Table(
        columns=(
            "lead of the encoder over",
            *(Column(name=str(size or "all"), unit=unit_of(metric)) for size in sizes),
        ),
        rows=tuple(rows),
        title="Lead of the encoder",
        caption="Paired over the same label draws and test records; an interval above 0 means the encoder is better.",
    )


def rival_table(scores: Sequence[Score], metric: str, best: Best) -> Table:
    """The encoder beside the best control of each budget, in one narrow table with the intervals that matter.

    Where the supervised control ran, the better of the two stands here: the encoder has to beat both.
    """
    rows: list[tuple[Cell, ...]] = []
    for size, name in best:
        own = at(scores, ENCODER, size)
        rivals = [each for each in (at(scores, name, size), at(scores, SCRATCH, size)) if each is not None]
        if own is not None and rivals:
            rival = max(rivals, key=lambda each: each.value)
            rows.append((str(size or "all"), estimate(own), rival.name, lead_of(rival, metric)))
    return Table(
        columns=(
            Column(name="labels" if metric == "R2" else "per class", align="right"),
            Column(name=f"encoder, {metric}", digits=3),
            "best control",
            Column(name="lead", unit=unit_of(metric)),
        ),
        rows=tuple(rows),
        title="Lead of the encoder over the best control",
        caption="95 % intervals, paired over the same label draws and test records; above 0 the encoder is better.",
    )


def saved_table(saved: Sequence[LabelsSaved]) -> Table:
    """Labels that the best control needs to match the encoder."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (str(each.per_class or "all"), each.labels, bound(each.needed), bound(each.low), bound(each.high))
        for each in saved
    )
    return Table(
        columns=(
            Column(name="per class", align="right"),
            "labels of the encoder",
            "best control needs",
            "at least",
            "at most",
        ),
        rows=rows,
        title="Labels saved",
        caption="Interpolated between measured budgets, never beyond them: > n was not reached with n labels.",
    )


def names_of(scores: Sequence[Score]) -> list[str]:
    """The contestants in the order of their scores."""
    return list(dict.fromkeys(score.name for score in scores))


def sizes_of(scores: Sequence[Score], missing: Sequence[int]) -> list[int | None]:
    """The budgets, all labels last."""
    return sorted({score.per_class for score in scores} | set(missing), key=lambda size: size or 10**9)


def size_of_interest(sizes: Sequence[int | None]) -> int | None:
    """Ten labels a class where that was measured, else the largest budget."""
    return 10 if 10 in sizes else max(sizes, key=lambda size: size or 10**9)


def at(scores: Sequence[Score], name: str, per_class: int | None) -> Score | None:
    """The score of a contestant at a budget, None where it was not measured."""
    return next((score for score in scores if (score.name, score.per_class) == (name, per_class)), None)
