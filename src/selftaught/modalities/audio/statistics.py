"""What is learned from the training part: the mean and spread of log-mel pictures, and their patches' covariance.

Shape letters: B records, M mel bands, F frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from selftaught.core.modality import Fitted

KERNEL = 6
PICTURES = 500  # whose patches make the covariance


def fit_pictures(pictures: Float[Tensor, "b 1 m f"], facts: Mapping[str, Any]) -> Fitted:
    """mean, std (1,) of all values, and covariance (36, 36) of 6 x 6 patches of what they normalise.

    A convolutional encoder whitens its first layer by the covariance; it is left out where pictures are smaller.
    """
    mean = pictures.mean(dtype=torch.float64)
    std = (pictures - mean.float()).square().mean(dtype=torch.float64).sqrt()
    std = std if std > 1e-4 else torch.ones_like(std)  # nothing but silence must not be blown up
    arrays = {"mean": mean, "std": std}
    known = {name: np.array([float(value)], np.float32) for name, value in arrays.items()}
    if min(pictures.shape[2:]) >= KERNEL:
        every = max(1, len(pictures) // PICTURES)
        known["covariance"] = patch_covariance((pictures[::every] - mean.float()) / std.float())
    return Fitted(arrays=known, facts=dict(facts))


def patch_covariance(pictures: Float[Tensor, "b 1 m f"]) -> Float[np.ndarray, "36 36"]:
    """Second moments of all 6 x 6 patches, every third place, in the order (band, frame)."""
    total, count = torch.zeros(KERNEL**2, KERNEL**2, dtype=torch.float64), 0
    for part in pictures.split(100):
        flat = functional.unfold(part, KERNEL, stride=3).transpose(1, 2).flatten(0, 1)
        total += (flat.T @ flat).double()
        count += len(flat)
    return np.asarray((total / count).float().numpy())
