"""The moving parts of one training: weights, position, logs, checkpoints."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from tqdm import tqdm

from selftaught.core.batch import Batch
from selftaught.core.modality import Rows
from selftaught.core.pretext import Clock, Gather, Outcome
from selftaught.core.rng import Rng
from selftaught.data.sampler import Position, Sampler
from selftaught.engine.calibrate import Plan, revise
from selftaught.engine.embedding import embed_records
from selftaught.engine.health import Health, judge
from selftaught.engine.job import Job
from selftaught.engine.state import load_checkpoint, save_checkpoint, save_plan
from selftaught.engine.step import Step, Work
from selftaught.runs.encoder import Pretrained
from selftaught.runs.files import write_atomically
from selftaught.runs.folder import append_row, cut_rows, read_rows

CHECKPOINT_SECONDS = 30.0
LOG_ROWS = 500


@dataclass(eq=False, kw_only=True)
class Session:
    """One training under way. position: steps done. average: the exponential moving average, when asked for.
    spent: seconds of earlier calls that this one goes on with."""

    job: Job
    fabric: Fabric
    step: Step
    wrapped: Any
    optimiser: Any
    plan: Plan
    sampler: Sampler
    position: int = 0
    average: dict[str, Tensor] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    chance: float | None = None
    verdict: Health | None = None
    saved_at: float = field(default_factory=time.perf_counter)
    began: float = field(default_factory=time.perf_counter)
    first: int = 0
    spent: float = 0.0

    @property
    def steps(self) -> int:
        """The number of steps planned now."""
        return self.plan.steps_at(self.position)

    def keep_to_budget(self) -> None:
        """Shortens the plan, on record, when the machine turns out slower than it was at the start."""
        minutes = self.job.recipe.minutes
        if minutes is None or self.position % 5:
            return
        spent = time.perf_counter() - self.began + self.spent
        revised = self.fabric.broadcast(revise(self.plan, self.position, spent, 60 * minutes))
        if revised != self.plan:
            self.plan = revised
            if self.fabric.global_rank == 0:
                save_plan(self.job.folder.plan, revised)

    def look_is_due(self) -> bool:
        """Evenly over the budget, at its end, and once early on."""
        count, steps = self.job.observations, self.steps
        if count < 1:
            return False
        reached = [self.position * count // steps, (self.position - 1) * count // steps]
        return reached[0] > reached[1] or self.position == -(-steps // (4 * count))

    def read(self, item: tuple[Position, np.ndarray]) -> tuple[Position, Rows]:
        """The decoded and labelled rows of one batch; runs in the loader's thread."""
        place, index = item
        return place, self.job.labelling.attach(self.job.store.rows(index))

    def clock(self, epoch: int) -> Clock:
        """Where training stands, for the pretext."""
        return Clock(
            step=self.position,
            steps=self.steps,
            epoch=epoch,
            rank=self.fabric.global_rank,
            ranks=self.fabric.world_size,
        )

    def restore(self) -> None:
        """Goes on from the checkpoint, if there is one."""
        folder = self.job.folder
        if self.job.recipe.ema:
            self.average = {name: value.detach().clone() for name, value in self.step.encoder.state_dict().items()}
        if folder.checkpoint.exists():
            self.position, average = load_checkpoint(self.fabric, folder, self.wrapped, self.optimiser)
            self.average = average or self.average
        if self.fabric.global_rank == 0:
            for path in (folder.losses, folder.health):
                cut_rows(path, self.position)
        rows = read_rows(folder.losses)
        self.losses = [row["loss"] for row in rows]
        self.spent = rows[-1]["seconds"] if rows else 0.0
        self.first = self.position

    def before_epoch(self, clock: Clock, rng: Rng) -> None:
        """The pretext's work on the whole training part, for those that cluster."""

        def bank() -> tuple[Tensor, Tensor]:
            vectors = embed_records(self.pretrained(averaged=False), self.job.store, self.job.train)
            self.step.train()
            return torch.from_numpy(np.asarray(self.job.train)), torch.from_numpy(vectors)

        self.job.recipe.pretext.before_epoch(self.step.encoder, self.step.head, bank, clock, rng)

    def forward_backward(self, views: Sequence[Batch], clock: Clock, rng: Rng, gather: Gather) -> Outcome:
        """Gradients of one batch, in `accumulate` chunks of records."""
        chunks = self.job.recipe.accumulate
        if chunks == 1:
            work = Work(views, clock, rng, gather)
            self.fabric.backward(self.wrapped(work))
        for part, index in enumerate(torch.arange(views[0].rows).chunk(chunks) if chunks > 1 else ()):
            work = Work([view.rows_at(index.to(view.segment.device)) for view in views], clock, rng, gather)
            with self.fabric.no_backward_sync(self.wrapped, enabled=part < chunks - 1):
                self.fabric.backward(self.wrapped(work) / chunks)
        assert work.outcome is not None  # Step.forward filled it
        return work.outcome

    def move_weights(self) -> float:
        """One optimiser step; the gradient norm where it is logged or clipped, else NaN."""
        clip = self.job.recipe.optimiser.clip
        norm = float("nan")
        if clip or self._logs(self.position + 1):
            limit = clip or float("inf")
            found = self.fabric.clip_gradients(self.wrapped, self.optimiser, max_norm=limit, error_if_nonfinite=False)
            norm = float(found) if found is not None else norm
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if self.average:
            self._update_average()
        return norm

    def log(self, outcome: Outcome, norm: float, waited: float) -> None:
        """One row of losses.csv at the logged steps; a loss that is no number ends the run."""
        if not self._logs(self.position):
            return
        total = float(outcome.total.detach())
        self.losses.append(total)
        if "chance" in outcome.logs:
            self.chance = float(outcome.logs["chance"])
        row = {"step": self.position, "loss": total}
        row |= {name: float(loss.detach()) for name, loss in outcome.losses.items()}
        row |= {f"log_{name}": float(value.detach()) for name, value in outcome.logs.items()}
        row |= {
            "gradient_norm": norm,
            "seconds": round(time.perf_counter() - self.began + self.spent, 3),
            "waited": round(waited, 3),
        }
        if self.fabric.global_rank == 0:
            append_row(self.job.folder.losses, row)
        verdict = judge(self.losses, [], self.chance)
        if verdict.stops:
            self.verdict = verdict

    def look(self, clock: Clock) -> None:
        """One row of health.csv; a collapse seen twice in a row ends the run."""
        observe, folder = self.job.observe, self.job.folder
        if observe is None or self.fabric.global_rank != 0:
            return
        seen = dict(observe(self.pretrained(), clock))
        self.step.train()
        if not math.isfinite(seen["spread"]):
            self.verdict = judge([*self.losses, float("nan")], [], self.chance)
            return
        append_row(folder.health, {"step": self.position, **seen})
        rows = read_rows(folder.health)
        best = max(row.get("score", 0.0) for row in rows)
        if seen.get("score", -1.0) >= best:
            self._save_best()
        states = [judge(self.losses, rows[:count], self.chance) for count in (len(rows) - 1, len(rows))]
        if len(rows) > 1 and all(state.state == "collapse" for state in states):
            self.verdict = states[-1]

    def keep_best(self) -> int:
        """Puts the best weights seen into the encoder when they beat the last by more than a standard error."""
        rows = [row for row in read_rows(self.job.folder.health) if "score" in row]
        path = self.job.folder.best
        if (
            not rows
            or not path.exists()
            or rows[-1]["score"] + rows[-1].get("score_error", 0.0) >= max(row["score"] for row in rows)
        ):
            return self.position
        self.average = torch.load(path, weights_only=True)
        return int(max(rows, key=lambda row: row["score"])["step"])

    def pretrained(self, averaged: bool = True) -> Pretrained:
        """The encoder as it would be handed over now."""
        encoder = self.step.encoder
        if averaged and self.average:
            encoder = copy.deepcopy(encoder)
            encoder.load_state_dict(self.average)
        return Pretrained(encoder=encoder, config=self.job.config, modality=self.job.modality, fitted=self.job.fitted)

    def save(self) -> None:
        """A checkpoint, from which the same command goes on exactly."""
        save_checkpoint(self.fabric, self.job.folder, self.wrapped, self.optimiser, self.average, self.position)
        self.saved_at = time.perf_counter()

    def checkpoint_is_due(self) -> bool:
        """Every half minute."""
        return self.agree(time.perf_counter() - self.saved_at > CHECKPOINT_SECONDS)

    def agree(self, claim: bool) -> bool:
        """What rank 0 says, for all: clocks and signals differ between processes."""
        return bool(self.fabric.broadcast(claim)) if self.fabric.world_size > 1 else claim

    def bar(self) -> tqdm[Any]:
        """The progress bar; silent when asked and where nobody watches."""
        return tqdm(
            total=self.steps,
            initial=self.position,
            desc=type(self.job.recipe.pretext).__name__,
            unit="step",
            disable=True if self.job.quiet or self.fabric.global_rank else None,
            dynamic_ncols=True,
        )

    def status(self, waited: float) -> str:
        """Loss, records per second and share of time spent waiting for data."""
        seconds = max(1e-9, time.perf_counter() - self.began)
        speed = (self.position - self.first) * self.job.batch / seconds
        loss = self.losses[-1] if self.losses else float("nan")
        return f"loss {loss:.3f}, {speed:,.0f} records/s, data wait {100 * waited / seconds:.0f}%"

    def _logs(self, position: int) -> bool:
        return position % max(1, self.plan.steps // LOG_ROWS) == 0 or position <= 10

    @torch.no_grad()
    def _update_average(self) -> None:
        # Warm-up of the decay as in Morales-Brotons 2024: early weights must not linger.
        decay = min(self.job.recipe.ema, (1 + self.position) / (10 + self.position))
        for name, value in self.step.encoder.state_dict().items():
            held = self.average[name]
            if held.is_floating_point():
                held.lerp_(value.to(held.dtype), 1 - decay)
            else:
                held.copy_(value)

    def _save_best(self) -> None:
        state = {name: value.clone() for name, value in self.pretrained().encoder.state_dict().items()}
        path = self.job.folder.best
        write_atomically(path, lambda part: torch.save(state, part))
