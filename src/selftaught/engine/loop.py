"""The training loop: read it top to bottom.

`train` prepares, `_run` loops, and everything they call is in a file beside this one.
"""

from __future__ import annotations

import copy
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from lightning_fabric import Fabric

from selftaught.core.batch import Batch
from selftaught.core.encoder import Encoder
from selftaught.core.pretext import Spec
from selftaught.core.rng import Rng
from selftaught.data.loader import Loader
from selftaught.data.sampler import Sampler
from selftaught.encoders.start import Started
from selftaught.engine.calibrate import Plan, apply_products, make_plan
from selftaught.engine.device import gather_of, is_sharded, open_fabric
from selftaught.engine.estimate import announce
from selftaught.engine.feed import make_views, size_at
from selftaught.engine.job import Interrupted, Job, Trained
from selftaught.engine.optimisers import build_optimiser, rate_at, set_rates
from selftaught.engine.session import Session
from selftaught.engine.state import read_plan, save_plan
from selftaught.engine.step import Step
from selftaught.runs.encoder import save_pretrained


def train(job: Job) -> Trained:
    """Trains, or goes on from the folder's checkpoint, and leaves the encoder in the run folder."""
    fabric = job.fabric or open_fabric()
    job.check_shares(fabric.world_size)
    torch.manual_seed(job.recipe.seed)
    step, started = build_step(job)
    step = step.to(fabric.device)
    if job.modality.layout == "picture":
        step = step.to(memory_format=torch.channels_last)
    sampler = Sampler(
        indices=job.train,
        batch=job.batch,
        seed=job.recipe.seed,
        rank=fabric.global_rank,
        ranks=fabric.world_size,
    )
    plan = decide_plan(job, step, sampler, fabric)
    step.precision = plan.precision
    apply_products(step, plan.products)
    spare = copy.deepcopy(step.encoder) if is_sharded(fabric) else None
    wrapped = fabric.setup_module(step)
    # After the wrapping, which may put shards in the parameters' place.
    optimiser = fabric.setup_optimizers(build_optimiser(job.recipe.optimiser, step.encoder, step.head, step.pretext))
    session = Session(
        job=job,
        fabric=fabric,
        step=step,
        wrapped=wrapped,
        optimiser=optimiser,
        plan=plan,
        sampler=sampler,
        spare=spare,
    )
    session.restore()
    if job.say is not None and fabric.global_rank == 0:
        job.say(announce(job, plan, step, session.position, sampler.steps_per_epoch))
    with catch_signals() as stop:
        run(session, stop)
    return finish(session, started)


def run(session: Session, stop: threading.Event) -> None:
    """The loop itself: views, loss, backward, step, and now and then a look at the held-out records."""
    job, recipe, sampler = session.job, session.job.recipe, session.sampler
    gather = gather_of(session.fabric)
    batches = sampler.batches(sampler.position(session.position))
    session.step.train()
    with Loader(batches, session.read) as loader, session.bar() as bar:
        for place, rows, partners in loader:
            if session.over:
                return
            clock = session.clock(place.epoch)
            rng = Rng(seed=recipe.seed, epoch=clock.epoch)
            if place.step == 0:
                session.before_epoch(clock, rng)
            size = size_at(recipe.stages, clock.progress)
            # Dropout and the like: stateless too, so that a resumed run draws what the first one drew.
            torch.manual_seed(rng.fold(session.position).fold(clock.rank).generator("layers").initial_seed())
            device = session.fabric.device
            views = make_views(rows, job.modality, job.fitted, recipe.objective, rng, size, device, partners)
            set_rates(session.optimiser, rate_at(recipe.optimiser, clock.progress))
            outcome = session.forward_backward(views, clock, rng, gather)
            norm = session.move_weights()
            recipe.objective.after_step(session.step.encoder, session.step.head, outcome.state, clock)
            session.position += 1
            session.log(outcome, norm, loader.waited)
            session.keep_to_budget()
            bar.total = session.steps
            bar.update(1)
            bar.set_postfix_str(session.status(loader.waited), refresh=False)
            if session.look_is_due():
                session.look(clock)
            stopped, due = session.agree(stop.is_set())
            if stopped or due:
                session.save()
            if stopped and not session.over:
                raise Interrupted(f"stopped at step {session.position} of {session.steps}")


def finish(session: Session, started: Started | None) -> Trained:
    """Keeps the chosen weights, writes the encoder and returns what was trained."""
    job = session.job
    health = session.judged() if session.verdict is None else session.verdict
    kept = session.keep_best(health)
    pretrained = session.pretrained()
    if session.fabric.global_rank == 0:
        save_pretrained(pretrained, job.folder.encoder)
    session.save()
    return Trained(
        pretrained=pretrained,
        head=session.step.head,
        health=health,
        plan=session.plan,
        steps=session.position,
        kept=kept,
        seconds=session.elapsed(),
        started=started,
    )


def build_step(job: Job) -> tuple[Step, Started | None]:
    """Encoder, head and pretext with fresh weights, or with those that `job.start` puts in; and what it put in."""
    encoder = job.encoder or job.config.build(job.modality, job.fitted)
    started = None if job.start is None else job.start(encoder)
    pretext = job.recipe.objective
    return Step(encoder, pretext.build(encoder, spec_of(job, encoder)), pretext), started


def spec_of(job: Job, encoder: Encoder) -> Spec:
    """What the head may know; target sizes are read off one view."""
    pretext, outputs = job.recipe.objective, 0
    if "target" in pretext.needs:
        rows = job.store.rows(job.train[:2])
        cpu = torch.device("cpu")
        target = make_views(rows, job.modality, job.fitted, pretext, Rng(seed=0), 1.0, cpu)[0].target
        outputs = target.outputs if target is not None else 0
    return Spec(
        records=len(job.train),
        dim=encoder.dim,
        axes=job.modality.axes,
        outputs=outputs,
        steps=job.recipe.steps or 0,
        batch=job.batch,
        classes=job.classes,
    )


def decide_plan(job: Job, step: Step, sampler: Sampler, fabric: Fabric) -> Plan:
    """The plan of a run that has begun, else a new one, timed on rank 0 and saved before step 1."""
    if job.folder.plan.exists():
        return read_plan(job.folder.plan)
    rows = job.rows(next(sampler.epoch(0)))

    def views(size: float) -> list[Batch]:
        rng = Rng(seed=job.recipe.seed)
        return make_views(rows, job.modality, job.fitted, job.recipe.objective, rng, size, fabric.device)

    known = job.say is None  # where nobody asks for an estimate, a plan without choices needs no timing
    made = make_plan(step, job.recipe, views, sampler.steps_per_epoch, known) if fabric.global_rank == 0 else None
    shared = cast(Plan, fabric.broadcast(made))
    if fabric.global_rank == 0:
        save_plan(job.folder.plan, shared)
    return shared


@contextmanager
def catch_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set instead of ending the process between two writes."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {each: signal.signal(each, lambda *_: stop.set()) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
