"""export: a run in, ONNX, weights with config, and a model card out; every file is read back and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch

from selftaught.core.errors import GateError, UsageError
from selftaught.export.card import model_card
from selftaught.export.onnx import CHECKED_BATCHES, export_onnx
from selftaught.reports.blocks import Facts, Section, Verdict
from selftaught.reports.report import Report
from selftaught.runs.encoder import Pretrained, load_pretrained, save_pretrained
from selftaught.runs.files import write_text
from selftaught.runs.folder import open_run

TARGETS = ("folder", "onnx")


@dataclass(frozen=True, kw_only=True)
class ExportReport(Report):
    """What was written. difference: largest relative difference of an exported vector; None for a folder."""

    files: tuple[Path, ...]
    target: str
    difference: float | None

    @property
    def title(self) -> str:
        """The heading."""
        return f"Export to {self.target}"

    def verdict(self) -> Verdict:
        """Where the files are, and that they were checked."""
        if self.difference is None:
            checked = "Read back: the weights are the same."
        else:
            sizes = " and ".join(map(str, CHECKED_BATCHES))
            checked = f"Checked at batch sizes {sizes}: vectors differ by {self.difference:.1e} at most."
        return Verdict(headline=f"Written: {', '.join(map(str, self.files))}.", sentences=(checked,), tone="good")

    def sections(self) -> tuple[Section, ...]:
        """The files and their sizes."""
        rows = tuple((str(path), path.stat().st_size, "bytes") for path in self.files)
        return (Section(title="Files", blocks=(Facts(rows=rows),)),)


def export(
    run: Annotated[Path | str, "run folder"],
    *,
    to: Annotated[str, "folder (safetensors, config, model card) or onnx"] = "folder",
    out: Annotated[Path | str | None, "folder to write (default: exports/ of the run)"] = None,
) -> ExportReport:
    """Writes the encoder for other programs, reads it back and compares it.

    Raises UsageError for an unknown target, IllegalPair for ONNX of what reads no pictures, MissingExtra where ONNX is
    not installed, GateError where what was written differs.
    """
    if to not in TARGETS:
        raise UsageError(f"--to {to} is unknown; there are {', '.join(TARGETS)}.")
    folder = open_run(Path(run))
    pretrained = load_pretrained(folder.path)
    place = Path(out) if out else folder.exports
    card = place / "README.md"
    if to == "onnx":
        path = place / "encoder.onnx"
        difference = export_onnx(pretrained, path)
        write_text(card, model_card(folder, pretrained, to))  # only now: it speaks of the file
        return ExportReport(files=(path, card), target=to, difference=difference)
    write_text(card, model_card(folder, pretrained, to))
    save_pretrained(pretrained, place)
    _check(pretrained, load_pretrained(place))
    files = tuple(place / name for name in ("config.json", "fitted.safetensors", "model.safetensors"))
    return ExportReport(files=(*files, card), target=to, difference=None)


def _check(written: Pretrained, read: Pretrained) -> None:
    """Raises GateError where a weight or statistic that was read back is not the one that was written."""
    ours, theirs = written.encoder.state_dict(), read.encoder.state_dict()
    same = ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())
    if not same or written.fitted.hash != read.fitted.hash:
        raise GateError("the encoder that was read back is not the one that was written; is the disk sound?")
