"""export: a run in, ONNX, weights with config, and a model card out; every file is read back and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from selftaught.core.errors import UsageError
from selftaught.export.card import model_card
from selftaught.export.onnx import CHECKED_BATCHES, export_onnx
from selftaught.reports.blocks import Facts, Section, Verdict
from selftaught.reports.report import Report
from selftaught.runs.encoder import load_pretrained, save_pretrained
from selftaught.runs.files import write_text
from selftaught.runs.folder import open_run

TARGETS = ("folder", "onnx")


@dataclass(frozen=True, kw_only=True)
class ExportReport(Report):
    """What was written. difference: largest relative difference of an exported vector, None if not measured."""

    files: tuple[Path, ...]
    target: str
    difference: float | None

    @property
    def title(self) -> str:
        """The heading."""
        return f"Export to {self.target}"

    def verdict(self) -> Verdict:
        """Where the files are, and that they were checked."""
        checked: tuple[str, ...] = ()
        if self.difference is not None:
            sizes = " and ".join(map(str, CHECKED_BATCHES))
            checked = (f"Checked at batch sizes {sizes}: vectors differ by {self.difference:.1e} at most.",)
        return Verdict(headline=f"Written: {', '.join(map(str, self.files))}.", sentences=checked, tone="good")

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
    """Writes the encoder for other programs, reads it back and compares vectors.

    Raises UsageError for an unknown target, MissingExtra where ONNX is not installed, GateError where vectors differ.
    """
    if to not in TARGETS:
        raise UsageError(f"--to {to} is unknown; there are {', '.join(TARGETS)}.")
    folder = open_run(Path(run))
    pretrained = load_pretrained(folder.path)
    place = Path(out) if out else folder.exports
    card = place / "README.md"
    write_text(card, model_card(folder, pretrained))
    if to == "onnx":
        path = place / "encoder.onnx"
        return ExportReport(files=(path, card), target=to, difference=export_onnx(pretrained, path))
    save_pretrained(pretrained, place)
    files = tuple(place / name for name in ("config.json", "fitted.safetensors", "model.safetensors"))
    return ExportReport(files=(*files, card), target=to, difference=None)
