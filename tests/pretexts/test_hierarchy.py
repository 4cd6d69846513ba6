"""TS2Vec's loss against a slow loop from the paper's equations, and that places of two crops are matched."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.modalities.series.makers import BY_CHANNEL, SERIES, prepared, rows_of

from selftaught.core.batch import View
from selftaught.core.errors import IllegalPair, UsageError
from selftaught.core.pretext import Clock, Spec, gather_nothing
from selftaught.core.rng import Rng
from selftaught.core.tokens import tokens_of
from selftaught.encoders import Transformer
from selftaught.encoders.dilated import Dilated
from selftaught.pretexts.hierarchy import TS2Vec, contrast, drop_steps, hierarchical_contrast, match_tokens

CLOCK = Clock(step=0, steps=10)
SMALL = Dilated(width=8, depth=3, outputs=12, dropout=0.0)


def slow_level(first, second, shared, instance):
    """Yue 2022, eq. 1 and 2, of one scale, both views as anchors; groups of one are left out."""
    views, (b, t) = (first, second), shared.shape

    def mean(groups):
        terms = []
        for group in groups:
            if len(group) < 2:
                continue
            for own, other in ((0, 1), (1, 0)):
                for i in group:
                    anchor = views[own][i]
                    scores = [math.exp(anchor @ views[other][j]) for j in group]
                    scores += [math.exp(anchor @ views[own][j]) for j in group if j != i]
                    terms.append(-math.log(math.exp(anchor @ views[other][i]) / sum(scores)))
        return sum(terms) / len(terms) if terms else 0.0

    across = mean([[(i, k) for i in range(b) if shared[i, k]] for k in range(t)])
    within = mean([[(i, k) for k in range(t) if shared[i, k]] for i in range(b)])
    return instance * across + ((1 - instance) * within if t > 1 else 0.0)


def slow_hierarchy(first, second, shared, instance):
    """Yue 2022, algorithm 1: the mean over scales, each the maximum of neighbours of the last."""
    losses = []
    while True:
        losses.append(slow_level(first, second, shared, instance))
        t = shared.shape[1]
        if t == 1:
            return sum(losses) / len(losses)
        halves = [np.zeros((len(shared), t // 2, first.shape[2])) for _ in range(2)]
        flags = np.zeros((len(shared), t // 2), bool)
        for i in range(len(shared)):
            for k in range(t // 2):
                seen = [place for place in (2 * k, 2 * k + 1) if shared[i, place]]
                flags[i, k] = bool(seen)
                for half, view in zip(halves, (first, second), strict=True):
                    half[i, k] = view[i, seen].max(0) if seen else 0
        first, second, shared = *halves, flags


@pytest.mark.parametrize("instance", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("b", "t"), [(3, 7), (4, 8), (1, 5), (3, 1), (2, 2)])
def test_the_loss_equals_the_papers_where_all_places_are_shared(b, t, instance):
    first, second = torch.randn(b, t, 4), torch.randn(b, t, 4)
    expected = slow_hierarchy(first.double().numpy(), second.double().numpy(), np.ones((b, t), bool), instance)
    for shared in (None, torch.ones(b, t).bool()):
        loss = hierarchical_contrast(first, second, shared, instance)
        assert loss.item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("instance", [0.0, 0.5, 1.0])
def test_the_loss_equals_the_slow_loop_where_overlaps_differ(instance):
    first, second = torch.randn(4, 9, 3), torch.randn(4, 9, 3)
    shared = torch.zeros(4, 9).bool()
    for row, (start, stop) in enumerate(((0, 9), (3, 8), (4, 5), (2, 2))):
        shared[row, start:stop] = True
    expected = slow_hierarchy(first.double().numpy(), second.double().numpy(), shared.numpy(), instance)
    assert hierarchical_contrast(first, second, shared, instance).item() == pytest.approx(expected, rel=1e-4)


def test_what_is_not_shared_changes_nothing_and_gets_no_gradient():
    first, second = torch.randn(3, 6, 4, requires_grad=True), torch.randn(3, 6, 4)
    shared = torch.ones(3, 6).bool()
    shared[1, 4:] = shared[2, :3] = False
    loss = hierarchical_contrast(first, second, shared)
    loss.backward()
    assert first.grad.isfinite().all()
    assert not first.grad[~shared].any()
    spoiled = torch.where(shared[..., None], first.detach(), 50.0)
    torch.testing.assert_close(hierarchical_contrast(spoiled, second, shared), loss.detach())


def test_a_batch_without_any_overlap_is_zero_with_zero_gradients():
    first = torch.randn(2, 4, 3, requires_grad=True)
    loss = hierarchical_contrast(first, torch.randn(2, 4, 3), torch.zeros(2, 4).bool())
    loss.backward()
    assert loss == 0
    assert not first.grad.any()


def test_alike_views_at_chance_cost_the_logarithm_of_the_others():
    same = torch.zeros(5, 8, 4)
    assert contrast(same, same, None).item() == pytest.approx(math.log(2 * 8 - 1), rel=1e-5)


def spans(rows=None, size=0.625, count=32):
    series, fitted, own = prepared(count)
    batch = series.batch(own if rows is None else rows, fitted)
    return [series.augment(batch, View(kind="span", size=size), Rng(seed=3).fold(place)) for place in range(2)]


@pytest.mark.parametrize("trunk", [SMALL, Transformer(width=8, depth=1, heads=2)], ids=["dilated", "transformer"])
def test_matched_tokens_stand_at_one_place_of_the_record(trunk):
    series, fitted, _ = prepared()
    encoder = trunk.build(series, fitted).eval()
    first, second = (encoder.encode(view).tokens for view in spans())
    ids, shared = match_tokens(first, second)
    other = second.origin[..., 0].gather(1, ids)
    torch.testing.assert_close(first.origin[..., 0][shared], other[shared], atol=1e-4, rtol=0)
    assert shared.any(1).all()  # crops of five eighths always overlap
    assert not shared.all()
    # Every token of the first that lies within the second is matched.
    low, high = (second.origin[..., 0].masked_fill(~second.valid, end).aminmax(dim=1) for end in (9.0, -9.0))
    within = first.valid & (first.origin[..., 0] >= low.min[:, None] - 1e-4)
    within &= first.origin[..., 0] <= high.max[:, None] + 1e-4
    assert torch.equal(shared, within)


def test_shared_steps_show_equal_values():
    first, second = spans()
    ids, shared = match_tokens(*(tokens_of(view, view.x.unflatten(1, (-1, 4)).flatten(2)) for view in (first, second)))
    moved = second.x.unflatten(1, (-1, 4)).flatten(2).gather(1, ids[..., None].expand(-1, -1, 8))
    own = first.x.unflatten(1, (-1, 4)).flatten(2)
    torch.testing.assert_close(own[shared], moved[shared], equal_nan=True)


def test_dropped_steps_are_missing_in_all_channels_and_differ_between_crops():
    view, _ = spans(rows_of(SERIES, [np.zeros((24, 2))] * 200))
    dropped = drop_steps(view, 0.5, Rng(seed=1).fold(0))
    lost = dropped.x.isnan()
    assert torch.equal(lost[..., 0], lost[..., 1])
    assert 0.45 < lost.float().mean() < 0.55
    assert not torch.equal(lost, drop_steps(view, 0.5, Rng(seed=1).fold(1)).x.isnan())
    assert torch.equal(drop_steps(view, 0.0, Rng(seed=1)).x, view.x)


def trained(steps, pretext):
    series, fitted, rows = prepared(16)
    torch.manual_seed(0)
    encoder = SMALL.build(series, fitted)
    spec = Spec(records=16, dim=12, axes=series.axes, outputs=8, steps=steps, batch=16)
    head = pretext.build(encoder, spec)
    optimiser = torch.optim.AdamW(encoder.parameters(), lr=3e-3)
    batch, losses = series.batch(rows, fitted), []
    for step in range(steps):
        rng = Rng(seed=0).at(step)
        views = [series.augment(batch, pretext.plan()[0], rng.fold(place)) for place in range(2)]
        parts = pretext.represent(encoder, head, views, CLOCK, rng)
        outcome = pretext.losses(head, parts, views, CLOCK, gather_nothing)
        optimiser.zero_grad()
        outcome.total.backward()
        optimiser.step()
        losses.append(outcome.total.item())
    return losses


@pytest.mark.slow
def test_moments_are_told_apart_after_some_steps():
    losses = trained(60, TS2Vec(drop=0.2))
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])


def test_tokens_of_single_channels_and_options_that_cannot_work_are_refused():
    spec = Spec(records=4, dim=8, axes=BY_CHANNEL.axes, outputs=4, steps=1, batch=4)
    with pytest.raises(IllegalPair, match="mixing=True"):
        TS2Vec().build(Transformer(width=8, depth=1, heads=2).build(BY_CHANNEL, prepared()[1]), spec)
    for options in ({"crop": 0.0}, {"crop": 1.5}, {"drop": 1.0}, {"drop": -0.1}, {"instance": 2.0}):
        with pytest.raises(UsageError, match="TS2Vec"):
            TS2Vec(**options)
    assert replace(TS2Vec(), crop=1.0).plan()[0].size == 1.0
