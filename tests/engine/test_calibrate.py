"""The plan: decided before step 1, on record, never timed again, and shortened only where the machine is slow."""

import time

import pytest
from tests.engine.making import Desk, recipe_of

from selftaught.core.errors import UsageError
from selftaught.engine import calibrate, loop
from selftaught.engine.calibrate import Plan, revise, seconds_per_step
from selftaught.engine.loop import train
from selftaught.engine.state import read_plan, save_plan
from selftaught.pretexts import MAE
from selftaught.runs.folder import read_rows

PLAN = Plan(steps=100, precision="fp32")


def test_a_plan_that_fits_is_kept():
    assert revise(PLAN, position=50, elapsed=30.0, budget=60.0) == PLAN


def test_a_slow_machine_shortens_the_plan_to_what_is_left():
    revised = revise(PLAN, position=20, elapsed=30.0, budget=60.0)
    assert revised.revisions == ((20, 40),)
    assert [revised.steps_at(position) for position in (0, 19, 20, 40)] == [100, 100, 40, 40]


def test_a_tenth_over_the_budget_is_let_pass():
    assert revise(PLAN, position=48, elapsed=30.0, budget=60.0) == PLAN


def test_nothing_is_revised_before_a_seventh_of_the_budget():
    assert revise(PLAN, position=5, elapsed=8.0, budget=60.0) == PLAN
    assert revise(PLAN, position=5, elapsed=9.0, budget=60.0) != PLAN


def test_a_plan_is_revised_three_times_at_most():
    plan = PLAN
    for position, elapsed in ((10, 10.0), (15, 20.0), (18, 30.0), (19, 50.0), (20, 58.0)):
        plan = revise(plan, position, elapsed, 60.0)
    assert [since for since, _ in plan.revisions] == [10, 15, 18]
    assert plan.steps_at(20) > 20


def test_an_overrun_budget_ends_at_the_next_step():
    assert revise(PLAN, position=20, elapsed=70.0, budget=60.0).steps_at(20) == 21


def test_a_resumed_run_repeats_the_revisions_on_record():
    plan = Plan(steps=100, precision="fp32", revisions=((20, 40),))
    assert revise(plan, position=15, elapsed=59.0, budget=60.0) == plan
    assert [plan.steps_at(position) for position in (15, 20)] == [100, 40]


def test_a_plan_comes_back_from_disk_as_it_was(tmp_path):
    plan = Plan(steps=9, precision="bf16", seconds=(0.1, 0.2), products={"a": (4, 8)}, revisions=((5, 8),))
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
