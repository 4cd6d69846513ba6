"""Which layer holds what: the probe on the outputs of every block, from the first to the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selftaught.core.errors import UsageError
from selftaught.engine.embedding import embed_layers
from selftaught.probes.budgets import nested_draws
from selftaught.probes.protocol import probe
from selftaught.probes.statistics import bootstrap_mean
from selftaught.reports.blocks import Curve, LinePlot
from selftaught.runs.encoder import Pretrained
from selftaught.trials.parts import Parts

MOST = 2_000
"""Labelled training records that a layer is probed with, at most."""


@dataclass(frozen=True, kw_only=True)
class Depth:
    """Test accuracy of a probe on one layer's output, mean over tokens, with its 95 % interval over test records.
    layer: from 1; 0 is the encoder's own vector."""

    layer: int
    dim: int
    value: float
    low: float
    high: float


def probe_layers(encoder: Pretrained, parts: Parts) -> tuple[Depth, ...]:
    """All layers of one encoder with all labels. Raises UsageError where it gives no layers."""
    if not encoder.encoder.depth:
        raise UsageError(f"{type(encoder.config).__name__} gives no outputs of single layers; leave --layers out.")
    train = np.sort(np.random.default_rng(0).permutation(parts.train)[:MOST])
    known, asked = (embed_layers(encoder, parts.store, rows) for rows in (train, parts.test))
    whole = nested_draws(len(train), ())
    kin = (None, None) if parts.groups is None else (parts.groups[train], parts.groups[parts.test])
    found = []
    for layer, (fit, test) in enumerate(zip(known, asked, strict=True)):
        right = probe(fit, parts.codes[train], test, parts.labels[1], whole, groups=kin[0])[0].correct
        mean = bootstrap_mean(right, np.random.default_rng(0), kin[1])
        number = (layer + 1) % len(known)  # the encoder's own vector comes last
        found.append(Depth(layer=number, dim=fit.shape[1], value=mean.value, low=mean.low, high=mean.high))
    return tuple(found)


def depth_plot(found: Sequence[Depth]) -> LinePlot:
    """Accuracy over layers, the encoder's own vector last."""
    x = tuple(float(place) for place in range(1, len(found) + 1))
    curve = Curve(
        name="encoder", x=x, y=tuple(each.value for each in found), low=tuple(each.low for each in found),
        high=tuple(each.high for each in found), style="main",
    )  # fmt: skip
    return LinePlot(
        curves=(curve,),
        x_label="layer",
        y_label="test accuracy",
        title="Layers",
        caption=f"A probe on each layer's mean over tokens, with all labels of at most {MOST:,} records; the last "
        "point is the encoder's own vector.",
        ticks=tuple((place, str(each.layer or "vector")) for place, each in zip(x, found, strict=True)),
    )
