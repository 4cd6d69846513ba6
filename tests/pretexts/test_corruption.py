"""VIME against a slow loop over cells (Yoon 2020, eq. 3-6), and what counts as swapped."""

import math

import pytest
import torch
from tests.modalities.table.makers import prepare

from selftaught.core.batch import View
from selftaught.core.errors import UsageError
from selftaught.core.pretext import Clock, Spec, flatten_plan, gather_nothing
from selftaught.core.rng import Rng
from selftaught.core.targets import Categorical, Continuous, Mixed
from selftaught.encoders import Transformer
from selftaught.encoders.mlp import MLP
from selftaught.pretexts.contrastive import SimCLR
from selftaught.pretexts.corruption import VIME, differs
from selftaught.pretexts.reconstruction import MAE

CLOCK = Clock(step=0, steps=10)


def begun(pretext, config, count=64):
    table, fitted, rows, _ = prepare(count)
    torch.manual_seed(0)
    encoder = config.build(table, fitted)
    batch, rng = table.batch(rows, fitted), Rng(seed=1)
    views = [table.augment(batch, view, rng.fold(place)) for place, view in enumerate(flatten_plan(pretext.plan()))]
    target = table.augment(batch, View(kind="clean", target=True), rng).target
    spec = Spec(
        records=count, dim=encoder.dim, axes=table.axes, outputs=target.outputs, steps=10, batch=count, classes=None
    )
    return encoder, pretext.build(encoder, spec), views


def outcome_of(pretext, encoder, head, views):
    made = pretext.represent(encoder, head, views, CLOCK, Rng(seed=1))
    return made, pretext.losses(head, made, views, CLOCK, gather_nothing)


def test_the_losses_equal_a_slow_loop_over_cells():
    pretext = VIME(alpha=0.5, hidden=16)
    encoder, head, views = begun(pretext, MLP(width=16, depth=1, cell=4), 12)
    made, outcome = outcome_of(pretext, encoder, head, views)
    shown, wanted = views[0].target, views[1].target
    told, filled = [], []
    each = wanted.loss(made["prediction"][..., 1:])
    for row in range(12):
        for place in range(views[0].segment.shape[1]):
            before, after = views[1].x[row, place], views[0].x[row, place]
            if shown.valid[row, place] or wanted.valid[row, place]:
                other = not (bool(before == after) or bool(before.isnan() & after.isnan()))
                chance = torch.sigmoid(made["prediction"][row, place, 0]).item()
                told.append(-math.log(chance if other else 1 - chance))
            if wanted.valid[row, place]:
                filled.append(each[row, place].item())
    assert outcome.losses["swapped"].item() == pytest.approx(sum(told) / len(told), rel=1e-4)
    assert outcome.losses["cells"].item() == pytest.approx(0.5 * sum(filled) / len(filled), rel=1e-4)
    assert 0.1 < outcome.logs["share"].item() < 0.4


def test_targets_differ_where_their_values_do_and_where_only_one_is_valid():
    def mixed(numbers, classes, valid):
        flag = torch.tensor([valid])
        part = torch.tensor([[0, 0, 1, 1]])
        return Mixed(
            parts=(
                Continuous(values=torch.tensor([numbers])[..., None], valid=flag & (part == 0)),
                Categorical(values=torch.tensor([classes]), valid=flag & (part == 1), size=5),
            ),
            part=part,
            valid=flag,
        )

    nan = float("nan")
    first = mixed([1.0, nan, 0.0, 9.0], [7, 7, 2, 3], [True, False, True, True])
    second = mixed([1.0, nan, 5.0, 8.0], [6, 6, 2, 4], [True, False, True, True])
    assert differs(first, second).tolist() == [[False, False, False, True]]
    gone = mixed([1.0, nan, 5.0, 8.0], [6, 6, 2, 4], [False, False, True, True])
    assert differs(first, gone).tolist() == [[True, False, False, True]]
    plain = first.parts[0]
    assert not differs(plain, plain).any()
    with pytest.raises(UsageError, match="one kind"):
        differs(first, plain)


def test_options_that_cannot_work_are_refused():
    with pytest.raises(UsageError, match="alpha"):
        VIME(alpha=-1.0)
    with pytest.raises(UsageError, match="hidden"):
        VIME(hidden=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pretext", "config"),
    [
        (VIME(hidden=32), MLP(width=32, depth=2, cell=8)),
        (VIME(hidden=32), Transformer(width=32, depth=2, heads=2)),
        (SimCLR(hidden=32, outputs=16, norm="layer"), MLP(width=32, depth=2, cell=8)),
        (MAE(width=16, depth=1, heads=2, drop=0.4), Transformer(width=32, depth=2, heads=2)),
    ],
    ids=["vime-mlp", "vime-transformer", "scarf-mlp", "masked-cells"],
)
def test_table_pretexts_learn(pretext, config):
    encoder, head, views = begun(pretext, config, 128)
    weights = [*encoder.parameters(), *head.parameters()]
    optimiser = torch.optim.Adam(weights, lr=3e-3)
    losses = []
    for _ in range(60):
        _, outcome = outcome_of(pretext, encoder, head, views)
        optimiser.zero_grad()
        outcome.total.backward()
        optimiser.step()
        losses.append(outcome.total.item())
    assert all(math.isfinite(loss) for loss in losses)
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
