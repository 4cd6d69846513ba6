"""What a training will take, said before its first step."""

from __future__ import annotations

import shutil

from torch import nn

from selftaught.core.errors import RunError
from selftaught.data.findings import format_bytes
from selftaught.engine.calibrate import Plan, seconds_per_step
from selftaught.engine.job import Job

COPIES = 9
"""Bytes of a run over those of its network, at most: a checkpoint of weights, two moments and an average, the same
again while the next is written, and one more for the best weights. The head pays for the encoder handed over."""


def announce(job: Job, plan: Plan, step: nn.Module, position: int, steps_per_epoch: int) -> str:
    """Steps, time and disk that are still to come. Raises RunError where the disk is too small for the checkpoints."""
    needed = COPIES * sum(value.numel() * value.element_size() for value in step.state_dict().values())
    free = shutil.disk_usage(job.folder.path).free
    if free < needed:
        raise RunError(
            f"{job.folder.path} needs about {format_bytes(needed)} for its checkpoints; {format_bytes(free)} are free. "
            f"Free some space, or give another --out."
        )
    steps = plan.steps_at(position)
    seconds = seconds_per_step(plan, job.recipe)
    left = steps - position
    begun = f"goes on at step {position:,} of" if position else "plans"
    time = f", {seconds:.3g} s each, about {seconds * left / 60:.2g} minutes" if seconds else ""
    return (
        f"This run {begun} {steps:,} steps of {job.batch} records ({steps / steps_per_epoch:.3g} epochs){time}. "
        f"Disk: {format_bytes(job.store.size_bytes)} in the store, up to {format_bytes(needed)} in the run folder."
    )
