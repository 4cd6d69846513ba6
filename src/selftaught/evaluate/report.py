"""The report of an evaluation: verdict first, then curves, controls, labels saved, training, map, data, recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selftaught.evaluate.decide import Decision
from selftaught.evaluate.subject import Subject
from selftaught.probes.curve import Curve
from selftaught.probes.saved import Labels, LabelsSaved
from selftaught.probes.statistics import spearman
from selftaught.reports.blocks import (
    Block,
    Cell,
    Code,
    Column,
    Estimate,
    Finding,
    Findings,
    Gallery,
    LinePlot,
    NotApplicable,
    ScatterMap,
    Section,
    Table,
    Text,
    Verdict,
)
from selftaught.reports.blocks import Curve as Line
from selftaught.reports.findings import shown_findings
from selftaught.reports.report import Report
from selftaught.reports.training import training_plots
from selftaught.runs.files import read_json
from selftaught.runs.folder import read_rows

ENCODER = "encoder"
TONES = {
    "pretrain": "good",
    "pretrain with few labels": "good",
    "no clear winner": "neutral",
    "do not pretrain": "bad",
}
WATCHED = ("rank", "lidar", "alpha", "alignment", "uniformity")


@dataclass(frozen=True, kw_only=True)
class Score:
    """One contestant at one budget. value: accuracy (or R2) with its 95 % interval; lead: encoder minus this."""

    name: str
    per_class: int | None
    labels: int
    seeds: int
    draws: int
    value: float
    low: float
    high: float
    balanced: float | None
    lead: float | None
    lead_low: float | None
    lead_high: float | None
    strengths: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was evaluated, for the record: recipe, data, health and what was watched while training."""

    runs: tuple[str, ...]
    encoder: str
    pretext: str
    recipe: str
    recipe_hash: str
    fingerprint: str
    kind: str
    parts: tuple[int, int, int]
    health: tuple[str, ...]
    losses: tuple[dict[str, float], ...]
    watched: tuple[dict[str, float], ...]
    findings: tuple[Finding, ...]
    pretrain_command: str
    command: str


