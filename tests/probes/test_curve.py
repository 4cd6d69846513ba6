import numpy as np
import pytest

from selftaught.core.errors import DataError, UsageError
from selftaught.probes.budgets import nested_budgets
from selftaught.probes.curve import Predictions, label_efficiency
from selftaught.probes.saved import labels_needed, labels_saved


def features(labels: np.ndarray, signal: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (signal * np.eye(3, 8)[labels] + rng.normal(size=(len(labels), 8))).astype(np.float32)


TRAIN, TEST = np.arange(180) % 3, np.arange(300) % 3
BUDGETS = nested_budgets(TRAIN, (1, 2, 5, 20, None), draws=3)
GOOD = [(features(TRAIN, 3, seed), features(TEST, 3, 100 + seed)) for seed in (0, 1)]
MIDDLE = [(features(TRAIN, 1.5, 5), features(TEST, 1.5, 6))]
POOR = [(features(TRAIN, 0, 7), features(TEST, 0, 8))]


def majority() -> Predictions:
    hits = np.broadcast_to(TEST == 0, (1, 1, 300))
    return Predictions(dict.fromkeys((1, 2, 5, 20, None), hits))


CURVE = label_efficiency(
    {"encoder": GOOD, "classical": MIDDLE, "twin": POOR, "majority": majority()},
    "encoder",
    (TRAIN, TEST),
    BUDGETS,
    resamples=300,
)


def test_every_contestant_stands_at_every_budget_with_its_interval() -> None:
    assert len(CURVE.points) == 20
    for point in CURVE.points:
        assert point.accuracy.low <= point.accuracy.value <= point.accuracy.high
        assert point.balanced_accuracy.value == pytest.approx(point.accuracy.value)
    assert CURVE.at("encoder", 5).seeds == 2
    assert CURVE.at("encoder", 5).draws == 3
    assert CURVE.at("encoder", 5).labels == 15
    assert CURVE.at("majority", None).accuracy.value == pytest.approx(1 / 3)


def test_the_lead_of_the_encoder_has_a_paired_interval() -> None:
    lead = CURVE.at("twin", 20).lead
    assert lead is not None
    assert lead.low > 0.3
    assert lead.value == pytest.approx(CURVE.at("encoder", 20).accuracy.value - CURVE.at("twin", 20).accuracy.value)
    assert CURVE.at("encoder", 20).lead is None


def test_the_best_control_is_chosen_by_inner_accuracy_and_one_label_borrows_the_next_budget() -> None:
    assert [(best.per_class, best.name) for best in CURVE.best_controls] == [
        (size, "classical") for size in (1, 2, 5, 20, None)
    ]
    assert [best.judged_at for best in CURVE.best_controls] == [2, 2, 5, 20, None]


def test_a_control_that_never_gets_there_is_reported_as_a_bound() -> None:
    saved = {row.per_class: row for row in CURVE.saved}
    assert str(saved[None].needed) == "> 180"
    assert str(saved[20].needed) == "> 180"
    assert saved[1].needed.count > 3


@pytest.mark.slow
def test_an_encoder_against_itself_saves_nothing_and_leads_by_exactly_nothing() -> None:
    same = label_efficiency({"encoder": MIDDLE, "copy": MIDDLE}, "encoder", (TRAIN, TEST), BUDGETS, resamples=200)
    for size in (1, 2, 5, 20, None):
        lead = same.at("copy", size).lead
        assert lead is not None
        assert (lead.value, lead.low, lead.high) == (0, 0, 0)
    assert all(row.needed.count <= row.labels * 1.001 for row in same.saved)


def test_groups_widen_the_intervals() -> None:
    test_groups = np.repeat(np.arange(10), 30)
    hits = np.repeat(np.random.default_rng(0).random(10) < 0.5, 30)[None, None]
    contestants = {"encoder": Predictions({None: hits}), "other": Predictions({None: ~hits})}
    budgets = nested_budgets(TRAIN, (None,))
    alone = label_efficiency(contestants, "encoder", (TRAIN, TEST), budgets, resamples=300)
    grouped = label_efficiency(
        contestants, "encoder", (TRAIN, TEST), budgets, (np.arange(180) // 6, test_groups), resamples=300
    )
    wide, narrow = grouped.at("encoder", None).accuracy, alone.at("encoder", None).accuracy
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert wide.n == 10
    assert grouped.groups == 10


def test_without_a_judged_control_no_labels_are_claimed_saved() -> None:
    curve = label_efficiency(
        {"encoder": MIDDLE, "majority": majority()}, "encoder", (TRAIN, TEST), BUDGETS, resamples=50
    )
    assert curve.best_controls == ()
    assert curve.saved == ()


@pytest.mark.slow
def test_predictions_with_an_inner_accuracy_can_be_the_best_control() -> None:
    hits = np.ones((1, 3, 300), bool)
    supervised = Predictions({20: hits}, inner_accuracy={20: 0.99})
    curve = label_efficiency(
        {"encoder": MIDDLE, "twin": POOR, "supervised": supervised}, "encoder", (TRAIN, TEST), BUDGETS, resamples=50
    )
    assert [best.name for best in curve.best_controls] == ["twin", "twin", "twin", "supervised", "twin"]


def test_labels_needed_are_interpolated_in_log_labels() -> None:
    control = np.array([[0.2], [0.4], [0.6]])
    sizes = np.array([10.0, 100.0, 1000.0])
    assert labels_needed(sizes, control, np.array([0.5])) == pytest.approx([10**2.5])
    assert labels_needed(sizes, control, np.array([0.4])) == pytest.approx([100])
    assert labels_needed(sizes, control, np.array([0.1])).tolist() == [0]
    assert labels_needed(sizes, control, np.array([0.7])).tolist() == [np.inf]


def test_bounds_of_labels_saved_say_when_they_are_bounds() -> None:
    sizes = np.array([1000.0, 10.0])
    drawn = np.array([[[0.95] * 40, [0.5] * 40], [[0.9] * 40, [0.3] * 20 + [0.6] * 20]])
    all_labels, ten = None, None
    for row in labels_saved([None, 1], sizes, np.array([[0.95, 0.5], [0.9, 0.45]]), drawn):
        all_labels, ten = (row, ten) if row.per_class is None else (all_labels, row)
    assert all_labels is not None
    assert ten is not None
    assert (str(all_labels.needed), str(all_labels.low), str(all_labels.high)) == ("> 1000",) * 3
    assert str(ten.low) == "<= 10"
    assert ten.needed.relation == "="
    assert 10 < ten.needed.count < 1000


def test_a_stranger_as_encoder_and_misshapen_predictions_are_refused() -> None:
    with pytest.raises(UsageError, match="not among"):
        label_efficiency({"a": MIDDLE}, "b", (TRAIN, TEST), BUDGETS)
    with pytest.raises(DataError, match="300 test records"):
        label_efficiency({"a": Predictions({1: np.ones((1, 1, 7), bool)})}, "a", (TRAIN, TEST), BUDGETS, resamples=10)
    with pytest.raises(UsageError, match="no contestant"):
        CURVE.at("ghost", 1)


def test_a_control_that_alone_can_be_judged_at_one_label_is_not_the_best_for_that() -> None:
    poor = np.broadcast_to(np.arange(300) % 7 == 0, (1, 1, 300))
    supervised = Predictions({1: poor, 5: poor}, inner_accuracy={1: 0.3, 5: 0.31})
    curve = label_efficiency(
        {"encoder": GOOD, "twin": MIDDLE, "supervised": supervised}, "encoder", (TRAIN, TEST), BUDGETS, resamples=50
    )
    assert [best.name for best in curve.best_controls] == ["twin"] * 5
    assert [best.judged_at for best in curve.best_controls] == [5, 2, 5, 20, None]


def test_a_control_beside_the_best_is_never_chosen_and_saves_labels_no_less() -> None:
    ahead = np.broadcast_to(np.arange(300) % 10 > 0, (1, 1, 300))
    contestants = {"encoder": GOOD, "twin": POOR, "supervised": Predictions({None: ahead}, inner_accuracy={None: 1.0})}
    curve = label_efficiency(
        contestants, "encoder", (TRAIN, TEST), BUDGETS, resamples=100, beside=("supervised", "absent")
    )
    assert {best.name for best in curve.best_controls} == {"twin"}
    assert curve.beside == ("supervised",)
    alone = label_efficiency({"encoder": GOOD, "twin": POOR}, "encoder", (TRAIN, TEST), BUDGETS, resamples=100)
    assert str(alone.saved[0].needed) == "> 180"
    assert str(curve.saved[0].needed) != "> 180"
