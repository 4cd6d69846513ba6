"""Races of seconds: trainings as short as one likes, and few probes."""

import pytest

from selftaught.compare import judge, numbers, reasons, schedule, sealed


def quicken(patch: pytest.MonkeyPatch) -> None:
    """One budget, one draw, and no shortest training."""
    patch.setattr(schedule, "SHORTEST", 0.001)
    patch.setattr(judge, "SIZES", (5,))
    patch.setattr(judge, "DRAWS", 1)
    patch.setattr(numbers, "SIZES", (20,))
    patch.setattr(numbers, "DRAWS", 1)
    patch.setattr(reasons, "MOST", 16)
    patch.setattr(sealed, "BUDGETS", (5, None))
    patch.setattr(sealed, "TESTED_SCRATCH", (5,))
