"""The base of every report: frozen data that says its verdict and renders to text, HTML and JSON."""

import json
import os
import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import ClassVar

from selftaught.core.errors import UsageError
from selftaught.reports.blocks import Section, Verdict
from selftaught.reports.html import render_html
from selftaught.reports.plain import to_plain
from selftaught.reports.text import render_text

NOTEBOOK_HEIGHT = 760


@dataclass(frozen=True, kw_only=True)
class Written:
    """Where the three forms of a report lie."""

    html: Path
    json: Path
    text: Path


@dataclass(frozen=True, kw_only=True)
class Report(ABC):
    """What a stage returns: its data as fields, a verdict, and sections of blocks.

    A subclass is a frozen dataclass. It holds what was measured in its fields, and arranges it in `verdict` and
    `sections` without computing anything new. `schema` rises when a field changes its meaning.
    """

    schema: ClassVar[int] = 1

    @property
    @abstractmethod
    def title(self) -> str:
        """Return the heading of the page. Not a field: write a property."""

    @abstractmethod
    def verdict(self) -> Verdict:
        """Return the answer that stands first."""

    @abstractmethod
    def sections(self) -> tuple[Section, ...]:
        """Return the parts of the report in reading order."""

    def text(self, width: int = 88, *, colour: bool = False, samples: bool = True) -> str:
        """Return the report for a terminal of `width` columns; ANSI colour only if asked for."""
        return render_text(self.title, self.verdict(), self.sections(), width=width, colour=colour, samples=samples)

    def html(self, samples: bool = True) -> str:
        """Return one self-contained page; without `samples` it shows no content or caption of a user's record."""
        kind = f"{type(self).__name__} · schema {self.schema}"
        return render_html(self.title, self.verdict(), self.sections(), kind=kind, samples=samples)

    def json(self, samples: bool = True) -> str:
        """Return the fields as JSON beside type, schema, title and verdict; see `plain.to_plain` for the rules."""
        head = {"type": type(self).__name__, "schema": self.schema, "title": self.title}
        body = {"verdict": to_plain(self.verdict(), samples), "data": to_plain(self, samples)}
        return json.dumps({**head, **body}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def _repr_html_(self) -> str:
        """Return the page for a notebook, in a frame of its own so that neither changes the other's look."""
        return (
            f'<iframe title="{escape(self.title)}" sandbox="allow-scripts" srcdoc="{escape(self.html())}" '
            f'style="width:100%;height:{NOTEBOOK_HEIGHT}px;border:0;border-radius:8px"></iframe>'
        )

    def write(self, folder: str | Path, samples: bool = True) -> Written:
        """Write report.html, report.json and report.txt into `folder`; each appears whole or not at all.

        Raises:
            UsageError: the folder cannot be made or written.
        """
        folder = Path(folder)
        written = Written(html=folder / "report.html", json=folder / "report.json", text=folder / "report.txt")
        contents = (
            (written.json, self.json(samples=samples)),
            (written.text, self.text(samples=samples)),
            (written.html, self.html(samples=samples)),
        )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path, content in contents:
                _write_whole(path, content)
        except OSError as error:
            reason = error.strerror or error
            raise UsageError(f"The report cannot be written to {folder}: {reason}. Choose another folder.") from error
        return written


def _write_whole(path: Path, content: str) -> None:
    """Write under a temporary name in the same folder, flush to disk, then rename."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
