"""The report of an evaluation: verdict first, then curves, controls, labels saved, training, map, data, recipe."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from selftaught.evaluate.ahead import forecast_table, say_forecasts
from selftaught.evaluate.closer import Closer
from selftaught.evaluate.decide import Decision
from selftaught.evaluate.look import show_findings
from selftaught.evaluate.nearest import Nearest, nearest_table
from selftaught.evaluate.subject import Subject
from selftaught.probes.forecast import ForecastScore
from selftaught.probes.saved import LabelsSaved
from selftaught.probes.statistics import spearman
from selftaught.reports.blocks import (
    Block,
    Cell,
    Code,
    Estimate,
    Finding,
    Findings,
    Gallery,
    ScatterMap,
    Section,
    Table,
    Text,
    Verdict,
)
from selftaught.reports.blocks import Facts as FactBlock
from selftaught.reports.findings import DataFact, audit_facts, shown_findings
from selftaught.reports.report import Report
from selftaught.reports.training import training_plots
from selftaught.runs.command import flags, spelled
from selftaught.runs.files import read_json
from selftaught.runs.folder import RunFolder, read_rows
from selftaught.trials.scores import BASELINE, ENCODER, TWIN, Score, bound, estimate, words
from selftaught.trials.tables import (
    at,
    control_table,
    curve_plot,
    lead_table,
    rival_table,
    saved_table,
    size_of_interest,
    sizes_of,
)

TONES = {
    "pretrain": "good",
    "pretrain with few labels": "good",
    "no clear winner": "neutral",
    "do not pretrain": "bad",
}
FEWEST_LOOKS = 4
NEARLY = 0.9
WATCHED = ("rank", "lidar", "alpha", "alignment", "uniformity")
OF_CLASSES = ("class-absent", "class-of-one", "one-class")
"""Findings that name classes, not records: they have nothing to show."""


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
    label_free: tuple[tuple[str, float, Estimate | None], ...]
    findings: tuple[Finding, ...]
    data: tuple[DataFact, ...]
    pretrain_command: str
    command: str


@dataclass(frozen=True, kw_only=True)
class EvaluateReport(Report):
    """One evaluation. metric: "accuracy", "R2", "mAP", or "none" without labels. page: where the page is written. more:
    tables that only this kind of labels has."""

    facts: Facts
    page: Path
    metric: str
    seconds: float
    decision: Decision | None = None
    scores: tuple[Score, ...] = ()
    best: tuple[tuple[int | None, str], ...] = ()
    saved: tuple[LabelsSaved, ...] = ()
    nearest: tuple[Nearest, ...] = ()
    not_applicable: tuple[int, ...] = ()
    protocol: str = ""
    map: ScatterMap | None = None
    neighbours: Gallery | None = None
    forecasts: tuple[ForecastScore, ...] = ()
    more: tuple[Table, ...] = ()
    closer: Closer | None = None

    @property
    def title(self) -> str:
        """The heading."""
        return f"Did {self.facts.pretext} pretraining help?"

    def verdict(self) -> Verdict:
        """The decision, with the numbers that carry it."""
        ahead = say_forecasts(self.forecasts)
        if self.decision is None and ahead:
            headline = "Forecasting was measured; there are no labels to measure anything else."
            return Verdict(headline=headline, sentences=(*ahead, *self._health()), tone="neutral")
        if self.decision is None:
            return Verdict(
                headline="Not measured: there are no labels.",
                sentences=("Give labels, a few per class are enough: --labels NAME|FILE.", *self._health()),
                tone="neutral",
            )
        facts: list[tuple[str, Cell]] = []
        size = size_of_interest(sizes_of(self.scores, ()))
        name = "all labels" if size is None else f"{size} label{'' if size == 1 else 's'} a class"
        for wanted in dict.fromkeys((ENCODER, self._best_at(size), TWIN)):
            found = at(self.scores, wanted, size)
            facts += [(f"{wanted}, {name}", estimate(found))] if found else []
        saved = [each for each in self.saved if each.per_class == size]
        facts += [(f"labels a control needs to match {each.labels}", bound(each.needed)) for each in saved]
        return Verdict(
            headline=self.decision.headline,
            sentences=(*self.decision.sentences, *self._since(size), *ahead, *self._health()),
            tone=TONES[self.decision.answer],  # type: ignore[arg-type]
            facts=tuple(facts),
        )

    def sections(self) -> tuple[Section, ...]:
        """All parts in reading order."""
        shown: list[Section] = []
        if self.scores:
            shown.append(Section(title="Labels and accuracy", blocks=self._accuracy(), brief=self._accuracy_in_brief()))
        if self.forecasts:
            shown.append(Section(title="Forecasts", blocks=(forecast_table(self.forecasts),)))
        shown += self.closer.sections() if self.closer is not None else ()
        training = training_plots(self.facts.losses, self.facts.watched)
        course = FactBlock(rows=(("health", ", ".join(sorted(set(self.facts.health))), ""), *self._course()))
        shown.append(Section(title="Training", blocks=(course, *training, *self._label_free()), brief=(course,)))
        looks: list[Block] = [each for each in (self.map, self.neighbours) if each is not None]
        if looks:
            words = self.neighbours is not None and self.neighbours.rows[0].query.kind in ("text", "row")
            brief = tuple(looks[-1:]) if words else ()
            shown.append(Section(title="What the encoder sees", blocks=tuple(looks), brief=brief))
        data = (FactBlock(rows=self.facts.data), Findings(items=self.facts.findings))
        shown.append(Section(title="What is in the data", blocks=data))
        repeat = Code(code=self.facts.pretrain_command + "\n" + self.facts.command, title="Repeat", language="sh")
        recipe = Code(code=self.facts.recipe, title="recipe.toml", language="toml")
        record = Text(
            text=f"Protocol {self.protocol or 'none'}; data {self.facts.fingerprint}; recipe "
            f"{self.facts.recipe_hash}; train / validation / test {' / '.join(map(str, self.facts.parts))} records."
        )
        shown.append(Section(title="Recipe", blocks=(repeat, recipe, record), brief=(repeat, record)))
        return tuple(shown)

    def _course(self) -> tuple[tuple[str, Cell, str], ...]:
        """First and last loss, and the last look at the validation part."""
        losses = [row["loss"] for row in self.facts.losses]
        scores = [row["score"] for row in self.facts.watched if "score" in row]
        rows: list[tuple[str, Cell, str]] = []
        if losses:
            rows.append(("loss", f"{losses[0]:.3g} to {losses[-1]:.3g}", ""))
        if scores:
            rows.append(("validation kNN", f"{scores[0]:.3f} to {scores[-1]:.3f}", ""))
        rows += pace(self.facts.losses, self.facts.watched)
        return tuple(rows)

    def _since(self, size: int | None) -> tuple[str, ...]:
        """What has changed since an earlier evaluation, where there is one to compare with."""
        name = next((each.name for each in self.scores if each.name.startswith(BASELINE)), "")
        found = at(self.scores, name, size)
        if found is None or found.lead is None or found.lead_low is None or found.lead_high is None:
            return ()
        value, low, high = (100 * each for each in (found.lead, found.lead_low, found.lead_high))
        told = "better than" if low > 0 else "worse than" if high < 0 else "not told from"
        return (
            f"At {words([size])} it is {told} the {name}: {value:+.1f} points, 95 % interval {low:+.1f} to "
            f"{high:+.1f}.",
        )

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
        blocks.append(lead_table(self.scores, self.metric))
        blocks += self.more
        if self.saved:
            blocks.append(saved_table(self.saved))
        if self.nearest:
            blocks.append(nearest_table(self.nearest))
        return tuple(blocks)

    def _accuracy_in_brief(self) -> tuple[Block, ...]:
        """One table of all contestants, one of the leads that decide, one of the labels saved: a terminal's worth."""
        table = control_table(self.scores, self.metric, self.best, self.not_applicable, intervals=False)
        blocks = [table, rival_table(self.scores, self.metric, self.best), *self.more]
        return (*blocks, saved_table(self.saved)) if self.saved else tuple(blocks)

    def _label_free(self) -> tuple[Block, ...]:
        if not self.facts.label_free:
            return ()
        caption = "Over this run's looks at the validation part. Alarms and tie-breaks, never the judge."
        if all(cell is None for _, _, cell in self.facts.label_free):
            caption += " The correlation needs labels while training: pretrain --labels."
        return (
            Table(
                columns=("metric", "at the end", "rank correlation with the validation kNN"),
                rows=self.facts.label_free,
                title="Label-free metrics",
                caption=caption,
            ),
        )


