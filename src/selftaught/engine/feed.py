"""From record numbers to views on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from selftaught.core.batch import Batch, Facts
from selftaught.core.modality import Fitted, Rows
from selftaught.core.pretext import Pretext, flatten_plan
from selftaught.core.rng import Rng
from selftaught.modalities import AnyModality


def make_views(
    rows: Rows,
    modality: AnyModality,
    fitted: Fitted,
    pretext: Pretext,
    rng: Rng,
    size: float,
    device: torch.device,
    partners: Rows | None = None,
) -> list[Batch]:
    """The views that the pretext planned, each `size` times as large as planned, drawn on the device.

    partners: another record of the group of each row, which every second view shows in the row's place.
    """
    shown = [modality.batch(each, fitted).to(device) for each in (rows, partners) if each is not None]
    if partners is not None:
        shown = [replace(clean, facts=_by_group(clean.facts)) for clean in shown]
    return [
        modality.augment(shown[index % len(shown)], replace(view, size=view.size * size), rng.fold(index))
        for index, view in enumerate(flatten_plan(pretext.plan()))
    ]


def _by_group(facts: Facts) -> Facts:
    """The same facts; records of one group have one content, those without a group each their own."""
    assert facts.group is not None  # partners are of one group
    return replace(facts, content=torch.where(facts.group >= 0, facts.group, -1 - facts.record))


def size_at(resolution: Sequence[tuple[float, float]], progress: float) -> float:
    """The view size (a fraction) at this progress."""
    for size, until in resolution:
        if progress < until:
            return size
    return resolution[-1][0]
