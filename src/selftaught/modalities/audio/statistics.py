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

from selftaught.core.errors import DataError
from selftaught.core.modality import Fitted
from selftaught.modalities.covariance import patch_covariance

PICTURES = 500  # whose patches make the covariance


def fit_pictures(pictures: Float[Tensor, "b 1 m f"], facts: Mapping[str, Any]) -> Fitted:
    """mean, std (1,) of all values, and covariance (36, 36) of 6 x 6 patches of what they normalise.

    A convolutional encoder whitens its first layer by the covariance; it is left out where pictures are smaller. Raises
    DataError where there is only silence.
    """
    mean = pictures.mean(dtype=torch.float64)
    std = (pictures - mean.float()).square().mean(dtype=torch.float64).sqrt()
    if not std > 1e-4:
        raise DataError("The recordings of the training part are all silent; there is nothing to learn from them.")
    arrays = {"mean": mean, "std": std}
    known = {name: np.array([float(value)], np.float32) for name, value in arrays.items()}
    every = max(1, len(pictures) // PICTURES)
    covariance = patch_covariance((pictures[::every] - mean.float()) / std.float())
    if covariance is not None:
        known["covariance"] = covariance
    return Fitted(arrays=known, facts=dict(facts))
