"""The moving parts of one training: weights, position, logs, checkpoints."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from selftaught.core.batch import Batch
from selftaught.core.encoder import Encoder
from selftaught.core.modality import Rows
from selftaught.core.pretext import Clock, Gather, Outcome, flatten_plan
from selftaught.core.rng import Rng
from selftaught.data.sampler import Position, Sampler
from selftaught.engine.calibrate import Plan, revise
from selftaught.engine.device import whole
from selftaught.engine.embedding import embed_records
from selftaught.engine.health import Health, judge
from selftaught.engine.job import Job
from selftaught.engine.state import load_checkpoint, save_checkpoint, save_plan
from selftaught.engine.step import Step, Work, mean_outcome
from selftaught.runs.encoder import Pretrained
from selftaught.runs.files import write_atomically
from selftaught.runs.folder import append_row, cut_rows, read_rows

CHECKPOINT_SECONDS = 30.0
LOG_ROWS = 500


@dataclass(eq=False, kw_only=True)
class Session:
    """One training under way. position: steps done. average: the exponential moving average, when asked for.
    spent: seconds of earlier calls that this one goes on with. spare: a whole encoder, where the trained one is in
    shards."""

    job: Job
    fabric: Fabric
    step: Step
    wrapped: Any
    optimiser: Any
    plan: Plan
    sampler: Sampler
    spare: Encoder | None = None
    position: int = 0
    average: dict[str, Tensor] = field(default_factory=dict)
    losses: list[dict[str, float]] = field(default_factory=list)
    score: float | None = None
    verdict: Health | None = None
    saved_at: float = field(default_factory=time.perf_counter)
    began: float = field(default_factory=time.perf_counter)
    first: int = 0
    spent: float = 0.0

    @property
    def steps(self) -> int:
        """The number of steps planned now."""
        return self.plan.steps_at(self.position)

    @property
    def over(self) -> bool:
        """Whether the budget is spent, or the run's health ended it."""
        return self.position >= self.steps or self.verdict is not None

    def keep_to_budget(self) -> None:
        """Changes the number of steps, on record, when the machine turns out slower or faster than it was before."""
        if not self.plan.budget or self.position % 5:
            return
        revised = self.fabric.broadcast(revise(self.plan, self.position, self.elapsed(), self.job.recipe.stages))
        if revised != self.plan:
            self.plan = revised
            if self.fabric.global_rank == 0:
                save_plan(self.job.folder.plan, revised)

    def elapsed(self) -> float:
        """Seconds of training, those of earlier calls included."""
        return time.perf_counter() - self.began + self.spent

    def look_is_due(self) -> bool:
        """Evenly over the budget, and at its end."""
        count, steps = self.job.observations, self.steps
        return self.position * count // steps > (self.position - 1) * count // steps

    def read(self, item: tuple[Position, np.ndarray]) -> tuple[Position, Rows, Rows | None]:
        """The decoded and labelled rows of one batch, and their partners; runs in the loader's thread."""
        place, index = item
        beside = None if self.job.partners is None else self.job.rows(self.job.partners.of(index, place.epoch))
        return place, self.job.rows(index), beside

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
        self.fabric.barrier()
        rows, seen = read_rows(folder.losses), read_rows(folder.health)
        self.losses = rows
        self.spent = rows[-1]["seconds"] if rows else 0.0
        self.score = seen[-1].get("score") if seen else None
        self.first = self.position
        # A run that was stopped for its health, and ended before it could say so, is not taken up again.
        self.verdict = stopped if (stopped := self.judged()).stops else None
        if not seen and not self.position and self.job.observations:
            self.look(self.clock(0))  # the untrained encoder, which all later looks are held against

    def before_epoch(self, clock: Clock, rng: Rng) -> None:
        """The pretext's work on the whole training part, for those that cluster."""

        def bank() -> tuple[Tensor, Tensor]:
            vectors = embed_records(self.pretrained(averaged=False), self.job.store, self.job.train)
            self.step.train()
            return torch.from_numpy(np.asarray(self.job.train)), torch.from_numpy(vectors)

        self.job.recipe.objective.before_epoch(self.step.encoder, self.step.head, bank, clock, rng)

    def forward_backward(self, views: Sequence[Batch], clock: Clock, rng: Rng, gather: Gather) -> Outcome:
        """Gradients of one batch, in `accumulate` chunks of records."""
        chunks = self.job.recipe.accumulate
        outcomes: list[Outcome] = []
        for index in torch.arange(views[0].rows, device=views[0].segment.device).chunk(chunks):
            work = Work(views if chunks == 1 else [view.rows_at(index) for view in views], clock, rng, gather)
            last = len(outcomes) == chunks - 1
            with nullcontext() if last else self.fabric.no_backward_sync(self.wrapped):
                self.fabric.backward(self.wrapped(work) / chunks)
            assert work.outcome is not None  # Step.forward filled it
            outcomes.append(work.outcome)
        return outcomes[0] if chunks == 1 else mean_outcome(outcomes)

    def move_weights(self) -> float:
        """One optimiser step; the gradient norm where it is logged or clipped, else NaN."""
        clip = self.job.recipe.optimiser.clip
        norm = math.nan
        if clip or self._logs(self.position + 1):
            found = self._clip(clip or math.inf) if clip or self.spare is not None else self._gradient_norm()
            norm = float(found) if found is not None else norm
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if self.average:
            self._update_average()
        return norm

    def _clip(self, limit: float) -> Tensor | None:
        return self.fabric.clip_gradients(self.wrapped, self.optimiser, max_norm=limit, error_if_nonfinite=False)

    def _gradient_norm(self) -> Tensor:
        gradients = [each.grad for each in self.step.parameters() if each.grad is not None]
        return torch.nn.utils.get_total_norm(gradients)

    def log(self, outcome: Outcome, norm: float, waited: float) -> None:
        """One row of losses.csv at the logged steps; a loss that is no number ends the run."""
        if not self._logs(self.position):
            return
        named = {"loss": outcome.total, **outcome.losses}
        named |= {f"log_{name}": value for name, value in outcome.logs.items()}
        together = torch.stack([value.detach().float() for value in named.values()])
        if self.fabric.world_size > 1:
            together = cast(Tensor, self.fabric.all_reduce(together, reduce_op="mean"))
        row = {"step": self.position, **dict(zip(named, together.tolist(), strict=True))}
        row |= {"gradient_norm": norm, "seconds": round(self.elapsed(), 3), "waited": round(waited, 3)}
        self.losses.append(row)
        self.note(self.job.folder.losses, row)
        verdict = judge(self.losses, [])
        if verdict.stops:
            self.verdict = verdict

    def note(self, path: Path, row: Mapping[str, float | int]) -> None:
        """One row of a CSV of the run, by one process."""
        if self.fabric.global_rank == 0:
            append_row(path, row)
            if self.job.scalars is not None:
                self.job.scalars(path.stem, row)

    def judged(self) -> Health:
        """The state of the run by all that was logged."""
        pretext = self.job.recipe.objective
        pairs, tokens = len(flatten_plan(pretext.plan())) > 1, pretext.level == "token"
        return judge(self.losses, read_rows(self.job.folder.health), pairs=pairs, tokens=tokens)

    def look(self, clock: Clock) -> None:
        """One row of health.csv; a collapse in two looks at what was trained ends the run."""
        observe, folder = self.job.observe, self.job.folder
        if observe is None:
            return
        pretrained = self.pretrained()  # which all processes put together where it is in shards
        if self.fabric.global_rank != 0:
            return
        seen = dict(observe(pretrained, clock))
        self.step.train()
        if not math.isfinite(seen["spread"]):
            self.verdict = judge([*self.losses, {"loss": math.nan}], [])
            return
        self.note(folder.health, {"step": self.position, **seen})
        self.score = seen.get("score")
        rows = [row for row in read_rows(folder.health) if row["step"]]
        worth = [worth_of(row) for row in rows]
        if worth and math.isfinite(worth[-1]) and worth[-1] >= np.nanmax(worth):
            self._save_best(pretrained)
        verdict = self.judged()
        if verdict.stops and len(rows) > 1:
            self.verdict = verdict

    def keep_best(self, health: Health) -> int:
        """Puts the best weights seen into the encoder: where a validation probe says that they beat the last by more
        than a standard error, or, without labels, where the last gives (nearly) the same to all records. The first
        process decides for all: it alone knows that what it wrote is there. Returns the step that is kept."""
        step = self.fabric.broadcast(self._better_step(health) if self.fabric.global_rank == 0 else None)
        if step is None:
            return self.position
        self.average = load_file(self.job.folder.best)
        return int(step)

    def _better_step(self, health: Health) -> int | None:
        rows = [row for row in read_rows(self.job.folder.health) if row["step"] and math.isfinite(worth_of(row))]
        if not rows or not self.job.folder.best.exists():
            return None
        last, best = rows[-1], max(rows, key=worth_of)
        if "score" in last:
            stays = last["score"] + last.get("score_error", 0.0) >= best["score"]
        else:
            stays = health.state not in ("partial collapse", "collapse", "diverging")
        return None if stays else int(best["step"])

    def pretrained(self, averaged: bool = True) -> Pretrained:
        """The encoder as it would be handed over now."""
        encoder = self.step.encoder
        average = self.average if averaged else {}
        if self.spare is not None:
            encoder = self.spare
            encoder.load_state_dict(whole(average or self.step.encoder.state_dict()))
        elif average:
            encoder = copy.deepcopy(encoder)
            encoder.load_state_dict(average)
        return Pretrained(encoder=encoder, config=self.job.config, modality=self.job.modality, fitted=self.job.fitted)

    def save(self) -> None:
        """A checkpoint, from which the same command goes on exactly."""
        save_checkpoint(self.fabric, self.job.folder, self.wrapped, self.optimiser, self.average, self.position)
        self.saved_at = time.perf_counter()

    def agree(self, stopped: bool) -> tuple[bool, bool]:
        """(stopped, whether a checkpoint is due), as rank 0 says, and its verdict: clocks, signals and looks differ."""
        due = time.perf_counter() - self.saved_at > CHECKPOINT_SECONDS
        if self.fabric.world_size > 1:
            stopped, due, self.verdict = self.fabric.broadcast((stopped, due, self.verdict))
        return stopped, due or self.verdict is not None

    def bar(self) -> tqdm[Any]:
        """The progress bar; silent when asked and where nobody watches."""
        return tqdm(
            total=self.steps,
            initial=self.position,
            desc=type(self.job.recipe.objective).__name__,
            unit="step",
            disable=True if self.job.quiet or self.fabric.global_rank else None,
            dynamic_ncols=True,
        )

    def status(self, waited: float) -> str:
        """Loss, the last online kNN, records per second and share of time spent waiting for data."""
        seconds = max(1e-9, time.perf_counter() - self.began)
        speed = (self.position - self.first) * self.job.batch / seconds
        loss = self.losses[-1]["loss"] if self.losses else math.nan
        online = "" if self.score is None else f", kNN {self.score:.3f}"
        return f"loss {loss:.3f}{online}, {speed:,.0f} records/s, data wait {100 * waited / seconds:.0f}%"

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

    def _save_best(self, pretrained: Pretrained) -> None:
        state = {
            name: value.detach().cpu().clone().contiguous() for name, value in pretrained.encoder.state_dict().items()
        }
        write_atomically(self.job.folder.best, lambda part: save_file(state, part))


def worth_of(look: Mapping[str, float]) -> float:
    """What the weights of a look are chosen by: validation kNN where there are labels, else LiDAR (Thilak 2024)."""
    return look.get("score", look.get("lidar", math.nan))
