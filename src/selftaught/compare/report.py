"""The report of a race: the answer, the ranking, the rounds, the test part, the cost, and what to do next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from selftaught.compare.answer import Decision
from selftaught.compare.blind import SIGNS, Signs
from selftaught.compare.judge import Metric
from selftaught.compare.reasons import Reasons
from selftaught.probes.saved import LabelsSaved
from selftaught.reports.blocks import (
    Block,
    Cell,
    Code,
    Column,
    Curve,
    Estimate,
    Finding,
    Findings,
    LinePlot,
    NotApplicable,
    Section,
    Table,
    Text,
    Threshold,
    Verdict,
)
from selftaught.reports.blocks import Facts as FactBlock
from selftaught.reports.findings import DataFact
from selftaught.reports.report import Report
from selftaught.trials.scores import TWIN, Score, change, unit_of, words
from selftaught.trials.tables import Best, control_table, curve_plot, lead_table, rival_table, saved_table

TONES = {
    "pretrain": "good",
    "no clear winner": "neutral",
    "underpowered": "warning",
    "low confidence": "warning",
    "do not pretrain": "bad",
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the ranking. round: the last one it ran in, None for controls. lead: over the best finalist, with
    its interval. health: of its trainings; trouble: what went wrong in them, if anything. partial: measured in the
    first fold alone."""

    name: str
    kind: str
    round: int | None
    seeds: int
    value: float
    low: float
    high: float
    by_size: tuple[tuple[int | None, float], ...]
    lead: tuple[float, float, float] | None
    health: str
    trouble: str
    partial: bool


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Where the time went, seconds; minutes and planned: of training, as asked and as run."""

    minutes: float
    planned: float
    reading: float
    training: float
    judging: float
    controls: float
    testing: float
    explaining: float

    @property
    def ratio(self) -> float:
        """Everything but the controls and the test, by the minutes that the candidates were given."""
        return (self.reading + self.training + self.judging + self.explaining) / max(1e-9, 60 * self.planned)


@dataclass(frozen=True, kw_only=True)
class Next:
    """What to do: the recipe of the best candidate, the command that trains it with all the minutes, and the score
    that the course of the race lets one expect of that. missing: how far it is behind the best control, None where it
    is not, or has run in one round alone; level: minutes of one training that would make it up by that course."""

    recipe: str
    command: str
    minutes: float
    expected: tuple[float, float, float] | None
    missing: float | None
    level: float | None


@dataclass(frozen=True, kw_only=True)
class Tested:
    """The test part: the best candidate as "encoder", beside all controls."""

    scores: tuple[Score, ...]
    best: Best
    saved: tuple[LabelsSaved, ...]
    not_applicable: tuple[int, ...]
    protocol: str


@dataclass(frozen=True, kw_only=True)
class CompareReport(Report):
    """One race. sizes: labels that were judged, of each class (in all where labels are numbers), none without labels.
    metric, protocol: of every score. judged: records. signs: label-free metrics of the finalists, where there are no
    labels. course: (candidate, minutes, value, low, high) of every round. absent: candidates for which there was no
    time; untried: those whose families fell out before their turn."""

    page: Path
    decision: Decision
    entries: tuple[Entry, ...]
    sizes: tuple[int | None, ...]
    metric: Metric
    protocol: str
    judged: int
    signs: tuple[tuple[str, Signs], ...]
    rounds: tuple[float, ...]
    course: tuple[tuple[str, float, float, float, float], ...]
    absent: tuple[str, ...]
    untried: tuple[str, ...]
    tested: Tested | None
    cost: Cost
    next: Next | None
    reasons: Reasons | None
    findings: tuple[Finding, ...]
    data: tuple[DataFact, ...]
    parts: tuple[int, int, int]
    fingerprint: str

    @property
    def title(self) -> str:
        """The heading."""
        return "Which pretext, and is it worth it?"

    def verdict(self) -> Verdict:
        """The answer, with the two numbers that carry it."""
        facts: list[tuple[str, Cell]] = []
        for name in dict.fromkeys((self.decision.candidate, self.decision.control)):
            facts += [(name, _estimate(each)) for each in self.entries if each.name == name]
        absent = [f"No time for {', '.join(self.absent)}."] if self.absent else []
        absent += [f"Not tried, for their families fell out: {', '.join(self.untried)}."] if self.untried else []
        return Verdict(
            headline=self.decision.headline,
            sentences=(*self.decision.sentences, *absent),
            tone=TONES[self.decision.answer],  # type: ignore[arg-type]
            facts=tuple(facts),
        )

    def sections(self) -> tuple[Section, ...]:
        """Ranking, rounds, test part, next, cost, data."""
        troubles = self._troubles()
        ranking = Section(
            title="Ranking",
            blocks=(self._ranking(), *self._signs(), *troubles, *self._plot()),
            brief=(self._ranking(brief=True), *self._signs(), *troubles),
        )
        return tuple(
            each
            for each in (ranking, self._why(), self._test(), self._what_next(), self._costs(), self._about())
            if each is not None
        )

    def _troubles(self) -> tuple[Block, ...]:
        """What went wrong with whom."""
        told = [
            Finding(code=each.name, severity="warning", message=each.trouble) for each in self.entries if each.trouble
        ]
        return (Findings(items=tuple(told)),) if told else ()

    def _ranking(self, brief: bool = False) -> Table:
        """Everyone, best first; in brief without the single budgets, for a terminal."""
        columns: tuple[Column | str, ...] = (
            "contestant",
            Column(name="round", align="right"),
            Column(name=self.metric if self.sizes else "rivals it is ahead of", digits=3),
            *(Column(name=str(size or "all"), digits=3, align="right") for size in self.sizes if not brief),
            Column(name="lead" if brief else "lead over the best candidate", unit=unit_of(self.metric)),
            "health",
        )
        rows = tuple(self._row(each, brief) for each in self.entries)
        chosen = [place for place, each in enumerate(self.entries) if each.name == self.decision.winner]
        note = " *: in the first fold alone." if any(each.partial for each in self.entries) else ""
        if not self.sizes:
            title = "Ranks by label-free metrics"
            caption = f"Mean share over the metrics, on {self.judged:,} held-out records; intervals over the metrics."
            return Table(columns=columns, rows=rows, title=title, caption=caption, main=tuple(chosen))
        return Table(
            columns=columns,
            rows=rows,
            title=f"Few-label {self.metric} by cross-validation inside the training part",
            caption=f"Mean over {words(self.sizes, self.metric)}, on {self.judged:,} labelled records; lead: over the "
            f"best candidate. 95 % intervals over records, label draws and seeds.{note}",
            main=tuple(chosen),
        )

    def _row(self, entry: Entry, brief: bool) -> tuple[Cell, ...]:
        known = dict(entry.by_size)
        lead: Cell = NotApplicable(reason="the best candidate" if entry.name == self.decision.candidate else "fell out")
        if entry.lead is not None:
            lead = change(self.metric, *entry.lead)
        return (
            entry.name + ("*" if entry.partial else ""),
            "control" if entry.round is None else str(entry.round),
            _estimate(entry),
            *(known.get(size) for size in self.sizes if not brief),
            lead,
            entry.health or "–",
        )

    def _signs(self) -> tuple[Table, ...]:
        """The label-free metrics of the finalists."""
        if not self.signs:
            return ()
        rows = tuple((name, *(getattr(each, sign) for sign in SIGNS)) for name, each in self.signs)
        columns: tuple[Column | str, ...] = ("", *(Column(name=sign, digits=3) for sign in SIGNS))
        return (Table(columns=columns, rows=rows, title="Label-free metrics", caption="More is better of each."),)

    def _plot(self) -> tuple[Block, ...]:
        """Scores over the time of one training."""
        lines = []
        for name in dict.fromkeys(each[0] for each in self.course):
            own = [each[1:] for each in self.course if each[0] == name]
            minutes, value, low, high = (tuple(column) for column in zip(*own, strict=True))
            main = name == self.decision.candidate
            lines.append(Curve(name=name, x=minutes, y=value, low=low, high=high, style="main" if main else "control"))
        if not lines:
            return ()
        bars = [each for each in self.entries if each.name in (self.decision.control, TWIN) and not each.partial]
        return (
            LinePlot(
                curves=tuple(lines),
                x_label="minutes of one training",
                y_label=f"few-label {self.metric}" if self.sizes else "share of rivals",
                title="The race",
                caption="One point a round; the lines across are the best control and the untrained twin."
                if self.sizes
                else "One point a round, by label-free metrics.",
                thresholds=tuple(Threshold(value=each.value, name=each.name) for each in bars),
            ),
        )

    def _why(self) -> Section | None:
        return None if self.reasons is None else self.reasons.section()

    def _test(self) -> Section | None:
        if self.tested is None:
            return None
        scores, best, missing = self.tested.scores, self.tested.best, self.tested.not_applicable
        blocks: list[Block] = []
        if len({score.per_class for score in scores}) > 1:
            blocks.append(curve_plot(scores, self.metric))
        blocks += [control_table(scores, self.metric, best, missing), lead_table(scores, self.metric)]
        blocks += [saved_table(self.tested.saved)] if self.tested.saved else []
        return Section(
            title=f"{self.decision.taken} on the test part",
            blocks=tuple(blocks),
            note="Read once, after every choice. The encoder is that of the last round.",
            brief=(rival_table(scores, self.metric, best),),
        )

    def _what_next(self) -> Section | None:
        if self.next is None:
            return None
        told = f"{self.decision.taken} with all {self.next.minutes:g} minutes."
        if self.decision.answer == "do not pretrain":
            told = f"Use {self.decision.winner}. To pretrain all the same: {told}"
        if self.next.expected is not None:
            value, low, high = self.next.expected
            told += (
                f" Expected few-label {self.metric}: {value:.3f} ({low:.3f} to {high:.3f}), by the course of the race."
            )
        if self.decision.needed is not None:
            told += f" About {self.decision.needed:,} labels would decide whether it is worth it."
        told += self._more_minutes(self.next)
        command = Code(code=self.next.command, title="What to type", language="sh")
        recipe = Code(code=self.next.recipe, title="recipe.toml", language="toml")
        return Section(
            title="What to do next", blocks=(Text(text=told), command, recipe), brief=(Text(text=told), command)
        )

    def _more_minutes(self, ahead: Next) -> str:
        """Whether time could turn an answer that is not for pretraining."""
        if ahead.missing is None:
            return ""
        behind = f"{ahead.missing:.3f} R2" if self.metric == "R2" else f"{100 * ahead.missing:.1f} points"
        if ahead.level is None:
            return f" More minutes would hardly change the answer: {behind} are missing, and the course is too flat."
        time = f"{ahead.level:,.0f}" if ahead.level >= 10 else f"{ahead.level:.1f}"
        return (
            f" {self.decision.candidate} is {behind} behind {self.decision.control}; by the course of the race, about "
            f"{time} minutes of one training would make that up."
        )

    def _costs(self) -> Section:
        cost = self.cost
        gained, point = self._per_point(), "0.01 R2" if self.metric == "R2" else "point"
        rows: tuple[tuple[str, Cell, str], ...] = (
            ("training asked for", round(cost.minutes, 2), "min"),
            ("training of all candidates", round(cost.training / 60, 2), "min"),
            ("reading the data", round(cost.reading, 1), "s"),
            ("judging the candidates", round(cost.judging, 1), "s"),
            ("the race by its training time", round(cost.ratio, 2), "times"),
            ("finding reasons", round(cost.explaining, 1), "s"),
            ("controls", round(cost.controls, 1), "s"),
            ("test part", round(cost.testing, 1), "s"),
            *(((f"each {point} above the best control", round(gained, 1), "min"),) if gained is not None else ()),
        )
        return Section(title="What it cost", blocks=(FactBlock(rows=rows),))

    def _per_point(self) -> float | None:
        """Minutes of training that one point (0.01 R2) above the best control takes; None where there is no gain."""
        lead = self.decision.lead.value
        return self.rounds[-1] / (100 * lead) if math.isfinite(lead) and lead > 0 else None

    def _about(self) -> Section:
        record = Text(
            text=f"Protocol {self.protocol}; data {self.fingerprint}; train / validation / test "
            f"{' / '.join(map(str, self.parts))} records."
        )
        return Section(
            title="What is in the data", blocks=(FactBlock(rows=self.data), Findings(items=self.findings), record)
        )


def _estimate(entry: Entry) -> Cell:
    if not math.isfinite(entry.value):
        return NotApplicable(reason="no encoder")
    return Estimate(value=entry.value, low=entry.low, high=entry.high, n=entry.seeds, digits=3)
