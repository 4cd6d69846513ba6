"""Our networks against recorded outputs of torchvision, timm and transformers, with the same weights."""

from dataclasses import replace

import pytest
import torch
from tests.parity.recorded import arrays, facts, fill

from selftaught.core.batch import Axis, Batch, View
from selftaught.core.modality import Fitted, Rows
from selftaught.core.rng import Rng
from selftaught.encoders.resnet import ResNet
from selftaught.encoders.transformer import Transformer
from selftaught.layers.attention import Block
from selftaught.layers.positions import PositionCode
from selftaught.modalities import Image

SHALLOW = {"rtol": 1e-4, "atol": 1e-5}
TRUNK = {".mlp.0.": ".mlp.fc1.", ".mlp.2.": ".mlp.fc2.", "stem.project.": "patch_embed.proj."}
GRID = (Axis(name="y"), Axis(name="x"))


def image(patch: int) -> Image:
    return Image(size=32, patch=patch, canvas=32, channels=3, depth="uint8")


def view_of(pixels: torch.Tensor, patch: int) -> Batch:
    """A batch of image views whose values are these very numbers."""
    rows = Rows(
        fields={
            "pixels": torch.zeros(len(pixels), 3, 32, 32, dtype=torch.uint8),
            "side": torch.full((len(pixels), 2), 32, dtype=torch.int32),
        },
        record=torch.arange(len(pixels)),
    )
    made = image(patch)
    blank = made.augment(made.batch(rows, made.fit([rows])), View(kind="clean"), Rng(seed=0))
    return replace(blank, x=pixels)


@pytest.mark.parametrize(("depth", "peer"), [(18, "torchvision"), (18, "timm"), (50, "torchvision")])
def test_resnet_features_equal_the_peers_with_their_weights(depth, peer):
    encoder = fill(ResNet(depth=depth, stem="imagenet").build(image(4), Fitted(arrays={}, facts={})))
    with torch.no_grad():
        pooled = encoder.encode(view_of(arrays()["resnet.pixels"], 4)).pooled
    wanted = arrays()[f"resnet{depth}.{peer}.pooled"]
    # Convolutions may sum in any order: a hundred-thousandth of the largest feature.
    torch.testing.assert_close(pooled, wanted, rtol=0, atol=1e-5 * float(wanted.abs().max()))


def test_a_transformer_block_and_its_gradient_equal_those_of_timm():
    options = facts()["trunk"]
    block = fill(Block(options["width"], options["heads"], 4.0), {"mlp.0.": "mlp.fc1.", "mlp.2.": "mlp.fc2."})
    x = arrays()["block.x"].clone().requires_grad_()
    out = block(x, None)
    (out * arrays()["block.direction"]).sum().backward()
    torch.testing.assert_close(out.detach(), arrays()["block.out"], **SHALLOW)
    torch.testing.assert_close(x.grad, arrays()["block.gradient"], **SHALLOW)


def test_positions_are_those_of_mae_with_the_two_axes_swapped():
    """MAE's first half of the width holds x and its second y; our axes are (y, x)."""
    options = facts()["trunk"]
    count = options["side"] // options["patch"]
    line = torch.arange(count, dtype=torch.float32)
    pos = torch.stack([line.repeat_interleave(count), line.repeat(count)], 1)[None]
    ours = PositionCode(options["width"], GRID)(pos)[0]
    torch.testing.assert_close(ours.roll(options["width"] // 2, 1), arrays()["positions.grid"], rtol=0, atol=1e-6)


def test_the_whole_trunk_equals_that_of_timm_without_its_class_token():
    """timm's patch embedding is a convolution over (channel, y, x); ours reads a patch as (y, x, channel)."""
    options = facts()["trunk"]
    encoder = Transformer(width=options["width"], depth=options["depth"], heads=options["heads"]).build(
        image(options["patch"]), Fitted(arrays={}, facts={})
    )
    fill(encoder, TRUNK)
    patch = options["patch"]
    with torch.no_grad():
        # Drawn by name for (width, values); the peer's shape is (width, channel, y, x).
        theirs = encoder.stem.project.weight.view(-1, 3, patch, patch)
        encoder.stem.project.weight.copy_(theirs.permute(0, 2, 3, 1).flatten(1))
        seen = encoder.encode(view_of(arrays()["trunk.pixels"], patch))
    torch.testing.assert_close(seen.tokens.content, arrays()["trunk.tokens"], **SHALLOW)
    torch.testing.assert_close(seen.pooled, arrays()["trunk.pooled"], **SHALLOW)
