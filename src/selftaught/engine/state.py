"""What a checkpoint holds, written atomically and read without pickle's code execution."""

from __future__ import annotations

import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import Tensor, nn

from selftaught.core.errors import RunError
from selftaught.engine.calibrate import Plan
from selftaught.runs.files import read_json, write_atomically, write_json
from selftaught.runs.folder import RunFolder

FORMAT = 1
DAMAGE = (RuntimeError, OSError, EOFError, KeyError, ValueError, TypeError, AttributeError, pickle.UnpicklingError)
"""What reading a truncated file, another kind of file or other contents raises."""


def save_checkpoint(
    fabric: Fabric, folder: RunFolder, step: nn.Module, optimiser: Any, average: dict[str, Tensor], position: int
) -> None:
    """Everything that going on exactly needs; the old checkpoint stays until the new one is complete."""
    state = {
        "format": FORMAT,
        "position": position,
        "step": step,
        "optimiser": optimiser,
        "average": average,
    }
    if fabric.global_rank == 0:
        write_atomically(folder.checkpoint, lambda path: fabric.save(path, state))
    else:
        fabric.save(folder.checkpoint, state)
    fabric.barrier()


def load_checkpoint(
    fabric: Fabric, folder: RunFolder, step: nn.Module, optimiser: Any
) -> tuple[int, dict[str, Tensor]]:
    """(position, averaged weights) after filling step and optimiser. Raises RunError where the file is damaged."""
    state: dict[str, Any] = {"step": step, "optimiser": optimiser, "format": None, "position": 0, "average": {}}
    remedy = "Delete it to train this run again from the start."
    try:
        fabric.load(folder.checkpoint, state, weights_only=True)
    except DAMAGE as problem:
        why = (str(problem).splitlines() or [type(problem).__name__])[0]
        raise RunError(f"{folder.checkpoint} is damaged or from another version ({why}). {remedy}") from problem
    if state["format"] != FORMAT:
        raise RunError(f"{folder.checkpoint} is of format {state['format']}, and this version reads {FORMAT}. {remedy}")
    return int(state["position"]), dict(state["average"])


def save_plan(path: Path, plan: Plan) -> None:
    """The plan, before step 1."""
    write_json(path, asdict(plan))


def read_plan(path: Path) -> Plan:
    """The plan of a run that has begun."""
    content = read_json(path)
    return Plan(
        steps=int(content["steps"]),
        precision=str(content["precision"]),
        seconds=tuple(content["seconds"]),
        budget=float(content["budget"]),
        products={name: tuple(sides) for name, sides in content["products"].items()},
        revisions=tuple((int(since), int(steps)) for since, steps in content["revisions"]),
        most=int(content["most"]),
    )
