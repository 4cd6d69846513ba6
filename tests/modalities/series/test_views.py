"""Views of series: where their steps lie, what may change, and that tokens say where they stand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.modalities.series.makers import BY_CHANNEL, SERIES, prepared, rows_of

from selftaught.core.batch import View
from selftaught.core.errors import UsageError
from selftaught.core.rng import Rng
from selftaught.modalities.series import Augmentation, Series
from selftaught.modalities.series.stem import patches, target_of
from selftaught.modalities.series.views import Path, draw_path, sample, whole_path

RNG = Rng(seed=4)
STILL = Augmentation(crop=(1.0, 1.0), warp=0.0, permute=0.0, scale=0.0, jitter=0.0, frequency=0.0, channel=0.0)
IDS = torch.arange(2000) * 7 + 1


def view_of(series, kind="clean", rows=None, rng=RNG, **options):
    _, fitted, own = prepared()
    return series.augment(series.batch(own if rows is None else rows, fitted), View(kind=kind, **options), rng)


def ramps(count=6, steps=24):
    """Recordings whose value is the step's own number, as a fraction of the recording, in both channels."""
    line = (np.arange(steps) + 0.5) / steps
    return rows_of(SERIES, [np.stack([line, line], 1)] * count)


def raw(series):
    """A series that neither scales nor centres: its fit is mean 0, deviation 1."""
    _, fitted, _ = prepared()
    arrays = {"mean": np.zeros(2, np.float32), "std": np.ones(2, np.float32)}
    return replace(fitted, arrays=arrays)


