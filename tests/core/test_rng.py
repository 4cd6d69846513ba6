"""Counter-based randomness: uniform, independent, and blind to how records are batched."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from selftaught.core.rng import Rng

RNG = Rng(seed=1)
IDS = torch.arange(4096)
WHOLE = st.integers(-(2**63), 2**63 - 1)


def p_of_uniformity(values: torch.Tensor, bins: int = 64) -> float:
    counts = torch.histc(values.double().flatten(), bins, 0, 1).numpy()
    return float(stats.chisquare(counts).pvalue)


def correlation(first: torch.Tensor, second: torch.Tensor) -> float:
    return float(np.corrcoef(first.flatten().numpy(), second.flatten().numpy())[0, 1])


@pytest.mark.parametrize("ids", [IDS, IDS * 2**20, IDS + 2**40, -IDS - 1, IDS * 7_919_000_033], ids=str)
@pytest.mark.parametrize("size", [(), (16,)])
def test_draws_are_uniform_by_chi_square_whatever_the_ids(ids, size):
    values = RNG.uniform(ids, "crop", size)
    assert values.shape == (4096, *size)
    assert values.min() >= 0
    assert values.max() < 1
    assert p_of_uniformity(values) > 1e-4


def test_every_bit_that_is_used_is_fair():
    draws = (RNG.uniform(IDS, "bits", (64,)) * 2**24).long()
    for bit in range(24):
        share = ((draws >> bit) & 1).double().mean().item()
        assert abs(share - 0.5) < 4 * 0.5 / draws.numel() ** 0.5, bit


def test_pairs_of_neighbours_fill_the_square_evenly():
    values = RNG.uniform(IDS, "pairs", (32,))
    for first, second in ((values[:, :-1], values[:, 1:]), (values[:-1], values[1:])):
        cell = (first * 8).long() * 8 + (second * 8).long()
        counts = torch.bincount(cell.flatten(), minlength=64).numpy()
        assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("key", lambda: RNG.uniform(IDS, "flip", (16,))),
        ("epoch", lambda: RNG.at(1).uniform(IDS, "crop", (16,))),
        ("seed", lambda: Rng(seed=2).uniform(IDS, "crop", (16,))),
        ("high half of the seed", lambda: Rng(seed=1 + 2**32).uniform(IDS, "crop", (16,))),
        ("fold", lambda: RNG.fold("view").uniform(IDS, "crop", (16,))),
        ("number of the fold", lambda: RNG.fold(1).uniform(IDS, "crop", (16,))),
        ("next record", lambda: RNG.uniform(IDS + 1, "crop", (16,))),
        ("high half of the id", lambda: RNG.uniform(IDS + 2**32, "crop", (16,))),
    ],
)
def test_streams_are_independent_across_every_part_of_the_address(what, other):
    first, second = RNG.uniform(IDS, "crop", (16,)), other()
    assert abs(correlation(first, second)) < 4 / first.numel() ** 0.5, what
    assert (first == second).float().mean() < 1e-4, what


def test_no_two_of_many_streams_agree():
    starts = [
        Rng(seed=seed).at(epoch).fold(path).uniform(torch.tensor([5]), key, (2,))
        for seed in range(4)
        for epoch in range(4)
        for path in ("a", "b", 0, 1)
        for key in ("x", "y")
    ]
    assert len(torch.cat(starts).unique(dim=0)) == len(starts)


def test_folds_in_another_order_are_other_streams():
    first, second = RNG.fold("a").fold("b"), RNG.fold("b").fold("a")
    assert not torch.equal(first.uniform(IDS, "x"), second.uniform(IDS, "x"))


@given(st.lists(WHOLE, min_size=1, max_size=8), st.integers(0, 2**63), st.integers(0, 1000))
def test_a_records_draws_do_not_depend_on_the_batch(ids, seed, epoch):
    rng, batch = Rng(seed=seed, epoch=epoch), torch.tensor(ids)
    together = rng.uniform(batch, "crop", (3, 2))
    assert torch.equal(rng.uniform(batch.flip(0), "crop", (3, 2)).flip(0), together)
    for place in range(len(ids)):
        assert torch.equal(rng.uniform(batch[place : place + 1], "crop", (3, 2))[0], together[place])


def test_the_first_draws_do_not_depend_on_how_many_are_asked_for():
    assert torch.equal(RNG.uniform(IDS, "crop", (3,)), RNG.uniform(IDS, "crop", (9,))[:, :3])


def test_large_ids_that_differ_in_one_bit_draw_apart():
    ids = torch.tensor([2**62, *(2**62 + 2**bit for bit in range(62))])
    assert len(RNG.uniform(ids, "crop").unique()) == len(ids)


def test_a_range_scales_the_same_draws():
    unit = RNG.uniform(IDS, "angle")
    torch.testing.assert_close(RNG.uniform(IDS, "angle", low=-3.0, high=5.0), unit * 8 - 3)


def test_normal_draws_are_standard_normal_and_finite():
    values = RNG.normal(IDS, "noise", (8,)).flatten()
    assert values.isfinite().all()
    assert stats.kstest(values.double().numpy(), "norm").pvalue > 1e-4


@pytest.mark.parametrize("high", [1, 2, 7, 1000])
def test_integers_are_even_and_below_their_bound(high):
    values = RNG.integers(IDS, "turn", high, (8,))
    assert values.dtype == torch.long
    assert values.min() >= 0
    assert values.max() < high
    counts = torch.bincount(values.flatten(), minlength=high).numpy()
    assert high == 1 or stats.chisquare(counts).pvalue > 1e-4


def test_permutations_are_permutations_and_every_order_is_as_likely():
    orders = RNG.permutation(IDS, "order", 3)
    assert torch.equal(orders.sort(1).values, torch.arange(3).expand(len(IDS), 3))
    counts = torch.bincount((orders * torch.tensor([9, 3, 1])).sum(1), minlength=27)
    assert stats.chisquare(counts[counts > 0].numpy()).pvalue > 1e-4
    assert (counts > 0).sum() == 6


def test_chance_is_true_as_often_as_asked():
    share = RNG.chance(torch.arange(100_000), "flip", 0.3).double().mean().item()
    assert abs(share - 0.3) < 0.006
    assert not RNG.chance(IDS, "flip", 0.0).any()
    assert RNG.chance(IDS, "flip", 1.0).all()


def test_generators_are_equal_for_one_address_and_differ_otherwise():
    def draw(rng, key):
        return torch.rand(8, generator=rng.generator(key))

    assert torch.equal(draw(RNG, "centres"), draw(Rng(seed=1), "centres"))
    assert not torch.equal(draw(RNG, "centres"), draw(RNG, "other"))
    assert not torch.equal(draw(RNG, "centres"), draw(RNG.at(1), "centres"))


def test_draws_are_what_they_were_when_this_was_written():
    values = Rng(seed=3, epoch=2).fold("view").uniform(torch.tensor([0, 1, 2**40]), "crop", (2,))
    assert (values * 2**24).tolist() == [[9445125, 15475991], [12448945, 4825824], [16718793, 2714238]]
