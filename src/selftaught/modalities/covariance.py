"""The second moments of the patches of pictures, for encoders that start from the data's own filters."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

KERNEL = 6
LARGEST = 1_024


def patch_covariance(views: Float[Tensor, "b c h w"]) -> np.ndarray | None:
    """Second moments (P, P) of all 6 x 6 patches, P = C * 36 in (channel, y, x) order.

    None where pictures are smaller than a patch or the matrix would have more than 1,024 rows.
    """
    channels = views.shape[1]
    if min(views.shape[2:]) < KERNEL or channels * KERNEL**2 > LARGEST:
        return None
    total, count = torch.zeros(channels * KERNEL**2, channels * KERNEL**2, dtype=torch.float64), 0
    for part in views.split(100):
        flat = functional.unfold(part, KERNEL, stride=3).transpose(1, 2).flatten(0, 1)
        total += (flat.T @ flat).double()
        count += len(flat)
    return np.asarray((total / count).float().numpy())
