"""Named verdicts: what each means in numbers, and a planted fault of each kind in a real training."""

from dataclasses import replace

import pytest
import torch
from tests.engine.making import Desk, recipe_of
from torch import nn

from selftaught.encoders import ConvNet, Own
from selftaught.engine.health import REMEDIES, judge
from selftaught.engine.loop import train
from selftaught.modalities import Image
from selftaught.pretexts import MAE, SimCLR, VICReg
from selftaught.recipe import Optimiser
from selftaught.runs.folder import read_rows

FALLING = [{"loss": 5.0 - 0.04 * step} for step in range(60)]
FLAT = [{"loss": 5.0 + 0.1 * (step % 3)} for step in range(60)]
REDUNDANCY = VICReg(hidden=64, outputs=64, norm="layer")
DECODER = MAE(width=32, depth=1, heads=2)


def look(spread: float = 0.6, rank: float = 12, **more: float) -> dict[str, float]:
    return {"spread": spread, "rank": rank, "dim": 32.0, **more}


def state(losses, looks, **more) -> str:
    return judge(losses, looks, **more).state


def test_a_falling_loss_and_a_full_cloud_are_healthy():
    assert state(FALLING, [look(), look()]) == "healthy"


def test_vectors_close_together_stop_nothing_where_tokens_are_predicted():
    looks = [look(spread=0.2), look(spread=0.004), look(spread=0.004)]
    assert judge(FALLING, looks).stops
    verdict = judge(FALLING, looks, tokens=True)
    assert verdict.state == "partial collapse"
    assert not verdict.stops
    assert judge([*FALLING, {"loss": float("nan")}], looks, tokens=True).stops


@pytest.mark.parametrize(("losses", "looks"), [([], []), (FALLING[:19], [look()]), (FALLING, [])])
def test_too_few_numbers_are_not_called_healthy(losses, looks):
    assert state(losses, looks) == "not measured"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_one_loss_that_is_no_number_is_divergence_however_short_the_run(value):
    found = judge([{"loss": 1.0}, {"loss": value}], [])
    assert (found.state, found.stops) == ("diverging", True)
    assert "log entry 2" in found.cause


def test_a_loss_that_ends_far_above_its_start_is_divergence():
    assert state([{"loss": 1.0 + 0.3 * step} for step in range(40)], [look()]) == "diverging"


def test_one_spike_is_no_divergence():
    spiked = [*FALLING[:30], {"loss": 400.0}, *FALLING[31:]]
    assert state(spiked, [look(), look()]) == "healthy"


def test_a_point_is_collapse_even_if_it_always_was_one():
    assert state(FALLING, [look(0.001, 1), look(0.001, 1)]) == "collapse"


def test_a_narrow_cloud_that_was_always_narrow_is_no_collapse():
    assert state(FALLING, [look(0.045), look(0.04), look(0.045)]) == "healthy"


def test_a_cloud_that_shrank_to_a_twentieth_is_collapse_when_two_looks_say_so():
    assert state(FALLING, [look(), look(0.03), look(0.03)]) == "collapse"
    assert state(FALLING, [look(), look(), look(0.03)]) == "partial collapse"


def test_vectors_on_a_line_are_collapse():
    assert state(FALLING, [look(), look(0.3, 1.1), look(0.3, 1.1)]) == "collapse"


def test_a_head_that_gives_one_vector_is_collapse_whatever_the_encoder_does():
    rows = [{"loss": 1 / (step + 1), "log_spread": 0.8 if step < 5 else 0.02} for step in range(60)]
    assert state(rows, [look(), look()]) == "collapse"
    assert state(rows[:30], [look(), look()]) == "healthy"


def test_vectors_close_together_are_partial_collapse_while_the_head_tells_them_apart():
    rows = [{"loss": 1 / (step + 1), "log_spread": 0.9} for step in range(60)]
    found = judge(rows, [look(), look(0.03), look(0.03)])
    assert (found.state, found.stops) == ("partial collapse", False)
    assert "still tells them apart" in found.cause


def test_the_remedy_for_close_vectors_of_token_pretexts_is_one_that_compares_records():
    assert "SimCLR" in judge(FALLING, [look(), look(0.12)], tokens=True).remedy
    assert "SimCLR" not in judge(FALLING, [look(), look(0.12)]).remedy


@pytest.mark.parametrize("after", [{"rank": 2.5}, {"spread": 0.12}])
def test_a_fall_to_below_a_quarter_is_partial_collapse(after):
    found = judge(FALLING, [look(), look(**after)])
    assert (found.state, found.stops) == ("partial collapse", False)


