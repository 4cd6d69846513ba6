"""What to do after a race: the recipe and the command, the score to expect, and whether more minutes could turn it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from selftaught.compare.answer import Decision
from selftaught.compare.blind import Blind
from selftaught.compare.judge import Standing
from selftaught.compare.legs import Finalist
from selftaught.compare.race import Race
from selftaught.compare.report import Next
from selftaught.probes.statistics import interval
from selftaught.recipe import Recipe, resolve
from selftaught.runs.command import flags
from selftaught.runs.files import write_text

FLATTENING = 0.5
"""What one more doubling of the time gains, as a share of what the doubling before it did."""
FARTHEST = 6
"""Doublings that are looked ahead, at most."""


def advise(race: Race, chosen: Finalist, decision: Decision) -> Next:
    """The recipe of the best candidate for the whole budget, its command, and what it may reach."""
    track, minutes = race.track, race.schedule.total
    candidate = next(each for each in race.candidates if each.name == chosen.name)
    whole = replace(candidate.recipe, minutes=minutes, seed=0)
    recipe: Recipe = resolve(whole, candidate.modality, len(track.splits.train), loaded=track.start is not None)
    path = track.out / "recipe.toml"
    write_text(path, recipe.to_toml())
    words = ["selftaught", "pretrain", str(track.facts["data"] or "DATA"), "--recipe", str(path)]
    words += flags({**track.facts["options"], "from": track.start, "out": track.out / "best"})
    course, best = (
        [(given, each) for given, each in race.course() if each.name == name]
        for name in (chosen.name, decision.candidate)
    )
    judged, missing = not isinstance(race.judge, Blind), -decision.lead.value
    behind = judged and missing > 0 and len(best) > 1
    return Next(
        recipe=recipe.to_toml(),
        command=shlex.join(words),
        minutes=minutes,
        expected=expect(course, minutes) if judged and len(course) > 1 else None,
        missing=missing if behind else None,
        level=minutes_to_level(best, missing) if behind else None,
    )


def expect(course: Sequence[tuple[float, Standing]], minutes: float) -> tuple[float, float, float]:
    """The score after a training of so many minutes, with a 95 % interval.

    course: minutes and standing of one candidate in two rounds or more. What the last doubling of the time gained,
    FLATTENING of it again by the next, and so on: such curves flatten.
    """
    (short, before), (long, last) = course[-2:]
    doublings = max(0, int(np.ceil(np.log2(minutes / long) - 1e-9)))
    share = sum(FLATTENING**number for number in range(1, doublings + 1)) / np.log2(long / short)
    drawn = last.drawn + share * (last.drawn - before.drawn)
    low, high = interval(drawn)
    return float(last.value + share * (last.value - before.value)), low, high


def minutes_to_level(course: Sequence[tuple[float, Standing]], missing: float) -> float | None:
    """Minutes of one training with which the course makes up what is missing; None where FARTHEST doublings do not."""
    minutes, last = course[-1]
    for doublings in range(1, FARTHEST + 1):
        if expect(course, minutes * 2.0**doublings)[0] - last.value >= missing:
            return minutes * 2.0**doublings
    return None
