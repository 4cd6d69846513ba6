"""Is the run working? Named verdicts from the loss curve and from what observers measured on the held-out buffer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["healthy", "partial collapse", "collapse", "diverging", "not learning", "not measured"]

REMEDIES = {
    "partial collapse": "raise the batch or the weight of the variance term, or lower the learning rate",
    "collapse": "lower the learning rate, use a batch norm in the projector, or choose another pretext",
    "diverging": "lower the learning rate (a third is a good start) or set optimiser.clip = 1.0",
    "not learning": "train longer, raise the learning rate, or check that the views differ (modality.strength)",
}


@dataclass(frozen=True, kw_only=True)
class Health:
    """The verdict on a run, its cause in numbers, and what to do."""

    state: State
    cause: str
    remedy: str

    @property
    def stops(self) -> bool:
        """Whether going on would waste the rest of the budget."""
        return self.state in ("collapse", "diverging")


def judge(losses: Sequence[float], observations: Sequence[Mapping[str, float]], chance: float | None) -> Health:
    """The state of a run.

    losses: total loss at the logged steps. observations: rows of `spread` (mean standard deviation of unit-length
    vectors' dimensions times sqrt(dim); 1 for an isotropic cloud, 0 for a point), `rank` (RankMe), `dim`; oldest first.
    chance: the loss of a trivial predictor, nats, where the pretext knows it.
    """
    verdict = _diverging(losses) or _collapsed(observations) or _not_learning(losses, chance)
    if verdict is not None:
        state, cause = verdict
        return Health(state=state, cause=cause, remedy=REMEDIES[state])
    if not losses or not observations:
        return Health(state="not measured", cause="the run ended before the first observation", remedy="train longer")
    last = observations[-1]
    return Health(
        state="healthy",
        cause=f"loss {losses[0]:.3g} to {losses[-1]:.3g}, effective rank {last['rank']:.0f} of {last['dim']:.0f}",
        remedy="nothing to do",
    )


def _diverging(losses: Sequence[float]) -> tuple[State, str] | None:
    for index, loss in enumerate(losses):
        if not math.isfinite(loss):
            return "diverging", f"the loss became {loss} at log entry {index + 1}"
    if len(losses) < 20:
        return None
    tail, best = _median(losses[-10:]), min(losses)
    rose = tail - best
    if rose > 2 * max(abs(losses[0] - best), 0.1 * abs(losses[0]), 1e-6) and tail > losses[0]:
        return "diverging", f"the loss rose from {best:.3g} to {tail:.3g}, above its start of {losses[0]:.3g}"
    return None


def _collapsed(observations: Sequence[Mapping[str, float]]) -> tuple[State, str] | None:
    if not observations:
        return None
    last, first = observations[-1], observations[0]
    if last["spread"] < 0.05:
        return "collapse", f"all records get nearly one vector (spread {last['spread']:.3f}; 1 is a full cloud)"
    if last["rank"] < 1.5 and first["rank"] >= 1.5:
        return "collapse", f"the vectors lie on a line (effective rank {last['rank']:.1f} of {last['dim']:.0f})"
    if last["rank"] < 0.25 * first["rank"] and last["rank"] < 0.1 * last["dim"]:
        return (
            "partial collapse",
            f"the effective rank fell from {first['rank']:.0f} to {last['rank']:.0f} of {last['dim']:.0f}",
        )
    return None


def _not_learning(losses: Sequence[float], chance: float | None) -> tuple[State, str] | None:
    if len(losses) < 20:
        return None
    tenth = max(5, len(losses) // 10)
    start, end = _median(losses[:tenth]), _median(losses[-tenth:])
    if chance is not None and end > 0.98 * chance:
        return "not learning", f"the loss {end:.3g} is still that of guessing ({chance:.3g})"
    spread = _median([abs(loss - start) for loss in losses[:tenth]])
    if start - end < max(1e-4 * abs(start), 0.5 * spread):
        return "not learning", f"the loss moved from {start:.4g} to {end:.4g} only"
    return None


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
