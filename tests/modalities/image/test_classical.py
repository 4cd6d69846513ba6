"""The classical features against independent oracles, and that they tell pictures apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.feature import hog
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from tests.modalities.image.makers import draw, draw_batch, pick, prepare

from selftaught.modalities.image.classical import colour_histogram, orient, principal_axes
from selftaught.modalities.patchwords import encode_words, learn_words


@pytest.mark.parametrize(("side", "cell"), [(32, 4), (64, 8)])
@pytest.mark.parametrize("channels", [1, 3])
def test_hog_agrees_with_scikit_image(side: int, cell: int, channels: int) -> None:
    pictures = draw_batch(3, side, side, channels).double() / 255
    for ours, picture in zip(orient(pictures.float(), cell), pictures, strict=True):
        expected = hog(
            picture.permute(1, 2, 0).numpy(), pixels_per_cell=(cell, cell), cells_per_block=(2, 2), channel_axis=-1
        )
        assert np.abs(ours.numpy() - expected).mean() < 1e-3  # a gradient on the edge of a bin may fall either way
        assert np.corrcoef(ours.numpy(), expected)[0, 1] > 0.999


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_colour_histogram_counts_every_pixel_once_per_colour(channels: int) -> None:
    pictures = draw_batch(3, 16, 16, channels).float() / 255
    shares = colour_histogram(pictures)
    torch.testing.assert_close(shares.sum(1), torch.full((3,), 1.0 if channels == 3 else float(channels)))
    first = (pictures[1, 0] * 16).long().clamp(max=15)
    if channels == 1:
        torch.testing.assert_close(shares[1], torch.bincount(first.flatten(), minlength=16) / 256)


def test_principal_axes_agree_with_scikit_learn() -> None:
    pictures = draw_batch(60, 12, 12).float().flatten(1) / 255
    mean, axes = principal_axes(pictures, 10)
    expected = PCA(10, svd_solver="full").fit(pictures.numpy())
    ours = (pictures - mean) @ axes
    theirs = expected.transform(pictures.numpy())
    np.testing.assert_allclose(np.abs(ours.numpy()), np.abs(theirs), atol=5e-3)


def test_axes_of_rounding_are_left_out_so_that_no_probe_can_blow_them_up() -> None:
    pictures = draw_batch(40, 12, 12).float().flatten(1) / 255
    mean, axes = principal_axes(pictures[:20], 256)
    known, asked = (pictures[:20] - mean) @ axes, (pictures[20:] - mean) @ axes
    assert axes.shape[1] == 19
    assert float((asked.std(0) / known.std(0)).max()) < 100
    assert principal_axes(torch.ones(5, 7), 3)[1].shape == (7, 1)


def test_patch_words_encode_how_much_nearer_than_average() -> None:
    pictures = draw_batch(12, 32, 32).float() / 255
    words = learn_words(pictures, count=20)
    found = pictures[3, :, 4:10, 6:12].flatten()
    found = (found - found.mean()) / (found.var(correction=0) + 10 / 255**2).sqrt()
    distance = ((found - words.mean) @ words.whiten - words.centres).norm(dim=1)
    features = encode_words(pictures, words)
    assert features.shape == (12, 80)
    assert (features >= 0).all()
    grid = [
        encode_words(pictures[3:4, :, y : y + 8, x : x + 8], words) for y, x in ((4, 6), (4, 6))
    ]  # its first quadrant is the one patch at (4, 6)
    torch.testing.assert_close(grid[0][0].view(20, 4)[:, 0], (distance.mean() - distance).clamp(min=0))


@pytest.mark.parametrize(("side", "channels"), [(24, 1), (32, 3), (70, 3), (32, 5)])
def test_every_feature_set_is_finite_deterministic_and_independent_of_the_others(side: int, channels: int) -> None:
    image, _, rows = prepare([draw(side, side, channels, seed) for seed in range(9)])
    train, other = pick(rows, [0, 1, 2, 3, 4, 5]), pick(rows, [6, 7, 8])
    for classical in image.classical():
        first, second = classical.features(train, other)
        assert first.dtype == second.dtype == np.float32
        assert first.shape == (6, second.shape[1])
        assert np.isfinite(first).all()
        assert np.isfinite(second).all()
        again, alone = classical.features(train, pick(rows, [7]))
        np.testing.assert_array_equal(first, again)
        np.testing.assert_allclose(alone[0], second[1], atol=1e-4)


@pytest.mark.parametrize("count", [1, 2])
def test_blank_or_very_few_pictures_give_finite_features(count: int) -> None:
    image, _, rows = prepare([np.full((32, 32, 3), 255, np.uint8)] * count)
    for classical in image.classical():
        first, second = classical.features(rows, rows)
        assert np.isfinite(first).all()
        np.testing.assert_allclose(first, second)


@pytest.mark.slow
def test_every_feature_set_tells_striped_from_spotted_pictures() -> None:
    random = np.random.default_rng(0)
    values, labels = [], []
    for index in range(120):
        y, x = np.mgrid[0:32, 0:32]
        phase, label = random.uniform(0, 6), index % 2
        wave = np.sin(0.9 * x + phase) if label else np.sin(0.9 * x + phase) * np.sin(0.9 * y + phase)
        values.append((128 + 60 * wave + random.normal(0, 25, (32, 32))).clip(0, 255).astype(np.uint8))
        labels.append(label)
    image, _, rows = prepare(values)
    train, other = pick(rows, list(range(80))), pick(rows, list(range(80, 120)))
    for classical in image.classical():
        first, second = classical.features(train, other)
        score = LogisticRegression(max_iter=500).fit(first, labels[:80]).score(second, labels[80:])
        assert score > (0.55 if "PCA" in classical.name else 0.9), classical.name
