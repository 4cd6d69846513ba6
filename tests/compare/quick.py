"""Races of seconds: trainings as short as one likes, and few probes."""

import pytest

from selftaught.compare import conclude, judge, schedule


def quicken(patch: pytest.MonkeyPatch) -> None:
    """One budget, one draw, and no shortest training."""
    patch.setattr(schedule, "SHORTEST", 0.001)
    patch.setattr(judge, "SIZES", (5,))
    patch.setattr(judge, "DRAWS", 1)
    patch.setattr(conclude, "BUDGETS", (5, None))
    patch.setattr(conclude, "TESTED_SCRATCH", (5,))