@dataclass(frozen=True, kw_only=True)
class EvaluateReport(Report):
    """One evaluation. metric: "accuracy", "R2", or "none" without labels."""

    facts: Facts
    metric: str
    seconds: float
    decision: Decision | None = None
    scores: tuple[Score, ...] = ()
    best: tuple[tuple[int | None, str], ...] = ()
    saved: tuple[LabelsSaved, ...] = ()
    not_applicable: tuple[int, ...] = ()
    protocol: str = ""
    map: ScatterMap | None = None
    neighbours: Gallery | None = None

    @property
    def title(self) -> str:
        """The heading."""
        return f"Did {self.facts.pretext} pretraining help?"

    def verdict(self) -> Verdict:
        """The decision, with the numbers that carry it."""
        if self.decision is None:
            return Verdict(
                headline="Not measured: there are no labels.",
                sentences=("Give labels, a few per class are enough: --labels NAME|FILE.", *self._health()),
                tone="neutral",
            )
        facts: list[tuple[str, Cell]] = []
        at = [score for score in self.scores if score.per_class == 10] or list(self.scores)
        name = "10 labels a class" if at[0].per_class == 10 else "the largest budget"
        for wanted in (ENCODER, self._best_at(at[0].per_class), "untrained twin"):
            found = [score for score in at if score.name == wanted]
            facts += [(f"{score.name}, {name}", estimate(score)) for score in found[-1:]]
        saved = [each for each in self.saved if each.per_class == 10] or list(self.saved[:1])
        facts += [(f"labels a control needs to match {each.labels}", bound(each.needed)) for each in saved]
        return Verdict(
            headline=self.decision.headline,
            sentences=(*self.decision.sentences, *self._health()),
            tone=TONES[self.decision.answer],  # type: ignore[arg-type]
            facts=tuple(facts),
        )

    def sections(self) -> tuple[Section, ...]:
        """All parts in reading order."""
        shown = [Section(title="Labels and accuracy", blocks=self._accuracy())] if self.scores else []
        training = training_plots(self.facts.losses, self.facts.watched)
        shown.append(Section(title="Training", blocks=(*training, *self._label_free())))
        looks: list[Block] = [each for each in (self.map, self.neighbours) if each is not None]
        if looks:
            shown.append(Section(title="What the encoder sees", blocks=tuple(looks)))
        shown.append(Section(title="Data findings", blocks=(Findings(items=self.facts.findings),)))
        recipe = (
            Code(code=self.facts.pretrain_command + "\n" + self.facts.command, title="Repeat", language="sh"),
            Code(code=self.facts.recipe, title="recipe.toml", language="toml"),
            Text(
                text=f"Protocol {self.protocol or 'none'}; data {self.facts.fingerprint}; recipe "
                f"{self.facts.recipe_hash}; train / validation / test {' / '.join(map(str, self.facts.parts))} records."
            ),
        )
        shown.append(Section(title="Recipe", blocks=recipe))
        return tuple(shown)

    def _health(self) -> tuple[str, ...]:
        ill = sorted({state for state in self.facts.health if state != "healthy"})
        return (f"Health of the training: {', '.join(ill)}.",) if ill else ()

    def _best_at(self, per_class: int | None) -> str:
        return next((name for size, name in self.best if size == per_class), "")

    def _accuracy(self) -> tuple[Block, ...]:
        blocks: list[Block] = []
        if len({score.per_class for score in self.scores}) > 1:
            blocks.append(curve_plot(self.scores, self.metric))
        blocks.append(control_table(self.scores, self.metric, self.best, self.not_applicable))
        blocks.append(lead_table(self.scores))
        if self.saved:
            blocks.append(saved_table(self.saved))
        return tuple(blocks)

    def _label_free(self) -> tuple[Block, ...]:
        rows = [row for row in self.facts.watched if "score" in row]
        if len(rows) < 4:
            return ()
        table = []
        for name in WATCHED:
            found = spearman(
                np.array([row[name] for row in rows]),
                np.array([row["score"] for row in rows]),
                np.random.default_rng(0),
            )
            cell: Cell = Estimate(value=found.value, low=found.low, high=found.high, n=found.n)
            table.append((name, rows[-1][name], cell))
        return (
            Table(
                columns=("metric", "at the end", "rank correlation with the validation kNN"),
                rows=tuple(table),
                title="Label-free metrics",
                caption="Over this run's looks at the validation part. Alarms and tie-breaks, never the judge.",
            ),
        )


def open_facts(subject: Subject, command: str) -> Facts:
    """The facts of the first run, with the health of all."""
    run, recipe = subject.runs[0], subject.recipes[0]
    known = read_json(run.data)
    manifests = [read_json(folder.manifest) for folder in subject.runs]
    again = f"selftaught pretrain {known['data']} --recipe {run.recipe} --out {run.path}"
    options = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in known["options"].items() if value)
    findings = (*subject.prepared.findings, *subject.splits.findings)
    parts = subject.splits
    return Facts(
        runs=tuple(str(folder.path) for folder in subject.runs),
        encoder=type(recipe.encoder).__name__,
        pretext=type(recipe.pretext).__name__,
        recipe=recipe.to_toml(),
        recipe_hash=recipe.hash,
        fingerprint=subject.prepared.source.fingerprint,
        kind=subject.prepared.source.kind,
        parts=(len(parts.train), len(parts.validation), len(parts.test)),
        health=tuple(str(manifest["health"]) for manifest in manifests),
        losses=tuple(read_rows(run.losses)),
        watched=tuple(read_rows(run.health)),
        findings=shown_findings(findings),
        pretrain_command=f"{again} {options}".strip(),
        command=command,
    )


def score_rows(curve: Curve) -> tuple[Score, ...]:
    """Every point of a curve, without the per-record outcomes."""
    return tuple(
        Score(
            name=point.name,
            per_class=point.per_class,
            labels=point.labels,
            seeds=point.seeds,
            draws=point.draws,
            value=point.accuracy.value,
            low=point.accuracy.low,
            high=point.accuracy.high,
            balanced=point.balanced_accuracy.value,
            lead=None if point.lead is None else point.lead.value,
            lead_low=None if point.lead is None else point.lead.low,
            lead_high=None if point.lead is None else point.lead.high,
            strengths=point.outcome.strengths,
        )
        for point in curve.points
    )


