"""What an evaluation had right, kept beside its report, so that a later one can be compared record by record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from selftaught.core.config import fingerprint
from selftaught.core.errors import RunError
from selftaught.probes.budgets import Budgets
from selftaught.probes.curve import Curve, Predictions
from selftaught.probes.protocol import PROTOCOL
from selftaught.runs.files import read_arrays, read_json, write_arrays, write_json
from selftaught.trials.parts import Parts
from selftaught.trials.scores import BASELINE

OUTCOMES = "outcomes.safetensors"
TOLD = "outcomes.json"
SAME = {
    "protocol": "the protocol of its probes",
    "data": "its data",
    "test": "its test records or their labels",
    "labelled": "the labelled records that its probes learned from (budgets, draws, labels or groups)",
}
"""What must be equal for two evaluations to be compared, in the words of the error."""


def conditions_of(parts: Parts, budgets: Budgets) -> dict[str, str]:
    """What a comparison rests on: protocol, data, test records, and the labelled sets of every budget."""
    sets = [(each.per_class, each.draw, parts.train[each.rows].tolist()) for each in budgets.sets]
    known, asked = (part.tolist() for part in parts.labels)
    return {
        "protocol": PROTOCOL,
        "data": parts.source,
        "test": fingerprint([parts.test.tolist(), asked]),
        "labelled": fingerprint([sets, known]),
    }


def save_outcomes(place: Path, curve: Curve, name: str, conditions: Mapping[str, str]) -> None:
    """Writes which test records the encoder had right, by budget, seed and draw."""
    own = [point.outcome for point in curve.points if point.name == curve.encoder]
    shapes = {str(each.per_class or "all"): list(each.correct.shape) for each in own}
    write_arrays(place / OUTCOMES, {str(each.per_class or "all"): np.packbits(each.correct) for each in own})
    write_json(place / TOLD, {**conditions, "name": name, "shapes": shapes})


def load_baseline(given: Path | str, conditions: Mapping[str, str]) -> tuple[str, Predictions]:
    """The encoder of an earlier evaluation as a contestant, with its name.

    given: a folder of reports, or a file in it. Raises RunError where there is none, or where it was made under other
    conditions.
    """
    folder = Path(given)
    folder = folder if folder.is_dir() else folder.parent
    if not (folder / TOLD).exists():
        raise RunError(f"--baseline {given} holds no outcomes of an evaluation: {TOLD} is missing beside the report.")
    told: dict[str, Any] = read_json(folder / TOLD)
    other = [words for key, words in SAME.items() if told.get(key) != conditions[key]]
    if other:
        more = f" ({told.get('protocol')}, now {PROTOCOL})" if told.get("protocol") != PROTOCOL else ""
        raise RunError(
            f"--baseline {given} cannot be compared: {' and '.join(other)} differ{more}. Evaluate that run again with "
            f"the same options."
        )
    packed = read_arrays(folder / OUTCOMES)
    correct: dict[int | None, np.ndarray] = {}
    for size, shape in told["shapes"].items():
        flat = np.unpackbits(packed[size], count=int(np.prod(shape)))
        correct[None if size == "all" else int(size)] = flat.reshape(shape).astype(bool)
    return f"{BASELINE}, {told['name']}", Predictions(correct=correct)
