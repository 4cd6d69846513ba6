"""compare: the pretexts race on the data at hand, beside controls that can win; a measured answer, and a recipe."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from selftaught.compare.blind import Blind, make_blind
from selftaught.compare.candidates import find_candidates
from selftaught.compare.conclude import conclude
from selftaught.compare.judge import Judge, make_judge
from selftaught.compare.legs import Track
from selftaught.compare.numbers import make_number_judge
from selftaught.compare.race import Race
from selftaught.compare.report import CompareReport
from selftaught.compare.schedule import share_out
from selftaught.core.errors import DataError, RunError, UsageError
from selftaught.data.labelling import Given
from selftaught.data.splits import Splits
from selftaught.encoders.start import starter
from selftaught.engine.device import keep_memory
from selftaught.engine.prepare import DataOptions, Prepared, fit_modality, prepare, tell
from selftaught.recipe import Recipe
from selftaught.runs.files import read_json, write_json
from selftaught.trials.columns import further_columns
from selftaught.trials.parts import labelled_parts
from selftaught.trials.training import cut, facts_of

MINUTES = 30.0
"""Of training in a race, where nothing else is said."""


def compare(
    data: Annotated[Any, "folder, archive, table or array of records"],
    *,
    out: Annotated[Path | str, "folder of the race, or of one to go on with"] = Path("runs/compare"),
    recipe: Recipe | None = None,
    labels: Annotated[Given, "`folder`, a column, or a file keyed by id"] = None,
    group: Annotated[Given, "column or file of groups that no split and no fold may tear"] = None,
    split: Annotated[Given, "column or file of given splits, or `folder`"] = None,
    column: Annotated[str | None, "column that holds the records"] = None,
    id_column: Annotated[str | None, "column that names the records"] = None,
    by: Annotated[tuple[str, ...], "columns or files of what should not matter, such as site,camera"] = (),
    pretexts: Annotated[tuple[str, ...], "candidates by name, such as simclr,mae (default: every legal one)"] = (),
    sizes: Annotated[tuple[str, ...], "encoder sizes that each candidate runs in, such as s,m"] = (),
    strengths: Annotated[
        tuple[float | int | str, ...], "view strengths that each candidate runs with, such as 0.5,1"
    ] = (),
    start: Annotated[str | None, "run folder or state dict that all candidates start from"] = None,
    stores: Annotated[Path | str | None, "folder of decoded stores (default: beside the folder of the race)"] = None,
    store: Annotated[Literal["decoded", "encoded"] | None, "keep pictures decoded, or as their files' bytes"] = None,
    no_samples: Annotated[bool, "leave the records themselves out of the report"] = False,
    quiet: Annotated[bool, "no progress lines"] = False,
) -> CompareReport:
    """Races the pretexts on your data for --minutes of training, beside controls, and says what to take.

    The judge is a probe with few labels, cross-validated inside the training part; the test part is read once, at the
    end. Without labels the candidates are ranked by label-free metrics, with low confidence. Run again with the same
    arguments after an interruption, it goes on where it stopped.
    Raises UsageError, DataError or RunError, with the remedy, before training starts.
    """
    keep_memory()
    place, base = Path(out), check_recipe(recipe or Recipe())
    if start is not None:
        starter(start)  # raises where there is nothing to start from
    options = DataOptions(labels=labels, group=group, split=split, column=column, id_column=id_column, store=store)
    say = (lambda text: None) if quiet else tell
    began = time.perf_counter()
    stores = Path(stores or place.parent / "stores")
    prepared = prepare(data, base.modality, stores, options, quiet=quiet, say=None if quiet else tell)
    splits = cut(prepared)
    judge, columns = choose_judge(prepared, splits), further_columns(by, data, options, prepared)
    strong = tuple(_number(each) for each in strengths)
    candidates = find_candidates(
        base, prepared.modality, len(splits.train), pretexts, sizes, strong, loaded=start is not None
    )
    schedule = share_out(base.minutes or MINUTES, candidates)
    facts = facts_of(data, prepared, options, start)
    claim_race(place, {**facts, "base": replace(base, minutes=None).hash, "total": schedule.total,
                       "candidates": [each.name for each in candidates]})  # fmt: skip
    fitted = fit_modality(prepared.modality, prepared.store, splits.train)
    reading = time.perf_counter() - began
    track = Track(prepared=prepared, splits=splits, fitted=fitted, facts=facts, start=start, out=place)
    race = Race(track=track, judge=judge, candidates=candidates, schedule=schedule, say=say, columns=columns)
    report = conclude(race, race.run(), reading)
    report.write(place, samples=not no_samples)
    return report


def check_recipe(recipe: Recipe) -> Recipe:
    """What all candidates share. Raises UsageError for what a race decides itself."""
    if recipe.pretext is not None:
        raise UsageError("compare chooses the pretext; name the candidates with --pretexts, such as simclr,mae.")
    if recipe.epochs is not None or recipe.steps is not None:
        raise UsageError("a race is run on equal time; give its budget in --minutes.")
    return recipe


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError) as problem:
        raise UsageError(f"--strengths takes numbers, such as 0.5,1; got {text!r}.") from problem


def choose_judge(prepared: Prepared, splits: Splits) -> Judge | Blind:
    """Logistic probes where labels are classes, ridge regression where they are numbers, else label-free metrics.

    Raises DataError for several labels a record.
    """
    task = prepared.labelling.task
    if task is None:
        return make_blind(prepared.store, splits.validation)
    if task == "tags":
        raise DataError("compare judges by one label a record, and these are tags. Give --labels NAME|FILE with one.")
    parts = labelled_parts(prepared, splits)
    return make_number_judge(parts) if task == "numbers" else make_judge(parts)


def claim_race(place: Path, facts: dict[str, Any]) -> None:
    """A folder that is new, or holds this very race. Raises RunError for any other."""
    path = place / "race.json"
    if path.exists():
        known = read_json(path)
        changed = sorted(key for key in facts if known.get(key) != facts[key])
        if changed:
            raise RunError(f"{place} holds another race ({', '.join(changed)} differ); give another --out.")
        return
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise RunError(f"--out {place} is not empty and holds no race; give a new or empty folder.")
    write_json(path, facts)
