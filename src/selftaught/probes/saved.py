"""Labels saved: how many labels the best control needs to be as good as the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from selftaught.probes.statistics import LEVEL


@dataclass(frozen=True)
class Labels:
    """A number of labels, or a bound on it at the edge of what was measured."""

    count: float
    relation: Literal["=", ">", "<="]

    def __str__(self) -> str:
        """Return the number of labels with its bound, as `120`, `> 500` or `<= 10`."""
        return f"{'' if self.relation == '=' else self.relation + ' '}{self.count:.0f}"


@dataclass(frozen=True)
class LabelsSaved:
    """Labels that the best control needs for the encoder's accuracy at one budget; never extrapolated.

    `>` the largest budget where the control never gets there; `<=` the smallest where it is there from the start.
    """

    per_class: int | None
    labels: int
    """Labels that the encoder had."""
    needed: Labels
    low: Labels
    high: Labels

    @property
    def factor(self) -> float:
        """Return the labels needed (or their bound) per label that the encoder had."""
        return self.needed.count / self.labels


def labels_saved(
    per_class: Sequence[int | None],
    sizes: Float[np.ndarray, " b"],
    accuracy: Float[np.ndarray, "2 b"],
    drawn: Float[np.ndarray, "2 b resamples"],
    level: float = LEVEL,
) -> tuple[LabelsSaved, ...]:
    """Return the labels that the control needs to match the encoder at each budget, with percentile bounds.

    `accuracy` and `drawn` (bootstrap resamples) hold the encoder first, then the best control at each budget; `sizes`
    are the labels of the budgets in any order. Between budgets, accuracy is linear in log labels.
    """
    order = np.argsort(sizes, kind="stable")
    labels = sizes[order]
    control = accuracy[1, order][:, None], drawn[1, order]
    rows = []
    for index in order:
        point = labels_needed(labels, control[0], accuracy[0, index : index + 1])
        spread = labels_needed(labels, control[1], drawn[0, index])
        # Order statistics, not interpolation: between a number and infinity there is nothing.
        low, high = np.quantile(spread, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
        rows.append(
            LabelsSaved(
                per_class=per_class[int(index)],
                labels=int(sizes[index]),
                needed=bounded(float(point[0]), labels),
                low=bounded(float(low), labels),
                high=bounded(float(high), labels),
            )
        )
    return tuple(rows)


def labels_needed(
    labels: Float[np.ndarray, " b"], control: Float[np.ndarray, "b r"], target: Float[np.ndarray, " r"]
) -> Float[np.ndarray, " r"]:
    """Return the labels at which the control first reaches the target: 0 from the start, infinity never.

    `labels` increase; the curve is linear in log labels between them.
    """
    reached = control >= target
    first = reached.argmax(0)
    last = np.maximum(first, 1)
    each = np.arange(len(target))
    if len(labels) == 1:
        return np.where(reached[0], 0.0, np.inf)
    before, after = control[last - 1, each], control[last, each]
    rise = np.where(after > before, after - before, 1)
    share = np.clip((target - before) / rise, 0, 1)
    between = np.exp(np.log(labels[last - 1]) + share * (np.log(labels[last]) - np.log(labels[last - 1])))
    return np.where(~reached.any(0), np.inf, np.where(first == 0, 0.0, between))


def bounded(count: float, labels: Float[np.ndarray, " b"]) -> Labels:
    """Return a number of labels, or the bound that 0 and infinity stand for."""
    if count == 0:
        return Labels(float(labels[0]), "<=")
    return Labels(float(labels[-1]), ">") if np.isinf(count) else Labels(count, "=")
