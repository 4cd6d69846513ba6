"""The controls beside every score: majority, untrained twin, classical features and predictors, supervised."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from selftaught.core.config import fingerprint
from selftaught.core.modality import Classical, Predictor
from selftaught.data.labelling import Labelling
from selftaught.engine.embedding import embed_records, untrained_twin
from selftaught.engine.job import Job, Trained
from selftaught.engine.loop import train
from selftaught.evaluate.scores import TWIN
from selftaught.evaluate.subject import Subject
from selftaught.pretexts import Supervised
from selftaught.probes.budgets import Budget, Budgets
from selftaught.probes.curve import Contestant, FeatureSet, Predictions
from selftaught.probes.protocol import inner_folds
from selftaught.recipe import Optimiser, Recipe, default_optimiser, read_recipe, resolve
from selftaught.runs.files import read_arrays, read_json, write_arrays
from selftaught.runs.folder import RunFolder, claim

TWINS = 3
EPOCHS = 200
"""Passes after which a supervised control has seen its labelled records often enough; more did not help."""


RETRIES = 3
"""Times that a supervised control which diverges is trained again, at a third of the rate before."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """Labelled records of the training, validation and test parts, and their class codes."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    codes: np.ndarray

    @property
    def labels(self) -> tuple[np.ndarray, np.ndarray]:
        """Codes of the training and of the test records."""
        return self.codes[self.train], self.codes[self.test]


def feature_controls(subject: Subject, parts: Parts) -> dict[str, Contestant]:
    """Untrained twins (as many seeds as runs, three at least) and every classical feature set of the modality."""
    first = subject.encoders[0]
    seeds = max(TWINS, len(subject.encoders))
    twins = [untrained_twin(first, 1000 + seed) for seed in range(seeds)]
    controls: dict[str, Contestant] = {
        TWIN: [
            (embed_records(twin, subject.store, parts.train), embed_records(twin, subject.store, parts.test))
            for twin in twins
        ]
    }
    known, asked = subject.store.rows(parts.train), subject.store.rows(parts.test)
    for classical in first.modality.classical():
        if isinstance(classical, Classical):
            controls[classical.name] = [classical.features(known, asked)]
    return controls


def predictor_controls(
    subject: Subject, parts: Parts, budgets: Budgets, groups: np.ndarray | None
) -> dict[str, Contestant]:
    """Every whole predictor of the modality, fitted anew on each labelled set; groups: of the training records."""
    own = [each for each in subject.encoders[0].modality.classical() if isinstance(each, Predictor)]
    return {each.name: _run_predictor(each, subject, parts, budgets, groups) for each in own}


