"""What a view of a batch promises, whatever the recordings are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.modalities.audio.makers import RATE, pick, prepare, rows_of, sixteen, sound
from torch import Tensor

from selftaught.core.batch import Batch, View, cat_batches
from selftaught.core.config import from_dict, to_dict
from selftaught.core.errors import DataError, UsageError
from selftaught.core.modality import Fitted, Rows
from selftaught.core.rng import Rng
from selftaught.core.targets import Continuous
from selftaught.encoders import ConvNet, ResNet, Transformer
from selftaught.modalities.audio import Audio, Augmentation
from selftaught.modalities.audio.stem import patches
from selftaught.modalities.audio.views import drop_bands
from selftaught.modalities.audio.windows import resampling

KINDS = ("strong", "weak", "clean", "noisy", "span", "transform")
EVERYTHING = Augmentation(noise=0.7, mixed=0.0, reverberation=0.7, drops=2)
NOTHING = Augmentation(noise=0.0, mixed=0.0, reverberation=0.0, dropped=0.0, gain=0.0)
SECONDS = (0.3, 0.5, 0.8, 1.4, 0.5, 0.2, 2.0, 0.6)


def view_of(audio: Audio, batch: Batch, kind: str, **options: object) -> Batch:
    return audio.augment(batch, View(kind=kind, **options), Rng(seed=3))


def picture(batch: Batch) -> Tensor:
    assert isinstance(batch.x, Tensor)
    return batch.x


@pytest.fixture(scope="module")
def clips() -> tuple[Audio, Fitted, Rows]:
    values = [sixteen(sound(length, 300 + 100 * place, seed=place)) for place, length in enumerate(SECONDS)]
    return prepare(values, Audio(rate=RATE, window=0.8, frames=80, augmentation=EVERYTHING))


@pytest.mark.parametrize("kind", KINDS)
def test_a_view_is_a_finite_normalised_picture(kind: str, clips) -> None:
    audio, fitted, rows = clips
    view = view_of(audio, audio.batch(rows, fitted), kind)
    assert picture(view).shape == (8, 1, 64, 80)
    assert picture(view).dtype == torch.float32
    assert picture(view).isfinite().all()
    assert picture(view).abs().max() < 12
    assert audio.shape == (1, 64, 80)
    if kind == "clean":
        assert picture(view).mean().abs() < 1e-2
        assert (picture(view).std() - 1).abs() < 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_a_view_of_a_record_does_not_depend_on_its_batch(kind: str, clips) -> None:
    audio, fitted, rows = clips
    together = view_of(audio, audio.batch(rows, fitted), kind)
    alone = view_of(audio, audio.batch(pick(rows, [5]), fitted), kind)
    shuffled = view_of(audio, audio.batch(pick(rows, [7, 5, 1]), fitted), kind)
    torch.testing.assert_close(picture(alone)[0], picture(together)[5], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(picture(shuffled)[1], picture(together)[5], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(shuffled.origin[1], together.origin[5])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_view_and_another_another(kind: str, clips) -> None:
    audio, fitted, rows = clips
    batch = audio.batch(rows, fitted)
    first, again = view_of(audio, batch, kind), view_of(audio, batch, kind)
    assert torch.equal(picture(first), picture(again))
    other = audio.augment(batch, View(kind=kind), Rng(seed=4))
    assert torch.equal(picture(first), picture(other)) == (kind == "clean")


def test_mixing_takes_the_record_that_travels_along(clips) -> None:
    audio, fitted, _ = clips
    rows = rows_of(audio, [np.zeros(4000, np.int16), sixteen(sound(0.5))])
    mixing = replace(audio, augmentation=replace(NOTHING, mixed=1.0, background=0.4))
    batch = mixing.batch(rows, fitted)
    silent = picture(view_of(replace(mixing, augmentation=NOTHING), batch, "strong"))[0]
    mixed = view_of(mixing, batch, "strong")
    assert (silent.amax(2) - silent.amin(2)).max() < 1e-4
    assert picture(mixed)[0].max() > silent.max() + 0.5
    alone = view_of(mixing, batch.rows_at(torch.tensor([0])), "strong")
    torch.testing.assert_close(picture(alone)[0], picture(mixed)[0], atol=1e-4, rtol=1e-4)


def test_strength_zero_is_a_weak_view_and_more_moves_further_from_it(clips) -> None:
    audio, fitted, rows = clips
    batch = audio.batch(rows, fitted)
    weak = picture(view_of(audio, batch, "weak"))
    moved = [
        (picture(view_of(replace(audio, strength=strength), batch, "strong")) - weak).abs().mean().item()
        for strength in (0.0, 0.3, 1.0)
    ]
    assert moved[0] < 1e-5
    assert moved[0] < moved[1] < moved[2]


@pytest.mark.parametrize(("size", "high", "wide"), [(1.0, 8, 10), (0.5, 4, 5), (0.75, 6, 8), (0.01, 1, 1)])
def test_a_smaller_view_has_fewer_tokens_of_the_same_size(size: float, high: int, wide: int, clips) -> None:
    audio, fitted, rows = clips
    view = view_of(audio, audio.batch(rows, fitted), "weak", size=size, target=True)
    count = high * wide
    assert picture(view).shape == (8, 1, 8 * high, 8 * wide)
    assert view.segment.shape == view.unit.shape == (8, count)
    assert view.pos.shape == view.origin.shape == (8, count, 2)
    assert isinstance(view.target, Continuous)
    assert view.target.values.shape == (8, count, 64)
    stem = audio.stem(16, fitted)
    content = stem(view)
    assert content.shape == (8, count, 16)
    content.square().mean().backward()
    assert stem.project.weight.grad is not None
    assert stem.project.weight.grad.abs().sum() > 0


def test_half_the_size_shows_the_same_at_half_the_resolution(clips) -> None:
    audio, fitted, rows = clips
    batch = audio.batch(rows, fitted)
    whole, half = (picture(view_of(audio, batch, "clean", size=size)) for size in (1.0, 0.5))
    pooled = torch.nn.functional.avg_pool2d(whole, 2)
    assert (half - pooled).abs().mean() < 0.3 * pooled.std()


def test_patches_hold_bands_and_frames_of_their_place() -> None:
    x = torch.arange(2 * 16 * 24.0).view(2, 1, 16, 24)
    found = patches(x, 8)
    assert found.shape == (2, 6, 64)
    assert torch.equal(found[1, 4], x[1, 0, 8:16, 8:16].flatten())


def test_the_origin_says_where_in_the_recording_a_burst_lies() -> None:
    values, places = [], []
    for place, (length, at) in enumerate([(0.4, 0.3), (0.8, 0.5), (1.6, 0.7), (1.6, 0.4), (3.0, 0.5), (0.6, 0.8)]):
        wave = np.zeros(round(length * RATE), np.float32)
        start = round(at * len(wave))
        wave[start : start + 160] = 0.5 * np.random.default_rng(place).normal(size=160)
        values.append(wave)
        extent = max(len(wave), round(0.8 * RATE))
        places.append((start + 80 + (extent - len(wave)) / 2) / extent)
    how = replace(NOTHING, bands=(0.8, 1.0))
    audio, fitted, rows = prepare(values, Audio(rate=RATE, window=0.8, frames=80, patch=4, augmentation=how))
    batch, seen = audio.batch(rows, fitted), 0
    for kind in KINDS:
        view = view_of(audio, batch, kind)
        level = picture(view)[:, 0].unfold(2, 4, 4).mean((1, 3))
        column = level.argmax(1)
        time = view.origin.view(6, 16, 20, 2)[:, 0, :, 1]
        for row in range(6):
            loud = level[row].max() - level[row].min() > 0.5
            if not loud or column[row] in (0, 19) or kind == "noisy":
                continue
            seen += 1
            width = (time[row, 11] - time[row, 9]).abs() / 2
            assert abs(time[row, column[row]].item() - places[row]) < 1.6 * width + 0.01, (kind, row)
    assert seen >= 10


def test_silence_around_a_recording_is_no_target(clips) -> None:
    audio, fitted, _ = clips
    rows = rows_of(audio, [sixteen(sound(0.2)), sixteen(sound(0.8)), sixteen(sound(2.0))])
    view = view_of(audio, audio.batch(rows, fitted), "clean", target=True)
    assert isinstance(view.target, Continuous)
    valid = view.target.valid.view(3, 8, 10)
    assert valid[0].any(0).tolist() == [False] * 3 + [True] * 4 + [False] * 3
    assert valid[1:].all()
    assert torch.equal(view.target.values, patches(picture(view), 8))
    assert view_of(audio, audio.batch(rows, fitted), "clean").target is None


def test_a_transform_view_says_whether_time_runs_backwards(clips) -> None:
    audio, fitted, rows = clips
    batch = audio.batch(rows, fitted)
    turned, plain = view_of(audio, batch, "transform"), view_of(audio, batch, "weak")
    assert turned.facts.transform is not None
    assert set(turned.facts.transform.tolist()) == {0, 1}
    for row, backwards in enumerate(turned.facts.transform.tolist()):
        expected = picture(plain)[row].flip(2) if backwards else picture(plain)[row]
        torch.testing.assert_close(picture(turned)[row], expected)
        times = plain.origin.view(8, 8, 10, 2)[row, :, :, 1]
        expected = times.flip(1) if backwards else times
        torch.testing.assert_close(turned.origin.view(8, 8, 10, 2)[row, :, :, 1], expected)


def test_hidden_bands_are_zero_and_no_wider_than_asked() -> None:
    how = Augmentation(drops=1, dropped=0.25)
    ids = torch.arange(200)
    hidden = drop_bands(torch.ones(200, 1, 16, 40), ids, how, Rng(seed=0))[:, 0] == 0
    rows, columns = hidden.all(2), hidden.all(1)
    assert rows.sum(1).max() <= 4
    assert columns.sum(1).max() <= 10
    assert rows.sum(1).max() >= 3
    assert columns.any(0)[5:35].all()
    assert torch.equal(hidden, rows[:, :, None] | columns[:, None, :])


def test_resampling_keeps_constants_and_the_whole_exactly() -> None:
    start, extent = torch.tensor([0.0, 3.2, 0.0]), torch.tensor([20.0, 7.5, 20.0])
    for size in (5, 13, 20, 33):
        weight = resampling(start, extent, 20, size)
        torch.testing.assert_close(weight.sum(2), torch.ones(3, size))
    torch.testing.assert_close(resampling(start, extent, 20, 20)[0], torch.eye(20))
    ramp = torch.arange(20.0) + 0.5
    found = resampling(start, extent, 20, 5) @ ramp
    torch.testing.assert_close(found[1], 3.2 + 7.5 * (torch.arange(5) + 0.5) / 5, atol=0.05, rtol=0)


def test_a_view_may_override_what_the_crop_covers(clips) -> None:
    audio, fitted, rows = clips
    batch = audio.batch(pick(rows, [6]), fitted)
    for scale in ((0.25, 0.25), (1.0, 1.0)):
        grid = view_of(audio, batch, "weak", scale=scale).origin.view(8, 10, 2)
        height = (grid[7, 0, 0] - grid[0, 0, 0]) * 8 / 7
        width = (grid[0, 9, 1] - grid[0, 0, 1]) * 10 / 9
        assert height.item() == pytest.approx(scale[0] ** 0.5, abs=1e-3)
        assert width.item() == pytest.approx(scale[0] ** 0.5, abs=1e-3)


def test_strong_views_of_a_long_recording_reach_from_a_window_to_all_of_it() -> None:
    audio, fitted, rows = prepare([sixteen(sound(4.0, seed=seed)) for seed in range(40)], Audio(rate=RATE, window=0.8))
    batch = audio.batch(rows, fitted)
    for reach, least, most in ((0.0, 0.2, 0.27), (1.0, 0.9, 1.06)):
        how = replace(audio, augmentation=Augmentation(speed=0.0, reach=reach))
        grid = view_of(how, batch, "strong").origin.view(40, 8, -1, 2)[:, 0, :, 1]
        width = (grid[:, -1] - grid[:, 0]) * grid.shape[1] / (grid.shape[1] - 1)
        assert least < width.max() < most + 0.01
        assert width.min() < 0.25


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0, 1000])
def test_silent_and_constant_recordings_stay_finite(kind: str, value: int, clips) -> None:
    audio, fitted, _ = clips
    rows = rows_of(audio, [np.full(3000, value, np.int16)] * 3)
    view = view_of(audio, audio.batch(rows, fitted), kind, target=True)
    assert picture(view).isfinite().all()
    assert picture(view).abs().max() < 100


def test_equalised_recordings_look_alike_however_loud(clips) -> None:
    audio, fitted, _ = clips
    tone = sound(0.8, level=0.1)
    rows = rows_of(replace(audio, depth="float32"), [tone, 0.1 * tone, 5 * tone])
    view = picture(view_of(audio, audio.batch(rows, fitted), "clean"))
    torch.testing.assert_close(view[1], view[0], atol=1e-2, rtol=0)
    torch.testing.assert_close(view[2], view[0], atol=1e-2, rtol=0)
    kept = replace(audio, equalise=False)
    raw = picture(view_of(kept, kept.batch(rows, fitted), "clean"))
    assert raw[1].mean() < raw[0].mean() < raw[2].mean()


def test_statistics_do_not_depend_on_the_chunks(clips) -> None:
    audio, whole, rows = clips
    parts = audio.fit([pick(rows, [0, 1, 2]), pick(rows, [3]), pick(rows, [4, 5, 6, 7])])
    for name, value in whole.arrays.items():
        np.testing.assert_allclose(parts.arrays[name], value, rtol=1e-3, atol=1e-3)
    with pytest.raises(DataError, match="no sounds"):
        audio.fit([])
    with pytest.raises(DataError, match="all silent"):
        audio.fit([rows_of(audio, [np.zeros(3000, np.int16)] * 3)])


@pytest.mark.parametrize(
    "config", [ConvNet(widths=(8, 8, 16)), ResNet(depth=10, width=8), Transformer(width=16, depth=1, heads=2)]
)
def test_picture_encoders_and_patch_tokens_read_the_same_view(config, clips) -> None:
    audio, fitted, rows = clips
    encoder = config.build(audio, fitted).eval()
    encoded = encoder.encode(view_of(audio, audio.batch(rows, fitted), "clean"))
    assert encoded.pooled.shape == (8, encoder.dim)
    assert encoded.pooled.isfinite().all()
    assert encoded.tokens.origin[..., 0].min() >= 0


def test_places_cost_no_memory_per_record_and_views_share_a_forward(clips) -> None:
    audio, fitted, rows = clips
    view = view_of(audio, audio.batch(rows, fitted), "strong")
    assert view.segment.stride()[0] == view.pos.stride()[0] == view.unit.stride()[0] == 0
    assert view.dense
    assert cat_batches([view, view]).rows == 16


def test_an_audio_survives_its_own_configuration(clips) -> None:
    audio = clips[0]
    assert from_dict(Audio, to_dict(audio)) == audio
    assert from_dict(Audio, to_dict(Audio(strength=0.5))) == Audio(strength=0.5)


def test_open_options_and_second_views_are_usage_errors(clips) -> None:
    audio, fitted, rows = clips
    with pytest.raises(UsageError, match="recognise"):
        _ = Audio().shape
    view = view_of(audio, audio.batch(rows, fitted), "weak")
    with pytest.raises(UsageError, match="view already"):
        view_of(audio, view, "weak")
    with pytest.raises(UsageError, match="reads views"):
        audio.stem(16, fitted)(audio.batch(rows, fitted))
