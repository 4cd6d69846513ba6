"""The plan: decided before step 1, on record, never timed again, revised only where the machine changes its pace."""

import time
from dataclasses import replace

import pytest
from tests.engine.making import Desk, recipe_of

from selftaught.core.errors import UsageError
from selftaught.engine import calibrate, loop
from selftaught.engine.calibrate import Plan, revise, seconds_between, seconds_per_step
from selftaught.engine.loop import train
from selftaught.engine.state import read_plan, save_plan
from selftaught.modalities import Series
from selftaught.pretexts import MAE, SimCLR
from selftaught.recipe import Recipe, resolve
from selftaught.runs.folder import read_rows

PLAN = Plan(steps=100, precision="fp32", budget=60.0)
STEADY = ((1.0, 1.0),)


def test_a_plan_that_fits_within_three_per_cent_is_kept():
    assert revise(PLAN, position=50, elapsed=30.0, stages=STEADY) == PLAN
    assert revise(PLAN, position=49, elapsed=30.0, stages=STEADY) == PLAN


def test_a_slow_machine_shortens_the_plan_and_a_fast_one_lengthens_it():
    slow = revise(PLAN, position=20, elapsed=30.0, stages=STEADY)
    assert slow.revisions == ((20, 40),)
    assert [slow.steps_at(position) for position in (0, 19, 20, 40)] == [100, 100, 40, 40]
    assert revise(PLAN, position=80, elapsed=30.0, stages=STEADY).revisions == ((80, 160),)


def test_what_is_left_is_reckoned_by_the_stages_still_to_come():
    stages, plan = ((0.5, 0.5), (1.0, 1.0)), Plan(steps=100, precision="fp32", seconds=(0.2, 1.0), budget=60.0)
    assert revise(plan, position=50, elapsed=10.0, stages=stages) == plan
    slow = revise(plan, position=50, elapsed=20.0, stages=stages).steps_at(50)
    # Twice as slow as timed: 40 seconds pay for 20 more steps of the second stage.
    assert slow == 70
    assert seconds_between(plan, stages, 100, 25, 75) == pytest.approx(25 * 0.2 + 25 * 1.0)


def test_a_plan_is_revised_once_per_tenth_of_the_budget():
    assert revise(PLAN, position=5, elapsed=5.0, stages=STEADY) == PLAN
    plan = revise(PLAN, position=5, elapsed=6.0, stages=STEADY)
    assert plan.revisions == ((5, 50),)
    assert revise(plan, position=6, elapsed=11.0, stages=STEADY) == plan
    for position in range(10, 60):
        plan = revise(plan, position, elapsed=59.0, stages=STEADY)
    assert len(plan.revisions) <= 9


def test_an_overrun_budget_ends_at_the_next_step():
    assert revise(PLAN, position=20, elapsed=70.0, stages=STEADY).steps_at(20) == 21


def test_a_number_of_steps_is_never_revised():
    plan = replace(PLAN, budget=0.0)
    assert revise(plan, position=20, elapsed=70.0, stages=STEADY) == plan


def test_no_revision_goes_beyond_the_most_steps_that_the_passes_allow():
    plan = replace(PLAN, most=110)
    assert revise(plan, position=80, elapsed=30.0, stages=STEADY).revisions == ((80, 110),)
    assert revise(plan, position=20, elapsed=30.0, stages=STEADY).revisions == ((20, 40),)
    full = replace(PLAN, most=100)
    assert revise(full, position=80, elapsed=30.0, stages=STEADY) == full


def test_a_budget_in_minutes_ends_after_the_passes_that_are_allowed(desk, request):
    recipe = recipe_of(minutes=5.0, passes=2.5, pretext=MAE(width=16, depth=1, heads=2))
    job = desk.job(request.node.name, recipe)  # 72 records make 4 batches of 16
    trained = train(job)
    assert (trained.steps, trained.plan.most) == (10, 10)
    assert read_plan(job.folder.plan) == trained.plan


def test_ts2vec_is_limited_to_few_passes_and_other_pretexts_and_budgets_are_not():
    series = Series(channels=("x",), window=32)
    assert resolve(Recipe(minutes=5.0), series, 40).passes == 20
    assert resolve(Recipe(minutes=5.0, passes=3.0), series, 40).passes == 3
    assert resolve(Recipe(minutes=5.0, pretext=SimCLR()), series, 40).passes is None
    assert resolve(Recipe(epochs=100.0), series, 40).passes is None
    with pytest.raises(UsageError, match="passes must be above 0"):
        Recipe(passes=0.0)