def pace(losses: Sequence[Mapping[str, float]], watched: Sequence[Mapping[str, float]]) -> list[tuple[str, Cell, str]]:
    """How soon the probe was nearly where it ended: minutes until NEARLY of the last validation kNN, of all minutes."""
    looks = [(row["step"], row["score"]) for row in watched if "score" in row]
    if len(looks) < FEWEST_LOOKS or not losses:
        return []
    first = next(step for step, score in looks if score >= NEARLY * looks[-1][1])
    minutes = [np.interp(step, [row["step"] for row in losses], [row["seconds"] for row in losses]) / 60
               for step in (first, looks[-1][0])]  # fmt: skip
    told = f"{minutes[0] if first else 0:.2g} of {minutes[1]:.2g}"
    return [(f"time to {NEARLY:.0%} of the last validation kNN", told, "min")]


def label_free_rows(watched: Sequence[Mapping[str, float]]) -> tuple[tuple[str, float, Estimate | None], ...]:
    """Per metric its last value, and its rank correlation with the kNN over the looks where both were measured."""
    rows = []
    for name in WATCHED if watched else ():
        pairs = np.array([(row[name], row["score"]) for row in watched if "score" in row and name in row])
        pairs = pairs[np.isfinite(pairs).all(1)] if len(pairs) else pairs
        cell = None
        if len(pairs) >= FEWEST_LOOKS:
            found = spearman(pairs[:, 0], pairs[:, 1], np.random.default_rng(0))
            cell = Estimate(value=found.value, low=found.low, high=found.high, n=found.n)
        rows.append((name, watched[-1].get(name, math.nan), cell))
    return tuple(rows)


