"""The end of a race: the controls, the answer, one look at the test part, and the recipe of the winner."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from selftaught.compare.advice import advise
from selftaught.compare.answer import Decision, Table, decide, nothing_ran, rank_blindly
from selftaught.compare.blind import Blind, Signs
from selftaught.compare.judge import Difference, Judge, Reading, Standing
from selftaught.compare.legs import Finalist
from selftaught.compare.race import Race, seeds_of
from selftaught.compare.reasons import find_reasons
from selftaught.compare.report import CompareReport, Cost, Entry
from selftaught.compare.sealed import read_test, scratch_of
from selftaught.reports.findings import audit_facts, shown_findings
from selftaught.trials.controls import untrained_twins
from selftaught.trials.scores import SCRATCH, TWIN
from selftaught.trials.supervised import train_from_scratch


class Clock:
    """Seconds since it was asked last."""

    def __init__(self) -> None:
        self.last = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last lap, or since it was made."""
        before, self.last = self.last, time.perf_counter()
        return self.last - before


def conclude(race: Race, names: Sequence[str], reading: float) -> CompareReport:
    """names: the finalists, best first. reading: seconds until the first training."""
    finalists = [_finalist(race, name) for name in names]
    clock = Clock()
    simple = [each.name for each in sorted(finalists, key=lambda each: each.legs[0].parameters)]
    judge, signs = race.judge, dict[str, list[Signs]]()
    if isinstance(judge, Blind):
        table, signs = look_blindly(race, finalists, judge)
        controls = [TWIN] if signs else []
    else:
        table, controls = judge_controls(race, finalists, judge)
    decision, aside = decide_any(table, simple, controls, judge), clock.lap()
    chosen = next((each for each in finalists if each.name == decision.taken), None)
    tested = None if chosen is None or signs else read_test(race, chosen, decision.control)
    testing = clock.lap()
    reasons = None
    if chosen is not None and not isinstance(judge, Blind):
        reasons = find_reasons(chosen, judge, race.columns)
    cost = Cost(
        minutes=race.schedule.total,
        planned=sum(race.minutes_of(leg) for leg in race.legs),
        reading=reading,
        training=sum(leg.wall for leg in race.legs),
        judging=race.judging,
        controls=aside,
        testing=testing,
        explaining=clock.lap(),
    )
    track, ran = race.track, {leg.candidate for leg in race.legs}
    return CompareReport(
        page=track.out / "report.html",
        decision=decision,
        entries=entries_of(race, table, names, controls),
        sizes=() if isinstance(judge, Blind) else judge.sizes,
        metric=table.metric,
        protocol=judge.protocol,
        judged=len(judge.rows),
        signs=tuple((name, own[0]) for name, own in signs.items()),
        absent=race.schedule.absent,
        untried=tuple(each.name for each in race.candidates if each.name not in {*ran, *race.schedule.absent}),
        rounds=tuple(race.minutes),
        course=tuple((each.name, minutes, each.value, each.low, each.high) for minutes, each in race.course()),
        tested=tested,
        cost=cost,
        next=None if chosen is None else advise(race, chosen, decision),
        reasons=reasons,
        findings=shown_findings((*track.prepared.findings, *track.splits.findings)),
        data=audit_facts(track.prepared.modality, track.prepared.store),
        parts=(len(track.splits.train), len(track.splits.validation), len(track.splits.test)),
        fingerprint=track.prepared.source.fingerprint,
    )


def decide_any(table: Table, simple: Sequence[str], controls: Sequence[str], judge: Judge | Blind) -> Decision:
    """The answer, with labels or without. simple: the finalists, from the simplest on."""
    if not simple:
        return nothing_ran(table, controls)
    if isinstance(judge, Blind):
        return rank_blindly(table, simple, TWIN)
    return decide(table, simple, controls, len(judge.rows))


def _finalist(race: Race, name: str) -> Finalist:
    legs = tuple(seeds_of(race.legs, name))
    return Finalist(name=name, legs=legs, encoders=tuple(leg.encoder() for leg in legs))


