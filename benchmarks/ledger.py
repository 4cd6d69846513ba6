"""What every benchmark shares: the CSV that is resumed row by row, and systems that are measured in turn.

Each system runs in a process of its own on the same cores and prints one line of JSON last:
{"rows": [{"metric", "value", "unit"[, "system"]}], "torch": ..., "versions": ...}. A row that is in the CSV already is
not measured again while hardware, torch and the sources stay the same: `--keep` trusts rows of older sources as well,
`--fresh` trusts none.
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
THREADS = int(os.environ.get("SELFTAUGHT_BENCH_THREADS", "2"))
"""Torch threads of every system. The results were made with 2; another number is for trying the scripts out."""

COLUMNS = ("task", "metric", "system", "repeat", "value", "unit", "ratio")
FACTS = ("hardware", "torch", "versions", "date", "commit")
OURS = "selftaught"
LOWER = frozenset({"s", "MiB"})
HIGHER = frozenset({"img/s", "samples/s", "tokens/s"})
"""Units of which less is better, and of which more is; a ratio of any others says nothing."""


@dataclass(frozen=True)
class System:
    """One contestant: `command` measures it once, as `--repeat N` tells it, and prints the JSON line."""

    name: str
    command: tuple[str, ...]


@dataclass
class Ledger:
    """The rows of one CSV. key: the columns that name a row; an old row is kept while `FACTS` permit it."""

    path: Path
    columns: tuple[str, ...] = COLUMNS
    key: tuple[str, ...] = ("task", "metric", "system", "repeat")
    keep: bool = False
    fresh: bool = False
    rows: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.path.exists() and not self.fresh:
            with self.path.open(newline="", encoding="utf-8") as file:
                self.rows = list(csv.DictReader(file))

    def has(self, **wanted: object) -> bool:
        """Whether a row with these cells is there and may be kept."""
        now = surroundings()
        return any(
            all(row.get(name) == str(value) for name, value in wanted.items())
            and row["hardware"] == now["hardware"]
            and (self.keep or row["commit"] == now["commit"])
            for row in self.rows
        )

    def add(self, row: Mapping[str, object], **facts: object) -> None:
        """Puts a row in, in place of one of the same key, and writes the file."""
        full = dict.fromkeys((*self.columns, *FACTS), "") | surroundings() | dict(row) | facts
        text = {name: format_cell(value) for name, value in full.items()}
        same = [all(old.get(name) == text[name] for name in self.key) for old in self.rows]
        self.rows = [old for old, repeated in zip(self.rows, same, strict=True) if not repeated] + [text]
        self.write()

    def summarise(self, task: str, statistic: Callable[[Sequence[float]], float], name: str) -> None:
        """One row per metric and system of a task over its repeats, with our advantage as `ratio`."""
        groups: dict[tuple[str, str], list[dict[str, str]]] = {}
        for row in self.rows:
            if row["task"] == task and row["repeat"].isdigit():
                groups.setdefault((row["metric"], row["system"]), []).append(row)
        middle = {key: statistic([float(row["value"]) for row in rows]) for key, rows in groups.items()}
        for (metric, system), value in middle.items():
            last = groups[metric, system][-1]
            ours = middle.get((metric, OURS))
            ratio: object = ""
            rated = last["unit"] in LOWER | HIGHER
            if ours and value and rated and any(other != system for kind, other in middle if kind == metric):
                ratio = f"{value / ours if last['unit'] in LOWER else ours / value:.3g}"
            self.add({**last, "repeat": name, "value": value, "ratio": ratio})

    def write(self) -> None:
        """The whole file anew, by a temporary name."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, (*self.columns, *FACTS), extrasaction="ignore", restval="")
            writer.writeheader()
            writer.writerows(self.rows)
        part.replace(self.path)


def format_cell(value: object) -> str:
    """Four digits for a measured number, text for everything else."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def take_turns(ledger: Ledger, task: str, systems: Sequence[System], repeats: Iterable[int], name: str) -> None:
    """Measures every system once per repeat, in turn, so that a slow hour of the machine meets all of them alike.

    name: `median` or `mean`, taken over the repeats. A system that fails leaves no row, and is tried again next time.
    """
    for repeat in repeats:
        for system in systems:
            done = {"task": task, "repeat": repeat}
            if ledger.has(**done, system=system.name):
                say(f"kept: {task}, {system.name}, repeat {repeat}")
                continue
            found = run_json((*system.command, "--repeat", str(repeat)))
            if found is None:
                say(f"not measured: {task}, {system.name}")
                continue
            for row in found["rows"]:
                facts = {"torch": found["torch"], "versions": found["versions"]}
                ledger.add({"system": system.name, **done, **row}, **facts)
                say(f"{row.get('system', system.name)}: {row['metric']} {row['value']:.4g} {row['unit']}")
    ledger.summarise(task, statistics.median if name == "median" else statistics.fmean, name)


def run_json(command: Sequence[str]) -> dict | None:
    """What the command printed last, read as JSON; None, with the end of its error output, where it failed."""
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        say(f"exit {done.returncode} of {Path(command[1]).name} {' '.join(command[2:])}\n{done.stderr[-2000:]}")
        return None
    say(f"({time.perf_counter() - began:.0f} s)")
    return json.loads(lines[-1])


def environment() -> dict[str, str]:
    """The environment of every system: the same threads, no hubs."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(THREADS))
    offline = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "LIGHTLY_TRAIN_EVENTS_DISABLED": "1"}
    return os.environ | threads | offline


