"""Batches are a pure function of seed, epoch and step, and processes share what one process would see."""

from itertools import islice

import numpy as np
import pytest

from selftaught.core.errors import DataError, UsageError
from selftaught.data.sampler import Partners, Position, Sampler

INDICES = np.arange(100, 203)


def sampler(**options) -> Sampler:
    return Sampler(**({"indices": INDICES, "batch": 8, "seed": 3} | options))


def test_an_epoch_shows_every_record_at_most_once_and_all_without_drop_last():
    dropped = np.concatenate(list(sampler().epoch(0)))
    assert len(dropped) == len(set(dropped)) == 96
    kept = list(sampler(drop_last=False).epoch(0))
    assert sorted(np.concatenate(kept)) == INDICES.tolist()
    assert len(kept[-1]) == 7
    assert sampler().steps_per_epoch == 12
    assert sampler(drop_last=False).steps_per_epoch == 13


def test_epochs_and_seeds_differ_and_repeat_exactly():
    assert np.array_equal(sampler().order(4), sampler().order(4))
    assert not np.array_equal(sampler().order(4), sampler().order(5))
    assert not np.array_equal(sampler().order(4), sampler(seed=4).order(4))


def test_the_order_of_an_epoch_is_near_to_uniform():
    first = np.array([sampler(seed=seed).order(0)[0] for seed in range(2000)])
    assert abs(first.mean() - INDICES.mean()) < 4 * INDICES.std() / np.sqrt(2000)


def test_resuming_anywhere_gives_the_rest_of_the_same_stream():
    stream = list(islice(sampler().batches(), 40))
    for step in (0, 5, 12, 13, 31):
        place = sampler().position(step)
        for (position, batch), (again, resumed) in zip(stream[step:], sampler().batches(place), strict=False):
            assert position == again
            assert np.array_equal(batch, resumed)
    assert sampler().position(31) == Position(epoch=2, step=7)


@pytest.mark.parametrize("drop_last", [True, False])
def test_processes_together_see_the_batches_of_one_process(drop_last: bool):
    alone = list(sampler(drop_last=drop_last).epoch(1))
    shared = [list(sampler(drop_last=drop_last, rank=rank, ranks=4).epoch(1)) for rank in range(4)]
    assert all(len(batches) == len(alone) for batches in shared)
    for step, batch in enumerate(alone):
        assert np.array_equal(np.concatenate([batches[step] for batches in shared]), batch)


def test_a_batch_larger_than_the_data_is_refused_with_the_remedy():
    with pytest.raises(DataError, match="larger than the 103 training records") as caught:
        sampler(batch=128)
    assert "at most 103" in str(caught.value)
    assert sampler(batch=128, drop_last=False).steps_per_epoch == 1


def test_what_cannot_be_sampled_is_refused():
    with pytest.raises(UsageError, match="cannot be shared"):
        sampler(ranks=3)
    with pytest.raises(UsageError, match="rank below ranks"):
        sampler(rank=2, ranks=2)
    with pytest.raises(DataError, match="no record"):
        sampler(indices=np.empty(0, np.int64))


GROUPS = np.array([0, 0, 0, 1, 1, 2, -1, -1, 0, 1])


def test_a_partner_is_another_training_record_of_the_same_group():
    train = np.array([0, 1, 2, 3, 4, 5, 6, 7])  # 8 and 9 are held out, though of groups 0 and 1
    partners = Partners(indices=train, groups=GROUPS, seed=1)
    drawn = np.stack([partners.of(train, epoch) for epoch in range(60)])
    for place, record in enumerate(train):
        others = {int(each) for each in train if GROUPS[each] == GROUPS[record] >= 0 and each != record}
        assert set(drawn[:, place].tolist()) == (others or {int(record)})


def test_partners_depend_on_seed_epoch_and_record_alone():
    train = np.arange(8)
    partners, again = (Partners(indices=train, groups=GROUPS, seed=3) for _ in range(2))
    whole = partners.of(train, 5)
    assert np.array_equal(whole[[6, 2, 0]], again.of(train[[6, 2, 0]], 5))
    assert any(not np.array_equal(whole, partners.of(train, epoch)) for epoch in range(5))


def test_groups_of_one_record_have_no_partners_to_offer():
    with pytest.raises(DataError, match="No two training records share a group"):
        Partners(indices=np.array([0, 3, 5, 6, 7]), groups=GROUPS, seed=0)
