"""Choices made by timing on the machine at hand: arithmetic, convolution kernels, and how many steps fit the minutes.

Everything chosen is kept in the run's plan and never timed again, so that a resumed run repeats the first one.
"""

from __future__ import annotations

import copy
import itertools
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from selftaught.core.batch import Batch
from selftaught.core.pretext import Clock, gather_nothing
from selftaught.core.rng import Rng
from selftaught.encoders.products import SpatialConv
from selftaught.engine.optimisers import build_optimiser
from selftaught.engine.step import Step, Work
from selftaught.recipe import Recipe

Stages = Sequence[tuple[float, float]]
"""(view size, until this progress) pairs, as in `Recipe.stages`."""
MakeViews = Callable[[float], Sequence[Batch]]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was decided by timing. seconds: of one step per stage of the resolution schedule; budget: seconds for all
    steps, 0 where their number was given; products: map sides at which a layer runs as a matrix product; revisions:
    (position, steps) where the machine changed its pace, so that a resumed run goes the same way; most: steps that no
    revision goes beyond, 0 where there is no such limit."""

    steps: int
    precision: str
    seconds: tuple[float, ...] = ()
    budget: float = 0.0
    products: dict[str, tuple[int, ...]] = field(default_factory=dict)
    revisions: tuple[tuple[int, int], ...] = ()
    most: int = 0

    def steps_at(self, position: int) -> int:
        """The number of steps that was planned when training stood at this position."""
        known = [steps for since, steps in self.revisions if since <= position]
        return known[-1] if known else self.steps


def make_plan(step: Step, recipe: Recipe, make_views: MakeViews, steps_per_epoch: int, untimed: bool = False) -> Plan:
    """Times a few steps of a copy of the model and turns the budget into steps; what timing costs is taken off it.

    A number of steps in fp32 leaves nothing to choose: kernels then stay plain, and `untimed` skips the clock.
    """
    began = time.perf_counter()
    stages = recipe.stages
    fixed = recipe.steps or (max(1, round(recipe.epochs * steps_per_epoch)) if recipe.epochs is not None else None)
    plain = fixed is not None and recipe.precision == "fp32"
    if fixed is not None and plain and untimed:
        return Plan(steps=fixed, precision="fp32")
    trial = copy.deepcopy(step)
    largest = make_views(max(size for size, _ in stages))
    precision = choose_precision(trial, largest) if recipe.precision == "auto" else recipe.precision
    products = {} if plain else choose_products(trial, [make_views(size) for size, _ in stages], precision)
    apply_products(trial, products)
    optimiser = build_optimiser(recipe.optimiser, trial.encoder, trial.head, trial.pretext)
    seconds = [time_whole(trial, optimiser, make_views, size, precision) for size, _ in stages]
    plan = Plan(steps=fixed or 1, precision=precision, seconds=tuple(seconds), products=products)
    if fixed is not None:
        return plan
    budget = 60 * (recipe.minutes or 0.0)
    # Timing on a busy machine may take long; it must not eat the training.
    budget = 0.97 * (budget - min(time.perf_counter() - began, 0.2 * budget))
    steps, most = int(budget / seconds_per_step(plan, recipe)), round((recipe.passes or 0) * steps_per_epoch)
    return replace(plan, budget=budget, most=most, steps=max(1, min(steps, most) if most else steps))


def seconds_per_step(plan: Plan, recipe: Recipe) -> float:
    """The mean over the stages of the resolution schedule; 0 where nothing was timed."""
    return seconds_between(plan, recipe.stages, 1, 0, 1) if plan.seconds else 0.0


def choose_precision(step: Step, views: Sequence[Batch]) -> str:
    """The faster arithmetic of a forward and backward."""
    return min(("bf16", "fp32"), key=lambda precision: time_step(step, views, precision, repeats=1))


def time_whole(
    step: Step, optimiser: torch.optim.Optimizer, make_views: MakeViews, size: float, precision: str
) -> float:
    """Median seconds of views, forward, backward and update."""
    taken = []
    for _ in range(4):
        start = time.perf_counter()
        views = make_views(size)
        time_step(step, views, precision, repeats=0, then=optimiser.step)
        taken.append(time.perf_counter() - start)
    return sorted(taken[1:])[1]


def revise(plan: Plan, position: int, elapsed: float, stages: Stages) -> Plan:
    """The plan with as many steps as fit what is left of its budget, where they would miss it by more than 3 %.

    At most once per tenth of the budget (elapsed, in seconds of training): machines that are shared slow down and
    recover.
    """
    steps, done = plan.steps_at(position), len(plan.revisions)
    if not plan.budget or done == 9 or elapsed < (done + 1) * plan.budget / 10 or not 2 <= position < steps:
        return plan
    if plan.revisions and position <= plan.revisions[-1][0]:
        return plan  # a resumed run repeats what was decided
    pace = elapsed / seconds_between(plan, stages, steps, 0, position)
    left = plan.budget - elapsed
    if abs(pace * seconds_between(plan, stages, steps, position, steps) - left) <= 0.03 * plan.budget:
        return plan
    fitting = range(position + 1, 10 * steps)
    count = bisect_right(fitting, left, key=lambda total: pace * seconds_between(plan, stages, total, position, total))
    total = min(position + max(1, count), plan.most or 10 * steps)
    return plan if total == steps else replace(plan, revisions=(*plan.revisions, (position, total)))


def seconds_between(plan: Plan, stages: Stages, steps: int, first: int, last: int) -> float:
    """What the steps from `first` to `last` of `steps` take by the plan's timing; 1 each where nothing was timed."""
    seconds = plan.seconds or (1.0,) * len(stages)
    ends = [0.0, *(end for _, end in stages)]
    return sum(
        second * max(0.0, min(last, end * steps) - max(first, start * steps))
        for second, (start, end) in zip(seconds, itertools.pairwise(ends), strict=True)
    )


