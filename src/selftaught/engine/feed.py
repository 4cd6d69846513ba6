"""From record numbers to views on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from selftaught.core.batch import Batch
from selftaught.core.modality import Fitted, Rows
from selftaught.core.pretext import Pretext, flatten_plan
from selftaught.core.rng import Rng
from selftaught.modalities import AnyModality


def make_views(
    rows: Rows, modality: AnyModality, fitted: Fitted, pretext: Pretext, rng: Rng, size: float, device: torch.device
) -> list[Batch]:
    """The views that the pretext planned, each `size` times as large as planned, drawn on the device."""
    clean = modality.batch(rows, fitted).to(device)
    return [
        modality.augment(clean, replace(view, size=view.size * size), rng.fold(index))
        for index, view in enumerate(flatten_plan(pretext.plan()))
    ]


def size_at(resolution: Sequence[tuple[float, float]], progress: float) -> float:
    """The view size (a fraction) at this progress."""
    for size, until in resolution:
        if progress < until:
            return size
    return resolution[-1][0]