def estimate(score: Score) -> Estimate:
    """The score as a cell."""
    return Estimate(value=score.value, low=score.low, high=score.high, n=score.seeds * score.draws, digits=3)


def bound(labels: Labels) -> Estimate:
    """A number of labels as a cell, with its bound."""
    sign = {"=": "", ">": ">", "<=": "<"}[labels.relation]
    return Estimate(value=round(labels.count), bound=sign, digits=0)  # type: ignore[arg-type]


def curve_plot(scores: Sequence[Score], metric: str) -> LinePlot:
    """Accuracy over labels per class, one line per contestant with its band."""
    sizes = sorted({score.labels for score in scores})
    ticks = {score.labels: str(score.per_class or "all") for score in scores}
    lines = []
    for name in dict.fromkeys(score.name for score in scores):
        own = sorted((score for score in scores if score.name == name), key=lambda score: score.labels)
        lines.append(
            Line(
                name=name,
                x=tuple(score.labels for score in own),
                y=tuple(score.value for score in own),
                low=tuple(score.low for score in own),
                high=tuple(score.high for score in own),
                style="main" if name == ENCODER else "control",
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
    scores: Sequence[Score], metric: str, best: Sequence[tuple[int | None, str]], missing: Sequence[int]
) -> Table:
    """Contestants by budgets."""
    sizes = sorted({score.per_class for score in scores} | set(missing), key=lambda size: size or 10**9)
    names = list(dict.fromkeys(score.name for score in scores))
    rows: list[tuple[Cell, ...]] = []
    for name in names:
        cells: list[Cell] = [name]
        for size in sizes:
            found = [score for score in scores if score.name == name and score.per_class == size]
            absent = NotApplicable(reason="a class has fewer records") if size in missing else None
            cells.append(estimate(found[0]) if found else absent)
        rows.append(tuple(cells))
    marks = [(names.index(name), sizes.index(size) + 1) for size, name in best]
    return Table(
        columns=("contestant", *(Column(name=str(size or "all"), digits=3) for size in sizes)),
        rows=tuple(rows),
        title=f"Test {metric} by labels per class",
        caption="Marked: the best control of each budget, chosen by inner cross-validation on the labelled records.",
        best=tuple(marks),
        main=(names.index(ENCODER),),
    )


def lead_table(scores: Sequence[Score]) -> Table:
    """How far the encoder leads each contestant, points, with paired intervals."""
    sizes = sorted({score.per_class for score in scores}, key=lambda size: size or 10**9)
    rows: list[tuple[Cell, ...]] = []
    for name in dict.fromkeys(score.name for score in scores if score.name != ENCODER):
        cells: list[Cell] = [name]
        for size in sizes:
            found = [each for each in scores if each.name == name and each.per_class == size and each.lead is not None]
            cells.append(_lead(found[0]) if found else None)
        rows.append(tuple(cells))
    return Table(
        columns=("lead of the encoder over", *(Column(name=str(size or "all"), unit="points") for size in sizes)),
        rows=tuple(rows),
        title="Lead of the encoder",
        caption="Paired over the same label draws and test records; an interval above 0 means the encoder is better.",
    )


def _lead(score: Score) -> Estimate:
    low, high = score.lead_low or 0.0, score.lead_high or 0.0
    return Estimate(value=100 * (score.lead or 0.0), low=100 * low, high=100 * high, digits=1)


def saved_table(saved: Sequence[LabelsSaved]) -> Table:
    """Labels that the best control needs to match the encoder."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (str(each.per_class or "all"), each.labels, bound(each.needed), bound(each.low), bound(each.high))
        for each in saved
    )
    return Table(
        columns=("labels per class", "labels of the encoder", "best control needs", "at least", "at most"),
        rows=rows,
        title="Labels saved",
        caption="Interpolated between measured budgets, never beyond them: > n was not reached with n labels.",
    )
