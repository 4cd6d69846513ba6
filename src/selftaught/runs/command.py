"""The words of a command line that repeats or continues what was done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def spelled(option: str) -> str:
    """The flag of an option."""
    return f"--{option.replace('_', '-')}"


def flags(options: Mapping[str, Any]) -> list[str]:
    """The flags and values of all options that are given."""
    return [word for name, value in options.items() if value for word in (spelled(name), str(value))]
