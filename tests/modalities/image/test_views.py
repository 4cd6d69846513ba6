"""What a view of a batch promises, whatever the pictures are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.modalities.image.makers import draw, encode, pick, prepare
from torch import Tensor

from selftaught.core.batch import Batch, View, cat_batches
from selftaught.core.config import from_dict, to_dict
from selftaught.core.errors import UsageError
from selftaught.core.rng import Rng
from selftaught.core.targets import Continuous
from selftaught.modalities import Image
from selftaught.modalities.image import Augmentation, views
from selftaught.modalities.image.geometry import place_window, token_origin

KINDS = ("strong", "weak", "clean", "noisy", "span", "transform")
EVERYTHING = Augmentation(
    vertical_flip=0.5, right_angles=True, rotation=20.0, blur=0.7, solarise=0.3, grey=0.5, precision="float32"
)
UPRIGHT = replace(EVERYTHING, right_angles=False, rotation=0.0)


def view_of(image: Image, batch: Batch, kind: str, **options: object) -> Batch:
    return image.augment(batch, View(kind=kind, **options), Rng(seed=3).fold(kind))


def pixels(batch: Batch) -> Tensor:
    assert isinstance(batch.x, Tensor)
    return batch.x


@pytest.fixture(scope="module")
def photos():
    return prepare([draw(40, 60, seed=seed) for seed in range(8)], Image(size=32, augmentation=EVERYTHING))


@pytest.mark.parametrize("kind", KINDS)
def test_a_view_of_a_record_does_not_depend_on_its_batch(kind: str, photos) -> None:
    image, fitted, rows = photos
    together = view_of(image, image.batch(rows, fitted), kind)
    alone = view_of(image, image.batch(pick(rows, [5]), fitted), kind)
    shuffled = view_of(image, image.batch(pick(rows, [7, 5, 1]), fitted), kind)
    torch.testing.assert_close(pixels(alone)[0], pixels(together)[5], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(pixels(shuffled)[1], pixels(together)[5], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(shuffled.origin[1], together.origin[5])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_view_and_another_another(kind: str, photos) -> None:
    image, fitted, rows = photos
    batch = image.batch(rows, fitted)
    first, again = view_of(image, batch, kind), view_of(image, batch, kind)
    assert torch.equal(pixels(first), pixels(again))
    other = image.augment(batch, View(kind=kind), Rng(seed=4).fold(kind))
    assert torch.equal(pixels(first), pixels(other)) == (kind == "clean")


@pytest.mark.parametrize("kind", KINDS)
def test_taking_a_batch_in_pieces_changes_nothing(kind: str, photos, monkeypatch: pytest.MonkeyPatch) -> None:
    image, fitted, rows = photos
    whole = view_of(image, image.batch(rows, fitted), kind)
    monkeypatch.setattr(views, "CACHED", 3 * 40 * 40 * 3)
    pieces = view_of(image, image.batch(rows, fitted), kind)
    torch.testing.assert_close(pixels(pieces), pixels(whole), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("kind", KINDS)
def test_any_number_of_channels_gives_finite_normalised_views(kind: str, channels: int) -> None:
    values = [draw(24, 24, channels, seed) for seed in range(4)]
    image, fitted, rows = prepare(values, Image(augmentation=EVERYTHING))
    view = view_of(image, image.batch(rows, fitted), kind)
    assert pixels(view).shape == (4, channels, 24, 24)
    assert pixels(view).dtype == torch.float32
    assert pixels(view).isfinite().all()
    assert image.shape == (channels, 24, 24)
    if kind == "clean":
        assert pixels(view).mean((0, 2, 3)).abs().max() < 1e-2
        assert (pixels(view).std((0, 2, 3)) - 1).abs().max() < 1e-2


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deeper_pictures_keep_their_fine_values(dtype: type) -> None:
    values = [(draw(32, 32, 1, seed).astype(np.float64) * 16 + 3).astype(dtype) for seed in range(4)]
    image, fitted, rows = prepare(values)
    assert image.depth == np.dtype(dtype).name
    assert float(fitted.arrays["high"][0]) == (4095 if dtype is np.uint16 else max(v.max() for v in values))
    for kind in KINDS:
        assert pixels(view_of(image, image.batch(rows, fitted), kind)).isfinite().all()
    clean = view_of(image, image.batch(rows, fitted), "clean")
    low, high, mean, std = (float(fitted.arrays[name][0]) for name in ("low", "high", "mean", "std"))
    back = (pixels(clean)[0, 0] * std + mean) * (high - low) + low
    np.testing.assert_allclose(back.numpy(), values[0][..., 0].astype(np.float32), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0, 128, 255])
def test_blank_and_identical_pictures_stay_finite(kind: str, value: int) -> None:
    image, fitted, rows = prepare([np.full((32, 32, 3), value, np.uint8)] * 3)
    view = view_of(image, image.batch(rows, fitted), kind, target=True)
    assert pixels(view).isfinite().all()
    assert pixels(view).abs().max() < 10


def test_one_constant_channel_is_not_blown_up() -> None:
    values = [draw(32, 32, 3, seed) for seed in range(4)]
    for value in values:
        value[..., 1] = 77
    image, fitted, rows = prepare(values)
    assert float(fitted.arrays["std"][1]) == 1.0
    assert pixels(view_of(image, image.batch(rows, fitted), "strong")).abs().max() < 20


def test_statistics_merged_over_chunks_equal_those_of_all() -> None:
    image, whole, rows = prepare([draw(32, 32, 3, seed) for seed in range(7)])
    parts = image.fit([pick(rows, [0, 1, 2]), pick(rows, [3]), pick(rows, [4, 5, 6])])
    for name in ("low", "high", "mean", "std"):
        value = whole.arrays[name]
        np.testing.assert_allclose(parts.arrays[name], value, rtol=1e-5)


@pytest.mark.parametrize(("size", "side"), [(1.0, 32), (0.5, 16), (0.75, 24), (0.4, 12), (0.01, 4)])
def test_a_smaller_view_has_fewer_tokens_of_the_same_size(size: float, side: int, photos) -> None:
    image, fitted, rows = photos
    view = view_of(image, image.batch(rows, fitted), "weak", size=size, target=True)
    count = (side // 4) ** 2
    assert pixels(view).shape[-2:] == (side, side)
    assert view.segment.shape == view.unit.shape == (8, count)
    assert view.pos.shape == view.origin.shape == (8, count, 2)
    assert isinstance(view.target, Continuous)
    assert view.target.values.shape == (8, count, 4 * 4 * 3)
    stem = image.stem(16, fitted)
    content = stem(view)
    assert content.shape == (8, count, 16)
    content.square().mean().backward()
    assert stem.project.weight.grad is not None
    assert stem.project.weight.grad.abs().sum() > 0


def test_targets_come_only_when_asked_and_are_the_patches_of_the_view(photos) -> None:
    image, fitted, rows = photos
    batch = image.batch(rows, fitted)
    assert view_of(image, batch, "weak").target is None
    view = view_of(image, batch, "weak", target=True)
    assert isinstance(view.target, Continuous)
    second_row_first = pixels(view)[:, :, 4:8, 0:4].permute(0, 2, 3, 1).flatten(1)
    assert torch.equal(view.target.values[:, 8], second_row_first)


def test_places_cost_no_memory_per_record(photos) -> None:
    image, fitted, rows = photos
    view = view_of(image, image.batch(rows, fitted), "strong")
    assert view.segment.stride()[0] == view.pos.stride()[0] == view.unit.stride()[0] == 0
    assert view.dense
    assert cat_batches([view, view]).rows == 16


def test_the_origin_says_where_in_the_picture_a_token_lies() -> None:
    ramp = np.stack(np.meshgrid(np.arange(64), np.arange(64), indexing="ij"), -1).astype(np.uint8) * 4
    values = [np.concatenate([ramp, ramp[..., :1]], 2)] * 6
    how = Augmentation(vertical_flip=0.5, right_angles=True, rotation=10.0, jitter=0.0, grey=0.0, blur=0.0)
    image, fitted, rows = prepare(values, Image(size=64, augmentation=how))
    for kind in ("strong", "weak", "span", "transform", "clean"):
        view = view_of(image, image.batch(rows, fitted), kind)
        scale = torch.from_numpy(fitted.arrays["std"] * 255).view(3, 1, 1)
        shift = torch.from_numpy(fitted.arrays["mean"] * 255).view(3, 1, 1)
        seen = (pixels(view) * scale + shift)[:, :2].unfold(2, 8, 8).unfold(3, 8, 8).mean((4, 5)) / 256
        place = seen.flatten(2).transpose(1, 2)
        grid = view.origin.view(6, 8, 8, 2)[:, 2:6, 2:6].reshape(6, -1, 2)
        inner = place.view(6, 8, 8, 2)[:, 2:6, 2:6].reshape(6, -1, 2)
        torch.testing.assert_close(inner, grid, atol=0.02, rtol=0)


def test_a_transform_view_says_by_how_much_it_was_turned(photos) -> None:
    image, fitted, rows = photos
    turned = view_of(image, image.batch(rows, fitted), "transform")
    upright = replace(image, augmentation=UPRIGHT)
    plain = upright.augment(upright.batch(rows, fitted), View(kind="weak"), Rng(seed=3).fold("transform"))
    assert turned.facts.transform is not None
    assert turned.facts.transform.unique().numel() > 1
    for index, turns in enumerate(turned.facts.transform.tolist()):
        expected = torch.rot90(pixels(plain)[index], turns, [1, 2])
        torch.testing.assert_close(pixels(turned)[index], expected, atol=1e-5, rtol=1e-5)


def test_the_supervised_control_sees_the_turns_that_the_encoder_sees(photos) -> None:
    image, fitted, rows = photos
    upright = replace(image, augmentation=UPRIGHT)
    turned = pixels(view_of(image, image.batch(rows, fitted), "weak"))
    straight = pixels(view_of(upright, upright.batch(rows, fitted), "weak"))
    assert not torch.allclose(turned, straight, atol=0.1)


def test_windows_have_the_asked_area_and_the_true_shape() -> None:
    aspect = torch.tensor([1.0, 2.0, 0.5, 8.0]).repeat_interleave(500)
    draws = Rng(seed=0).uniform(torch.arange(2000), "window", (22,))
    window = place_window(draws, aspect, (0.2, 1.0), (0.75, 4 / 3))
    shape = window.width * aspect / window.height
    assert (window.top >= 0).all()
    assert (window.left >= 0).all()
    assert (window.top + window.height <= 1 + 1e-6).all()
    assert (window.left + window.width <= 1 + 1e-6).all()
    assert (shape > 0.75 - 1e-4).all()
    assert (shape < 4 / 3 + 1e-4).all()
    area = (window.width * window.height)[:500]
    assert area.min() < 0.25
    assert area.max() > 0.85
    assert 0.5 < area.mean() < 0.6  # the largest crops seldom fit, as in torchvision
    assert token_origin(window, 4).min() >= 0
    assert token_origin(window, 4).max() <= 1


def test_a_view_may_override_the_crop_scale(photos) -> None:
    _, fitted, rows = photos
    image = replace(photos[0], augmentation=UPRIGHT)
    batch = image.batch(rows, fitted)
    for scale in ((0.05, 0.06), (0.9, 1.0)):
        spread = view_of(image, batch, "weak", scale=scale).origin
        extent = (spread.amax(1) - spread.amin(1)).prod(1) * (8 / 7) ** 2
        assert (extent <= scale[1] + 0.01).all()


def test_strength_zero_neither_crops_nor_recolours() -> None:
    how = Augmentation(grey=0.0, blur=0.0, mirror=0.0)
    image, fitted, rows = prepare([draw(32, 32, 3, 1)], Image(strength=0.0, augmentation=how))
    batch = image.batch(rows, fitted)
    strong, clean = view_of(image, batch, "strong"), view_of(image, batch, "clean")
    torch.testing.assert_close(pixels(strong), pixels(clean), atol=0.05, rtol=0)


def test_bfloat16_products_stay_within_two_steps_of_float32(photos) -> None:
    image, fitted, rows = photos
    fast = replace(image, augmentation=replace(EVERYTHING, precision="bfloat16", solarise=0.0))
    slow = replace(image, augmentation=replace(EVERYTHING, precision="float32", solarise=0.0))
    batch = image.batch(rows, fitted)
    gap = pixels(view_of(fast, batch, "weak")) - pixels(view_of(slow, batch, "weak"))
    assert (gap.abs().amax((0, 2, 3)) * torch.from_numpy(fitted.arrays["std"])).max() <= 2 / 255


def test_encoded_files_give_the_same_batch_as_decoded_ones() -> None:
    files = [encode(draw(50, 70, seed=seed), "JPEG") for seed in range(3)]
    decoded, fitted, rows = prepare(files)
    encoded, other, late = prepare(files, Image(store="encoded"))
    assert fitted.hash == other.hash
    first, second = (view_of(*part, "clean") for part in ((decoded, decoded.batch(rows, fitted)),
                                                          (encoded, encoded.batch(late, fitted))))  # fmt: skip
    assert torch.equal(pixels(first), pixels(second))


def test_an_image_survives_its_own_configuration() -> None:
    image = Image(size=48, strength=0.5, augmentation=Augmentation(rotation=15.0))
    assert from_dict(Image, to_dict(image)) == image


def test_open_options_and_wrong_sides_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="recognise"):
        _ = Image().shape
    with pytest.raises(UsageError, match="divide"):
        Image(size=32, patch=5)
    with pytest.raises(UsageError, match="at least 1"):
        Image(size=0)


def test_a_view_is_not_augmented_twice(photos) -> None:
    image, fitted, rows = photos
    view = view_of(image, image.batch(rows, fitted), "weak")
    with pytest.raises(UsageError, match="view already"):
        view_of(image, view, "weak")
