"""How the minutes of a race are shared out: successive halving in at most three rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selftaught.compare.candidates import Candidate
from selftaught.core.errors import UsageError

SHORTEST = 0.25
"""Minutes of the shortest training that says anything."""
FINALISTS = 2
SEEDS = 2
"""Candidates of the last round, and how often each is trained there."""
GROWTH = 2.0
"""How many times as long each round trains as the one before."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """minutes: of one training, per round; counts: candidates, per round. entering: names of the first round's. absent:
    those for which there is no time at all. total: minutes of all trainings."""

    total: float
    minutes: tuple[float, ...]
    counts: tuple[int, ...]
    entering: tuple[str, ...]
    absent: tuple[str, ...]


def share_out(minutes: float, candidates: Sequence[Candidate]) -> Schedule:
    """The rounds of a race of so many minutes of training; with less time fewer candidates run.

    Every training of a round takes equally long, twice as long as in the round before. First one of each family, then
    all of the two best families and the next best, so many as those two could have at most, then two with two seeds;
    a round that would change nothing is left out. Raises UsageError where there is no time for a single candidate.
    """
    firsts = [each for each in candidates if each.first]
    for count in range(len(firsts), 0, -1):
        families = {each.family for each in firsts[:count]}
        for siblings in ([each for each in candidates if each.family in families and not each.first], []):
            counts = _counts(count, siblings)
            rounds = _minutes(minutes, counts)
            if rounds[0] >= SHORTEST:
                running = [*firsts[:count], *siblings]
                entering = firsts[:count] if count > FINALISTS else running
                absent = [each for each in candidates if each not in running]
                return Schedule(
                    total=minutes,
                    minutes=rounds,
                    counts=counts,
                    entering=tuple(each.name for each in entering),
                    absent=tuple(each.name for each in absent),
                )
    raise UsageError(
        f"A race of {minutes:g} minutes leaves less than {60 * SHORTEST:.0f} seconds for a training. Give --minutes "
        f"{SEEDS * SHORTEST:g} or more."
    )


def _counts(families: int, siblings: Sequence[Candidate]) -> tuple[int, ...]:
    """Candidates in every round."""
    if families + len(siblings) <= FINALISTS:
        return (families + len(siblings),)
    if families <= FINALISTS:
        return (families + len(siblings), FINALISTS)
    joining = sorted((sum(each.family == one.family for each in siblings) for one in _one_each(siblings)), reverse=True)
    middle = (FINALISTS + sum(joining[:FINALISTS]),) if siblings else ()
    return (families, *middle, FINALISTS)


def _minutes(minutes: float, counts: Sequence[int]) -> tuple[float, ...]:
    """Of one training in every round."""
    trainings = [*counts[:-1], SEEDS * counts[-1]]
    shortest = minutes / sum(count * GROWTH**number for number, count in enumerate(trainings))
    return tuple(shortest * GROWTH**number for number in range(len(trainings)))


def _one_each(candidates: Sequence[Candidate]) -> list[Candidate]:
    return list({each.family: each for each in candidates}.values())