def open_facts(subject: Subject, command: str) -> Facts:
    """The facts of the first run, with the health of all."""
    run, recipe = subject.runs[0], subject.recipes[0]
    known = read_json(run.data)
    manifests = [read_json(folder.manifest) for folder in subject.runs]
    findings = (*subject.prepared.findings, *subject.splits.findings)
    of_records = [each for each in findings if not each.code.startswith(OF_CLASSES)]
    parts = subject.splits
    return Facts(
        runs=tuple(str(folder.path) for folder in subject.runs),
        encoder=type(recipe.encoder).__name__,
        pretext=type(recipe.objective).__name__,
        recipe=recipe.to_toml(),
        recipe_hash=recipe.hash,
        fingerprint=subject.prepared.source.fingerprint,
        kind=subject.prepared.source.kind,
        parts=(len(parts.train), len(parts.validation), len(parts.test)),
        health=tuple(str(manifest["health"]) for manifest in manifests),
        losses=tuple(read_rows(run.losses)),
        watched=(watched := tuple(read_rows(run.health))),
        label_free=label_free_rows(watched),
        findings=shown_findings(findings, show_findings(subject, of_records)),
        data=audit_facts(subject.encoders[0].modality, subject.store),
        pretrain_command=pretrain_command(run, known),
        command=command,
    )


def pretrain_command(run: RunFolder, known: Mapping[str, Any]) -> str:
    """What repeats the training of a run; `known` is its data.json."""
    words = ["selftaught", "pretrain", known["data"] or "ARRAY", "--recipe", run.recipe, "--out", run.path]
    return shlex.join([*map(str, words), *flags({**known["options"], "from": known["start"]})])


def evaluate_command(runs: Sequence[Path | str], given: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """What repeats an evaluation: the runs, and every option that is not at its default."""
    words = ["selftaught", "evaluate", *map(str, runs)]
    for name, value in given.items():
        plain = value if isinstance(value, str | int | float | tuple | Path) else None if value is None else "ARRAY"
        if plain == defaults[name]:
            continue
        words.append(spelled(name))
        words += [] if plain is True else [",".join(map(str, plain)) if isinstance(plain, tuple) else str(plain)]
    return shlex.join(words)
