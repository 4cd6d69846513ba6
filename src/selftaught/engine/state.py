"""What a checkpoint holds, written atomically and read without pickle's code execution."""

from __future__ import annotations

import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from selftaught.core.errors import RunError
from selftaught.engine.calibrate import Plan
from selftaught.runs.files import read_json, write_atomically, write_json
from selftaught.runs.folder import RunFolder

FORMAT = 1


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
        "random": torch.get_rng_state(),
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
    state: dict[str, Any] = {"step": step, "optimiser": optimiser}
    try:
        rest = fabric.load(folder.checkpoint, state, weights_only=True)
    except (RuntimeError, OSError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as problem:
        raise RunError(
            f"{folder.checkpoint} is damaged or from another version ({str(problem).splitlines()[0]}). "
            f"Delete it to train this run again from the start."
        ) from problem
    if rest.get("format") != FORMAT:
        raise RunError(f"{folder.checkpoint} is of format {rest.get('format')}, this version reads {FORMAT}.")
    torch.set_rng_state(rest["random"])
    return int(rest["position"]), dict(rest["average"])


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
        products={name: tuple(sides) for name, sides in content["products"].items()},
        revisions=tuple((int(since), int(steps)) for since, steps in content["revisions"]),
    )
