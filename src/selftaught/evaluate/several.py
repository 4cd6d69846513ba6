"""Runs of several recipes on the same data: one paired table of which encoder is better, and whether that is sure."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from selftaught.core.errors import UsageError
from selftaught.data.splits import Splits, load_splits
from selftaught.evaluate.decide import SEEDS
from selftaught.evaluate.subject import Subject
from selftaught.probes.budgets import Budgets
from selftaught.probes.curve import RESAMPLES, Contestant, Curve, bootstrap, label_efficiency
from selftaught.probes.statistics import bootstrap_chance, holm, interval, mcnemar
from selftaught.recipe import read_recipe
from selftaught.reports.blocks import Block, Cell, Code, Column, Estimate, Section, Table, Text, Verdict
from selftaught.reports.report import Report
from selftaught.runs.files import read_json
from selftaught.runs.folder import open_run
from selftaught.trials.controls import encoder_features, untrained_twins
from selftaught.trials.parts import Parts
from selftaught.trials.scores import SCRATCH, TWIN, Score, score_rows, words
from selftaught.trials.tables import control_table, curve_plot, size_of_interest, sizes_of

SURE = 0.05
"""Corrected p below which a difference is told."""
RESOLUTION = 100
"""Resamples a pair, at least: with them the smallest p, corrected, is 0.02."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """First minus second, accuracy, with its paired 95 % interval. chance: two-sided p by bootstrap; corrected: by
    Holm over all pairs and budgets."""

    first: str
    second: str
    per_class: int | None
    value: float
    low: float
    high: float
    chance: float
    corrected: float


@dataclass(frozen=True, kw_only=True)
class SeveralReport(Report):
    """Encoders of several recipes beside each other. names: of the encoders, best first. few: those with fewer than
    three seeds. only: (first, second, records that only the one has right, only the other, p), for two encoders."""

    page: Path
    names: tuple[str, ...]
    size: int | None
    scores: tuple[Score, ...]
    best: tuple[tuple[int | None, str], ...]
    pairs: tuple[Pair, ...]
    few: tuple[str, ...]
    only: tuple[str, str, int, int, float] | None
    runs: tuple[tuple[str, tuple[str, ...]], ...]
    not_applicable: tuple[int, ...]
    protocol: str
    fingerprint: str
    parts: tuple[int, int, int]
    command: str
    seconds: float

    @property
    def title(self) -> str:
        """The heading."""
        return "Which encoder is better?"

    def verdict(self) -> Verdict:
        """Which one, and whether that is sure; or too few seeds to say."""
        where = words([self.size])
        own = [pair for pair in self.pairs if pair.per_class == self.size]
        first = [pair for pair in own if self.names[0] in (pair.first, pair.second)]
        among = [pair for pair in first if {pair.first, pair.second} <= set(self.names)]
        unsure = [pair for pair in among if pair.corrected >= SURE]
        beaten = [pair for pair in first if pair not in among and not (pair.corrected < SURE and pair.value > 0)]
        sentences = [_say(pair, where) for pair in first]
        if self.few:
            headline = f"Underpowered: {', '.join(self.few)} {'has' if len(self.few) == 1 else 'have'} too few seeds."
            sentences.append(
                f"With fewer than {SEEDS} seeds a difference of recipes cannot be told from one of seeds; train more "
                f"runs that differ in --seed only."
            )
        elif unsure:
            others = {pair.first for pair in unsure} | {pair.second for pair in unsure}
            rivals = " and ".join(sorted(others - {self.names[0]}))
            headline = f"No clear winner at {where}: {self.names[0]} is not told from {rivals}."
        else:
            headline = f"{self.names[0]} is better than every other encoder at {where}."
        if beaten:
            headline += f" No encoder is shown to beat {beaten[0].second}."
        tone = "warning" if self.few else "neutral" if unsure or beaten else "good"
        return Verdict(headline=headline, sentences=tuple(sentences), tone=tone)  # type: ignore[arg-type]

    def sections(self) -> tuple[Section, ...]:
        """Accuracy, pairs, what was compared."""
        blocks: list[Block] = []
        if len(sizes_of(self.scores, ())) > 1:
            blocks.append(curve_plot(self.scores, "accuracy", self.names[:1]))
        table = control_table(self.scores, "accuracy", self.best, self.not_applicable, main=self.names)
        brief = control_table(self.scores, "accuracy", self.best, self.not_applicable, intervals=False, main=self.names)
        pairs: list[Block] = [_pair_table(self.pairs)]
        if self.only is not None:
            pairs.append(Text(text=_say_only(self.only, self.pairs[-1].per_class)))
        named = Table(
            columns=("encoder", "runs"),
            rows=tuple((name, ", ".join(folders)) for name, folders in self.runs),
            title="Runs",
        )
        record = Text(
            text=f"Protocol {self.protocol}; data {self.fingerprint}; train / validation / test "
            f"{' / '.join(map(str, self.parts))} records."
        )
        repeat = Code(code=self.command, title="Repeat", language="sh")
        return (
            Section(title="Labels and accuracy", blocks=(*blocks, table), brief=(brief,)),
            Section(title="Pairs", blocks=tuple(pairs), brief=tuple(pairs)),
            Section(title="What was compared", blocks=(named, repeat, record), brief=(repeat, record)),
        )


def group_runs(runs: Sequence[Path | str]) -> list[list[Path | str]]:
    """The runs of each recipe, in the order given; runs that differ in their seed alone belong together.

    Raises UsageError for two runs of one seed.
    """
    groups: dict[str, list[Path | str]] = {}
    seen: dict[tuple[str, int], Path | str] = {}
    for run in runs:
        own = read_recipe(open_run(run).recipe)
        recipe = replace(own, seed=0)
        if (recipe.hash, own.seed) in seen:
            raise UsageError(
                f"{run} has the recipe and the seed of {seen[recipe.hash, own.seed]}: it says nothing more. Give runs "
                f"that differ in --seed."
            )
        seen[recipe.hash, own.seed] = run
        groups.setdefault(recipe.hash, []).append(run)
    return list(groups.values())


def check_same(subjects: Sequence[Subject]) -> None:
    """Raises UsageError where the runs were trained on other data, or other parts of it."""
    first = subjects[0]
    source, trained = read_json(first.runs[0].data)["source"], load_splits(first.runs[0].splits)
    for other in subjects[1:]:
        if read_json(other.runs[0].data)["source"] != source:
            raise UsageError(f"{other.runs[0].path} was trained on other data than {first.runs[0].path}.")
        if first.store.ids != other.store.ids or not _same_parts(load_splits(other.runs[0].splits), trained):
            raise UsageError(
                f"{other.runs[0].path} was trained on other parts of the data than {first.runs[0].path}; what one was "
                f"tested on, the other may have seen. Train both with the same --group and --split."
            )


def _same_parts(one: Splits, other: Splits) -> bool:
    pairs = ((one.train, other.train), (one.validation, other.validation), (one.test, other.test))
    return all(np.array_equal(first, second) for first, second in pairs)


def compare_subjects(
    subjects: Sequence[Subject],
    parts: Parts,
    budgets: Budgets,
    controls: Mapping[str, Contestant],
    page: Path,
    command: str,
    began: float,
) -> SeveralReport:
    """All encoders beside controls; every pair of encoders is tested. controls: of the first encoder."""
    names = _names(subjects)
    contestants: dict[str, Contestant] = {
        name: encoder_features(subject.encoders, replace(parts, store=subject.store))
        for name, subject in zip(names, subjects, strict=True)
    }
    contestants |= {**controls, **_other_twins(subjects, names, parts)}
    curve = label_efficiency(contestants, names[0], parts.labels, budgets, parts.kin, beside=(*names[1:], SCRATCH))
    size = size_of_interest([budget.per_class for budget in budgets.sets])
    sizes = list(dict.fromkeys((size, budgets.sets[-1].per_class)))
    rivals = {best.per_class: best.name for best in curve.best_controls}
    pairs = judge_pairs(curve, names, sizes, parts, rivals)
    order = sorted(names, key=lambda name: -curve.at(name, size).accuracy.value)
    return SeveralReport(
        page=page,
        names=tuple(order),
        size=size,
        scores=score_rows(curve),
        best=tuple((best.per_class, best.name) for best in curve.best_controls),
        pairs=pairs,
        few=tuple(name for name, each in zip(names, subjects, strict=True) if len(each.runs) < SEEDS),
        only=count_apart(curve, names, sizes[-1]) if len(names) == 2 else None,
        runs=tuple(
            (name, tuple(str(run.path) for run in each.runs)) for name, each in zip(names, subjects, strict=True)
        ),
        not_applicable=curve.not_applicable,
        protocol=curve.protocol,
        fingerprint=subjects[0].prepared.source.fingerprint,
        parts=(len(subjects[0].splits.train), len(subjects[0].splits.validation), len(subjects[0].splits.test)),
        command=command,
        seconds=time.perf_counter() - began,
    )


def _names(subjects: Sequence[Subject]) -> list[str]:
    """The pretext of each; where several have one, the folder of the first run as well."""
    pretexts = [type(each.recipes[0].objective).__name__ for each in subjects]
    names = [
        pretext if pretexts.count(pretext) == 1 else f"{pretext}, {each.runs[0].path.name}"
        for pretext, each in zip(pretexts, subjects, strict=True)
    ]
    if len(set(names)) == len(names):
        return names
    return [f"{pretext}, {each.runs[0].path}" for pretext, each in zip(pretexts, subjects, strict=True)]


def _other_twins(subjects: Sequence[Subject], names: Sequence[str], parts: Parts) -> dict[str, Contestant]:
    """Untrained twins of the architectures that differ from the first one's."""
    found: dict[str, Contestant] = {}
    built = [(subjects[0].encoders[0].config, subjects[0].encoders[0].modality)]
    for name, subject in zip(names, subjects, strict=True):
        encoder = subject.encoders[0]
        if (encoder.config, encoder.modality) not in built:
            built.append((encoder.config, encoder.modality))
            own = replace(parts, store=subject.store)
            found[f"{TWIN} of {name}"] = encoder_features(untrained_twins(encoder), own)
    return found


