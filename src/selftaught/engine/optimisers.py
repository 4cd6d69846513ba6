"""AdamW and Muon behind one list of parameter groups, and the schedule of their rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.adamw import adamw

from selftaught.core.encoder import Encoder
from selftaught.core.pretext import Pretext
from selftaught.recipe import Optimiser


def rate_at(optimiser: Optimiser, progress: float) -> float:
    """Fraction of the peak rate: linear warm-up, then a half cosine down to `final` (Loshchilov 2017, eq. 5)."""
    if progress < optimiser.warmup:
        return max(progress, 1e-3) / optimiser.warmup
    done = (progress - optimiser.warmup) / max(1e-9, 1 - optimiser.warmup)
    return optimiser.final + (1 - optimiser.final) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def build_optimiser(config: Optimiser, encoder: Encoder, head: nn.Module, pretext: Pretext) -> torch.optim.Optimizer:
    """One optimiser over all trainable parameters; each group knows its peak rate and whether the schedule applies.

    Tables, whose rows are entries of a vocabulary, are no matrices: AdamW moves them, without decay.
    """
    groups: list[dict[str, Any]] = []
    own = pretext.param_groups(head)
    modules = [*encoder.modules(), *head.modules()]
    tables = {id(part) for module in modules if isinstance(module, nn.Embedding) for part in module.parameters()}
    tables |= {id(part) for group in own if group.table for part in group.parameters}
    sources = [(tuple(encoder.parameters()), 1.0, False)]
    sources += [(group.parameters, group.rate, group.fixed) for group in own]
    for parameters, rate, fixed in sources:
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        matrices = [parameter for parameter in trained if parameter.ndim >= 2 and id(parameter) not in tables]
        vectors = [parameter for parameter in trained if parameter.ndim < 2 or id(parameter) in tables]
        muon = config.kind == "muon"
        peak = (config.matrix_lr if muon else config.lr) * rate
        groups.append(_group(matrices, peak, config.weight_decay, muon, fixed))
        groups.append(_group(vectors, config.lr * rate, 0.0, False, fixed))
    kept = [group for group in groups if group["params"]]
    return Mixed(kept, betas=config.betas, momentum=config.momentum)


def _group(parameters: list[nn.Parameter], peak: float, decay: float, muon: bool, fixed: bool) -> dict[str, Any]:
    return {"params": parameters, "lr": peak, "peak": peak, "weight_decay": decay, "muon": muon, "fixed": fixed}


def set_rates(optimiser: torch.optim.Optimizer, fraction: float) -> None:
    """Every group's rate at this fraction of its peak."""
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * (1.0 if group["fixed"] else fraction)


class Mixed(torch.optim.Optimizer):
    """AdamW (Loshchilov 2019, algorithm 2) for groups with muon=False, Muon for the others.

    Muon (Jordan 2024) replaces a matrix's momentum by its nearest orthogonal one; weights are brought to Frobenius norm
    sqrt(rows) before each step, so that the rate is relative. Convolutions count as (out, in * kernel) matrices.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], betas: tuple[float, float], momentum: float) -> None:
        super().__init__(groups, {"lr": 1e-3, "betas": betas, "momentum": momentum, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            live = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not live:
                continue
            if group["muon"]:
                for parameter in live:
                    self._muon(parameter, group)
            else:
                self._adamw(live, group)

    def _adamw(self, live: list[Tensor], group: dict[str, Any]) -> None:
        for parameter in live:
            if not self.state[parameter]:
                self.state[parameter] = {
                    "step": torch.zeros((), device=parameter.device),
                    "first": torch.zeros_like(parameter),
                    "second": torch.zeros_like(parameter),
                }
        states = [self.state[parameter] for parameter in live]
        low, high = group["betas"]
        adamw(
            live,
            [parameter.grad for parameter in live if parameter.grad is not None],
            [state["first"] for state in states],
            [state["second"] for state in states],
            [],
            [state["step"] for state in states],
            fused=live[0].device.type in ("cpu", "cuda"),  # one pass over memory where eight operations take as many
            lr=group["lr"],
            beta1=low,
            beta2=high,
            weight_decay=group["weight_decay"],
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )

    def _muon(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        gradient = parameter.grad
        assert gradient is not None  # the caller keeps only parameters with one
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        average = state["momentum"]
        average.mul_(group["momentum"]).add_(gradient)
        direction = orthogonalise(gradient.add(average, alpha=group["momentum"]).flatten(1)).view_as(parameter)
        rows, columns = parameter.shape[0], parameter[0].numel()
        parameter.mul_(math.sqrt(rows) / parameter.norm().clamp(min=1e-7))
        parameter.add_(direction, alpha=-group["lr"] * math.sqrt(max(1.0, rows / columns)))


def orthogonalise(matrix: Float[Tensor, "n m"], iterations: int = 4) -> Float[Tensor, "n m"]:
    """The nearest semi-orthogonal matrix, roughly: quintic Newton-Schulz in bf16 (Jordan 2024)."""
    x = matrix.to(torch.bfloat16)
    x = x / (x.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(iterations):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    straight: Tensor = x.T if tall else x
    return straight.to(matrix.dtype)
