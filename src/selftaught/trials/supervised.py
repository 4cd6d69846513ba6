"""The control trained from scratch: the same encoder, on the labelled records alone."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from selftaught.core.modality import Fitted
from selftaught.data.labelling import Labelling
from selftaught.engine.embedding import embed_records
from selftaught.engine.job import Job, Trained
from selftaught.engine.loop import train
from selftaught.pretexts import Supervised
from selftaught.probes.budgets import Budget, Budgets
from selftaught.probes.curve import Contestant, Predictions
from selftaught.recipe import Optimiser, Recipe, default_optimiser, read_recipe, resolve
from selftaught.runs.encoder import Pretrained, load_pretrained
from selftaught.runs.files import read_arrays, read_json, write_arrays
from selftaught.runs.folder import RunFolder, claim
from selftaught.trials.controls import feature_controls, majority, predictor_controls
from selftaught.trials.parts import Parts
from selftaught.trials.scores import SCRATCH

EPOCHS = 200
"""Passes after which a supervised control has seen its labelled records often enough; more did not help."""

HEAD = "head.safetensors"
"""Beside the encoder of the control with all labels, which other conditions are put to as well."""

RETRIES = 3
"""Times that a supervised control which diverges is trained again, at a third of the rate before."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scratch:
    """What a supervised control shares with the pretraining beside which it stands.

    recipe: resolved. plan: of the run. seconds: wall clock that it may take, at most. place: folder that keeps what
    was trained, so that it is done once.
    """

    recipe: Recipe
    fitted: Fitted
    labelling: Labelling
    plan: Mapping[str, Any]
    seconds: float
    place: Path
    quiet: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A supervised control as it was trained: its encoder, and one linear layer, weight (C, D) and bias (C,)."""

    pretrained: Pretrained
    weight: np.ndarray
    bias: np.ndarray


def supervised(
    scratch: Scratch, parts: Parts, budgets: Budgets, wanted: Sequence[int | None], draws: int
) -> Predictions | None:
    """The encoder trained from scratch on the labelled rows of some budgets; None where none can be filled.

    Same encoder; the optimiser that was chosen by hand, else the usual one; the wall clock of the pretraining or EPOCHS
    passes, whichever is less; at a third of the rate where it diverges.
    """
    found = train_from_scratch(scratch, parts, budgets, wanted, draws)
    return Predictions(correct={size: said[None].astype(bool) for size, said in found.items()}) if found else None


def train_from_scratch(
    scratch: Scratch, parts: Parts, budgets: Budgets, wanted: Sequence[int | None], draws: int
) -> dict[int | None, np.ndarray]:
    """What such trainings say of the test records, per budget (draw, record): right or not, or the numbers."""
    found = {}
    for per_class in wanted:
        chosen = budgets.at(per_class)[:draws]
        if chosen:
            found[per_class] = np.array([_train_once(scratch, parts, budget) for budget in chosen])
    return found


def gather_controls(
    encoders: Sequence[Pretrained],
    parts: Parts,
    budgets: Budgets,
    scratch: Scratch,
    wanted: Sequence[int | None],
    draws: int,
) -> dict[str, Contestant]:
    """Every control of some encoders. wanted, draws: where the supervised one is trained, and how often."""
    controls: dict[str, Contestant] = {**feature_controls(encoders, parts)}
    controls |= predictor_controls(encoders[0].modality.classical(), parts, budgets)
    controls["majority"] = majority(parts, budgets)
    control = supervised(scratch, parts, budgets, wanted, draws)
    return controls if control is None else {**controls, SCRATCH: control}


def _train_once(scratch: Scratch, parts: Parts, budget: Budget) -> np.ndarray:
    """Which test records one supervised training has right, or the numbers that it predicts for them.

    Kept in the folder, so it is done once; one that was interrupted goes on where it stopped.
    """
    rows = np.sort(parts.train[budget.rows])
    place = scratch.place / f"supervised-{budget.per_class or 'all'}-{budget.draw}"
    kind = "correct" if parts.values is None else "predicted"
    folder, done = RunFolder(place), place / f"{kind}.safetensors"
    facts = _facts(parts, rows)
    kept = budget.per_class is not None or parts.values is not None or (place / HEAD).exists()
    if done.exists() and kept and read_json(folder.data) == facts:
        return read_arrays(done)[kind]
    recipe = _recipe(scratch, len(rows))
    if not folder.data.exists() or read_json(folder.data) != facts or read_recipe(folder.recipe) != recipe:
        shutil.rmtree(place, ignore_errors=True)
    trained = _train(scratch, parts, rows, place, recipe, facts)
    for _ in range(RETRIES):
        if trained.health.state != "diverging":
            break
        shutil.rmtree(place)
        lr, matrix_lr = recipe.optimiser.lr / 3, recipe.optimiser.matrix_lr / 3
        recipe = replace(recipe, optimiser=replace(recipe.optimiser, lr=lr, matrix_lr=matrix_lr))
        trained = _train(scratch, parts, rows, place, recipe, facts)
    said = _right(trained, parts) if parts.values is None else _numbers(trained, parts, parts.values[rows])
    shutil.rmtree(place / "checkpoints", ignore_errors=True)
    if budget.per_class is None and parts.values is None:
        trained.pretrained.save_pretrained(place / "encoder")
        head = {name: value.detach().cpu().numpy() for name, value in trained.head.state_dict().items()}
        write_arrays(place / HEAD, head)
    write_arrays(done, {kind: said})
    return said


def _facts(parts: Parts, rows: np.ndarray) -> dict[str, object]:
    """What decides what a control trained on these rows says."""
    return {"rows": len(rows), "digest": parts.digest(rows)}


def load_network(scratch: Scratch, parts: Parts, budgets: Budgets) -> Network | None:
    """The supervised control with all labels, None where it was not trained on these."""
    place = scratch.place / "supervised-all-0"
    rows = np.sort(parts.train)
    if not (budgets.at(None) and (place / HEAD).exists() and read_json(RunFolder(place).data) == _facts(parts, rows)):
        return None
    head = read_arrays(place / HEAD)
    return Network(pretrained=load_pretrained(place / "encoder"), weight=head["weight"], bias=head["bias"])


def _train(
    scratch: Scratch, parts: Parts, rows: np.ndarray, place: Path, recipe: Recipe, facts: dict[str, object]
) -> Trained:
    labelling = scratch.labelling
    if parts.values is not None:  # squared error of large numbers diverges
        mean, scale = _spread(parts.values[rows])
        labelling = replace(labelling, values=(parts.values - mean) / scale)
    job = Job(
        recipe=recipe,
        store=parts.store,
        train=rows,
        labelling=labelling,
        fitted=scratch.fitted,
        folder=claim(place, recipe, facts),
        observations=0,
        quiet=scratch.quiet,
    )
    return train(job)


def _recipe(scratch: Scratch, rows: int) -> Recipe:
    base, plan, seconds = scratch.recipe, scratch.plan, scratch.seconds
    batch = min(base.batch or 256, 128, rows, max(4, 2 ** int(np.log2(max(1, rows / 2)))))
    per_record = (plan["seconds"][-1] if plan["seconds"] else seconds / max(1, plan["steps"])) / (base.batch or 256)
    affordable = seconds / max(1e-9, per_record * rows)
    modality, encoder = base.modality, base.encoder
    assert modality is not None and encoder is not None  # the recipe of a run is resolved  # noqa: PT018
    usual = default_optimiser(modality, encoder, base.objective, loaded=False)
    recipe = replace(
        base,
        pretext=Supervised(),
        optimiser=Optimiser(kind="muon") if usual == base.optimiser else base.optimiser,  # which `resolve` replaces
        positives="record",
        batch=batch,
        accumulate=1,
        minutes=None,
        steps=None,
        epochs=float(min(EPOCHS, max(1.0, affordable))),
        precision=plan["precision"],
    )
    return resolve(recipe, modality, rows)


def _outputs(trained: Trained, parts: Parts) -> torch.Tensor:
    vectors = torch.from_numpy(embed_records(trained.pretrained, parts.store, parts.test))
    with torch.inference_mode():
        return torch.as_tensor(trained.head.cpu()(vectors))


def _right(trained: Trained, parts: Parts) -> np.ndarray:
    return np.asarray(_outputs(trained, parts).argmax(1).numpy() == parts.labels[1])


def _numbers(trained: Trained, parts: Parts, known: np.ndarray) -> np.ndarray:
    """In the unit of the labels; the mean of the known ones where a training broke down."""
    mean, scale = _spread(known)
    said = mean + scale * _outputs(trained, parts)[:, 0].double().numpy()
    return np.where(np.isfinite(said), said, mean)


def _spread(values: np.ndarray) -> tuple[float, float]:
    return float(values.mean()), float(values.std()) or 1.0
