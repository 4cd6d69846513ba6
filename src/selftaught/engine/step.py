"""Step: encoder, head and pretext as one module, the only thing that DDP, FSDP and compile wrap."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from selftaught.core.batch import Batch
from selftaught.core.encoder import Encoder
from selftaught.core.pretext import Clock, Gather, Outcome, Pretext
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
        work.outcome = self.pretext.losses(self.head, representation, work.views, work.clock, work.gather)
        return work.outcome.total