def test_a_resumed_run_repeats_the_revisions_on_record():
    plan = replace(PLAN, revisions=((20, 40),))
    assert revise(plan, position=15, elapsed=59.0, stages=STEADY) == plan
    assert [plan.steps_at(position) for position in (15, 20)] == [100, 40]


def test_a_plan_comes_back_from_disk_as_it_was(tmp_path):
    plan = Plan(steps=9, precision="bf16", seconds=(0.1, 0.2), budget=7.5, products={"a": (4, 8)}, revisions=((5, 8),))
    save_plan(tmp_path / "plan.json", plan)
    assert read_plan(tmp_path / "plan.json") == plan


def test_seconds_are_weighed_by_the_shares_of_the_stages():
    recipe = recipe_of(resolution=((0.5, 0.25), (1.0, 1.0)))
    plan = Plan(steps=1, precision="fp32", seconds=(1.0, 3.0))
    assert seconds_per_step(plan, recipe) == pytest.approx(2.5)
    assert seconds_per_step(PLAN, recipe) == 0.0


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Desk:
    return Desk.of(tmp_path_factory.mktemp("desk"))


@pytest.mark.parametrize(("budget", "steps"), [({"steps": 7}, 7), ({"epochs": 1.5}, 6), ({"epochs": 0.01}, 1)])
def test_budgets_of_steps_and_epochs_are_exact(desk, budget, steps, request):
    job = desk.job(request.node.name, recipe_of(**budget))  # 72 records make 4 batches of 16
    assert train(job).steps == steps
    assert len(read_rows(job.folder.losses)) == steps


def test_the_plan_is_on_record_before_step_one_and_never_timed_again(desk, monkeypatch):
    recipe = recipe_of(precision="auto", steps=4)
    job = desk.job("timed", recipe)

    def fail(*_: object) -> None:
        raise RuntimeError("step 1")

    with monkeypatch.context() as patch:
        patch.setattr(loop, "make_views", fail_after(patch, fail))
        with pytest.raises(RuntimeError, match="step 1"):
            train(job)
    plan = read_plan(job.folder.plan)
    assert plan.precision in ("fp32", "bf16")
    assert plan.seconds[0] > 0
    monkeypatch.setattr(calibrate, "time_step", fail)
    assert train(desk.job("timed", recipe)).plan == plan


def fail_after(patch, fail):
    """The views of calibration, and a failure once the plan is made."""
    views, made = loop.make_views, []
    save = loop.save_plan

    def saving(*args: object) -> None:
        save(*args)
        made.append(True)

    patch.setattr(loop, "save_plan", saving)
    return lambda *args: fail() if made else views(*args)


@pytest.mark.slow
def test_a_budget_in_minutes_is_roughly_kept(desk):
    recipe = recipe_of(minutes=0.1, pretext=MAE(width=16, depth=1, heads=2))
    job = desk.job("minutes", recipe)
    began = time.perf_counter()
    trained = train(job)
    # Machines that tests share halve and double their speed; a plan made in a slow moment ends early.
    assert 1.5 < time.perf_counter() - began < 12
    assert trained.steps == trained.plan.steps_at(trained.steps)


def test_a_batch_that_cannot_be_cut_evenly_is_refused(desk):
    job = desk.job("uneven", recipe_of(batch=6, accumulate=3, pretext=MAE(width=16, depth=1, heads=2)))
    job.check_shares(2)
    with pytest.raises(
        UsageError, match=r"batch of 6 cannot be cut evenly into 3 chunks on each of 4 .* Use --batch 12"
    ):
        job.check_shares(4)


def test_chunks_log_the_mean_loss_of_the_whole_batch(desk):
    pretext = MAE(width=16, depth=1, heads=2)
    whole, chunked = (
        desk.job(f"chunks{count}", recipe_of(steps=3, pretext=pretext, accumulate=count)) for count in (1, 4)
    )
    train(whole), train(chunked)
    first, second = ([row["loss"] for row in read_rows(job.folder.losses)] for job in (whole, chunked))
    assert second == pytest.approx(first, rel=1e-5)


def test_the_progress_bar_tells_loss_online_score_speed_and_waiting(desk, tmp_path, capsys, monkeypatch):
    labelled = Desk.of(tmp_path, count=120, labels=True)
    job = labelled.job("bar", observe=labelled.observer(), observations=2, quiet=False)
    seen: list[str] = []
    status = loop.Session.status
    monkeypatch.setattr(loop.Session, "status", lambda self, waited: seen.append(status(self, waited)) or seen[-1])
    train(job)
    assert len(seen) == 12
    for part in ("loss ", ", kNN 0.", " records/s, data wait "):
        assert part in seen[-1]
