"""Pictures of three clearly different classes, and the command line called from inside Python."""

import contextlib
import functools
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from selftaught.cli import main

CLASSES = ("rows", "columns", "disc")
SIDE = 20
QUICK = ("--steps", "6", "--batch", "16", "--size", "xs", "--precision", "fp32", "--quiet")
USAGE, DATA, GATE = 2, 3, 4
"""Exit codes."""


def draw(kind: int, rng: np.random.Generator, side: int = SIDE) -> np.ndarray:
    """One picture (side, side, 3), uint8, of a class."""
    y, x = np.mgrid[:side, :side] / side
    shapes = (np.sin(12 * y), np.sin(12 * x), ((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.1) * 2.0 - 1)
    colour = rng.uniform(0.5, 1, 3)
    noisy = 128 + 60 * shapes[kind][..., None] * colour + rng.normal(0, 20, (side, side, 3))
    return noisy.clip(0, 255).astype(np.uint8)


def pictures(count: int, side: int = SIDE, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (count, side, side, 3) and their class numbers."""
    rng = np.random.default_rng(seed)
    kinds = np.arange(count) % len(CLASSES)
    return np.stack([draw(int(kind), rng, side) for kind in kinds]), kinds


def write_photos(folder: Path, count: int = 150, seed: int = 0) -> dict[str, str]:
    """A folder with one sub-folder per class; returns the class of every id."""
    labels = {}
    for index, (picture, kind) in enumerate(zip(*pictures(count, seed=seed), strict=True)):
        name = f"{CLASSES[kind]}/{index:03d}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / name)
        labels[name] = CLASSES[kind]
    return labels


def write_labels(path: Path, labels: dict[str, str] | list[tuple[str, object]]) -> Path:
    """A CSV file with the columns id and label."""
    rows = labels.items() if isinstance(labels, dict) else labels
    path.write_text("id,label\n" + "".join(f"{name},{label}\n" for name, label in rows))
    return path


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


def call(*arguments: object) -> Said:
    """The command line with these arguments, in this process. Anything but an exit is a fault and is raised."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(each) for each in arguments])
        except SystemExit as leave:
            code = int(leave.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


def pretrain(data: Path, *more: object) -> Said:
    """A short training on some data, its run beside them."""
    return call("pretrain", data, "--out", data.parent / "run", *QUICK, *more)


def refused(said: Said, code: int, *words: str) -> None:
    """Asserts that a command ended with this code and a message that has all the words, and printed nothing else."""
    assert said.code == code, said
    assert said.out == ""
    for word in words:
        assert word in said.err, said.err
    assert "Traceback" not in said.err
    assert "object at" not in said.err


@dataclass(frozen=True)
class Ready:
    """A folder of 150 pictures, its labels, a file of them, and a finished run that never saw them."""

    photos: Path
    labels: dict[str, str]
    file: Path
    run: Path


@functools.cache
def make_ready(base: Path) -> Ready:
    """One tiny finished run for all tests of a session; tests that write into a run copy it first."""
    place = base / "ready"
    labels = write_photos(place / "photos")
    file = write_labels(place / "labels.csv", labels)
    said = call("pretrain", place / "photos", "--out", place / "run", *QUICK)
    assert said.code == 0, said.err
    return Ready(place / "photos", labels, file, place / "run")
