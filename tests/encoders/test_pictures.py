"""Picture backbones: torchvision's weights fit, timm's models and a user's network stand behind one protocol."""

from dataclasses import replace

import pytest
import torch
import torchvision
from tests.toys.own import flat_network
from tests.toys.samples import SAMPLES

from selftaught.core.batch import View
from selftaught.core.errors import UsageError
from selftaught.core.modality import Fitted
from selftaught.core.rng import Rng
from selftaught.encoders import ConvNet, Own, ResNet, Timm
from selftaught.encoders.own import OwnEncoder, wrap
from selftaught.encoders.pictures import map_tokens
from selftaught.modalities import Image


def image(size, patch=8):
    return Image(size=size, patch=patch, canvas=size, channels=3, depth="uint8")


def a_view(pixels):
    """A picture batch around given pixels, with tokens on a grid of 8 pixels."""
    sample = SAMPLES["image"]
    b, _, h, w = pixels.shape
    i, j = h // 8, w // 8
    base = sample.modality.augment(
        sample.modality.batch(sample.rows(b), sample.fitted()), View(kind="clean"), Rng(seed=0)
    )
    grid = torch.stack(torch.meshgrid(torch.arange(i), torch.arange(j), indexing="ij"), -1).view(1, i * j, 2).float()
    return replace(
        base,
        x=pixels,
        segment=torch.ones(b, i * j, dtype=torch.long),
        pos=grid.expand(b, i * j, 2),
        origin=((grid + 0.5) / torch.tensor([i, j])).expand(b, i * j, 2),
        unit=torch.arange(i * j).expand(b, i * j),
    )


@pytest.mark.parametrize("depth", [18, 50])
def test_torchvision_weights_load_strictly_and_give_equal_features(depth):
    theirs = getattr(torchvision.models, f"resnet{depth}")(weights=None).eval()
    theirs.fc = torch.nn.Identity()
    ours = ResNet(depth=depth, stem="imagenet").build(image(64), Fitted()).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours.encode(a_view(x)).pooled, theirs(x), rtol=1e-4, atol=1e-5)


def test_the_automatic_stem_is_small_for_small_views_only():
    for size, kernel in ((32, 3), (64, 3), (72, 7)):
        encoder = ResNet(depth=10, width=8).build(image(size), Fitted())
        assert encoder.conv1.weight.shape[-1] == kernel


def test_an_unknown_depth_is_refused():
    with pytest.raises(UsageError, match="10, 18, 34, 50; got 12"):
        ResNet(depth=12)


@pytest.mark.parametrize("config", [ResNet(depth=10, width=8), ConvNet(widths=(8, 8, 16))], ids=["resnet", "convnet"])
def test_the_pooled_vector_is_the_mean_of_the_tokens(config):
    encoder = config.build(image(32), Fitted()).eval()
    encoded = encoder.encode(a_view(torch.randn(2, 3, 32, 32)))
    torch.testing.assert_close(encoded.tokens.content.mean(1), encoded.pooled)


@pytest.mark.parametrize(("high", "wide"), [(32, 32), (16, 64), (64, 16), (24, 40)])
def test_tokens_of_a_map_stand_where_the_batch_says_whatever_the_aspect(high, wide):
    batch = a_view(torch.randn(2, 3, high, wide))
    crop = replace(batch, origin=0.25 + batch.origin / 2)
    x = torch.randn(2, 5, high // 8, wide // 8)
    tokens = map_tokens(x, crop)
    torch.testing.assert_close(tokens.origin, crop.origin)
    assert torch.equal(tokens.pos, batch.pos)
    assert torch.equal(tokens.content[:, 1], x[:, :, 0, 1])
    coarse = map_tokens(torch.randn(2, 5, 1, 1), crop)
    torch.testing.assert_close(coarse.origin, torch.full((2, 1, 2), 0.5))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet10t", 32),
        ("vit_tiny_patch16_224", 32),
        ("vit_tiny_patch16_224", 64),
        ("mobilenetv3_small_050", 32),
        ("swin_tiny_patch4_window7_224", 64),
        ("convnext_atto", 32),
    ],
)
def test_a_timm_model_gives_its_own_pooled_vector_at_the_size_of_the_view(name, size):
    encoder = Timm(name=name).build(image(size), Fitted()).eval()
    x = torch.randn(2, 3, size, size)
    with torch.no_grad():
        encoded = encoder.encode(a_view(x))
        torch.testing.assert_close(encoded.pooled, encoder.model(x))
    assert encoded.pooled.shape == (2, encoder.dim)
    if encoded.tokens is not None:
        assert encoded.tokens.content.shape[2] == encoder.model.num_features


def test_timm_models_take_any_number_of_channels():
    modality = replace(image(32), channels=5)
    encoder = Timm(name="resnet10t").build(modality, Fitted()).eval()
    assert encoder.encode(a_view(torch.randn(2, 5, 32, 32))).pooled.shape == (2, encoder.dim)


def test_an_unknown_timm_name_is_refused_with_close_names():
    with pytest.raises(UsageError, match=r"timm has no model 'resnet18z'. Close names: .*resnet18"):
        Timm(name="resnet18z").build(image(32), Fitted())


def test_a_users_network_is_found_by_its_source_and_gives_its_own_vector():
    encoder = Own(source="tests.toys.own:flat_network", dim=6).build(image(16), Fitted())
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(encoder.encode(a_view(x)).pooled, encoder.module(x))


@pytest.mark.parametrize("source", ["tests.toys.own:no_such", "no.such.module:network", "tests.toys.own", ":"])
def test_a_source_that_cannot_be_found_is_refused_with_how_to_write_it(source):
    with pytest.raises(UsageError, match=r"package\.module:function"):
        Own(source=source, dim=6).build(image(16), Fitted())


def test_what_is_no_network_is_refused():
    with pytest.raises(UsageError, match=r"must be a torch\.nn\.Module; got str"):
        Own(source="tests.toys.own:not_a_network", dim=6).build(image(16), Fitted())


def test_a_network_whose_output_is_not_one_vector_a_row_is_refused():
    encoder = wrap(flat_network(), 7)
    with pytest.raises(UsageError, match=r"\(2, 7\); it returned \(2, 6\)"):
        encoder.encode(a_view(torch.randn(2, 3, 16, 16)))


def test_wrapping_an_encoder_changes_nothing():
    encoder = OwnEncoder(flat_network(), 6)
    assert wrap(encoder, 6) is encoder