def judge_pairs(
    curve: Curve, names: Sequence[str], sizes: Sequence[int | None], parts: Parts, rivals: Mapping[int | None, str]
) -> tuple[Pair, ...]:
    """Every pair of encoders, and every encoder beside the best control, at some budgets; corrected for their number.

    The more pairs, the more resamples, so that the smallest p can stay below SURE after the correction.
    """
    kin = None if parts.kin is None else parts.kin[1]
    wanted = [(size, pair) for size in sizes for pair in combinations(names, 2)]
    wanted += [(size, (name, rivals[size])) for size in sizes if size in rivals for name in names]
    needed = dict.fromkeys((name, size) for size, pair in wanted for name in pair)
    count = max(RESAMPLES, RESOLUTION * len(wanted))
    outcomes = [curve.at(*each).outcome for each in needed]
    drawn = bootstrap(outcomes, parts.labels[1], kin, count, np.random.default_rng(0))
    found = []
    for size, (first, second) in wanted:
        change = drawn[first, size][0] - drawn[second, size][0]
        value = curve.at(first, size).accuracy.value - curve.at(second, size).accuracy.value
        low, high = interval(change)
        chance = bootstrap_chance(change)
        found.append(
            Pair(
                first=first, second=second, per_class=size, value=value, low=low, high=high, chance=chance,
                corrected=chance,
            )
        )  # fmt: skip
    corrected = holm([pair.chance for pair in found])
    return tuple(replace(pair, corrected=each) for pair, each in zip(found, corrected, strict=True))


