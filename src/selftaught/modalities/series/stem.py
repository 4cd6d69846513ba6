"""The patch embedding of series, with all channels in one token or one channel each, and the tokens' typed target.

Shape letters: B records, S steps of the view, C channels, N tokens, P values per token, D width.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from selftaught.core.batch import Batch
from selftaught.core.errors import UsageError
from selftaught.core.targets import Continuous


def patches(x: Float[Tensor, "b s c"], patch: int, mixing: bool) -> Float[Tensor, "b n p"]:
    """The values of each token: (step, channel) of a stretch if mixing, else steps; then tokens go channel by channel.

    N is S / patch if mixing, else C * S / patch.
    """
    rows, steps, channels = x.shape
    grid = x.reshape(rows, steps // patch, patch, channels)
    if mixing:
        return grid.flatten(2)
    return grid.permute(0, 3, 1, 2).reshape(rows, -1, patch)


def target_of(x: Float[Tensor, "b s c"], patch: int, mixing: bool, valid: Bool[Tensor, "b n"]) -> Continuous:
    """The tokens' values; valid where at least half of them were observed.

    What was not observed within such a token is filled with the mean of its channel there (0, the mean of the training
    part, where that is missing too): a loss per token cannot leave out single values.
    """
    rows, steps, channels = x.shape
    grid = x.reshape(rows, steps // patch, patch, channels)
    seen = ~grid.isnan()
    mean = torch.where(seen, grid, 0.0).sum(2, keepdim=True) / seen.sum(2, keepdim=True).clamp(min=1)
    filled = torch.where(seen, grid, mean).reshape(rows, steps, channels)
    share = patches(seen.reshape(rows, steps, channels).float(), patch, mixing).mean(2)
    return Continuous(values=patches(filled, patch, mixing), valid=valid & (share >= 0.5))


class PatchStem(nn.Module):
    """Token content (B, N, D): one linear map of the values plus one of which values are missing.

    The second map is the learned content of what was not observed. A token of one channel does not say which: that is
    the index axis of its position.
    """

    def __init__(self, dim: int, patch: int, channels: int, mixing: bool) -> None:
        super().__init__()
        self.patch = patch
        self.mixing = mixing
        inputs = patch * channels if mixing else patch
        self.project = nn.Linear(inputs, dim)
        self.missing = nn.Linear(inputs, dim, bias=False)
        for part in (self.project, self.missing):
            nn.init.trunc_normal_(part.weight, std=inputs**-0.5)
        nn.init.zeros_(self.project.bias)

    def forward(self, batch: Batch) -> Float[Tensor, "b n d"]:
        """Content without positions."""
        if not isinstance(batch.x, Tensor):
            raise UsageError("The stem reads views; call Series.augment(batch, View(kind='clean'), rng) first.")
        values = patches(batch.x, self.patch, self.mixing)
        gap = values.isnan()
        content: Tensor = self.project(values.masked_fill(gap, 0.0)) + self.missing(gap.to(values.dtype))
        return content
