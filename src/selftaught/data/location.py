"""Where a file lies, on this disk or behind a url, and how to open it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from selftaught.core.errors import DataError, MissingExtra


def is_remote(place: str | Path) -> bool:
    """Whether a place is a url such as `s3://bucket/pictures.zip`."""
    return isinstance(place, str) and "://" in place


def suffix_of(place: str | Path) -> str:
    """The lower-case suffix of a path or url, with its dot and without a query."""
    return Path(str(place).partition("?")[0] if is_remote(place) else place).suffix.lower()


def exists(place: str | Path) -> bool:
    """Whether there is a file or folder at a path or url."""
    if not is_remote(place):
        return Path(place).exists()
    with explained(place):
        system, path = fsspec.core.url_to_fs(str(place))
        return bool(system.exists(path))


def open_binary(place: str | Path) -> Any:
    """A seekable binary file; remote ones are read in blocks as they are needed."""
    with explained(place):
        if is_remote(place):
            return fsspec.open(str(place), "rb").open()
        return open(place, "rb")


def read_bytes(place: str | Path) -> bytes:
    """The whole content of a file."""
    with explained(place), open_binary(place) as file:
        return bytes(file.read())


def open_text(place: str | Path | bytes) -> io.TextIOBase:
    """Text of a file or of bytes, UTF-8 with or without a byte order mark."""
    raw: Any = io.BytesIO(place) if isinstance(place, bytes) else open_binary(place)
    return io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")


def stamp_of(place: str | Path) -> str:
    """A text that changes when the file does: size and time, or what the remote store says of the version."""
    with explained(place):
        if not is_remote(place):
            status = Path(place).stat()
            return f"{status.st_size}:{status.st_mtime_ns}"
        system, path = fsspec.core.url_to_fs(str(place))
        facts = system.info(path)
        names = ("size", "ETag", "etag", "LastModified", "mtime", "md5Hash")
        return ":".join(str(facts[name]) for name in names if facts.get(name) is not None)


@contextmanager
def explained(place: str | Path) -> Iterator[None]:
    """Failures to reach a place become a DataError that names it."""
    try:
        yield
    except FileNotFoundError as problem:
        raise DataError(
            f"There is no file or folder {str(place)!r}. Check the path; it is relative to {Path.cwd()}."
        ) from problem
    except ImportError as problem:
        package = problem.name or str(problem).rpartition(" ")[2]
        raise MissingExtra(package, "remote", f"Reading {str(place)!r}") from problem
    except OSError as problem:
        raise DataError(
            f"{str(place)!r} cannot be read: {problem}. Check its permissions and the connection."
        ) from problem
    except ValueError as problem:  # fsspec: an unknown protocol
        raise DataError(f"{str(place)!r} cannot be opened: {str(problem).rstrip('.')}.") from problem
