"""Curves made by hand: leads are stated, everything else follows."""

import numpy as np

from selftaught.probes.curve import BestControl, Curve, Outcome, Point
from selftaught.probes.statistics import Estimate
from selftaught.trials.scores import SCRATCH

Lead = tuple[float, float, float]
WIN: Lead = (0.10, 0.05, 0.15)
TIE: Lead = (0.01, -0.04, 0.06)
LOSS: Lead = (-0.10, -0.15, -0.05)


def point(name: str, per_class: int | None, accuracy: float, lead: Lead | None, seeds: int = 3) -> Point:
    value = Estimate(accuracy, accuracy - 0.03, accuracy + 0.03, 100)
    return Point(
        name=name,
        per_class=per_class,
        labels=3 * (per_class or 50),
        seeds=seeds,
        draws=5,
        accuracy=value,
        balanced_accuracy=value,
        lead=None if lead is None else Estimate(*lead, 100),
        outcome=Outcome(name, per_class, np.ones((1, 1, 4), bool), 0.5, 0.0, ()),
    )


def curve(
    rivals: dict[int | None, Lead],
    twins: dict[int | None, Lead] | None = None,
    seeds: int = 3,
    scratch: dict[int | None, Lead] | None = None,
) -> Curve:
    """A curve whose best control, "HOG", is led by `rivals`, and whose untrained twin is led by `twins`, or well.

    scratch: leads over a network trained from scratch, where one was.
    """
    twins = twins or dict.fromkeys(rivals, WIN)
    points = [point("encoder", size, 0.8, None, seeds) for size in rivals]
    points += [point("untrained twin", size, 0.8 - lead[0], lead) for size, lead in twins.items()]
    points += [point("HOG", size, 0.8 - lead[0], lead) for size, lead in rivals.items()]
    points += [point(SCRATCH, size, 0.8 - lead[0], lead) for size, lead in (scratch or {}).items()]
    best = tuple(BestControl(size, "HOG", size, 0.7) for size in rivals)
    return Curve("encoder", tuple(points), best, (), (), 100, None, 100, (SCRATCH,))
