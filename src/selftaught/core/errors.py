"""Every error that selftaught raises on purpose.

SelftaughtError
  UsageError     exit 2: an option, a name or an argument is wrong
    IllegalPair  a pretext that modality and encoder cannot serve
  DataError      exit 3: the data cannot be used as it is
    StoreError   the store cannot be built, read or extended
  RunError       exit 3: a run folder is missing, damaged or from another recipe
  GateError      exit 4: a threshold the user set was not met
  MissingExtra   exit 2: an optional dependency is not installed
"""

from __future__ import annotations


class SelftaughtError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(SelftaughtError):
    """An option, a name or an argument is wrong."""

    exit_code = 2


class IllegalPair(UsageError):
    """A pretext needs something that this modality or encoder does not offer."""


class MissingExtra(UsageError):
    """An optional dependency is needed and not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'selftaught[{extra}]'"
        )


class DataError(SelftaughtError):
    """The data cannot be used as it is."""

    exit_code = 3


class StoreError(DataError):
    """The store of decoded records cannot be built, read or extended."""


class RunError(SelftaughtError):
    """A run folder is missing, damaged, or belongs to another recipe."""

    exit_code = 3


class GateError(SelftaughtError):
    """A threshold that the user set was not met."""

    exit_code = 4
