"""Typed targets: each loss against a slow loop, and only where the target is valid."""

import math
from dataclasses import replace

import pytest
import torch

from selftaught.core.pretext import gather_nothing
from selftaught.core.targets import Categorical, Circular, Continuous, Counts, Mixed, cat_targets, masked_mean

B, N = 3, 4
VALID = torch.tensor([[1, 1, 0, 1], [1, 0, 0, 0], [0, 1, 1, 1]]).bool()


def continuous(width=3):
    return Continuous(values=torch.randn(B, N, width), valid=VALID)


def categorical():
    return Categorical(values=torch.randint(5, (B, N)), valid=VALID, size=5)


def circular():
    return Circular(values=torch.rand(B, N) * 6 - 3, valid=VALID)


def counts():
    return Counts(values=torch.randint(6, (B, N)).float(), valid=VALID)


def mixed():
    part = torch.tensor([0, 1, 2, 3]).expand(B, N)
    parts = (continuous(1), categorical(), circular(), counts())
    return Mixed(
        parts=tuple(replace(each, valid=VALID & (part == i)) for i, each in enumerate(parts)), part=part, valid=VALID
    )


def slow_continuous(target, prediction, b, n):
    width = target.values.shape[-1]
    return sum((prediction[b, n, p].item() - target.values[b, n, p].item()) ** 2 for p in range(width)) / width


def slow_categorical(target, prediction, b, n):
    scores = [prediction[b, n, c].item() for c in range(target.size)]
    return math.log(sum(math.exp(score) for score in scores)) - scores[int(target.values[b, n])]


def slow_circular(target, prediction, b, n):
    sine, cosine = prediction[b, n].tolist()
    return 1 - math.cos(math.atan2(sine, cosine) - target.values[b, n].item())


def slow_counts(target, prediction, b, n):
    log_rate = prediction[b, n, 0].item()
    return math.exp(log_rate) - target.values[b, n].item() * log_rate


def slow_mixed(target, prediction, b, n):
    kinds, start = (slow_continuous, slow_categorical, slow_circular, slow_counts), 0
    for index, part in enumerate(target.parts):
        if index == target.part[b, n]:
            return kinds[index](part, prediction[:, :, start : start + part.outputs], b, n)
        start += part.outputs
    raise AssertionError("no part owns the token")


KINDS = pytest.mark.parametrize(
    ("make", "slow"),
    [
        (continuous, slow_continuous),
        (categorical, slow_categorical),
        (circular, slow_circular),
        (counts, slow_counts),
        (mixed, slow_mixed),
    ],
    ids=lambda function: function.__name__,
)


@KINDS
def test_a_loss_equals_the_slow_loop_at_every_valid_token(make, slow):
    target = make()
    prediction = torch.randn(B, N, target.outputs)
    loss = target.loss(prediction)
    assert loss.shape == (B, N)
    for b, n in VALID.nonzero().tolist():
        assert loss[b, n].item() == pytest.approx(slow(target, prediction, b, n), rel=1e-5, abs=1e-6)


@KINDS
def test_a_loss_in_bf16_is_computed_in_float32(make, slow):
    target = make()
    prediction = torch.randn(B, N, target.outputs).bfloat16()
    assert target.loss(prediction).dtype == torch.float32
    assert torch.equal(target.loss(prediction), target.loss(prediction.float()))


@KINDS
def test_taking_tokens_takes_their_losses(make, slow):
    target, ids = make(), torch.tensor([[3, 1], [0, 0], [2, 3]])
    prediction = torch.randn(B, N, target.outputs)
    some = target.take(ids)
    chosen = prediction.gather(1, ids[..., None].expand(B, 2, target.outputs))
    torch.testing.assert_close(some.loss(chosen), target.loss(prediction).gather(1, ids))
    assert torch.equal(some.valid, target.valid.gather(1, ids))
    assert some.outputs == target.outputs


@KINDS
def test_targets_of_two_batches_one_below_the_other_keep_their_losses(make, slow):
    first, second = make(), make()
    prediction = torch.randn(2 * B, N, first.outputs)
    both = cat_targets([first, second])
    expected = torch.cat([first.loss(prediction[:B]), second.loss(prediction[B:])])
    assert type(both) is type(first)
    torch.testing.assert_close(both.loss(prediction), expected)


def spoiled(target):
    if isinstance(target, Mixed):
        return replace(target, parts=tuple(map(spoiled, target.parts)))
    bad = -1 if isinstance(target, Categorical) else float("nan")
    flag = target.valid if target.values.ndim == 2 else target.valid[..., None]
    return replace(target, values=torch.where(flag, target.values, bad))


@KINDS
def test_what_stands_at_an_invalid_place_reaches_neither_loss_nor_gradient(make, slow):
    target = make()
    prediction = torch.randn(B, N, target.outputs, requires_grad=True)
    results = []
    for each in (target, spoiled(target)):
        loss = masked_mean(each.loss(prediction), each.valid, gather_nothing, 1)
        results.append((loss, *torch.autograd.grad(loss, prediction)))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    assert results[1][1].isfinite().all()
    assert not results[1][1][~VALID].any()


def test_chance_is_what_the_docstrings_say():
    nothing = torch.zeros(B, N, 5)
    assert categorical().loss(nothing).allclose(torch.tensor(math.log(5)))
    angles = Circular(values=torch.linspace(-math.pi, math.pi, 1001)[None, 1:], valid=torch.ones(1, 1000).bool())
    assert angles.loss(torch.ones(1, 1000, 2)).mean().item() == pytest.approx(1, abs=1e-5)
    normalised = continuous(64).normalised()
    assert normalised.loss(torch.zeros(B, N, 64))[VALID].mean().item() == pytest.approx(1, abs=0.05)


def test_normalised_tokens_have_mean_zero_and_variance_one_and_flat_ones_are_zero():
    values = torch.randn(B, N, 16) * 5 + 3
    values[0, 0] = 7.0
    target = Continuous(values=values, valid=VALID).normalised()
    torch.testing.assert_close(target.values.mean(-1), torch.zeros(B, N), atol=1e-5, rtol=0)
    spread = target.values.var(-1)
    assert spread[0, 0] == 0
    torch.testing.assert_close(spread.flatten()[1:], torch.ones(B * N - 1), atol=1e-4, rtol=0)


def test_a_token_of_one_value_is_not_normalised_away():
    target = continuous(1)
    assert torch.equal(target.normalised().values, target.values)


def ranks_of(parts):
    """The gather of each of several processes: everybody gets what all of them gave."""
    joint = torch.cat(parts)
    return lambda values: joint


@pytest.mark.parametrize("valid", [VALID, VALID & False, torch.eye(3, 4).bool() & (torch.arange(3) == 1)[:, None]])
def test_masked_mean_over_processes_is_the_mean_of_the_joint_batch(valid):
    loss = torch.randn(B, N)
    joint = loss[valid].mean() if valid.any() else torch.tensor(0.0)
    counts = [row.sum().float().view(1) for row in valid]
    ranks = [masked_mean(loss[r : r + 1], valid[r : r + 1], ranks_of(counts), B) for r in range(B)]
    torch.testing.assert_close(torch.stack(ranks).mean(), joint)
    torch.testing.assert_close(masked_mean(loss, valid, gather_nothing, 1), joint)


def test_masked_mean_of_nothing_is_zero_and_keeps_a_gradient_path():
    loss = torch.randn(2, 3, requires_grad=True)
    mean = masked_mean(loss, torch.zeros(2, 3).bool(), gather_nothing, 1)
    mean.backward()
    assert mean == 0
    assert torch.equal(loss.grad, torch.zeros(2, 3))
