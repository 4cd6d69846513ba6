"""From standings to plain words: pretrain with what, or not at all, or too few labels to say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from selftaught.compare.blind import AGREEMENT
from selftaught.compare.judge import Difference, Metric, Standing, difference
from selftaught.trials.scores import SCRATCH, words

Answer = Literal["pretrain", "do not pretrain", "no clear winner", "underpowered", "low confidence"]
POWER = 2.80
"""z(0.975) + z(0.8): a difference of so many standard errors is found in four of five repetitions."""
SAME = 0.02
"""Accuracy, or R2, within which two contestants are as good as equal to a user."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer. winner: what to take. candidate, control: the best of each kind. taken: the simplest candidate
    within a standard error of the best, to be trained where any is. needed: labels with which the difference of
    candidate and control would be found, None where it is found already. lead: candidate minus control."""

    answer: Answer
    headline: str
    sentences: tuple[str, ...]
    winner: str
    candidate: str
    taken: str
    control: str
    lead: Difference
    needed: int | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """All standings. first: those of everyone in the first fold alone, where the supervised control runs. metric: of
    all of them."""

    everywhere: Mapping[str, Standing]
    first: Mapping[str, Standing]
    metric: Metric = "accuracy"

    def lead(self, name: str, other: str, size: int | str | None = "mean") -> Difference:
        """How far the one is ahead of the other, on the records that both predicted."""
        place = self.everywhere if name in self.everywhere and other in self.everywhere else self.first
        return difference(place[name], place[other], size)

    def best(self, names: Sequence[str], size: int | str | None = "mean") -> str:
        """The highest score among some; the supervised control against the best of the others."""
        others = [name for name in names if name in self.everywhere]
        top = max(others, key=lambda name: _value(self.everywhere[name], size)) if others else SCRATCH
        return SCRATCH if SCRATCH in names and others and self.lead(SCRATCH, top, size).value > 0 else top


def _value(standing: Standing, size: int | str | None) -> float:
    return standing.value if size == "mean" else standing.by_size[size]  # type: ignore[index]


def decide(table: Table, candidates: Sequence[str], controls: Sequence[str], labels: int) -> Decision:
    """The answer of a race. candidates, controls: each from the simplest on. labels: judged records.

    The simplest within one standard error of the best wins (Breiman 1984, section 3.4.3); a difference is told where
    its interval leaves out zero.
    """
    candidate, control = table.best(candidates), table.best(controls)
    lead = table.lead(candidate, control)
    best = candidate if lead.value > 0 else control
    order = (*controls, *candidates)
    near = [name for name in order if name == best or _close(table.lead(best, name))]
    simplest = next(name for name in candidates if name == candidate or _close(table.lead(candidate, name)))
    sentences = [_lead_sentence(table, candidate, control, lead), *_by_size(table, candidate, controls)]
    needed = None
    if lead.low > 0:
        answer: Answer = "pretrain"
        winner, headline = simplest, f"Pretrain with {simplest}: it beats every control."
    elif lead.high < 0:
        answer, winner = "do not pretrain", control
        headline = f"Pretraining is not worth it here: {control} wins."
    elif max(abs(lead.low), abs(lead.high)) <= SAME:
        answer, winner = "no clear winner", near[0]
        near_by = f"{SAME:g} R2" if table.metric == "R2" else f"{100 * SAME:g} points"
        headline = f"No clear winner between {candidate} and {control}: they are within {near_by}."
    else:
        answer, winner, needed = "underpowered", near[0], enough(labels, lead)
        headline = (
            f"Underpowered: {labels:,} labels cannot tell {candidate} and {control} apart; about {needed:,} could."
        )
    sentences += _siblings(table, candidate, simplest, candidates, labels)
    return Decision(
        answer=answer, headline=headline, sentences=tuple(sentences), winner=winner, candidate=candidate,
        taken=simplest, control=control, lead=lead, needed=needed,
    )  # fmt: skip


def nothing_ran(table: Table, controls: Sequence[str]) -> Decision:
    """Where no candidate gave an encoder, the best classical control is the answer."""
    control, nan = table.best(controls) if controls else "", math.nan
    left = f"; {control} is what there is." if control else "."
    return Decision(
        answer="do not pretrain", headline=f"No candidate could be trained{left}",
        sentences=("The ranking says what went wrong with each.",), winner=control, candidate="", taken="",
        control=control, lead=Difference(value=nan, error=nan, low=nan, high=nan), needed=None,
    )  # fmt: skip


def rank_blindly(table: Table, candidates: Sequence[str], twin: str) -> Decision:
    """Without labels: the candidate that most signs put first. candidates: from the simplest on."""
    best, nan = table.best(candidates), math.nan
    own, untrained = table.everywhere[best].value, table.everywhere[twin].value
    looks = f"{best} looks best" if own > untrained else "no candidate looks better than an untrained network"
    return Decision(
        answer="low confidence",
        headline=f"LOW CONFIDENCE: without labels, {looks}.",
        sentences=(
            f"Label-free metrics put {best} ahead of its rivals in {own:.0%} of comparisons, the {twin} in "
            f"{untrained:.0%}. They are signs of a healthy representation, not of one that serves your task, and say "
            f"nothing about classical features.",
            told_agreement(),
            "A few labels a class would measure it: --labels NAME|FILE.",
        ),
        winner=best, candidate=best, taken=best, control=twin,
        lead=Difference(value=nan, error=nan, low=nan, high=nan), needed=None,
    )  # fmt: skip


def told_agreement() -> str:
    """How far such an order was right before."""
    count, mean, low, high = AGREEMENT
    return (
        f"On {count} sets of our own such an order agreed with that of probes by a rank correlation of {mean:.2f}, "
        f"95 % interval {low:.2f} to {high:.2f} (1 is the same order, 0 is chance)."
    )


def enough(labels: int, lead: Difference) -> int:
    """Labels with which the difference seen, or one point (0.01 R2) where it is less, is found four times in five.

    The standard error falls with the square root of the number of labels that are predicted, so
    labels * (POWER * error / difference)^2 of them are needed (Cohen 1988, section 2.4). Two digits.
    """
    needed = labels * (POWER * lead.error / max(abs(lead.value), SAME / 2)) ** 2
    digits = max(0, math.floor(math.log10(max(1.0, needed))) - 1)
    return int(math.ceil(needed / 10**digits) * 10**digits)


def _close(lead: Difference) -> bool:
    return lead.value <= lead.error


def _told(lead: Difference, metric: Metric) -> str:
    if metric == "R2":
        return f"{lead.value:+.3f} R2, 95 % interval {lead.low:+.3f} to {lead.high:+.3f}"
    return f"{100 * lead.value:+.1f} points, 95 % interval {100 * lead.low:+.1f} to {100 * lead.high:+.1f}"


def _lead_sentence(table: Table, candidate: str, control: str, lead: Difference) -> str:
    sizes, metric = list(table.first[candidate].by_size), table.metric
    told = _told(lead, metric)
    return f"Best pretraining is {candidate}, best control {control}; over {words(sizes, metric)}: {told}."


def _by_size(table: Table, candidate: str, controls: Sequence[str]) -> list[str]:
    """Where the best control of single budgets is another, or which of the two is ahead changes."""
    ahead, behind = [], []
    rivals: dict[str, None] = {}
    for size in table.first[candidate].by_size:
        rival = table.best(controls, size)
        lead = table.lead(candidate, rival, size)
        if lead.low > 0:
            ahead.append(size)
        if lead.high < 0:
            behind.append(size)
            rivals[rival] = None
    found = [f"{candidate} is ahead of all controls at {words(ahead, table.metric)}."] if ahead else []
    verb = "win" if len(rivals) > 1 else "wins"
    return found + ([f"{' and '.join(rivals)} {verb} at {words(behind, table.metric)}."] if behind else [])


def _siblings(table: Table, candidate: str, simplest: str, candidates: Sequence[str], labels: int) -> list[str]:
    others = [name for name in candidates if name != candidate and table.lead(candidate, name).low <= 0]
    if not others:
        return []
    rival = table.best(others)
    choice = f" {simplest} is taken: it is the simpler." if simplest != candidate else ""
    needed = enough(labels, table.lead(candidate, rival))
    return [f"No clear winner between {candidate} and {rival}; about {needed:,} labels could tell them apart.{choice}"]
