"""pretrain: unlabelled data in, a run folder with an encoder out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from selftaught.core.encoder import Encoder
from selftaught.core.errors import DataError, UsageError
from selftaught.data.labelling import Given
from selftaught.data.splits import Splits, load_splits, make_splits, save_splits
from selftaught.engine.device import open_fabric
from selftaught.engine.job import Job
from selftaught.engine.loop import train
from selftaught.engine.prepare import DataOptions, fit_modality, prepare
from selftaught.engine.start import starter
from selftaught.pretexts import Supervised
from selftaught.pretrain.report import PretrainReport, make_report
from selftaught.pretrain.watch import watch
from selftaught.recipe import Recipe, resolve
from selftaught.runs.files import write_json
from selftaught.runs.folder import RunFolder, claim

SMALLEST = 16
"""Fewer training records than this cannot be told apart from noise by any probe."""

SPLIT_SEED = 0
"""Splits do not follow the recipe's seed: runs of several seeds must share them, or their scores cannot be compared."""


def pretrain(
    data: Annotated[Any, "folder, archive, table or array of records"],
    *,
    out: Annotated[Path, "run folder to make, or to go on with"] = Path("runs/pretrain"),
    recipe: Recipe | None = None,
    labels: Annotated[
        Given, "`folder`, a column, or a file keyed by id; only watched and split by, never trained on"
    ] = None,
    group: Annotated[Given, "column or file of groups that no split may tear"] = None,
    split: Annotated[Given, "column or file of given splits, or `folder`"] = None,
    column: Annotated[str | None, "column that holds the records"] = None,
    id_column: Annotated[str | None, "column that names the records"] = None,
    start: Annotated[str | None, "run folder or state dict to start from"] = None,
    stores: Annotated[Path | None, "folder of decoded stores (default: beside the run folder)"] = None,
    encoder: Encoder | None = None,
    quiet: Annotated[bool, "no progress bars"] = False,
) -> PretrainReport:
    """Trains an encoder on unlabelled data and writes a run folder.

    Run again with the same arguments after an interruption, it goes on exactly where it stopped.
    Raises UsageError, DataError, StoreError or RunError, with the remedy, before training starts.
    """
    recipe = recipe or Recipe()
    if isinstance(recipe.pretext, Supervised) and labels is None:
        raise UsageError("the supervised pretext needs labels; give them with --labels NAME|FILE.")
    out = Path(out)
    options = DataOptions(labels=labels, group=group, split=split, column=column, id_column=id_column)
    prepared = prepare(data, recipe.modality, Path(stores or out.parent / "stores"), options, quiet=quiet)
    fabric = open_fabric()
    facts = {
        "data": str(Path(data).absolute()) if isinstance(data, (str, Path)) else None,
        "kind": prepared.source.kind,
        "source": prepared.source.fingerprint,
        "store": str(prepared.store.folder.absolute()),
        "records": len(prepared.store),
        "options": dict(options.stated()),
        "start": start,
    }
    splits = make_splits(prepared.store, prepared.labelling, seed=SPLIT_SEED)
    if len(splits.train) < SMALLEST:
        raise DataError(
            f"There are {len(splits.train)} training records ({len(prepared.store)} in all); pretraining needs "
            f"{SMALLEST} or more. Give more data."
        )
    resolved = resolve(recipe, prepared.modality, len(splits.train))
    folder = claim(out, resolved, facts)
    splits = _keep_splits(folder, splits)
    fitted = fit_modality(prepared.modality, prepared.store, splits.train)
    job = Job(
        recipe=resolved,
        store=prepared.store,
        train=splits.train,
        labelling=prepared.labelling,
        fitted=fitted,
        folder=folder,
        start=None if start is None else starter(start),
        encoder=encoder,
        observe=watch(prepared.store, splits.train, splits.validation, prepared.labelling),
        quiet=quiet,
        fabric=fabric,
    )
    trained = train(job)
    findings = (*prepared.findings, *splits.findings)
    report = make_report(folder, resolved, trained, prepared, splits, findings)
    if fabric.global_rank == 0:
        report.write(folder.reports / "pretrain")
        write_json(folder.manifest, {"recipe": resolved.hash, "health": trained.health.state, "kept": trained.kept})
    return report


def _keep_splits(folder: RunFolder, splits: Splits) -> Splits:
    """The run's splits: those it began with, else these, recorded."""
    if folder.splits.exists():
        return load_splits(folder.splits)
    save_splits(splits, folder.splits)
    return splits
