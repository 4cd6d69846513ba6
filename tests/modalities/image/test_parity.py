"""Our batched operations against torchvision's functional ones, within 2/255, one record at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.modalities.image.makers import draw_batch
from torch import Tensor
from torchvision.transforms.v2 import functional as V

from selftaught.modalities.image import colour, geometry
from selftaught.modalities.image.geometry import Window

LIMIT = 2 / 255
COUNT = 6


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return draw_batch(COUNT, 48, 48)


def worst(ours: Tensor, theirs: list[Tensor]) -> float:
    return float((ours - torch.stack([part.float() for part in theirs]) / 255).abs().max())


FACTORS = torch.tensor([0.0, 0.4, 0.8, 1.0, 1.3, 1.9])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (colour.brightness, V.adjust_brightness),
        (colour.contrast, V.adjust_contrast),
        (colour.saturation, V.adjust_saturation),
    ],
    ids=["brightness", "contrast", "saturation"],
)
def test_a_colour_factor_does_what_torchvision_does(ours, theirs, pictures: Tensor) -> None:
    expected = [theirs(x, float(f)) for x, f in zip(pictures, FACTORS, strict=True)]
    assert worst(ours(pictures / 255, FACTORS), expected) <= LIMIT


def test_grey_agrees_with_torchvision(pictures: Tensor) -> None:
    chosen = torch.arange(COUNT) % 2 == 0
    expected = [V.rgb_to_grayscale(x, 3) if flag else x for x, flag in zip(pictures, chosen, strict=True)]
    assert worst(colour.greyscale(pictures / 255, chosen), expected) <= LIMIT


def test_solarise_agrees_with_torchvision(pictures: Tensor) -> None:
    chosen = torch.arange(COUNT) % 2 == 0
    expected = [V.solarize(x, 128) if flag else x for x, flag in zip(pictures, chosen, strict=True)]
    assert worst(colour.solarise(pictures / 255, chosen, 128 / 255), expected) <= LIMIT


@pytest.mark.parametrize("kernel", [3, 5, 9])
def test_blur_agrees_with_torchvision(kernel: int, pictures: Tensor) -> None:
    sigma = torch.tensor([0.1, 0.3, 0.7, 1.0, 1.5, 2.0])
    expected = [V.gaussian_blur(x, [kernel, kernel], [float(s)]) for x, s in zip(pictures, sigma, strict=True)]
    assert worst(geometry.blur(pictures / 255, sigma, kernel), expected) <= LIMIT


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [16, 32, 40, 64])
@pytest.mark.parametrize("side", [48, 120])
def test_crop_and_flip_agree_with_torchvision(side: int, size: int, dtype: torch.dtype) -> None:
    pictures = draw_batch(COUNT, side, side)
    boxes = torch.tensor([[0, 0, 1, 1], [0.25, 0.5, 0.5, 0.5], [0.125, 0, 0.25, 1], [0.5, 0.25, 0.125, 0.125]])
    boxes = (torch.cat([boxes, torch.tensor([[0, 0, 0.75, 0.5], [0.375, 0.125, 0.625, 0.875]])]) * side).long()
    flags = torch.arange(COUNT) % 2 == 1
    top, left, height, width = (boxes / side).unbind(1)
    window = Window(top=top, left=left, height=height, width=width, mirrored=flags, upside=~flags)
    ours = geometry.crop_resize(pictures, window, size, dtype) / 255
    expected = []
    for x, box, flag in zip(pictures, boxes.tolist(), flags, strict=True):
        view = V.resized_crop(x, *box, [size, size], antialias=True)
        expected.append(V.horizontal_flip(view) if flag else V.vertical_flip(view))
    assert worst(ours, expected) <= LIMIT


def test_blur_inside_the_crop_equals_blur_after_it(pictures: Tensor) -> None:
    window = geometry.whole_window(COUNT, pictures.device)
    sigma = torch.tensor([0.0, 0.5, 1.0, 0.0, 2.0, 0.1])
    ours = geometry.crop_resize(pictures, window, 32, sigma=sigma) / 255
    plain = geometry.crop_resize(pictures, window, 32) / 255
    after = geometry.blur(plain, sigma.clamp(min=1e-3), geometry.blur_taps(32))
    torch.testing.assert_close(ours, after, atol=1e-5, rtol=0)


def test_quarter_turns_agree_with_rot90(pictures: Tensor) -> None:
    turns = torch.tensor([0, 1, 2, 3, 1, 3])
    mirrored = torch.tensor([False, False, False, False, True, True])
    whole = geometry.whole_window(COUNT, pictures.device)
    window = geometry.turn_window(replace(whole, mirrored=mirrored), turns)
    ours = geometry.crop_resize(pictures, window, 48)
    for index, turn in enumerate(turns.tolist()):
        expected = pictures[index].flip(-1) if mirrored[index] else pictures[index]
        torch.testing.assert_close(ours[index], torch.rot90(expected, turn, [1, 2]).float(), atol=1e-3, rtol=0)


def test_free_rotation_agrees_with_torchvision_inside(pictures: Tensor) -> None:
    angle = torch.tensor([0.0, 5.0, -10.0, 30.0, -45.0, 90.0])
    ours = geometry.rotate(pictures / 255, angle)
    for index in range(COUNT):
        expected = V.rotate(pictures[index] / 255, float(angle[index]), V.InterpolationMode.BILINEAR)
        inside = slice(14, 34)
        torch.testing.assert_close(ours[index, :, inside, inside], expected[:, inside, inside], atol=LIMIT, rtol=0)


def test_hue_keeps_luminance_and_grey_and_a_full_turn_changes_nothing(pictures: Tensor) -> None:
    soft = 0.3 + 0.4 * pictures / 255
    turned = colour.hue(soft, torch.full((COUNT,), 0.1))
    assert (colour.luminance(turned) - colour.luminance(soft)).abs().max() < 5e-3
    assert (turned - soft).abs().max() > 0.02
    torch.testing.assert_close(colour.hue(soft, torch.ones(COUNT)), soft, atol=1e-4, rtol=0)
    grey = colour.luminance(soft).expand(-1, 3, -1, -1)
    torch.testing.assert_close(colour.hue(grey, torch.full((COUNT,), 0.3)), grey, atol=1e-3, rtol=0)


def test_small_hue_turns_are_near_torchvision(pictures: Tensor) -> None:
    soft = 0.3 + 0.4 * pictures / 255
    ours = colour.hue(soft, torch.full((COUNT,), 0.05))
    theirs = torch.stack([V.adjust_hue(x, 0.05) for x in soft])
    assert (ours - theirs).abs().mean() < 8 / 255


def test_fused_colours_equal_the_single_operations_where_nothing_is_clamped(pictures: Tensor) -> None:
    soft = 0.35 + 0.3 * pictures / 255
    bright, sat, con = (torch.linspace(low, high, COUNT) for low, high in ((0.8, 1.2), (0.5, 1.5), (1.3, 0.7)))
    turns, grey = torch.linspace(-0.1, 0.1, COUNT), torch.arange(COUNT) == 2
    low, high = torch.full((COUNT, 3), -1.0), torch.full((COUNT, 3), 3.0)
    matrix = colour.colour_matrix(brightness=bright, saturation=sat, turns=turns, grey=grey)
    fused = colour.fuse(soft * 4 - 1, matrix, con, low, high)
    chain = colour.hue(colour.saturation(colour.brightness(soft, bright), sat), turns)
    chain = colour.contrast(colour.greyscale(chain, grey), con)
    torch.testing.assert_close(fused, chain, atol=LIMIT, rtol=0)


def test_fused_grey_pictures_equal_the_single_operations() -> None:
    soft = 0.35 + 0.3 * draw_batch(COUNT, 20, 20, channels=1) / 255
    bright, con = torch.linspace(0.8, 1.2, COUNT), torch.linspace(1.3, 0.7, COUNT)
    low, high = torch.zeros(COUNT, 1), torch.ones(COUNT, 1)
    chain = colour.contrast(colour.brightness(soft, bright), con)
    torch.testing.assert_close(colour.fuse(soft.clone(), bright, con, low, high), chain, atol=1e-5, rtol=0)
