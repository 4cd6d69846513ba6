"""One training of a race, in a run folder of its own; what goes wrong in it is a result."""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from selftaught.compare.candidates import Candidate
from selftaught.core.errors import DataError, SelftaughtError
from selftaught.core.modality import Fitted
from selftaught.data.splits import Splits
from selftaught.encoders.start import starter
from selftaught.engine.loop import train
from selftaught.engine.prepare import Prepared
from selftaught.runs.encoder import Pretrained, load_pretrained
from selftaught.runs.files import read_json, write_json
from selftaught.trials.training import Ended, claim_run, watched_job

LOOKS = 2
"""Looks at the validation part in a training of a race: half-way, so that a collapse ends it, and at the end."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Track:
    """What all trainings of a race share. facts: of the data, for the run folders. start: weights that all begin
    with. out: the race's folder."""

    prepared: Prepared
    splits: Splits
    fitted: Fitted
    facts: Mapping[str, Any]
    start: str | None
    out: Path


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One training. health: as in a report, or "failed". trouble: what went wrong, empty where nothing did. seconds: of
    training; wall: of everything for it, reading of data apart. parameters: of encoder and head together."""

    candidate: str
    round: int
    seed: int
    run: Path
    health: str
    trouble: str
    steps: int
    seconds: float
    wall: float = 0.0
    parameters: int = 0

    @property
    def usable(self) -> bool:
        """Whether there is an encoder to judge."""
        return self.health not in ("failed", "diverging")

    def encoder(self) -> Pretrained:
        """What it gave."""
        return load_pretrained(self.run)


@dataclass(frozen=True, kw_only=True, eq=False)
class Finalist:
    """A candidate of the last round."""

    name: str
    legs: tuple[Leg, ...]
    encoders: tuple[Pretrained, ...]


def run_leg(track: Track, candidate: Candidate, number: int, minutes: float, seed: int) -> Leg:
    """Trains a candidate, or goes on with it, or reads how it ended.

    A crash, no memory, a loss that is no number and a collapse end this training alone. What comes from outside, such
    as Ctrl-C or a full disk, ends the race, which the same command takes up again.
    """
    place = track.out / "runs" / f"{candidate.slug}-{number}-{seed}"
    told = track.out / "legs" / f"{place.name}.json"
    if told.exists():
        return Leg(**{**read_json(told), "run": place})
    began = time.perf_counter()
    recipe = replace(candidate.recipe, minutes=minutes, epochs=None, steps=None, seed=seed)
    prepared = replace(track.prepared, modality=candidate.modality)
    told_apart: dict[str, Any] = {"candidate": candidate.name, "round": number, "seed": seed, "run": place}
    try:
        resolved, folder, splits = claim_run(place, recipe, prepared, track.splits, dict(track.facts))
        begin = None if track.start is None else starter(track.start)
        job = watched_job(
            resolved, prepared, folder, splits, fitted=track.fitted, observations=LOOKS, start=begin, quiet=True
        )
        trained = train(job)
        ended = Ended.of(trained, resolved)
        write_json(folder.manifest, asdict(ended))
        weights = (*trained.pretrained.encoder.parameters(), *trained.head.parameters())
        leg = Leg(
            **told_apart,
            health=ended.health,
            trouble="" if ended.health == "healthy" else f"{ended.cause}; {ended.remedy}",
            steps=ended.steps,
            seconds=ended.seconds,
            parameters=sum(each.numel() for each in weights),
        )
    except (MemoryError, torch.OutOfMemoryError):
        leg = _failed(told_apart, "out of memory; a smaller --batch or --sizes needs less")
    except DataError as problem:
        leg = _failed(told_apart, str(problem))
    except SelftaughtError:
        raise
    except Exception as problem:  # noqa: BLE001 - whatever a candidate does wrong is its result
        leg = _failed(told_apart, f"{type(problem).__name__}: {problem}")
    gc.collect()
    leg = replace(leg, wall=round(max(time.perf_counter() - began, leg.seconds), 3))
    write_json(told, {key: value for key, value in asdict(leg).items() if key != "run"})
    return leg


def _failed(told_apart: Mapping[str, Any], why: str) -> Leg:
    return Leg(**told_apart, health="failed", trouble=why, steps=0, seconds=0.0)
