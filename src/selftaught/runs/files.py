"""Atomic writes: a file is complete or absent, also after a power cut."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from selftaught.core.errors import RunError


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """`write` gets a temporary name beside `path`; the result is synced to disk and renamed.

    Raises RunError when the disk refuses; the old file is then untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    except (OSError, SafetensorError) as problem:
        why = getattr(problem, "strerror", None) or problem
        raise RunError(
            f"{path} cannot be written: {why}. Nothing was lost; free space or choose another --out, then repeat the "
            f"same command."
        ) from problem
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """A text file, atomically."""
    write_atomically(path, lambda temporary: _write_whole(temporary, text))


def write_json(path: Path, content: Any) -> None:
    """A JSON file, atomically."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises RunError, naming the file, where it is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise RunError(f"{path} cannot be read: {problem.strerror}.") from problem
    except json.JSONDecodeError as problem:
        raise RunError(f"{path} is damaged ({problem}); restore it or start a new run.") from problem


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Named arrays as safetensors, atomically."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_atomically(path, lambda temporary: save_file(contiguous, temporary))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Named arrays of a safetensors file. Raises RunError where it is missing or truncated."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as problem:
        raise RunError(f"{path} is missing or damaged ({problem}); restore it or start a new run.") from problem


def _write_whole(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