def test_a_clean_view_is_the_whole_recording_filled_up_to_whole_tokens():
    series, fitted, rows = prepared()
    values, length = series.batch(rows, fitted).x
    shown = view_of(SERIES)
    assert shown.x.shape[1] == -(-int(length.max()) // 4) * 4
    steps = torch.arange(shown.x.shape[1])
    for row, count in enumerate(length.tolist()):
        torch.testing.assert_close(shown.x[row, :count], values[row, :count], equal_nan=True, rtol=0, atol=0)
        assert shown.x[row, count:].isnan().all()
        assert shown.valid[row].sum() == -(-count // 4)
    assert steps.numel() % 4 == 0


@pytest.mark.parametrize("kind", ["strong", "weak", "noisy"])
def test_without_amounts_nothing_is_cropped_or_changed(kind):
    rows = ramps()
    still = Series(**{**vars(SERIES), "augmentation": STILL})
    shown = still.augment(still.batch(rows, raw(still)), View(kind=kind), RNG)
    torch.testing.assert_close(shown.x, torch.stack(list(rows.fields["values"])), atol=1e-6, rtol=0)
    assert shown.dense
    zero = Series(**{**vars(SERIES), "strength": 0.0})
    shown = zero.augment(zero.batch(rows, raw(zero)), View(kind=kind), RNG)
    torch.testing.assert_close(shown.x, torch.stack(list(rows.fields["values"])), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["weak", "strong", "span", "clean"])
def test_the_origin_says_where_in_the_record_a_token_lies(kind):
    calm = replace(STILL, crop=(0.5, 1.0), warp=0.3, permute=0.5)
    series = Series(**{**vars(SERIES), "augmentation": calm})
    shown = series.augment(series.batch(ramps(), raw(series)), View(kind=kind, size=0.75), RNG)
    seen = shown.x.unflatten(1, (-1, 4))[..., 0]
    steps = ~seen.isnan()
    mean = torch.where(steps, seen, 0.0).sum(2) / steps.sum(2).clamp(min=1)
    # Values are held at both ends of the record, and a moved piece may meet the next within a token.
    near = (mean - shown.origin[..., 0]).abs()[shown.valid]
    assert near.median() < 1e-4
    assert near.max() < 0.5 / 24 + 1e-3 or kind == "strong"


@pytest.mark.parametrize(("size", "tokens"), [(1.0, 6), (0.5, 3), (0.75, 4), (0.01, 1)])
def test_a_smaller_view_shows_less_of_the_record_at_the_same_pace(size, tokens):
    still = Series(**{**vars(SERIES), "augmentation": STILL})
    for kind in ("weak", "span"):
        shown = still.augment(still.batch(ramps(), raw(still)), View(kind=kind, size=size), RNG)
        assert shown.segment.shape == (6, tokens)
        pace = shown.x[:, 1:, 0].diff(dim=1)
        torch.testing.assert_close(pace[~pace.isnan()], torch.full_like(pace[~pace.isnan()], 1 / 24), atol=1e-5, rtol=0)


def test_spans_lie_on_the_records_own_grid_of_tokens():
    length = torch.randint(1, 60, (2000,), generator=torch.Generator().manual_seed(0))
    path = draw_path(IDS, length, View(kind="span", size=0.625), 24, 4, STILL, RNG)
    assert path.place.shape == (2000, 16)
    assert (path.place[:, 0] % 4 == 0).all()
    assert (path.place[:, 0] + path.count <= length).all()
    assert ((path.count % 4 == 0) | (path.count == length)).all()
    assert (path.count[length >= 24] == 16).all()
    assert len(path.place[length >= 40, 0].unique()) > 5


def test_crops_cover_the_asked_share_and_are_slowed_down_no_more_than_allowed():
    length = torch.full((2000,), 100)
    how = replace(STILL, crop=(0.2, 1.0), stretch=1.5)
    path = draw_path(IDS, length, View(kind="weak"), 48, 4, how, RNG)
    pace = path.place[:, 1] - path.place[:, 0]
    extent = pace * path.count
    assert extent.min() < 0.25 * 48
    assert extent.max() > 0.95 * 48
    assert pace.min() > 1 / 1.5 - 0.06
    assert (path.count <= 48).all()
    assert (path.place[:, 0] >= -0.5).all()
    last = path.place.gather(1, path.count[:, None] - 1)[:, 0]
    assert (last <= 99.5).all()
    assert last.max() > 95
    wide = draw_path(IDS, length, View(kind="weak", scale=(0.9, 0.9)), 48, 4, how, RNG)
    extent = (wide.place[:, 1] - wide.place[:, 0]) * wide.count
    torch.testing.assert_close(extent, torch.full((2000,), 43.2), atol=0.3, rtol=0)


def test_sampling_interpolates_takes_the_nearest_beside_a_gap_and_ends_with_the_view():
    values = torch.tensor([[[0.0], [2.0], [float("nan")], [6.0]]])
    length = torch.tensor([4])
    place = torch.tensor([[0.0, 0.5, 1.25, 1.75, 3.0, 3.9, 5.0]])
    found = sample(values, Path(place=place, count=torch.tensor([6]), length=length))[0, :, 0]
    expected = torch.tensor([0.0, 1.0, 2.0, float("nan"), 6.0, 6.0, float("nan")])
    torch.testing.assert_close(found, expected, equal_nan=True)
    whole = sample(values, whole_path(length, 4, 3))[0, :, 0]
    torch.testing.assert_close(whole, torch.tensor([0.0, 2.0, float("nan"), 6.0, *[float("nan")] * 2]), equal_nan=True)


def test_a_missing_channel_never_leaves_none_and_strength_moves_what_is_lost():
    rows, lost = ramps(64), []
    for strength in (0.0, 1.0, 4.0):
        series = Series(**{**vars(SERIES), "strength": strength})
        shown = series.augment(series.batch(rows, raw(series)), View(kind="strong"), RNG)
        absent = shown.x.isnan().all(1)
        assert not absent.all(1).any()
        lost.append(float(absent.float().mean()))
    assert lost[0] == 0
    assert 0 < lost[1] < lost[2]


def test_every_change_changes_some_recordings_and_none_the_missing_values():
    series, fitted, rows = prepared(32)
    batch = series.batch(rows, fitted)
    for name in ("warp", "permute", "scale", "jitter", "frequency"):
        one = Series(**{**vars(SERIES), "augmentation": replace(STILL, **{name: 0.5, "chance": 1.0})})
        shown = one.augment(batch, View(kind="strong"), RNG)
        still = Series(**{**vars(SERIES), "augmentation": STILL}).augment(batch, View(kind="strong"), RNG)
        assert shown.x.shape == still.x.shape
        differs = (shown.x - still.x).abs().nan_to_num().amax((1, 2)) > 1e-3
        assert differs.float().mean() > 0.3, name
        if name in ("scale", "jitter", "frequency"):
            assert torch.equal(shown.x.isnan(), still.x.isnan()), name


def test_patches_are_steps_by_channels_or_channel_by_channel():
    x = torch.arange(12.0).view(1, 6, 2)
    assert patches(x, 3, mixing=True).tolist() == [[[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]]
    assert patches(x, 3, mixing=False).tolist() == [[[0, 2, 4], [6, 8, 10], [1, 3, 5], [7, 9, 11]]]


def test_a_target_is_valid_where_half_was_observed_and_filled_with_the_means_there():
    nan = float("nan")
    x = torch.tensor([[[1.0, nan], [3.0, nan], [nan, 5.0], [nan, nan]]])
    together = target_of(x, 2, True, torch.ones(1, 2).bool())
    assert together.valid.tolist() == [[True, False]]
    assert together.values.tolist() == [[[1, 0, 3, 0], [0, 5, 0, 5]]]
    apart = target_of(x, 2, False, torch.ones(1, 4).bool())
    assert apart.valid.tolist() == [[True, False, False, True]]
    assert apart.values[0, 3].tolist() == [5, 5]


def test_tokens_of_single_channels_stand_on_two_axes_and_units_may_be_whole_channels():
    shown = view_of(BY_CHANNEL, "weak", target=True)
    count = shown.segment.shape[1] // 2
    assert [axis.name for axis in shown.axes] == ["time", "channel"]
    assert shown.axes[1].size == 2
    assert shown.pos[0, :, 1].tolist() == [0.0] * count + [1.0] * count
    assert torch.equal(shown.pos[:, :count, 0], shown.pos[:, count:, 0])
    assert torch.equal(shown.segment[:, :count], shown.segment[:, count:])
    assert shown.unit[0].tolist() == list(range(2 * count))
    assert shown.target.outputs == 4
    streams = Series(**{**vars(BY_CHANNEL), "unit": "channel"})
    assert view_of(streams, "weak").unit[0].tolist() == [0] * count + [1] * count


def test_the_stem_tells_a_missing_value_from_a_zero_and_learns_both_maps():
    series, fitted, _ = prepared()
    stem = series.stem(8, fitted)
    shown = view_of(SERIES)
    gap = replace(shown, x=torch.where(shown.x.isnan(), 0.0, shown.x))
    assert not torch.equal(stem(shown), stem(gap))
    stem(shown).square().sum().backward()
    assert all(part.grad.abs().sum() > 0 for part in stem.parameters())


def test_a_view_is_not_augmented_twice_and_a_stem_reads_no_batch():
    series, fitted, rows = prepared()
    with pytest.raises(UsageError, match="view already"):
        series.augment(view_of(SERIES), View(kind="weak"), RNG)
    with pytest.raises(UsageError, match="reads views"):
        series.stem(8, fitted)(series.batch(rows, fitted))
