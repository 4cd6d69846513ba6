"""The race itself: rounds of trainings, each judged alike, the better half going on for twice as long."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from selftaught.compare.blind import Blind
from selftaught.compare.candidates import Candidate
from selftaught.compare.judge import Judge, Standing
from selftaught.compare.legs import Leg, Track, run_leg
from selftaught.compare.schedule import FINALISTS, SEEDS, Schedule
from selftaught.trials.columns import Further


@dataclass(kw_only=True, eq=False)
class Race:
    """What has been run so far. outcomes: what the judge found of every candidate in its last round. standings: of
    every round, none of one that was left out; minutes: of one training there. judging: seconds spent on judging
    candidates. columns: of what should not matter."""

    track: Track
    judge: Judge | Blind
    candidates: Sequence[Candidate]
    schedule: Schedule
    say: Callable[[str], None]
    legs: list[Leg] = field(default_factory=list)
    outcomes: dict[str, Any] = field(default_factory=dict)
    standings: list[dict[str, Standing]] = field(default_factory=list)
    minutes: list[float] = field(default_factory=list)
    judging: float = 0.0
    columns: tuple[Further, ...] = ()

    def run(self) -> tuple[str, ...]:
        """All rounds; the finalists, best first. Empty where no candidate gave an encoder."""
        schedule, entering = self.schedule, list(self.schedule.entering)
        running, rounds = [each for each in self.candidates if each.name not in schedule.absent], len(schedule.minutes)
        for number, minutes in enumerate(schedule.minutes, 1):
            last = number == rounds
            if 1 < number < rounds and len(entering) <= FINALISTS:
                self.minutes.append(minutes)
                self.standings.append({})  # a round that would choose nothing; its time goes to the last one
                continue
            self.minutes.append(self._rest(len(entering), minutes) if last else minutes)
            entering = self._round(number, self.minutes[-1], entering, SEEDS if last else 1)
            if not last and entering:
                entering = next_round(running, entering, schedule.counts[number], final=number == rounds - 1)
        return tuple(entering)

    def _round(self, number: int, minutes: float, names: Sequence[str], seeds: int) -> list[str]:
        """Trains and judges; the names by how they stand."""
        self.say(f"Round {number}: {', '.join(names)}; {60 * minutes:.0f} s each, {seeds} seed{'s' * (seeds > 1)}.")
        found: dict[str, Any] = {}
        for name in names:
            candidate = next(each for each in self.candidates if each.name == name)
            legs = [run_leg(self.track, candidate, number, minutes, seed) for seed in range(seeds)]
            self.legs += legs
            usable = [leg for leg in legs if leg.usable]
            if usable:
                began = time.perf_counter()
                found[name] = self.judge.encoders(name, [leg.encoder() for leg in usable])
                self.judging += time.perf_counter() - began
        self.outcomes |= found
        standing = self.judge.standings(found) if found else {}
        self.standings.append(standing)
        order = sorted(standing, key=lambda name: -standing[name].value)
        for name in names:
            own = [leg for leg in self.legs if leg.candidate == name and leg.round == number]
            health = ", ".join(dict.fromkeys(leg.health for leg in own))
            score = f"{standing[name].value:.3f}, " if name in standing else ""
            self.say(f"  {name}: {score}{health}")
        return order

    def minutes_of(self, leg: Leg) -> float:
        """Minutes that a training was given."""
        return self.minutes[leg.round - 1]

    def course(self) -> list[tuple[float, Standing]]:
        """Minutes of one training and what came of it, of every candidate in every round."""
        rounds = zip(self.minutes, self.standings, strict=True)
        return [(minutes, each) for minutes, standing in rounds for each in standing.values()]

    def _rest(self, finalists: int, minutes: float) -> float:
        """Minutes of one training of the last round: what the race has left, at least what was planned."""
        if len(self.schedule.minutes) == 1:
            return minutes
        spent = sum(self.minutes_of(leg) for leg in self.legs)
        return max(minutes, (self.schedule.total - spent) / (SEEDS * max(1, finalists)))


def next_round(candidates: Sequence[Candidate], order: Sequence[str], count: int, final: bool) -> list[str]:
    """Who runs next: the finalists, or all of the two best families, and `count` in all with the next best ones.

    order: of the round, best first.
    """
    if final:
        return list(order[:FINALISTS])
    family = {each.name: each.family for each in candidates}
    best = list(dict.fromkeys(family[name] for name in order))[:FINALISTS]
    joining = [each.name for each in candidates if each.family in best and each.name not in order]
    known = [name for name in order if family[name] in best]
    others = [name for name in order if name not in known][: max(0, count - len(known) - len(joining))]
    return [name for name in order if name in {*known, *others}] + joining


def seeds_of(legs: Sequence[Leg], name: str) -> list[Leg]:
    """The usable trainings of a candidate in the last round that it ran in."""
    own = [leg for leg in legs if leg.candidate == name and leg.usable]
    last = max((leg.round for leg in own), default=0)
    return [leg for leg in own if leg.round == last]