def test_a_loss_that_only_scatters_is_not_learning():
    assert state(FLAT, [look(), look()]) == "not learning"


def test_a_loss_at_chance_is_not_learning():
    rows = [{"loss": 5.2 - 0.004 * step, "log_chance": 5.0} for step in range(60)]
    assert "guessing" in judge(rows, [look(), look()]).cause


def test_equal_views_are_not_learning_only_where_views_are_compared():
    looks = [look(), look(alignment=0.0)]
    assert state(FALLING, looks, pairs=True) == "not learning"
    assert state(FALLING, looks, pairs=False) == "healthy"


def test_every_fault_has_a_remedy():
    faults = {"partial collapse", "collapse", "diverging", "not learning"}
    assert faults == REMEDIES.keys()


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Desk:
    return Desk.of(tmp_path_factory.mktemp("desk"), count=384)


def fast(lr: float) -> Optimiser:
    return Optimiser(kind="adamw", lr=lr)


def planted(desk: Desk, name: str, **changes):
    recipe = recipe_of(**({"steps": 60, "batch": 48} | changes))
    job = desk.job(name, recipe, observe=desk.observer(), observations=6)
    return train(job), job


class Constant(nn.Module):
    """Sees nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.ones(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.vector * torch.ones(len(x), 1)


def constant() -> nn.Module:
    return Constant()


class Fading(nn.Module):
    """Loses all but two directions while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(768, 16)
        self.register_buffer("rest", torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.rest *= 0.9
        y = self.layer(x.flatten(1))
        return torch.cat([y[:, :2], y[:, 2:] * self.rest], 1)


def fading() -> nn.Module:
    return Fading()


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pretext": REDUNDANCY},
        {"pretext": DECODER},
        {"encoder": ConvNet.of_size("xs"), "pretext": SimCLR(), "optimiser": Optimiser(kind="muon"), "steps": 30},
    ],
    ids=["simclr", "vicreg", "mae", "convnet"],
)
def test_a_sound_run_is_healthy(desk, changes, request):
    trained, _ = planted(desk, request.node.name, **changes)
    assert trained.health.state == "healthy", trained.health


@pytest.mark.slow
@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        ("collapse", {"pretext": replace(REDUNDANCY, weights=(25.0, 0.0, 0.0))}),
        ("collapse", {"encoder": Own(source="tests.engine.test_health:constant", dim=8)}),
        ("diverging", {"pretext": DECODER, "optimiser": fast(2.0)}),
        ("diverging", {"pretext": DECODER, "optimiser": fast(1e30)}),
    ],
    ids=["no-variance-term", "constant-encoder", "rate-x1000", "not-a-number"],
)
def test_a_planted_fault_is_named_and_ends_the_run(desk, expected, changes, request):
    trained, job = planted(desk, request.node.name, **changes)
    assert trained.health.state == expected, trained.health
    assert trained.steps < 60
    assert trained.steps == read_rows(job.folder.losses)[-1]["step"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{}, {"pretext": DECODER}, {"pretext": REDUNDANCY}],
    ids=["simclr", "mae", "vicreg"],
)
def test_a_run_without_a_rate_is_not_learning(desk, changes, request):
    trained, _ = planted(desk, request.node.name, optimiser=fast(1e-12), **changes)
    assert trained.health.state == "not learning"
    assert trained.steps == 60


@pytest.mark.slow
def test_a_run_without_different_views_is_not_learning(desk, request, monkeypatch):
    augment = Image.augment
    monkeypatch.setattr(
        Image, "augment", lambda self, batch, view, rng: augment(self, batch, replace(view, kind="clean"), rng)
    )
    trained, _ = planted(desk, request.node.name, steps=30)
    assert trained.health.state == "not learning"
    assert "do not differ" in trained.health.cause


@pytest.mark.slow
def test_a_partial_collapse_is_named(desk, request):
    encoder = Own(source="tests.engine.test_health:fading", dim=16)
    trained, _ = planted(desk, request.node.name, encoder=encoder)
    assert trained.health.state == "partial collapse", trained.health
    assert trained.steps == 60


@pytest.mark.slow
def test_a_run_that_was_stopped_for_its_health_is_not_taken_up_again(desk, request):
    changes = {"pretext": DECODER, "optimiser": fast(1e30)}
    first, _ = planted(desk, request.node.name, **changes)
    again, _ = planted(desk, request.node.name, **changes)
    assert (again.steps, again.health) == (first.steps, first.health)
