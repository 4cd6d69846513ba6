"""Names of everything in a run folder, and what may be done with a folder that is not empty."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from selftaught.core.errors import RunError
from selftaught.recipe import Recipe, read_recipe, recipe_from_toml
from selftaught.runs.files import read_json, write_json, write_text


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.toml"

    @property
    def data(self) -> Path:
        """What the run was trained on: source, fingerprints, options."""
        return self.path / "data.json"

    @property
    def splits(self) -> Path:
        """The record numbers of every split."""
        return self.path / "splits.npz"

    @property
    def plan(self) -> Path:
        """Choices made by timing, saved before step 1."""
        return self.path / "plan.json"

    @property
    def losses(self) -> Path:
        """One row per logged step."""
        return self.path / "losses.csv"

    @property
    def health(self) -> Path:
        """One row per observation of the held-out buffer."""
        return self.path / "health.csv"

    @property
    def checkpoint(self) -> Path:
        """The state from which training goes on."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def best(self) -> Path:
        """Encoder weights of the best look at the validation part so far."""
        return self.path / "checkpoints" / "best.safetensors"

    @property
    def tensorboard(self) -> Path:
        """Event files, where they were asked for."""
        return self.path / "tensorboard"

    @property
    def encoder(self) -> Path:
        """The encoder that is handed over."""
        return self.path / "encoder"

    @property
    def reports(self) -> Path:
        """Reports of the stages."""
        return self.path / "reports"

    @property
    def exports(self) -> Path:
        """Files for other runtimes."""
        return self.path / "exports"

    @property
    def manifest(self) -> Path:
        """Written last: its presence means complete."""
        return self.path / "manifest.json"

    @property
    def complete(self) -> bool:
        """Whether training has ended."""
        return self.manifest.exists()


def claim(path: Path, recipe: Recipe, data: Mapping[str, Any]) -> RunFolder:
    """A run folder that is new, or that holds an unfinished or finished run of this very recipe and data.

    Raises RunError for a folder with other content, of another recipe or of other data, and where it cannot be written.
    """
    folder = RunFolder(path)
    check_place(path)
    if folder.recipe.exists():
        _check_same(folder, recipe, data)
        return folder
    write_json(folder.data, dict(data))
    write_text(folder.recipe, recipe.to_toml())  # last: its presence makes this a run
    return folder


def check_place(path: Path) -> None:
    """Raises RunError where no run can be: in a file, among other files, or where nothing can be written."""
    folder = RunFolder(path)
    nearest = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise RunError(f"--out {path} cannot be made: {nearest} is a file. Give a folder.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise RunError(f"--out {path} cannot be written: no permission in {nearest}. Give another folder.")
    if nearest == path and not folder.recipe.exists():
        strangers = [item.name for item in path.iterdir() if item.name != folder.data.name and item.suffix != ".part"]
        if strangers:
            raise RunError(
                f"--out {path} is not empty and holds no run (found {strangers[0]}); give a new or empty folder."
            )


def open_run(path: Path | str) -> RunFolder:
    """An existing complete run. Raises RunError where it is none, or unfinished."""
    folder = RunFolder(Path(path))
    if not folder.recipe.exists():
        raise RunError(f"{path} is no run folder: recipe.toml is missing.")
    if not folder.complete:
        raise RunError(f"the run in {path} is unfinished; repeat its pretrain command to finish it.")
    return folder


def append_row(path: Path, row: Mapping[str, float | int | str]) -> None:
    """One line at the end of a CSV, which gets its header from the first row."""
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(row), lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(row)


def read_rows(path: Path) -> list[dict[str, float]]:
    """All rows of a numeric CSV; an absent file has none, and a last line that a kill cut short is no row."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    try:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(lines)]
    except (TypeError, ValueError) as problem:
        raise RunError(f"{path} is damaged ({problem}); restore it or start a new run.") from problem


def cut_rows(path: Path, step: int) -> None:
    """Drops the rows after `step`: a resumed run writes them again."""
    rows = [row for row in read_rows(path) if row["step"] <= step]
    if not rows:
        path.unlink(missing_ok=True)
        return
    lines = [",".join(rows[0])]
    lines += [",".join(repr(int(v)) if k == "step" else repr(v) for k, v in row.items()) for row in rows]
    write_text(path, "\n".join(lines) + "\n")


def _check_same(folder: RunFolder, recipe: Recipe, data: Mapping[str, Any]) -> None:
    held = read_recipe(folder.recipe)
    asked = recipe_from_toml(recipe.to_toml())  # through TOML as well, where 5 minutes are 5.0
    if held.hash != asked.hash:
        other = [part.name for part in fields(Recipe) if getattr(held, part.name) != getattr(asked, part.name)]
        raise RunError(
            f"{folder.path} holds a run of another recipe ({', '.join(other)} differ). "
            f"Give another --out, or repeat the command with --recipe {folder.recipe}."
        )
    known = read_json(folder.data)
    changed = [key for key, value in data.items() if known.get(key) != value]
    if changed:
        raise RunError(f"{folder.path} was trained on other data ({', '.join(changed)} differ); give another --out.")
