"""The minutes of a race: spent to the last, twice as long a round, fewer candidates with less."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftaught.compare.candidates import Candidate
from selftaught.compare.race import next_round
from selftaught.compare.schedule import FINALISTS, SEEDS, SHORTEST, share_out
from selftaught.core.errors import UsageError
from selftaught.modalities import Image
from selftaught.recipe import Recipe


def field(*families):
    """As many candidates of each family as is said; the first of each represents it."""
    return [
        Candidate(name=f"{family}{number}", family=f"f{family}", first=number == 0, modality=Image(), recipe=Recipe())
        for family, count in enumerate(families)
        for number in range(count)
    ]


def entrants(candidates, schedule):
    """How many trainings each round has, at most: the two best families are taken to be the largest."""
    families = {}
    for each in candidates:
        families.setdefault(each.family, []).append(each.name)
    sizes = sorted((sum(name not in schedule.absent for name in own) for own in families.values()), reverse=True)
    middle = [sum(sizes[:FINALISTS])] if len(schedule.minutes) == 3 else []
    return [len(schedule.entering), *middle, SEEDS * FINALISTS]


@given(st.floats(1, 600), st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_all_rounds_together_take_no_more_than_the_minutes(minutes, families):
    candidates = field(*families)
    schedule = share_out(minutes, candidates)
    assert min(schedule.minutes) >= SHORTEST
    running = len(candidates) - len(schedule.absent)
    if len(schedule.minutes) == 1:
        assert running == len(schedule.entering) <= FINALISTS
        assert schedule.minutes[0] * SEEDS * running == pytest.approx(minutes)
        return
    spent = sum(count * each for count, each in zip(entrants(candidates, schedule), schedule.minutes, strict=True))
    assert spent <= minutes * 1.0001
    assert spent >= 0.999 * minutes
    for first, second in zip(schedule.minutes, schedule.minutes[1:], strict=False):
        assert second == pytest.approx(2 * first)


def test_the_first_round_has_one_of_each_family_and_siblings_join_later():
    schedule = share_out(60.0, field(1, 3, 1, 2))
    assert schedule.entering == ("00", "10", "20", "30")
    assert len(schedule.minutes) == 3
    assert schedule.absent == ()


def test_with_two_families_all_run_from_the_start():
    schedule = share_out(60.0, field(2, 1))
    assert schedule.entering == ("00", "10", "01")
    assert len(schedule.minutes) == 2


def test_less_time_leaves_out_siblings_first_then_families_and_says_so():
    candidates = field(1, 2, 1, 1)
    kept = [set(share_out(minutes, candidates).absent) for minutes in (30.0, 4.0, 1.0)]
    assert kept[0] == set()
    assert kept[1] == {"11"}
    assert kept[1] < kept[2]
    assert "00" not in kept[2]


def test_no_time_at_all_is_refused_with_the_least_that_would_do():
    with pytest.raises(UsageError, match=r"--minutes 0\.5"):
        share_out(0.2, field(1, 1))
    assert share_out(0.5, field(1, 1)).entering == ("00",)


def test_siblings_of_the_two_best_families_join_and_a_family_without_an_encoder_does_not():
    candidates = field(2, 3, 1)
    assert next_round(candidates, ["10", "20", "00"], 4, final=False) == ["10", "20", "11", "12"]
    assert next_round(candidates, ["00"], 4, final=False) == ["00", "01"]
    assert next_round(candidates, ["20", "11", "00"], 2, final=True) == ["20", "11"]


def test_where_the_best_families_have_no_siblings_the_next_best_take_their_places():
    candidates = field(1, 3, 1, 1)
    assert share_out(30.0, candidates).counts == (4, 4, 2)
    assert next_round(candidates, ["00", "20", "30", "10"], 4, final=False) == ["00", "20", "30", "10"]
    assert next_round(candidates, ["00", "20", "30", "10"], 3, final=False) == ["00", "20", "30"]
    assert next_round(candidates, ["00", "30", "10"], 2, final=False) == ["00", "30"]
    assert next_round(candidates, ["10", "00", "20", "30"], 4, final=False) == ["10", "00", "11", "12"]
