"""NextWindow: the past is all that the encoder sees, and the loss is that of the window after the cut."""

import math

import numpy as np
import pytest
import torch
from tests.modalities.series.makers import BY_CHANNEL, SERIES, curves, prepared, rows_of
from tests.toys.samples import SAMPLES

from selftaught.core.batch import View
from selftaught.core.errors import UsageError
from selftaught.core.pretext import Clock, Spec, gather_nothing
from selftaught.core.rng import Rng
from selftaught.encoders import Transformer
from selftaught.pretexts.forecast import NextWindow, cut_in_time, places_of

CLOCK = Clock(step=0, steps=10)
TRUNK = Transformer(width=16, depth=2, heads=2)
PRETEXT = NextWindow(width=16, depth=1, heads=2)


class Case:
    """Encoder, head and one view."""

    def __init__(self, series=SERIES, rows=None, pretext=PRETEXT):
        _, fitted, own = prepared(16)
        torch.manual_seed(0)
        self.pretext = pretext
        self.encoder = TRUNK.build(series, fitted)
        self.view = series.augment(
            series.batch(own if rows is None else rows, fitted), pretext.plan()[0], Rng(seed=2).fold(0)
        )
        spec = Spec(records=16, dim=16, axes=series.axes, outputs=self.view.target.outputs, steps=10, batch=16)
        self.head = pretext.build(self.encoder, spec)

    def represent(self, view=None):
        return self.pretext.represent(self.encoder, self.head, [view or self.view], CLOCK, Rng(seed=5))

    def losses(self, representation):
        return self.pretext.losses(self.head, representation, [self.view], CLOCK, gather_nothing)


@pytest.mark.parametrize("series", [SERIES, BY_CHANNEL], ids=["mixing", "by-channel"])
def test_the_cut_is_in_time_for_all_channels_and_leaves_both_sides_a_token(series):
    view = Case(series).view
    past, later = cut_in_time(view, (0.2, 0.5), Rng(seed=1))
    assert torch.equal(past | later, view.valid)
    assert not (past & later).any()
    for row in range(view.rows):
        times = view.pos[row, :, 0]
        assert times[past[row]].max() < times[later[row]].min()
    share = later.sum(1) / view.valid.sum(1)
    assert share.min() > 0.1
    assert share.max() < 0.7


def test_a_record_of_one_moment_is_all_past():
    view = Case(rows=rows_of(SERIES, [np.ones((2, 2)), np.ones((20, 2))])).view
    past, later = cut_in_time(view, (0.2, 0.5), Rng(seed=1))
    assert past[0].sum() == 1
    assert not later[0].any()
    assert later[1].any()


def test_the_cut_of_a_record_does_not_depend_on_its_batch():
    view = Case().view
    past, _ = cut_in_time(view, (0.2, 0.5), Rng(seed=1))
    some = torch.tensor([7, 2])
    assert torch.equal(cut_in_time(view.rows_at(some), (0.2, 0.5), Rng(seed=1))[0], past[some])


def test_places_are_the_flagged_tokens_in_order():
    flag = torch.tensor([[True, False, True, True], [False, False, True, False]])
    ids, counts = places_of(flag)
    assert ids[0].tolist() == [0, 2, 3]
    assert ids[1, 0] == 2
    assert counts.tolist() == [[True] * 3, [True, False, False]]
    assert places_of(torch.zeros(2, 3).bool())[1].tolist() == [[False], [False]]


def test_nothing_after_the_cut_reaches_the_encoder():
    case = Case()
    first = case.represent()
    later = torch.zeros_like(case.view.segment).scatter(1, first["drop"], first["dropped"].long()).bool()
    steps = later.repeat_interleave(4, 1)[..., None]
    spoiled = type(case.view)(**{**vars(case.view), "x": torch.where(steps, 99.0, case.view.x)})
    second = case.represent(spoiled)
    assert torch.equal(first["prediction"][first["dropped"]], second["prediction"][second["dropped"]])


def test_the_loss_is_the_mean_squared_error_of_later_observed_tokens_and_chance_that_of_zeros():
    case = Case()
    parts = case.represent()
    outcome = case.losses(parts)
    target, total, trivial, count = case.view.target, 0.0, 0.0, 0
    for row in range(case.view.rows):
        for place in range(parts["drop"].shape[1]):
            token = parts["drop"][row, place]
            if parts["dropped"][row, place] and target.valid[row, token]:
                wanted = target.values[row, token]
                total += (parts["prediction"][row, place] - wanted).square().mean().item()
                trivial += wanted.square().mean().item()
                count += 1
    assert outcome.losses["window"].item() == pytest.approx(total / count, rel=1e-4)
    assert outcome.logs["chance"].item() == pytest.approx(trivial / count, rel=1e-4)


def test_chance_of_words_is_the_logarithm_of_their_number():
    sample = SAMPLES["documents"]
    view = sample.modality.augment(
        sample.modality.batch(sample.rows(8), sample.fitted()), View(kind="weak", target=True), Rng(seed=0)
    )
    encoder = TRUNK.build(sample.modality, sample.fitted())
    spec = Spec(records=8, dim=16, axes=sample.modality.axes, outputs=7, steps=1, batch=8)
    head = PRETEXT.build(encoder, spec)
    parts = PRETEXT.represent(encoder, head, [view], CLOCK, Rng(seed=0))
    outcome = PRETEXT.losses(head, parts, [view], CLOCK, gather_nothing)
    assert outcome.logs["chance"].item() == pytest.approx(math.log(7), rel=1e-5)


@pytest.mark.slow
def test_waves_are_foretold_better_than_by_their_mean():
    rows = rows_of(SERIES, curves(64, np.random.default_rng(4))[0])
    case = Case(rows=rows)
    optimiser = torch.optim.AdamW([*case.encoder.parameters(), *case.head.parameters()], lr=3e-3)
    for _ in range(150):
        outcome = case.losses(case.represent())
        optimiser.zero_grad()
        outcome.total.backward()
        optimiser.step()
    assert outcome.losses["window"].item() < 0.5 * outcome.logs["chance"].item()


WRONG = [{"window": (0.0, 0.5)}, {"window": (0.5, 0.2)}, {"window": (0.5, 1.0)}, {"heads": 3}]


@pytest.mark.parametrize("options", WRONG)
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(UsageError, match="NextWindow"):
        NextWindow(**options)
