"""Whether a probe's confidence is earned: calibration error over bins of equal size, and the Brier score."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from selftaught.core.errors import DataError

BINS = 15


def calibration_error(confidence: Float[np.ndarray, " m"], correct: Bool[np.ndarray, " m"], bins: int = BINS) -> float:
    """Return the expected calibration error, 0 to 1: mean gap between confidence and accuracy over bins.

    The bins hold equally many records (Nguyen & O'Connor 2015), so that few confident records do not decide; fewer bins
    where there are fewer records. Raises DataError without a record.
    """
    if len(confidence) == 0:
        raise DataError("A calibration error needs at least one record.")
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    gaps = [abs(float(confidence[part].mean() - correct[part].mean())) * len(part) for part in parts]
    return float(np.sum(gaps) / len(order))


def brier_losses(probabilities: Float[np.ndarray, "m c"], truth: Bool[np.ndarray, "m c"]) -> Float[np.ndarray, " m"]:
    """Return the squared distance of probabilities from the true class, 0 (best) to 2 a record (Brier 1950).

    truth: which column is the record's class; a record of a class that was never learned has none.
    """
    own = (probabilities * truth).sum(1)
    return np.asarray(np.square(probabilities).sum(1) + 1 - 2 * own, np.float32)
