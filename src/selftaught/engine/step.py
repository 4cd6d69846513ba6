"""Step: encoder, head and pretext as one module, the only thing that DDP, FSDP and compile wrap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.core.batch import Batch
from selftaught.core.encoder import Encoder
from selftaught.core.pretext import Clock, Gather, Outcome, Pretext, Representation
from selftaught.core.rng import Rng


class Work:
    """What goes into one forward and what comes out beside the loss.

    A plain class on purpose: Fabric rebuilds the dataclasses that cross its wrapper, and refuses frozen ones.
    """

    __slots__ = ("clock", "gather", "outcome", "rng", "views")

    def __init__(self, views: Sequence[Batch], clock: Clock, rng: Rng, gather: Gather) -> None:
        self.views = views
        self.clock = clock
        self.rng = rng
        self.gather = gather
        self.outcome: Outcome | None = None


class Step(nn.Module):
    """One training step's forward part; `precision` "bf16" runs `represent` under autocast."""

    def __init__(self, encoder: Encoder, head: nn.Module, pretext: Pretext) -> None:
        super().__init__()
        self.precision = "fp32"
        self.encoder = encoder
        self.head = head
        self.pretext = pretext

    def forward(self, work: Work) -> Tensor:
        """The summed loss; `work.outcome` gets its parts. Losses are computed in fp32, outside any autocast."""
        device = work.views[0].segment.device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            representation = self.pretext.represent(self.encoder, self.head, work.views, work.clock, work.rng)
        outcome = self.pretext.losses(self.head, representation, work.views, work.clock, work.gather)
        if self.pretext.level == "record" and self.pretext.couples_records:
            outcome = replace(outcome, logs={**outcome.logs, "spread": spread_of(representation)})
        work.outcome = outcome
        return outcome.total


@torch.no_grad()
def spread_of(representation: Representation) -> Float[Tensor, ""]:
    """Mean standard deviation over records of the first tensor's unit-length vectors, times sqrt of their length: about
    1 for a full cloud, 0 where the head gives all records one vector."""
    z = F.normalize(next(iter(representation.tensors.values())).detach().float(), dim=-1)
    z = z.reshape(len(z), -1, z.shape[-1])
    # torch's std takes ten times as long as what it stands for.
    spread: Tensor = (z - z.mean(0)).square().mean(0).sqrt().mean() * math.sqrt(z.shape[-1])
    return spread


def mean_outcome(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of a batch from those of its equal chunks: means of losses and logs, states one below the other."""
    first, count = outcomes[0], len(outcomes)
    return Outcome(
        losses={name: torch.stack([each.losses[name] for each in outcomes]).sum() / count for name in first.losses},
        logs={name: torch.stack([each.logs[name] for each in outcomes]).sum() / count for name in first.logs},
        state={name: torch.cat([each.state[name] for each in outcomes]) for name in first.state},
    )
