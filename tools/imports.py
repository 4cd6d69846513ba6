"""Measure what a dependency costs a user: its size on disk and the seconds of a warm import.

Usage: python tools/imports.py OUT.csv DISTRIBUTION[=MODULE] ...

Each import runs in a fresh interpreter, first alone, then after torch; the columns hold medians, in seconds.
"""

import csv
import importlib.metadata
import os
import statistics
import subprocess
import sys

REPEATS = 7
TIMED = "{first}import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"


def megabytes(distribution: str) -> float:
    """The size of a distribution's own files, in MB of 1e6 bytes, without byte code and without its dependencies."""
    files = importlib.metadata.files(distribution) or []
    paths = [file.locate() for file in files if file.suffix != ".pyc"]
    return sum(os.path.getsize(path) for path in paths if os.path.exists(path)) / 1e6


def seconds(module: str, first: str = "") -> float:
    """The median time of importing a module, in seconds, byte code and disk cache warm."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", TIMED.format(first=first, module=module)]
    times = [
        float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
        for _ in range(REPEATS + 1)
    ]
    return statistics.median(times[1:])


def main() -> None:
    """Write one row per distribution."""
    out, *names = sys.argv[1:]
    with open(out, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["distribution", "version", "module", "own_mb", "import_s", "import_after_torch_s"])
        for name in names:
            distribution, _, module = name.partition("=")
            module = module or distribution
            row = [distribution, importlib.metadata.version(distribution), module, f"{megabytes(distribution):.1f}"]
            row += [f"{seconds(module):.2f}", f"{seconds(module, 'import torch; '):.2f}"]
            writer.writerow(row)
            print(*row, sep="  ", flush=True)


if __name__ == "__main__":
    main()
