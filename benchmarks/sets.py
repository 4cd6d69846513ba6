"""The sets that `bench_sets.py` measures: where each lies, and which of its columns are labels, groups and parts.

cifar10: the first 1,000 train files of each class and all 5,000 test files as given. digits_shift: pretrained and
measured on mnist; "digits_shift, optdigits" measures the same encoders on the other file, with its labels. fsdd-NAME:
the speaker of that name is the test part. hmp-N: fold N of three over volunteers. The sets of the UCR and UEA archives
have their own parts; banking77, agnews and adult are one file each, cut by us as for any user.
"""

from __future__ import annotations

import csv
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import ledger

BUNDLED = ledger.ROOT / "src" / "selftaught" / "bundled" / "digits" / "mnist.parquet"
FOLDS = 3
SPEAKERS = ("george", "jackson", "lucas")
"""The first three of the six, by name."""

ARCHIVE = ("ItalyPowerDemand", "OSULeaf", "GunPoint", "BasicMotions")
FILES = {
    "banking77": ("banking77/train.csv", "category"),
    "agnews": ("agnews/agnews.csv", "class"),
    "adult": ("adult/train.csv", "income"),
    "trashnet": ("trashnet/trashnet.zip", "folder"),
    "magnetic_tile": ("magnetic_tile/magnetic_tile.zip", "folder"),
}


@dataclass(frozen=True)
class Task:
    """One set: where it lies, what names its labels, groups and parts, other data to measure on
    as well, and whether it holds digits, which lean and have no mirror image."""

    data: Path
    labels: str
    group: str | None = None
    split: str | None = None
    also: Path | None = None
    digits: bool = False


def find_task(name: str, work: Path) -> Task:
    """The set of this name."""
    if name in FILES:
        path, labels = FILES[name]
        return Task(ledger.data_file(path), labels)
    if name in ARCHIVE:
        return Task(ledger.data_file(f"ucr_visible/{name}.npz"), "y")
    if name.startswith("fsdd-"):
        return speaker_task(name, work)
    if name.startswith("hmp-"):
        return volunteer_task(name, work)
    if name == "cifar10":
        parts = {"train": ("train", 0, 1000), "test": ("test", 0, 10_000)}
        return Task(ledger.lay_out_cifar(work / "cifar-train-0-1000-test", parts), "folder", split="folder")
    if name == "demo":
        return Task(BUNDLED, "label", digits=True)
    if name == "digits_shift":
        other = ledger.data_file("digits_shift/optdigits.parquet")
        return Task(ledger.data_file("digits_shift/mnist.parquet"), "label", also=other, digits=True)
    raise SystemExit(f"There is no set {name!r}.")


def speaker_task(name: str, work: Path) -> Task:
    """fsdd with one speaker left out."""
    data, left_out = ledger.data_file("fsdd/fsdd.zip"), name.partition("-")[2]
    with zipfile.ZipFile(data) as archive:
        rows = list(csv.DictReader(archive.read("metadata.csv").decode().splitlines()))
    parts = {row["file"]: "test" if row["speaker"] == left_out else "train" for row in rows}
    split = write_parts(work / "splits" / f"{name}.csv", parts)
    return Task(data, "metadata.csv:digit", group="metadata.csv:speaker", split=str(split))


def volunteer_task(name: str, work: Path) -> Task:
    """hmp with a third of the recordings left out, by volunteers: each goes to the fold that has least so far."""
    import pyarrow.parquet as pq

    data, wanted = ledger.data_file("hmp/hmp.parquet"), int(name.partition("-")[2])
    table = pq.read_table(data, columns=["recording", "volunteer"])
    recordings, volunteers = table["recording"].to_pylist(), map(str, table["volunteer"].to_pylist())
    owner = dict(zip(map(str, recordings), volunteers, strict=True))
    held, fold = [0] * FOLDS, {}
    for volunteer, count in Counter(owner.values()).most_common():
        fold[volunteer] = held.index(min(held))
        held[fold[volunteer]] += count
    parts = {each: "test" if fold[volunteer] == wanted - 1 else "train" for each, volunteer in owner.items()}
    split = write_parts(work / "splits" / f"{name}.csv", parts)
    return Task(data, "label", group="volunteer", split=str(split))


def write_parts(path: Path, parts: dict[str, str]) -> Path:
    """A table of ids and the part of each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "split"))
        writer.writerows(parts.items())
    return path