def answer(rows: Sequence[Mapping[str, object]], packages: Sequence[str]) -> None:
    """Prints what `take_turns` reads."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    print(json.dumps({"rows": list(rows), "torch": importlib.metadata.version("torch"), "versions": versions}))


def surroundings() -> dict[str, str]:
    """Where and when this was measured; nothing that names the machine or its folders."""
    return {
        "hardware": _hardware(),
        "torch": importlib.metadata.version("torch"),
        "versions": f"selftaught {importlib.metadata.version('selftaught')}",
        "date": date.today().isoformat(),
        "commit": commit(),
    }


def _hardware() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    flags = next((line for line in lines if line.startswith("flags")), "")
    fast = [name for name in ("avx512_bf16", "amx_bf16") if name in flags]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return " ".join([model, f"{cores} cores", *fast])


def commit() -> str:
    """The last commit that touched the sources; `+` where they have changed since."""
    git = ("git", "-C", str(ROOT))
    known = subprocess.run((*git, "log", "-1", "--format=%h", "--", "src"), capture_output=True, text=True, check=False)
    changed = subprocess.run((*git, "status", "--short", "--", "src"), capture_output=True, text=True, check=False)
    return (known.stdout.strip() or "none") + ("+" if changed.stdout.strip() else "")


def say(text: str) -> None:
    """Progress, on the error stream, so that a worker's output is its JSON alone."""
    print(text, file=sys.stderr, flush=True)


def options_for(text: str, results: str) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS / results, help="CSV to write, or to go on with")
    parser.add_argument("--fresh", action="store_true", help="measure every row anew")
    parser.add_argument("--keep", action="store_true", help="keep rows of older sources as well")
    parser.add_argument("--peers", default=os.environ.get("SELFTAUGHT_PEERS"), help="python of the peers' environment")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "selftaught-bench")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--repeat", type=int, default=0, help=argparse.SUPPRESS)
    return parser


def open_ledger(options: argparse.Namespace) -> Ledger:
    """The ledger that the options name."""
    return Ledger(options.results, keep=options.keep, fresh=options.fresh)


def peer(options: argparse.Namespace, name: str, *arguments: str) -> list[System]:
    """A system of peers.py; none, with a word, where no environment of peers was given."""
    if not options.peers:
        say(f"not measured: {name}; give --peers PYTHON or SELFTAUGHT_PEERS (see benchmarks/README.md)")
        return []
    return [System(name, (options.peers, str(ROOT / "benchmarks" / "peers.py"), *arguments))]


def ours(script: str, *arguments: str) -> tuple[str, ...]:
    """The command that measures us: the benchmark itself as a worker."""
    return (sys.executable, script, "--worker", *arguments)


def data_file(name: str) -> Path:
    """A file of the data folder. Ends the benchmark, as not measured, where it is not there."""
    folder = os.environ.get("SELFTAUGHT_DATA")
    path = Path(folder or ".") / name
    if not folder or not path.exists():
        say(f"not measured: {name} is not in SELFTAUGHT_DATA, the folder of data sets (see benchmarks/README.md)")
        sys.exit(0)
    return path


def lay_out_cifar(folder: Path, parts: Mapping[str, tuple[str, int, int]]) -> Path:
    """CIFAR-10 files as <part>/<class>/NNNN.jpg; a part is (train or test, first, last) number within each class.

    A part named "" lies at the top. Laid out once; the folder's name must say what is in it.
    """
    if folder.exists():
        return folder
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    with zipfile.ZipFile(data_file("cifar10/cifar10.zip")) as archive:
        for entry in archive.namelist():
            if not entry.endswith(".jpg"):
                continue
            source, label, file = entry.split("/")
            for part, (wanted, first, last) in parts.items():
                if source == wanted and first <= int(Path(file).stem) < last:
                    place = fresh / part / label / file
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(archive.read(entry))
    fresh.replace(folder)
    return folder
