"""What the series modality decides from the data, stores, cuts and scales, and how it meets bad recordings."""

import datetime

import numpy as np
import pytest
import torch
from tests.modalities.series.makers import (
    BY_CHANNEL,
    ODD,
    SERIES,
    curves,
    prepared,
    record,
    records,
    rows_of,
    source_of,
)

from selftaught.core.batch import View
from selftaught.core.config import from_dict, to_dict
from selftaught.core.errors import DataError, UsageError
from selftaught.core.modality import Rows
from selftaught.core.rng import Rng
from selftaught.modalities.series import Augmentation, Series
from selftaught.modalities.series.choose import usual_patch


def walk(steps: int = 40, rate: float = 32.0, age: float = 30.0, start: int = 0) -> dict[str, np.ndarray]:
    """A recording of a long-format table: x, y over time t, beside a name and an age."""
    line = np.arange(start, start + steps)
    return {
        "t": line / rate,
        "x": np.sin(line / 3),
        "y": np.cos(line / 3),
        "sex": np.array(["f"] * steps, object),
        "age": np.full(steps, age),
    }


def test_columns_rate_window_and_patch_are_chosen_from_a_long_format_table():
    values = [walk(steps, age=age) for steps, age in ((40, 30.0), (50, 61.0), (64, 44.0))]
    series = Series().recognise(records(values))
    assert series.channels == ("x", "y")  # the age would say who was recorded
    assert (series.time, series.rate, series.window, series.patch) == ("t", 32.0, 50, 2)
    assert series.shape == (50, 2)
    assert "2 channels (x, y), 32 steps a second" in series.sentence
    assert Series.recognises(["a", "b", "c"], values)


def test_one_odd_recording_decides_no_channel_for_the_others():
    values = [walk(age=float(place)) for place in range(12)]
    values[3] = {"t": np.arange(4.0), "p": np.arange(4.0)}
    values[5]["x"] = np.array(["1,5"] * 40, object)
    assert Series().recognise(records(values)).channels == ("x", "y")


@pytest.mark.parametrize(
    ("rate", "said"),
    [(32.0, "32 steps a second"), (1 / 3600, "a step every hour"), (1 / 900, "a step every 15 minutes"),
     (1 / 86_400, "a step every day"), (0.5, "a step every 2 seconds"), (0.0, "steps without times")],
)  # fmt: skip
def test_the_pace_is_told_in_words(rate, said):
    assert said in Series(**{**vars(SERIES), "rate": rate}).sentence


def test_the_users_options_are_kept():
    asked = Series(window=20, patch=7, channels=("y",), time="", rate=0.0)
    series = asked.recognise(records([walk()]))
    assert (series.window, series.patch, series.channels, series.time, series.rate) == (20, 7, ("y",), "", 0.0)
    assert series.shape == (21, 1)  # whole tokens


def test_dates_are_found_under_any_name():
    moments = np.array([datetime.datetime(2016, 7, 1) + datetime.timedelta(hours=hour) for hour in range(30)])
    for dates in (moments, np.array([str(each) for each in moments]), moments.astype("datetime64[s]")):
        series = Series().recognise([record({"measured": dates, "load": np.arange(30.0)})])
        assert (series.time, series.channels) == ("measured", ("load",))
        assert series.rate == pytest.approx(1 / 3600, rel=1e-5)


@pytest.mark.parametrize(
    ("shapes", "order", "channels"),
    [
        ([(1, 24)] * 3, "channels", 1),
        ([(6, 100)] * 3, "channels", 6),
        ([(100, 6)] * 3, "time", 6),
        ([(3, 2), (9, 2), (40, 2)], "time", 2),
        ([(2, 3), (2, 9), (2, 40)], "channels", 2),
        ([(24,)] * 3, "time", 1),
    ],
)
def test_the_time_axis_of_arrays_is_found(shapes, order, channels):
    values = [np.random.default_rng(0).normal(size=shape) for shape in shapes]
    series = Series().recognise(records(values))
    assert series.order == order
    assert len(series.channels) == channels
    assert series.decode(record(values[-1])).fields["values"].shape == (max(shapes[-1]), channels)


def test_values_of_other_kinds_are_not_taken_for_series(numbers):
    curve = np.sin(np.arange(100) / 5)
    assert Series.recognises(["0", "1"], [curve, curve[:50]])
    assert Series.recognises(["a.csv"], [b"x,y\n1,2\n3,4\n5,7\n"])
    assert Series.recognises(["a.ts"], [b"@data\n1,2,3\n"])
    for value in (numbers.normal(size=30), np.zeros((28, 28)), np.zeros((32, 32, 3), np.uint8), "text", None, b"RIFF"):
        assert not Series.recognises(["0"], [value])
    assert not Series.recognises(["0"], [{"age": "30", "job": "clerk"}])
    assert not Series.recognises([], [])


@pytest.mark.parametrize("window", [1, 7, 24, 61, 100, 140, 427, 509, 512])
def test_the_usual_patch_is_a_sixteenth_at_most_16_and_divides_where_it_can(window):
    patch = usual_patch(window)
    assert 1 <= patch <= 16
    assert window % patch == 0 or window in (61, 509)