def _run_predictor(
    predictor: Predictor, subject: Subject, parts: Parts, budgets: Budgets, groups: np.ndarray | None
) -> Predictions:
    """Which test records it has right; its inner accuracy is over the same folds as that of the probes."""
    labels, truth = parts.labels

    def right(known: np.ndarray, asked: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        rows, other = subject.store.rows(parts.train[known]), subject.store.rows(asked)
        return np.asarray(predictor.predict(rows, labels[known], other) == wanted)

    correct: dict[int | None, np.ndarray] = {}
    inner: dict[int | None, float] = {}
    for per_class in dict.fromkeys(budget.per_class for budget in budgets.sets):
        draws = budgets.at(per_class)
        correct[per_class] = np.array([[right(budget.rows, parts.test, truth) for budget in draws]])
        held = [
            [right(kept, parts.train[rest], labels[rest]) for kept, rest in inner_folds(labels, budget, groups, 0)]
            for budget in draws
        ]
        shares = [float(np.concatenate(folds).mean()) for folds in held if folds]
        if shares:
            inner[per_class] = float(np.mean(shares))
    return Predictions(correct=correct, inner_accuracy=inner)


def encoder_features(subject: Subject, parts: Parts) -> list[FeatureSet]:
    """The runs' own features of training and test records, one pair per run."""
    return [
        (embed_records(each, subject.store, parts.train), embed_records(each, subject.store, parts.test))
        for each in subject.encoders
    ]


def majority(parts: Parts, budgets: Budgets) -> Predictions:
    """Always the class most frequent among the labelled rows; balanced budgets tie, and the first class wins."""
    correct: dict[int | None, np.ndarray] = {}
    train_codes, test_codes = parts.labels
    for per_class in dict.fromkeys(budget.per_class for budget in budgets.sets):
        rows = [test_codes == np.bincount(train_codes[budget.rows]).argmax() for budget in budgets.at(per_class)]
        correct[per_class] = np.array(rows)[None]
    return Predictions(correct=correct)


def supervised(
    subject: Subject,
    parts: Parts,
    budgets: Budgets,
    wanted: Sequence[int | None],
    draws: int,
    seconds: float,
    quiet: bool,
) -> Predictions | None:
    """The encoder of the first run trained from scratch on the labelled rows of some budgets.

    Same encoder; the optimiser that was chosen by hand, else the usual one; the wall clock of the pretraining
    (`seconds`) or EPOCHS passes, whichever is less; at a third of the rate where it diverges. Its accuracy on the
    validation part stands for the inner accuracy of the other controls.
    """
    correct: dict[int | None, np.ndarray] = {}
    inner: dict[int | None, float] = {}
    for per_class in wanted:
        chosen = budgets.at(per_class)[:draws]
        if not chosen:
            continue
        runs = [_train_once(subject, parts, budget, seconds, quiet) for budget in chosen]
        correct[per_class] = np.array([[run["correct"] for run in runs]]).astype(bool)
        inner[per_class] = float(np.mean([run["validation"].mean() for run in runs]))
    return Predictions(correct=correct, inner_accuracy=inner) if correct else None


def _train_once(
    subject: Subject, parts: Parts, budget: Budget, seconds: float, quiet: bool
) -> Mapping[str, np.ndarray]:
    """Which test and validation records one supervised training has right.

    Kept in the run folder, so it is done once; one that was interrupted goes on where it stopped.
    """
    rows = np.sort(parts.train[budget.rows])
    place = subject.runs[0].path / "controls" / f"supervised-{budget.per_class or 'all'}-{budget.draw}"
    folder, done = RunFolder(place), place / "correct.safetensors"
    facts = {"rows": len(rows), "digest": _digest(subject, parts, rows)}
    if done.exists() and read_json(folder.data) == facts:
        return read_arrays(done)
    recipe = _recipe(subject, len(rows), seconds)
    if not folder.data.exists() or read_json(folder.data) != facts or read_recipe(folder.recipe) != recipe:
        shutil.rmtree(place, ignore_errors=True)
    trained = _train(subject, rows, place, recipe, facts, quiet)
    for _ in range(RETRIES):
        if trained.health.state != "diverging":
            break
        shutil.rmtree(place)
        lr, matrix_lr = recipe.optimiser.lr / 3, recipe.optimiser.matrix_lr / 3
        recipe = replace(recipe, optimiser=replace(recipe.optimiser, lr=lr, matrix_lr=matrix_lr))
        trained = _train(subject, rows, place, recipe, facts, quiet)
    found = {
        "correct": _right(trained, subject, parts, parts.test),
        "validation": _right(trained, subject, parts, parts.validation),
    }
    shutil.rmtree(place / "checkpoints", ignore_errors=True)
    write_arrays(done, found)
    return found


def _train(
    subject: Subject, rows: np.ndarray, place: Path, recipe: Recipe, facts: dict[str, object], quiet: bool
) -> Trained:
    job = Job(
        recipe=recipe,
        store=subject.store,
        train=rows,
        labelling=subject.labelling,
        fitted=subject.encoders[0].fitted,
        folder=claim(place, recipe, facts),
        observations=0,
        quiet=quiet,
    )
    return train(job)


def _digest(subject: Subject, parts: Parts, rows: np.ndarray) -> str:
    """Of all that decides what a supervised control has right: the data, its rows, their labels, what is asked."""
    codes = [parts.codes[part].tolist() for part in (rows, parts.validation, parts.test)]
    return fingerprint([subject.prepared.source.fingerprint, rows.tolist(), parts.test.tolist(), codes])


def _recipe(subject: Subject, rows: int, seconds: float) -> Recipe:
    base = subject.recipes[0]
    batch = min(base.batch or 256, 128, rows, max(4, 2 ** int(np.log2(max(1, rows / 2)))))
    plan = read_json(subject.runs[0].plan)
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


@torch.inference_mode()
def _right(trained: Trained, subject: Subject, parts: Parts, indices: np.ndarray) -> np.ndarray:
    vectors = torch.from_numpy(embed_records(trained.pretrained, subject.store, indices))
    predicted = trained.head.cpu()(vectors).argmax(1).numpy()
    return np.asarray(predicted == parts.codes[indices])


def labelled_parts(subject: Subject, labelling: Labelling) -> Parts:
    """The labelled records of every part. A class of one record is left out: it cannot be both trained and tested."""
    assert labelling.codes is not None  # the caller checked the task
    codes = labelling.codes.copy()
    counts = np.bincount(codes[codes >= 0], minlength=len(labelling.classes))
    codes[(codes >= 0) & (counts[codes] < 2)] = -1
    train, validation, test = (
        part[codes[part] >= 0] for part in (subject.splits.train, subject.splits.validation, subject.splits.test)
    )
    return Parts(train=train, validation=validation, test=test, codes=codes)
