"""Records what peers compute on small fixed inputs, for the tests in tests/parity, which then need no peer.

    /tmp/peers/bin/python benchmarks/parity_record.py

The peers need an environment of their own: pip install lightly==1.6.0 timm transformers torchvision safetensors.
Writes tests/parity/recorded/peers.safetensors (inputs and outputs) and peers.json (versions and options). Weights are
not stored: they follow from names and shapes by tests/parity/seeded.py.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import sys
from functools import partial
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from safetensors.numpy import save_file
from tests.parity.seeded import seeded, weights_for
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "tests" / "parity" / "recorded"
PEERS = ("torch", "torchvision", "lightly", "timm", "transformers", "numpy")
TEMPERATURES = (0.1, 0.5)
MAE_OPTIONS = {"side": 24, "patch": 8, "channels": 3, "drop": 0.75}
TRUNK_OPTIONS = {"side": 32, "patch": 8, "width": 32, "depth": 2, "heads": 4}


def drawn(name: str, *shape: int) -> Tensor:
    return torch.from_numpy(seeded(name, shape))


def fill(module: nn.Module) -> nn.Module:
    """The module in evaluation mode with the weights that its names and shapes decide."""
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    module.load_state_dict({name: torch.from_numpy(value) for name, value in weights_for(shapes).items()})
    return module.eval()


def ntxent() -> dict[str, Tensor]:
    """lightly's NT-Xent at two temperatures: loss and gradient by the first view."""
    from lightly.loss import NTXentLoss

    first, second = drawn("ntxent/first", 8, 16), drawn("ntxent/second", 8, 16)
    found = {"ntxent.first": first, "ntxent.second": second}
    for temperature in TEMPERATURES:
        leaf = first.clone().requires_grad_()
        loss = NTXentLoss(temperature=temperature)(leaf, second)
        loss.backward()
        found |= {f"ntxent.loss.{temperature}": loss.detach(), f"ntxent.gradient.{temperature}": leaf.grad}
    return found


def vicreg() -> dict[str, Tensor]:
    """lightly's VICReg with default weights, its three terms alone, and the gradient by the first view."""
    from lightly.loss import VICRegLoss
    from lightly.loss.vicreg_loss import covariance_loss, invariance_loss, variance_loss

    first, second = 0.8 * drawn("vicreg/first", 12, 6), 1.3 * drawn("vicreg/second", 12, 6)
    leaf = first.clone().requires_grad_()
    loss = VICRegLoss()(leaf, second)
    loss.backward()
    return {
        "vicreg.first": first,
        "vicreg.second": second,
        "vicreg.loss": loss.detach(),
        "vicreg.gradient": leaf.grad,
        "vicreg.invariance": invariance_loss(first, second),
        "vicreg.variance": torch.stack([variance_loss(first), variance_loss(second)]),
        "vicreg.covariance": torch.stack([covariance_loss(first), covariance_loss(second)]),
    }


