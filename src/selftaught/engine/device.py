"""Devices and processes, rented from Lightning Fabric: the only place, with the loop, that knows it."""

from __future__ import annotations

import os
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from selftaught.core.pretext import Gather, gather_nothing


def open_fabric(strategy: Any = None) -> Fabric:
    """A launched Fabric: one process, or those that torchrun or SLURM started."""
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", str(ranks)))
    fabric = Fabric(
        accelerator="cuda" if torch.cuda.is_available() else "cpu",
        devices=local,
        num_nodes=max(1, ranks // local),
        strategy=strategy or ("ddp" if ranks > 1 else "auto"),
    )
    fabric.launch()
    return fabric


def gather_of(fabric: Fabric) -> Gather:
    """A differentiable gather along the first dimension, in rank order."""
    if fabric.world_size == 1:
        return gather_nothing

    def gather(values: Tensor) -> Tensor:
        together = cast(Tensor, fabric.all_gather(values, sync_grads=values.requires_grad))
        return together.flatten(0, 1)

    return gather