def count_apart(curve: Curve, names: Sequence[str], size: int | None) -> tuple[str, str, int, int, float]:
    """McNemar's exact test of one probe of each of two encoders: of the first run, on the first labelled set."""
    found = mcnemar(*(curve.at(name, size).outcome.correct[0, 0] for name in names))
    return names[0], names[1], found.only_first, found.only_second, found.p


def _say(pair: Pair, where: str) -> str:
    return (
        f"{pair.first} minus {pair.second} at {where}: {100 * pair.value:+.1f} points, 95 % interval "
        f"{100 * pair.low:+.1f} to {100 * pair.high:+.1f}, corrected p {pair.corrected:.3f}."
    )


def _say_only(only: tuple[str, str, int, int, float], size: int | None) -> str:
    first, second, mine, yours, chance = only
    return (
        f"At {words([size])} the first run of each: {mine:,} test records are right with {first} alone, {yours:,} with "
        f"{second} alone. So uneven a split has p = {chance:.3f} by chance (exact McNemar test of two networks; it "
        f"knows nothing of groups and other seeds)."
    )


def _pair_table(pairs: Sequence[Pair]) -> Table:
    """One line per pair and budget."""
    rows: list[tuple[Cell, ...]] = []
    for pair in pairs:
        value, low, high = (100 * each for each in (pair.value, pair.low, pair.high))
        lead = Estimate(value=value, low=low, high=high, digits=1)
        rows.append((f"{pair.first} – {pair.second}", str(pair.per_class or "all"), lead, pair.chance, pair.corrected))
    return Table(
        columns=(
            "pair",
            Column(name="per class", align="right"),
            Column(name="difference", unit="points"),
            Column(name="p", digits=3),
            Column(name="p, corrected", digits=3),
        ),
        rows=tuple(rows),
        title="Every pair",
        caption="Test accuracy over the same records and sets of labels, seeds of each on their own; p by bootstrap, "
        "corrected for the number of lines (Holm 1979). The last lines are beside the best control, by inner "
        "cross-validation.",
    )
