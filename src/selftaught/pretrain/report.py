"""What pretraining tells: how it went, on what, and the command that repeats it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from selftaught.data.splits import Splits
from selftaught.engine.prepare import Prepared
from selftaught.recipe import Recipe
from selftaught.reports.blocks import Code, Facts, Finding, Findings, Section, Verdict
from selftaught.reports.findings import DataFact, audit_facts, shown_findings
from selftaught.reports.report import Report
from selftaught.reports.training import training_plots
from selftaught.runs.folder import RunFolder, read_rows
from selftaught.trials.training import Ended


@dataclass(frozen=True, kw_only=True)
class PretrainReport(Report):
    """One pretraining. planned: steps; fewer were done where its health ended it. seconds: of training.
    losses, watched: rows of losses.csv and health.csv."""

    folder: Path
    pretext: str
    encoder: str
    state: str
    cause: str
    remedy: str
    kept: int
    steps: int
    planned: int
    started: str
    records: int
    parts: tuple[int, int, int]
    seconds: float
    recipe: str
    recipe_hash: str
    losses: tuple[dict[str, float], ...]
    watched: tuple[dict[str, float], ...]
    findings: tuple[Finding, ...]
    data: tuple[DataFact, ...] = ()

    @property
    def title(self) -> str:
        """The heading."""
        return f"Pretraining with {self.pretext}"

    def verdict(self) -> Verdict:
        """Health first; whether it helped is for `evaluate` to say."""
        good = self.state == "healthy"
        score = [row["score"] for row in self.watched if "score" in row]
        facts: list[tuple[str, str | float | None]] = [("state", self.state), ("steps", self.steps)]
        if score:
            facts.append(("validation kNN", round(score[-1], 3)))
        sentences: tuple[str, ...] = (self.cause[0].upper() + self.cause[1:] + ".",)
        if self.steps < self.planned:
            sentences += (f"It was stopped for that at step {self.steps} of {self.planned}.",)
        if not good:
            sentences += (f"What to do: {self.remedy}.",)
        return Verdict(
            headline=f"The run is {self.state}." if good else f"The run shows: {self.state}.",
            sentences=(*sentences, "Whether pretraining helped is measured by `selftaught evaluate`."),
            tone="good" if good else "warning",
            facts=tuple(facts),
        )

    def sections(self) -> tuple[Section, ...]:
        """Curves, data, recipe."""
        facts = (
            ("records", self.records, ""),
            ("train / validation / test", " / ".join(map(str, self.parts)), ""),
            ("encoder", self.encoder, ""),
            ("started from", self.started, ""),
            ("kept weights of step", self.kept, ""),
            ("time", round(self.seconds, 1), "s"),
            ("run folder", str(self.folder), ""),
        )
        return (
            Section(title="Run", blocks=(Facts(rows=facts),)),
            Section(title="Training", blocks=training_plots(self.losses, self.watched), brief=()),
            Section(title="What is in the data", blocks=(Facts(rows=self.data), Findings(items=self.findings))),
            Section(title="Recipe", blocks=(Code(code=self.recipe, title="recipe.toml", language="toml"),), brief=()),
        )


def make_report(
    folder: RunFolder,
    recipe: Recipe,
    ended: Ended,
    prepared: Prepared,
    splits: Splits,
) -> PretrainReport:
    """The report of a finished training."""
    return PretrainReport(
        folder=folder.path,
        pretext=type(recipe.objective).__name__,
        encoder=type(recipe.encoder).__name__,
        state=ended.health,
        cause=ended.cause,
        remedy=ended.remedy,
        kept=ended.kept,
        steps=ended.steps,
        planned=ended.planned,
        started=ended.started,
        records=len(prepared.store),
        parts=(len(splits.train), len(splits.validation), len(splits.test)),
        seconds=ended.seconds,
        recipe=recipe.to_toml(),
        recipe_hash=recipe.hash,
        losses=tuple(read_rows(folder.losses)),
        watched=tuple(read_rows(folder.health)),
        findings=shown_findings((*prepared.findings, *splits.findings)),
        data=audit_facts(prepared.modality, prepared.store),
    )
