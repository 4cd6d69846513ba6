"""Devices and processes, rented from Lightning Fabric: the only place, with the loop, that knows it."""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
from torch import Tensor, nn

from selftaught.core.pretext import Gather, gather_nothing

MALLOC = {"largest mapped": (-4, 0), "trim from": (-1, 2**31 - 1), "grow by": (-2, 2**26)}
"""M_MMAP_MAX, M_TRIM_THRESHOLD and M_TOP_PAD of malloc.h."""


@cache
def keep_memory() -> None:
    """Lets the C library keep what is freed for the next step (glibc only; the process holds on to its peak).

    Otherwise every large array of every step is mapped, cleared page by page and unmapped: a quarter of a step on CPU
    (benchmarks/bench_mae.py).
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is not None:
        for option, value in MALLOC.values():
            set_option(option, value)


def open_fabric(strategy: Any = None) -> Fabric:
    """A launched Fabric: one process, or those that torchrun or SLURM started.

    strategy: "fsdp" cuts weights, gradients and the optimiser's state into one shard per process; else each has all.
    """
    keep_memory()
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", str(ranks)))
    fabric = Fabric(
        accelerator="cuda" if torch.cuda.is_available() else "cpu",
        devices=local,
        num_nodes=max(1, ranks // local),
        strategy=sharded(ranks) if strategy == "fsdp" else strategy or ("ddp" if ranks > 1 else "auto"),
    )
    fabric.launch()
    return fabric


def close_fabric(fabric: Fabric) -> None:
    """Ends the process group after all processes have come here; gloo aborts when a peer leaves early."""
    fabric.barrier()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def sharded(ranks: int) -> ModelParallelStrategy:
    """Fabric's FSDP2. The whole step is one unit, so a teacher in the head has the same shards as its encoder."""

    from torch.distributed.fsdp import fully_shard  # half a second that only this needs

    def cut(module: nn.Module, mesh: Any) -> nn.Module:
        fully_shard(module, mesh=mesh["data_parallel"], reshard_after_forward=True)
        return module

    return ModelParallelStrategy(
        cut, data_parallel_size=ranks, tensor_parallel_size=1, save_distributed_checkpoint=False
    )


def is_sharded(fabric: Fabric) -> bool:
    """Whether every process holds a shard of the weights only."""
    return isinstance(fabric.strategy, ModelParallelStrategy)


def whole(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors put together from the shards of all processes, which must all call this."""
    from torch.distributed.tensor import DTensor

    return {name: value.full_tensor() if isinstance(value, DTensor) else value for name, value in values.items()}


def gather_of(fabric: Fabric) -> Gather:
    """A differentiable gather along the first dimension, in rank order."""
    if fabric.world_size == 1:
        return gather_nothing

    def gather(values: Tensor) -> Tensor:
        with warnings.catch_warnings():
            # Fabric 2.6.6 gathers by what torch 2.15 calls old (decision 0003); it still passes gradients.
            warnings.filterwarnings("ignore", r"torch\.distributed\.nn\.functional\.all_gather", FutureWarning)
            together = cast(Tensor, fabric.all_gather(values, sync_grads=values.requires_grad))
        if together.requires_grad:
            # Under gloo torch 2.15 scatters gradients into buffers of the same strides, and jumbles permuted ones.
            together.register_hook(Tensor.contiguous)
        return together.flatten(0, 1)

    return gather