def judge_controls(race: Race, finalists: Sequence[Finalist], judge: Judge) -> tuple[Table, list[str]]:
    """All standings of the end, and the names of the controls from the simplest on.

    The supervised control is trained in the first fold alone, with as much time as a finalist.
    """
    classical = race.track.prepared.modality.classical()
    race.say(f"Controls: {', '.join(each.name for each in classical)}, {TWIN}, {SCRATCH}.")
    everywhere: dict[str, list[Reading]] = {each.name: race.outcomes[each.name] for each in finalists}
    everywhere |= {each.name: judge.classical(each) for each in classical}
    first: dict[str, list[Reading]] = {}
    if finalists:
        everywhere[TWIN] = judge.encoders(TWIN, untrained_twins(finalists[0].encoders[0]))
        scratch = scratch_of(race, finalists[0], "fold")
        found = train_from_scratch(scratch, judge.parts[0], judge.budgets[0], judge.sizes, 1)
        first[SCRATCH] = judge.join(SCRATCH, [[found]])
    controls = [name for name in (*(each.name for each in classical), TWIN, SCRATCH) if name in {**everywhere, **first}]
    one = judge.standings({**everywhere, **first}, folds=1)
    return Table(everywhere=judge.standings(everywhere), first=one, metric=judge.metric), controls


def look_blindly(race: Race, finalists: Sequence[Finalist], blind: Blind) -> tuple[Table, dict[str, list[Signs]]]:
    """Without labels: the finalists and an untrained twin by their signs. Classical features have none to compare."""
    found: dict[str, list[Signs]] = {each.name: race.outcomes[each.name] for each in finalists}
    if finalists:
        found[TWIN] = blind.encoders(TWIN, untrained_twins(finalists[0].encoders[0], 1))
    standings = blind.standings(found) if found else {}
    return Table(everywhere=standings, first=standings), found


def entries_of(race: Race, table: Table, finalists: Sequence[str], controls: Sequence[str]) -> tuple[Entry, ...]:
    """The ranking: finalists and controls by score, then those that fell out, the later the higher."""
    last = []
    for name in (*finalists, *controls):
        standing, own = table.everywhere.get(name) or table.first[name], seeds_of(race.legs, name)
        lead = table.lead(name, finalists[0]) if finalists and name != finalists[0] else None
        last.append(_entry(race, standing, own[0].round if own else None, lead, name not in table.everywhere))
    last.sort(key=lambda each: -each.value)
    named, out = {each.name for each in last}, list[Entry]()
    for number in range(len(race.standings), 0, -1):
        fallen = [each for name, each in race.standings[number - 1].items() if name not in named]
        out += [_entry(race, each, number) for each in sorted(fallen, key=lambda each: -each.value)]
        named |= {each.name for each in fallen}
    never = {leg.candidate: leg for leg in race.legs if leg.candidate not in named}
    return (*last, *out, *(_entry(race, _nowhere(name), leg.round) for name, leg in never.items()))


def _entry(
    race: Race, standing: Standing, round: int | None, lead: Difference | None = None, partial: bool = False
) -> Entry:
    """One line. round: None for a control."""
    return Entry(
        name=standing.name,
        kind="control" if round is None else "candidate",
        round=round,
        seeds=standing.seeds,
        value=standing.value,
        low=standing.low,
        high=standing.high,
        by_size=tuple(standing.by_size.items()),
        lead=None if lead is None else (lead.value, lead.low, lead.high),
        **_told(race, standing.name),
        partial=partial,
    )


def _nowhere(name: str) -> Standing:
    """Of a candidate that gave no encoder."""
    nan = float("nan")
    return Standing(
        name=name, seeds=0, value=nan, low=nan, high=nan, by_size={}, drawn=np.full(1, nan), drawn_by_size={}
    )


def _told(race: Race, name: str) -> dict[str, str]:
    """The health of all trainings of a candidate, and what went wrong in them."""
    own = [leg for leg in race.legs if leg.candidate == name]
    return {
        "health": ", ".join(dict.fromkeys(leg.health for leg in own)),
        "trouble": "; ".join(dict.fromkeys(leg.trouble for leg in own if leg.trouble)),
    }