def test_a_recording_is_stored_as_float32_with_its_own_rate_and_findings():
    series = Series().recognise(records([walk(), walk(age=61.0)]))
    odd = walk(40)
    odd["t"][[3, 4]] = odd["t"][[4, 3]]
    odd["x"][5] = np.inf
    del odd["y"]
    stored = series.decode(record(odd))
    assert stored.fields["values"].dtype == stored.fields["rate"].dtype == np.float32
    assert stored.fields["values"].shape == (40, 2)
    assert stored.fields["rate"][0] == pytest.approx(32.0)
    assert np.isnan(stored.fields["values"][:, 1]).all()
    assert np.isnan(stored.fields["values"][5, 0])
    assert set(stored.findings) == {"values-infinite", "channel-missing", "time-unsorted"}


def test_recordings_of_another_rate_are_resampled():
    series = Series().recognise(records([walk(64), walk(64), walk(64)]))
    stored = series.decode(record(walk(16, rate=8.0)))
    assert stored.findings == ("resampled",)
    assert len(stored.fields["values"]) == 61
    assert stored.fields["rate"][0] == pytest.approx(8.0)


BAD = {
    "zero length": ({"t": np.empty(0), "x": np.empty(0), "y": np.empty(0)}, "no time steps"),
    "no channel of ours": ({"t": np.arange(3.0), "z": np.arange(3.0)}, "none of the channels"),
    "text in a channel": ({"t": np.arange(2.0), "x": np.array(["1", "2,5"]), "y": np.arange(2.0)}, "no numbers"),
    "other channels": (np.zeros((9, 3)), "3 channels, the others 2"),
    "all gap": ({"t": np.array([0.0, 0.1, 1e9]), "x": np.arange(3.0), "y": np.arange(3.0)}, "at its gaps"),
    "no recording": ("text", "long-format table"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_recordings_are_set_aside_with_id_reason_and_remedy(kind):
    series = Series().recognise(records([walk(), walk(age=61.0)]))
    value, said = BAD[kind]
    with pytest.raises(DataError, match=said) as refusal:
        series.decode(record(value, "ann"))
    assert str(refusal.value).startswith("ann: ")


@pytest.mark.parametrize("values", [[], [None], [np.empty((0, 2))], [{"t": np.arange(3.0)}], [b"", "x"]])
def test_data_without_any_recording_is_refused(values):
    with pytest.raises(DataError):
        Series().recognise(records(values))


def test_open_options_and_wrong_ones_are_usage_errors():
    with pytest.raises(UsageError, match="recognise"):
        _ = Series().shape
    for options in ({"window": 0}, {"patch": 0}, {"channels": ()}, {"channels": ("x", "x")}, {"unit": "channel"}):
        with pytest.raises(UsageError):
            Series(**options)


def test_a_series_survives_its_own_configuration():
    series = Series(channels=("x",), mixing=False, unit="channel", augmentation=Augmentation(jitter=0.5))
    assert from_dict(Series, to_dict(series)) == series


def test_the_recordings_of_an_archive_are_records_with_labels_and_parts():
    text = b"@classLabel true a b\n@data\n1,2,3:a\n4,5,6:b\n"
    files = source_of({"Two_TRAIN.ts": text, "Two_TEST.ts": text})
    series = Series().recognise(files.records)
    assert (series.order, series.channels) == ("time", ("0",))
    source = series.cut(files)
    found = source.records[:]
    assert [each.id for each in found] == ["Two_TRAIN.ts#1", "Two_TRAIN.ts#2", "Two_TEST.ts#1", "Two_TEST.ts#2"]
    assert [each.label for each in found] == ["a", "b", "a", "b"]
    assert [each.split for each in found] == ["train", "train", "test", "test"]
    assert all(each.group is None for each in found)
    assert len(source.stamps) == 4
    np.testing.assert_array_equal(series.decode(found[1]).fields["values"], [[4], [5], [6]])


def test_long_streams_are_cut_into_pieces_that_share_a_group():
    values = {"short.csv": walk(40), "long.csv": walk(200)}
    series = Series(longest=64, window=16, patch=4).recognise(source_of(values).records)
    found = series.cut(source_of(values)).records[:]
    assert [each.id for each in found] == ["short.csv", *(f"long.csv#{place}" for place in (1, 2, 3, 4))]
    assert {each.group for each in found[1:]} == {"long.csv"}
    whole = series.decode(record(values["long.csv"])).fields["values"]
    np.testing.assert_array_equal(series.decode(found[2]).fields["values"], whole[50:100])
    short = source_of({"a": walk(20), "b": walk(30)})
    assert series.cut(short) is short


def test_pieces_of_a_file_are_read_from_its_bytes():
    text = b"t,x\n" + b"".join(b"%d,%d\n" % (place, place) for place in range(100))
    source = source_of({"a.csv": text, "b.csv": text})
    series = Series(longest=30, window=10, patch=5).recognise(source.records)
    found = series.cut(source).records[:]
    assert len(found) == 8
    np.testing.assert_array_equal(series.decode(found[5]).fields["values"][:, 0], np.arange(25, 50))


@pytest.mark.parametrize("shape", [(2, 300), (300, 2)])
def test_a_single_stream_is_cut_in_time_into_three_parts_that_share_no_row(shape):
    source = source_of({"0": np.arange(600.0).reshape(shape)})
    series = Series(window=16, patch=4).recognise(source.records)
    rows: dict[str, list[tuple[float, ...]]] = {"train": [], "validation": [], "test": []}
    for each in series.cut(source).records:
        assert each.group is None
        rows[each.split] += map(tuple, series.decode(each).fields["values"].tolist())
    together = [row for part in rows.values() for row in part]
    assert together == sorted(together)
    assert len(set(together)) == len(together) == 300
    assert [round(len(part) / 300, 1) for part in rows.values()] == [0.6, 0.2, 0.2]


def test_channels_are_scaled_by_what_was_observed_in_the_training_part():
    values = [np.array([[1.0, 7.0], [3.0, 7.0]]), np.array([[5.0, np.nan], [np.nan, 7.0], [7.0, 7.0]])]
    rows = rows_of(SERIES, values)
    fitted = SERIES.fit([rows])
    np.testing.assert_allclose(fitted.arrays["mean"], [4.0, 7.0])
    np.testing.assert_allclose(fitted.arrays["std"], [np.std([1, 3, 5, 7]), 1.0])  # a constant channel is not blown up
    parts = [Rows(fields={"values": part[None]}, record=torch.arange(1)) for part in rows.fields["values"]]
    assert SERIES.fit(parts).hash == fitted.hash
    x, length = SERIES.batch(rows, fitted).x
    assert length.tolist() == [2, 3]
    assert x[0, 2].isnan().all()
    assert x[1, 0, 1].isnan()
    torch.testing.assert_close(x[1, 2], torch.tensor([3 / np.std([1, 3, 5, 7]), 0.0], dtype=torch.float32))


def test_a_large_offset_does_not_drown_the_spread_and_nothing_observed_is_refused():
    values = [1e6 + np.random.default_rng(0).normal(size=(500, 2))]
    fitted = SERIES.fit([rows_of(SERIES, values)])
    np.testing.assert_allclose(fitted.arrays["std"], [1, 1], rtol=0.15)
    with pytest.raises(DataError, match="No value was observed"):
        SERIES.fit([rows_of(SERIES, ODD["all missing"])])


def test_each_record_may_be_scaled_by_its_own_steps():
    own = Series(**{**vars(SERIES), "scale": "record"})
    series, fitted, rows = prepared(series=own)
    x, _ = series.batch(rows, fitted).x
    torch.testing.assert_close(x.nanmean(1), torch.zeros(8, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.square().nanmean(1), torch.ones(8, 2), atol=1e-4, rtol=0)


@pytest.mark.parametrize("series", [SERIES, BY_CHANNEL], ids=["mixing", "by-channel"])
@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("view", ["strong", "weak", "clean", "noisy", "span"])
def test_odd_recordings_give_finite_content_and_targets(series, kind, view):
    _, fitted, _ = prepared()
    batch = series.batch(rows_of(series, ODD[kind]), fitted)
    shown = series.augment(batch, View(kind=view, target=True), Rng(seed=1))
    assert shown.valid.any(1).all()
    assert series.stem(8, fitted)(shown).isfinite().all()
    assert shown.target.values.isfinite().all()
    assert not (shown.target.valid & ~shown.valid).any()


def test_an_audit_says_lengths_rates_and_what_is_missing():
    series = Series(**{**vars(SERIES), "rate": 2.0})
    rows = [rows_of(series, ODD["one step and many"]), rows_of(series, ODD["one channel missing"])]
    facts = {name: value for name, value, _ in series.audit(rows)}
    assert facts["recordings"] == 4.0
    assert (facts["least length"], facts["median length"], facts["largest length"]) == (1.0, 10.0, 40.0)
    assert facts["largest duration"] == 20.0
    assert facts["values missing"] == pytest.approx(100 * 20 / (61 * 2))
    assert facts["recordings without 1"] == 2.0
    assert facts["recordings of constant 0"] == 1.0
    assert all(isinstance(value, (float, str)) for value in facts.values())


def test_recordings_are_shown_as_lines_of_a_bounded_number_of_points():
    portraits = SERIES.portray(rows_of(SERIES, [np.ones((5000, 2)), np.ones((3, 2))]), 48)
    assert [each.kind for each in portraits] == ["line", "line"]
    assert 192 <= len(portraits[0].content) <= 2 * 192
    assert portraits[1].content.shape == (3, 2)


def test_generated_recordings_differ_in_length_and_miss_values(numbers):
    values, label = curves(30, numbers)
    assert len({len(each) for each in values}) > 3
    assert all(np.isnan(np.concatenate(values)).any(0))
    assert set(label) == {0, 1, 2}
