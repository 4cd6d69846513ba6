"""pretrain: unlabelled data in, a run folder with an encoder out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from selftaught.core.errors import UsageError
from selftaught.data.labelling import Given
from selftaught.encoders.start import starter
from selftaught.engine.device import close_fabric, open_fabric
from selftaught.engine.loop import train
from selftaught.engine.prepare import DataOptions, prepare, tell
from selftaught.engine.scalars import tensorboard_scalars
from selftaught.pretexts import Supervised
from selftaught.pretrain.report import PretrainReport, make_report
from selftaught.recipe import Recipe
from selftaught.runs.files import write_json
from selftaught.runs.folder import RunFolder, check_place
from selftaught.trials.training import SMALLEST, Ended, claim_run, cut, facts_of, watched_job


def pretrain(
    data: Annotated[Any, "folder, archive, table or array of records"],
    *,
    out: Annotated[Path | str, "run folder to make, or to go on with"] = Path("runs/pretrain"),
    recipe: Recipe | None = None,
    labels: Annotated[
        Given, "`folder`, a column, or a file keyed by id; for splits and watching, trained on by `supervised` only"
    ] = None,
    group: Annotated[Given, "column or file of groups that no split may tear"] = None,
    split: Annotated[Given, "column or file of given splits, or `folder`"] = None,
    column: Annotated[str | None, "column that holds the records"] = None,
    id_column: Annotated[str | None, "column that names the records"] = None,
    start: Annotated[str | None, "run folder or state dict to start from"] = None,
    stores: Annotated[Path | str | None, "folder of decoded stores (default: beside the run folder)"] = None,
    store: Annotated[Literal["decoded", "encoded"] | None, "keep pictures decoded, or as their files' bytes"] = None,
    fewest: int = SMALLEST,
    tensorboard: Annotated[bool, "write curves for TensorBoard too, into tensorboard/ of the run folder"] = False,
    quiet: Annotated[bool, "no progress bars"] = False,
) -> PretrainReport:
    """Trains an encoder on unlabelled data and writes a run folder.

    Run again with the same arguments after an interruption, it goes on exactly where it stopped.
    Raises UsageError, DataError, StoreError or RunError, with the remedy, before training starts.
    """
    recipe, place, begin = recipe or Recipe(), Path(out), None if start is None else starter(start)
    _check(place, recipe, labels)
    options = DataOptions(labels=labels, group=group, split=split, column=column, id_column=id_column, store=store)
    stores = Path(stores or place.parent / "stores")
    say, fabric = None if quiet else tell, open_fabric()
    with fabric.rank_zero_first():  # the others find the store and the run folder made
        prepared = prepare(data, recipe.modality, stores, options, quiet=quiet, say=say)
        facts = facts_of(data, prepared, options, start)
        resolved, folder, splits = claim_run(place, recipe, prepared, cut(prepared, fewest), facts)
    if folder.complete:
        close_fabric(fabric)
        return make_report(folder, resolved, Ended.read(folder.manifest), prepared, splits)
    job = watched_job(
        resolved,
        prepared,
        folder,
        splits,
        start=begin,
        quiet=quiet,
        say=say,
        scalars=tensorboard_scalars(folder.tensorboard) if tensorboard and fabric.global_rank == 0 else None,
        fabric=fabric,
    )
    ended = Ended.of(train(job), resolved)
    report = make_report(folder, resolved, ended, prepared, splits)
    if fabric.global_rank == 0:
        _record(folder, report, ended)
    close_fabric(fabric)
    return report


def _record(folder: RunFolder, report: PretrainReport, ended: Ended) -> None:
    """The report, then the manifest, whose presence means complete."""
    report.write(folder.reports / "pretrain")
    write_json(folder.manifest, asdict(ended))


def _check(out: Path, recipe: Recipe, labels: Given) -> None:
    """What can be refused before anything is decoded."""
    if isinstance(recipe.pretext, Supervised) and labels is None:
        raise UsageError("the supervised pretext needs labels; give them with --labels NAME|FILE.")
    check_place(out)
