"""Compositions of stages, and the verbs that belong to none: demo, load, report, list, doctor, SelfTaught."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import metadata, resources
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from selftaught.compare import compare
from selftaught.core.config import from_dict, members
from selftaught.core.errors import DataError, RunError, UsageError
from selftaught.embed.generation import continue_texts
from selftaught.embed.stage import embed_array
from selftaught.encoders import AnyEncoder
from selftaught.encoders.choice import legal, reads
from selftaught.engine.prepare import DataOptions, prepare, tell
from selftaught.evaluate import evaluate
from selftaught.evaluate.report import EvaluateReport
from selftaught.export.network import plain_network
from selftaught.modalities import AnyModality, Image
from selftaught.modalities.image.views import Augmentation
from selftaught.pretexts import AnyPretext
from selftaught.pretrain import pretrain
from selftaught.pretrain.report import PretrainReport
from selftaught.recipe import Recipe, read_recipe
from selftaught.reports.blocks import Facts, Section, Table, Verdict
from selftaught.reports.report import Report
from selftaught.runs.encoder import Pretrained, load_pretrained
from selftaught.trials.training import SMALLEST

DEMO_MINUTES = 1.25
DEMO = Recipe(minutes=DEMO_MINUTES, modality=Image(augmentation=Augmentation(mirror=0.0, rotation=15.0)))
"""A digit in a mirror is another sign; a leaning one is not. Set, time and this were chosen on a validation part."""

FEWEST_ROWS = 10
"""Rows of a table that SelfTaught is fitted to, at least: eight to train on, and two held out."""

EXTRAS = {
    "timm": "timm",
    "tokenizers": "text",
    "transformers": "huggingface",
    "soundfile": "audio",
    "soxr": "audio",
    "s3fs": "remote",
    "tensorboard": "tensorboard",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "pandas": "pandas",
}


def demo(
    *,
    out: Annotated[Path | str, "run folder"] = Path("runs/demo"),
    minutes: Annotated[float, "minutes of pretraining"] = DEMO_MINUTES,
    quiet: Annotated[bool, "no progress bars"] = False,
) -> EvaluateReport:
    """Pretrains on 10,000 bundled handwritten digits, measures what it gained, and writes a report page.

    Takes under five minutes on two cores. The digits are MNIST's test part (LeCun, Cortes and Burges, CC BY-SA 3.0).
    """
    out = Path(out)
    with resources.as_file(resources.files("selftaught") / "bundled" / "digits" / "mnist.parquet") as data:
        pretrain(data, out=out, recipe=replace(DEMO, minutes=minutes), labels="label", quiet=quiet)
        report = evaluate(out, quiet=quiet)
    assert isinstance(report, EvaluateReport)  # of one run
    return report


def pretrain_best(data: Any, *, out: Path | str, recipe: Recipe | None = None, **options: Any) -> PretrainReport:
    """What `pretrain --pretext auto` does: a race for the pretext, then a training as long as the race.

    The race lies beside the run, in OUT-race, and goes on where it stopped. options: as of `pretrain`. Its answer is
    told; also where that is not to pretrain, the best candidate is trained, for that was asked for.
    """
    place = Path(f"{out}-race")
    known = ("labels", "group", "split", "column", "id_column", "start", "stores", "store", "quiet")
    shared = {name: options[name] for name in known if name in options}
    race = compare(data, out=place, recipe=recipe, **shared)
    if race.next is None:
        raise DataError(f"{race.decision.headline} What went wrong is in {race.page}.")
    if not options.get("quiet"):
        tell(f"{race.decision.headline} The race: {race.page}")
    return pretrain(data, out=out, recipe=read_recipe(place / "recipe.toml"), **options)


@dataclass(frozen=True, kw_only=True, eq=False)
class Loaded:
    """A pretrained encoder, ready for new records. folder: where it came from."""

    pretrained: Pretrained
    folder: Path | None = None

    @property
    def module(self) -> nn.Module:
        """The network."""
        return self.pretrained.encoder

    def network(self) -> nn.Module:
        """A plain network for your own loop: raw pictures (B, C, size, size), 0..255, to vectors (B, dim).

        Its weights are the encoder's and can be trained further. Raises IllegalPair for what reads no pictures.
        """
        return plain_network(self.pretrained)

    def embed(self, data: Any, *, stores: Path | str | None = None) -> np.ndarray:
        """One vector per record of any source or list of texts, (N, dim) float32, in the order of the source.

        stores: where decoded records are kept; a temporary folder by default. Raises DataError where any record cannot
        be decoded: an array cannot say which row is missing (`selftaught embed` writes ids).
        """
        place = Path(stores) if stores else Path(tempfile.mkdtemp(prefix="selftaught-"))
        try:
            source = [str(each) for each in data] if _are_texts(data) else data
            prepared = prepare(source, self.pretrained.modality, place, DataOptions(), quiet=True)
            if len(prepared.store) != len(prepared.source):
                missing = len(prepared.source) - len(prepared.store)
                raise DataError(f"{missing} records could not be decoded; use `selftaught embed`, which writes ids.")
            return embed_array(self.pretrained, prepared.store)
        finally:
            if stores is None:
                shutil.rmtree(place, ignore_errors=True)

    def generate(
        self,
        prompt: str | Sequence[str],
        *,
        tokens: int = 100,
        temperature: float = 1.0,
        best: int = 0,
        seed: int = 0,
    ) -> list[str]:
        """Every prompt with up to `tokens` more pieces, drawn one by one from what NextToken has learned.

        temperature: below 1 keeps to likely pieces; 0 takes the likeliest. best: draw among so many of the likeliest;
        0: among all. The weights are the last ones of the run. Raises UsageError for a run of another pretext or kind
        of data, RunError where its checkpoint is gone.
        """
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        return continue_texts(
            self.folder, self.pretrained, prompts, tokens, temperature=temperature, best=best, seed=seed
        )


def load(path: Path | str) -> Loaded:
    """The encoder of a run folder or of an exported folder. Raises RunError where there is none."""
    return Loaded(pretrained=load_pretrained(Path(path)), folder=Path(path))


def report(
    run: Annotated[Path | str, "run folder"],
    *,
    json: Annotated[bool, "print JSON instead of text"] = False,
    page: Annotated[bool, "print the path of the page instead of text"] = False,
) -> str:
    """Shows the newest report of a run: the evaluation where there is one, else the pretraining.

    Raises RunError where the run has no report yet.
    """
    folders = [Path(run) / "reports", Path(run) / "reports" / "pretrain"]
    found = [folder for folder in folders if (folder / "report.json").exists()]
    if not found:
        raise RunError(f"{run} has no report. Make one with: selftaught evaluate {run}")
    if page:
        return str((found[0] / "report.html").absolute())
    return (found[0] / ("report.json" if json else "report.txt")).read_text(encoding="utf-8").rstrip()


@dataclass(frozen=True, kw_only=True)
class Parts(Report):
    """The legal combinations, computed. tables: one a modality; rows: pretext, then one cell per encoder."""

    tables: tuple[Table, ...]

    @property
    def title(self) -> str:
        """The heading."""
        return "Parts and their legal combinations"

    def verdict(self) -> Verdict:
        """How many there are."""
        cells = [cell for table in self.tables for row in table.rows for cell in row[1:]]
        return Verdict(headline=f"{cells.count('yes')} of {len(cells)} combinations are legal.")

    def sections(self) -> tuple[Section, ...]:
        """The matrix; a cell that is not yes says what is missing."""
        note = "Each kind of data is shown with the encoders that read its layout; no other goes with it."
        return (Section(title="Pretexts by modality and encoder", blocks=self.tables, note=note),)


def list_parts() -> Parts:
    """Lists pretexts, modalities and encoders, and which of them go together."""
    tables = []
    for modality in members(AnyModality).values():
        fitting = [each for each in members(AnyEncoder).values() if reads(each, modality)]
        rows = []
        for pretext in members(AnyPretext).values():
            lacking = [legal(pretext, modality, each) for each in fitting]
            rows.append((pretext.__name__, *(f"needs {each}" if each else "yes" for each in lacking)))
        columns = ("pretext", *(each.__name__ for each in fitting))
        tables.append(Table(title=modality.__name__, columns=columns, rows=tuple(rows)))
    return Parts(tables=tuple(tables))


@dataclass(frozen=True, kw_only=True)
class Doctor(Report):
    """What this machine and installation can do."""

    rows: tuple[tuple[str, str, str], ...]
    problems: tuple[str, ...]

    @property
    def title(self) -> str:
        """The heading."""
        return "Environment"

    def verdict(self) -> Verdict:
        """Whether anything stands in the way."""
        if self.problems:
            return Verdict(headline="Something needs attention.", sentences=self.problems, tone="warning")
        return Verdict(headline="Everything that is needed is here.", tone="good")

    def sections(self) -> tuple[Section, ...]:
        """The facts."""
        return (Section(title="Facts", blocks=(Facts(rows=self.rows),)),)


def doctor() -> Doctor:
    """Says which versions, processors and extras are here, and how to install what is not."""
    known = torch.cpu.get_capabilities()
    fast = [name for name in ("avx2", "avx512_f", "avx512_bf16", "amx_bf16") if known.get(name)]
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    browser = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)
    rows = [
        ("selftaught", metadata.version("selftaught"), ""),
        ("python", platform.python_version(), ""),
        ("torch", torch.__version__, ""),
        ("processor", f"{os.cpu_count()} cores, {', '.join(fast) or 'no vector extensions known'}", ""),
        ("gpu", torch.cuda.get_device_name() if torch.cuda.is_available() else "none", ""),
        ("free disk here", f"{free:.1f}", "GiB"),
        ("browser for page tests", browser or "none (apt-get install chromium)", ""),
    ]
    for package, extra in EXTRAS.items():
        try:
            rows.append((package, metadata.version(package), ""))
        except metadata.PackageNotFoundError:
            rows.append((package, f"not installed (pip install 'selftaught[{extra}]')", ""))
    problems = [] if free > 2 else [f"Only {free:.1f} GiB are free on this disk; stores and runs need room."]
    return Doctor(rows=tuple(rows), problems=tuple(problems))


class SelfTaught(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A scikit-learn transformer: `fit` pretrains on records in memory, `transform` gives their vectors.

    minutes: of pretraining; steps: instead of minutes. pretext, size, seed: as in Recipe. modality: the kind of data by
    name, or with its options as in Recipe; None reads a 2-D array or frame as a table, texts as text, and recognises
    other arrays. folder: where the run is kept; a temporary one, removed after fitting, by default.

    X is a 2-D array (a row a record, NaN where a cell is missing), a pandas frame, a list of texts, or pictures
    (N, H, W), (N, H, W, C) or (N, C, H, W), uint8, uint16 or float32. Rows are checked as scikit-learn does, and what
    cannot be learned from is a ValueError; they are trained in fp32, so that with `steps` a seed repeats them exactly.
    """

    def __init__(
        self,
        *,
        minutes: float = 2.0,
        steps: int | None = None,
        pretext: str = "simclr",
        size: str = "s",
        seed: int = 0,
        modality: AnyModality | str | None = None,
        folder: str | Path | None = None,
    ) -> None:
        self.minutes = minutes
        self.steps = steps
        self.pretext = pretext
        self.size = size
        self.seed = seed
        self.modality = modality
        self.folder = folder

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn may expect of this estimator."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def fit(self, X: Any, y: Any = None) -> SelfTaught:
        """Pretrains; `y` is ignored. Raises UsageError or DataError as `pretrain` does, ValueError for rows."""
        asked = self.modality
        named = asked.lower() if isinstance(asked, str) else getattr(asked, "name", None)
        rows = named in (None, "table") and _are_rows(X)
        checked = self._checked(X, reset=True) if rows else X
        budget: dict[str, Any] = {"minutes": self.minutes} if self.steps is None else {"steps": self.steps}
        kind = asked if asked is not None else "table" if rows else "text" if _are_texts(X) else None
        content = {"pretext": self.pretext, "size": self.size, "seed": self.seed, "modality": kind, **budget}
        recipe = from_dict(Recipe, {**content, "precision": "fp32"} if rows else content, "SelfTaught")
        place = Path(self.folder) if self.folder else Path(tempfile.mkdtemp(prefix="selftaught-"))
        try:
            data = [str(each) for each in X] if _are_texts(X) else checked
            fewest = FEWEST_ROWS // 2 if rows else SMALLEST
            self.report_ = pretrain(data, out=place / "run", recipe=recipe, quiet=True, fewest=fewest)
            self.loaded_ = load(place / "run")
        except DataError as problem:
            if rows:
                raise ValueError(str(problem)) from problem
            raise
        finally:
            if self.folder is None:
                shutil.rmtree(place, ignore_errors=True)
        self._n_features_out = self.loaded_.pretrained.encoder.dim
        self._rows = rows
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Vectors (N, dim), float32."""
        check_is_fitted(self)
        if isinstance(X, (str, Path)):
            raise UsageError("SelfTaught.transform takes arrays; for files use selftaught.load(run).embed(path).")
        return self.loaded_.embed(self._checked(X, reset=False) if self._rows else X)

    def _checked(self, X: Any, reset: bool) -> Any:
        """Rows as scikit-learn checks them; a frame with other columns than numbers stays as it is."""
        plain = not _is_frame(X) or all(dtype.kind in "biuf" for dtype in X.dtypes)
        limits = {"ensure_all_finite": "allow-nan", "ensure_min_samples": FEWEST_ROWS if reset else 1}
        return validate_data(self, X, reset=reset, skip_check_array=not plain, **limits)


def _is_frame(X: Any) -> bool:
    return type(X).__module__.split(".")[0] == "pandas" and type(X).__name__ == "DataFrame"


def _are_texts(X: Any) -> bool:
    flat = isinstance(X, (list, tuple)) or (isinstance(X, np.ndarray) and X.ndim == 1)
    return flat and len(X) > 0 and all(isinstance(each, str) for each in X)


def _are_rows(X: Any) -> bool:
    """Whether something is, or should be, a row of cells per record: all but paths, texts and larger arrays."""
    if isinstance(X, (str, Path)) or _are_texts(X):
        return False
    if isinstance(X, (np.ndarray, torch.Tensor)):
        return X.ndim < 3
    arrays = isinstance(X, (list, tuple)) and len(X) > 0 and isinstance(X[0], (np.ndarray, torch.Tensor))
    return not (arrays and X[0].ndim > 1)