def time_step(
    step: Step, views: Sequence[Batch], precision: str, repeats: int = 3, then: Callable[[], object] | None = None
) -> float:
    """Median seconds of forward and backward after one warm-up, which is all that runs when repeats is 0."""
    device = views[0].segment.device
    step.precision = precision
    work = Work(views, Clock(step=0, steps=1), Rng(seed=0), gather_nothing)
    taken = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        step(work).backward()
        if then is not None:
            then()
        step.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    timed = sorted(taken[1:] or taken)
    return timed[len(timed) // 2]


def choose_products(step: Step, views: Sequence[Sequence[Batch]], precision: str) -> dict[str, tuple[int, ...]]:
    """For each 3x3 convolution of a SpatialConv: the map sides at which the matrix product is faster. CPU only."""
    if views[0][0].segment.device.type != "cpu":
        return {}
    layers = {name: part for name, part in step.named_modules() if isinstance(part, SpatialConv)}
    chosen: dict[str, tuple[int, ...]] = dict.fromkeys(layers, ())
    if not layers:
        return {}
    known: dict[tuple[Any, ...], bool] = {}
    for batches in views:
        for name, shape, dtype in _input_shapes(step, layers, batches, precision):
            layer = layers[name]
            key = (*shape, layer.weight.shape[0], layer.stride, dtype)
            if key not in known:
                known[key] = _product_is_faster(layer, shape, dtype)
            if known[key]:
                chosen[name] = (*chosen[name], shape[2])
    return {name: sides for name, sides in chosen.items() if sides}


def apply_products(step: nn.Module, products: dict[str, tuple[int, ...]]) -> None:
    """Sets every SpatialConv to run as a matrix product at the chosen map sides."""
    for name, part in step.named_modules():
        if isinstance(part, SpatialConv):
            part.product_sides = frozenset(products.get(name, ()))


def _input_shapes(
    step: Step, layers: dict[str, SpatialConv], views: Sequence[Batch], precision: str
) -> list[tuple[str, tuple[int, ...], torch.dtype]]:
    seen: list[tuple[str, tuple[int, ...], torch.dtype]] = []

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda _, inputs: seen.append((name, tuple(inputs[0].shape), inputs[0].dtype))

    hooks = [layer.register_forward_pre_hook(note(name)) for name, layer in layers.items()]
    time_step(step, views, precision, repeats=0)
    for hook in hooks:
        hook.remove()
    return seen


def _product_is_faster(layer: SpatialConv, shape: tuple[int, ...], dtype: torch.dtype) -> bool:
    x = torch.randn(shape, dtype=dtype).contiguous(memory_format=torch.channels_last).requires_grad_()
    seconds = {}
    for way in (False, True):
        layer.product_sides = frozenset({shape[2]}) if way else frozenset()
        taken = []
        for _ in range(3):
            start = time.perf_counter()
            out = layer(x)
            out.backward(torch.ones_like(out))
            taken.append(time.perf_counter() - start)
        seconds[way] = min(taken[1:])
    layer.zero_grad(set_to_none=True)
    return seconds[True] < seconds[False]
