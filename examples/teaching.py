"""SimCLR in plain torch, to be read in one sitting: no library, one file, one loop.

    python examples/teaching.py pictures.npy        # an array (N, H, W, 3), uint8

What `selftaught` does beyond this: any data, any encoder, resume, health, controls, a verdict. What it does alike: the
loss, the optimiser and the schedule. `tests/journeys/test_examples.py` holds both to the same numbers.

Shape letters: B pictures, C channels, S side, D width of the encoder, P width of the projection.
"""

import math
import sys

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

BATCH = 128
EPOCHS = 20
TEMPERATURE = 0.2
RATE = 1e-3
WARMUP = 0.05
DECAY = 1e-4
SEED = 0


# 1. The data: pictures (N, C, S, S), centred and scaled by channel.


def load(path: str) -> Tensor:
    pictures = torch.from_numpy(np.load(path)).permute(0, 3, 1, 2).float() / 255
    mean, std = pictures.mean((0, 2, 3), keepdim=True), pictures.std((0, 2, 3), keepdim=True)
    return (pictures - mean) / std


# 2. Two views of every picture. A view keeps what the picture shows and changes how it looks: which part is seen, from
#    which side, in which light. What the network must ignore is what we change here.


def crop(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """A random square of 20 % to 100 % of the area, stretched back to the whole, half of them mirrored."""
    b = len(pictures)
    side = torch.empty(b).uniform_(0.2, 1, generator=generator).sqrt()
    centre = (torch.rand(b, 2, generator=generator) * 2 - 1) * (1 - side)[:, None]
    mirror = (torch.rand(b, generator=generator) < 0.5).float() * 2 - 1
    theta = torch.zeros(b, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = side * mirror, side, centre
    grid = F.affine_grid(theta, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def recolour(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Another brightness and contrast, and sometimes no colour at all."""
    b = len(pictures)
    contrast = torch.empty(b, 1, 1, 1).uniform_(0.6, 1.4, generator=generator)
    light = torch.empty(b, pictures.shape[1], 1, 1).uniform_(-0.4, 0.4, generator=generator)
    grey = (torch.rand(b, 1, 1, 1, generator=generator) < 0.2).float()
    pictures = grey * pictures.mean(1, keepdim=True) + (1 - grey) * pictures
    return pictures * contrast + light


def view(pictures: Tensor, generator: torch.Generator) -> Tensor:
    return recolour(crop(pictures, generator), generator)


# 3. The network: an encoder that we keep, and a projector that we throw away after training.


def make_encoder(channels: int = 3, width: int = 32) -> nn.Sequential:
    """(B, C, S, S) to (B, D), where D is 4 * width."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((channels, width), (width, 2 * width), (2 * width, 4 * width)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def make_projector(dim: int, hidden: int = 256, outputs: int = 64) -> nn.Sequential:
    """(B, D) to (B, P). The loss may destroy here what the encoder should keep."""
    return nn.Sequential(
        nn.Linear(dim, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, outputs)
    )


# 4. The loss (Chen 2020, eq. 1): find the other view of the same picture among all views of the batch.


def contrast(first: Tensor, second: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Cross entropy in nats; log(2B - 1) for a network that knows nothing."""
    z = F.normalize(torch.cat([first, second]), dim=1)
    likeness = z @ z.T / temperature
    likeness.fill_diagonal_(float("-inf"))  # nobody is its own answer
    b = len(first)
    answers = torch.cat([torch.arange(b, 2 * b), torch.arange(b)])
    return F.cross_entropy(likeness, answers)


# 5. The optimiser: AdamW, which lets matrices decay and leaves norms and biases alone; warm-up, then half a cosine.


def make_optimiser(*modules: nn.Module) -> torch.optim.AdamW:
    weights = [parameter for module in modules for parameter in module.parameters()]
    matrices = [weight for weight in weights if weight.ndim >= 2]
    vectors = [weight for weight in weights if weight.ndim < 2]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98))


def rate(progress: float) -> float:
    """The share of the full rate when this share of the training is done."""
    if progress < WARMUP:
        return max(progress, 1e-3) / WARMUP
    return 0.5 * (1 + math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP)))


# 6. One step, and the loop around it.


def step(
    encoder: nn.Module,
    projector: nn.Module,
    optimiser: torch.optim.Optimizer,
    views: tuple[Tensor, Tensor],
    share: float,
) -> float:
    for group in optimiser.param_groups:
        group["lr"] = RATE * share
    first, second = projector(encoder(torch.cat(views))).chunk(2)
    loss = contrast(first, second)
    loss.backward()
    optimiser.step()
    optimiser.zero_grad()
    return loss.item()


def train(pictures: Tensor, epochs: int = EPOCHS, batch: int = BATCH) -> nn.Module:
    generator = torch.Generator().manual_seed(SEED)
    torch.manual_seed(SEED)
    encoder = make_encoder(pictures.shape[1])
    projector = make_projector(encoder(pictures[:2]).shape[1])
    optimiser = make_optimiser(encoder, projector)
    batch = min(batch, len(pictures))
    steps = epochs * (len(pictures) // batch)
    done = 0
    for epoch in range(epochs):
        order = torch.randperm(len(pictures), generator=generator)
        for rows in order[: len(order) // batch * batch].split(batch):
            views = (view(pictures[rows], generator), view(pictures[rows], generator))
            loss = step(encoder, projector, optimiser, views, rate(done / steps))
            done += 1
        print(f"epoch {epoch + 1} of {epochs}: loss {loss:.3f}, at chance {math.log(2 * batch - 1):.3f}")
    return encoder.eval()


# 7. What came of it. A number alone says nothing: put it beside the same network without training.


@torch.no_grad()
def spread(encoder: nn.Module, pictures: Tensor) -> float:
    """Effective number of dimensions the vectors use (RankMe, Garrido 2023): near 1 means the network collapsed."""
    vectors = encoder(pictures)
    share = torch.linalg.svdvals(vectors - vectors.mean(0))
    share = share / share.sum()
    return float(torch.exp(-(share * torch.log(share + 1e-7)).sum()))


@torch.no_grad()
def agreement(encoder: nn.Module, pictures: Tensor) -> float:
    """How often the nearest neighbour of a new view is a view of the same picture."""
    generator = torch.Generator().manual_seed(SEED + 1)
    asked, known = (F.normalize(encoder(view(pictures, generator)), dim=1) for _ in range(2))
    found = (asked @ known.T).argmax(1)
    return float((found == torch.arange(len(pictures))).float().mean())


def main() -> None:
    pictures = load(sys.argv[1])
    encoder = train(pictures)
    torch.manual_seed(SEED)
    twin = make_encoder(pictures.shape[1])  # left in training mode: its norms have learned no statistics to use
    for name, network in (("trained", encoder), ("untrained twin", twin)):
        some = pictures[:512]
        print(
            f"{name}: finds its own picture {agreement(network, some):.3f}, effective rank {spread(network, some):.1f}"
        )


if __name__ == "__main__":
    main()
