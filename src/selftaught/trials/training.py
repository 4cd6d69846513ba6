"""A run that is watched while it trains: its folder, its parts, its end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selftaught.core.errors import DataError, RunError
from selftaught.core.modality import Fitted
from selftaught.data.splits import Splits, load_splits, make_splits, save_splits
from selftaught.engine.job import Job, Trained, partners_of
from selftaught.engine.prepare import DataOptions, Prepared, fit_modality
from selftaught.recipe import Recipe, resolve
from selftaught.runs.files import read_json
from selftaught.runs.folder import RunFolder, claim
from selftaught.trials.watch import watch

SMALLEST = 16
"""Fewer training records than this cannot be told apart from noise by any probe."""

SPLIT_SEED = 0
"""Splits do not follow the recipe's seed: runs of several seeds must share them, or their scores cannot be compared."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a training ended: what its manifest holds. seconds: of training, all calls together. started: what weights it
    began with, in a sentence."""

    recipe: str
    health: str
    cause: str
    remedy: str
    steps: int
    planned: int
    kept: int
    seconds: float
    started: str = "fresh weights"

    @classmethod
    def of(cls, trained: Trained, recipe: Recipe) -> Ended:
        """The end of a training that has just ended."""
        health, plan = trained.health, trained.plan
        return cls(
            recipe=recipe.hash,
            health=health.state,
            cause=health.cause,
            remedy=health.remedy,
            steps=trained.steps,
            planned=plan.steps_at(trained.steps),
            kept=trained.kept,
            seconds=round(trained.seconds, 3),
            started="fresh weights" if trained.started is None else trained.started.sentence,
        )

    @classmethod
    def read(cls, path: Path) -> Ended:
        """The end of a finished run, from its manifest. Raises RunError where it is damaged or of another version."""
        try:
            return cls(**read_json(path))
        except TypeError as problem:
            raise RunError(
                f"{path} is damaged or of another version ({problem}). Train again with a new --out."
            ) from problem


def facts_of(data: Any, prepared: Prepared, options: DataOptions, start: str | None) -> dict[str, Any]:
    """What a run is trained on, in JSON."""
    return {
        "data": str(Path(data).absolute()) if isinstance(data, (str, Path)) else None,
        "kind": prepared.source.kind,
        "source": prepared.source.fingerprint,
        "store": str(prepared.store.folder.absolute()),
        "records": len(prepared.store),
        "digest": prepared.store.digest,
        "options": dict(options.stated()),
        "start": start,
    }


def cut(prepared: Prepared, fewest: int = SMALLEST) -> Splits:
    """The parts of the data. Raises DataError where the training part is too small."""
    splits = make_splits(prepared.store, prepared.labelling, seed=SPLIT_SEED)
    if len(splits.train) < fewest:
        raise DataError(
            f"There are {len(splits.train)} training records ({len(prepared.store)} in all); pretraining needs "
            f"{fewest} or more. Give more data."
        )
    return splits


def claim_run(
    out: Path, recipe: Recipe, prepared: Prepared, splits: Splits, facts: dict[str, Any]
) -> tuple[Recipe, RunFolder, Splits]:
    """The resolved recipe, its run folder, and the splits that the run began with, else those given, recorded."""
    resolved = resolve(recipe, prepared.modality, len(splits.train), loaded=facts["start"] is not None)
    partners_of(resolved, prepared.labelling, splits.train)  # raises before anything is written
    folder = claim(out, resolved, facts)
    if folder.splits.exists():
        return resolved, folder, load_splits(folder.splits)
    save_splits(splits, folder.splits)
    return resolved, folder, splits


def watched_job(
    recipe: Recipe, prepared: Prepared, folder: RunFolder, splits: Splits, fitted: Fitted | None = None, **more: Any
) -> Job:
    """The training of a resolved recipe, watched on the validation part. fitted: what the modality has learned from
    the training part, where that is known. more: other fields of Job."""
    return Job(
        recipe=recipe,
        store=prepared.store,
        train=splits.train,
        labelling=prepared.labelling,
        fitted=fitted or fit_modality(prepared.modality, prepared.store, splits.train),
        folder=folder,
        observe=watch(prepared.store, splits.train, splits.validation, prepared.labelling),
        **more,
    )