def mae() -> dict[str, Tensor]:
    """transformers' ViTMAE under a given noise: what it hides, predicts and loses, with and without normalisation."""
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    decoder = {f"decoder_{name}": value for name, value in sizes.items()}
    pixels = drawn("mae/pixels", 2, MAE_OPTIONS["channels"], MAE_OPTIONS["side"], MAE_OPTIONS["side"])
    count = (MAE_OPTIONS["side"] // MAE_OPTIONS["patch"]) ** 2
    noise = drawn("mae/noise", 2, count)
    found = {"mae.pixels": pixels, "mae.noise": noise}
    for normalise in (True, False):
        config = ViTMAEConfig(
            **sizes,
            **decoder,
            image_size=MAE_OPTIONS["side"],
            patch_size=MAE_OPTIONS["patch"],
            num_channels=MAE_OPTIONS["channels"],
            mask_ratio=MAE_OPTIONS["drop"],
            norm_pix_loss=normalise,
        )
        model = fill(ViTMAEForPreTraining(config))
        with torch.no_grad():
            out = model(pixel_values=pixels, noise=noise)
        found[f"mae.loss.{'normalised' if normalise else 'plain'}"] = out.loss
        found |= {"mae.logits": out.logits, "mae.dropped": out.mask, "mae.patches": model.patchify(pixels)}
    return found


def positions() -> dict[str, Tensor]:
    """lightly's fixed two-dimensional sines and cosines of a 4 x 4 grid, in the layout of MAE's own code."""
    from lightly.models.utils import get_2d_sine_cosine_positional_embedding

    count = TRUNK_OPTIONS["side"] // TRUNK_OPTIONS["patch"]
    grid = get_2d_sine_cosine_positional_embedding(TRUNK_OPTIONS["width"], count, cls_token=False)
    return {"positions.grid": torch.from_numpy(np.asarray(grid, np.float32))}


def resnets() -> dict[str, Tensor]:
    """torchvision's and timm's pooled features of ResNet-18 and torchvision's of ResNet-50."""
    import timm
    import torchvision

    pixels = drawn("resnet/pixels", 2, 3, 32, 32)
    models = {
        "resnet18.torchvision": torchvision.models.resnet18(),
        "resnet18.timm": timm.create_model("resnet18", num_classes=0),
        "resnet50.torchvision": torchvision.models.resnet50(),
    }
    found = {"resnet.pixels": pixels}
    for name, model in models.items():
        if "torchvision" in name:
            model.fc = nn.Identity()
        with torch.no_grad():
            found[f"{name}.pooled"] = fill(model)(pixels)
    return found


def transformers_of_timm(grid: Tensor) -> dict[str, Tensor]:
    """timm's transformer block, forward and gradient by the input, and its whole trunk without a class token."""
    from timm.models.vision_transformer import Block, VisionTransformer

    width, heads = TRUNK_OPTIONS["width"], TRUNK_OPTIONS["heads"]
    block = fill(Block(width, heads, qkv_bias=True, norm_layer=partial(nn.LayerNorm, eps=1e-6)))
    x = drawn("block/x", 2, 7, width).requires_grad_()
    out = block(x)
    (out * drawn("block/direction", 2, 7, width)).sum().backward()
    trunk = VisionTransformer(
        img_size=TRUNK_OPTIONS["side"],
        patch_size=TRUNK_OPTIONS["patch"],
        embed_dim=width,
        depth=TRUNK_OPTIONS["depth"],
        num_heads=heads,
        num_classes=0,
        class_token=False,
        global_pool="avg",
        fc_norm=False,
    )
    fill(trunk)
    # Our axes are (y, x); MAE's first half holds x.
    trunk.pos_embed.data.copy_(grid.roll(width // 2, 1)[None])
    pixels = drawn("trunk/pixels", 2, 3, TRUNK_OPTIONS["side"], TRUNK_OPTIONS["side"])
    with torch.no_grad():
        tokens = trunk.forward_features(pixels)
        pooled = trunk(pixels)
    return {
        "block.x": x.detach(),
        "block.out": out.detach(),
        "block.direction": drawn("block/direction", 2, 7, width),
        "block.gradient": x.grad,
        "trunk.pixels": pixels,
        "trunk.tokens": tokens,
        "trunk.pooled": pooled,
    }


def neighbours() -> dict[str, Tensor]:
    """lightly's weighted nearest neighbours: the order of classes of every query."""
    from lightly.utils.benchmarking import knn_predict

    bank = nn.functional.normalize(drawn("knn/bank", 60, 8), dim=1)
    queries = nn.functional.normalize(drawn("knn/queries", 25, 8), dim=1)
    labels = torch.arange(60) * 7 % 4
    order = knn_predict(queries, bank.T, labels, num_classes=4, knn_k=20, knn_t=0.1)
    return {"knn.bank": bank, "knn.queries": queries, "knn.labels": labels, "knn.order": order}


def main() -> None:
    torch.set_num_threads(1)
    grid = positions()
    found = ntxent() | vicreg() | mae() | grid | resnets() | transformers_of_timm(grid["positions.grid"]) | neighbours()
    OUT.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.array(value.detach().numpy(), order="C") for name, value in found.items()}
    save_file(arrays, OUT / "peers.safetensors")
    facts = {
        "versions": {name: importlib.metadata.version(name) for name in PEERS},
        "date": datetime.date.today().isoformat(),
        "command": "python benchmarks/parity_record.py",
        "mae": MAE_OPTIONS,
        "trunk": TRUNK_OPTIONS,
        "temperatures": TEMPERATURES,
    }
    (OUT / "peers.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(f"{len(arrays)} arrays, {(OUT / 'peers.safetensors').stat().st_size:,} bytes in {OUT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
