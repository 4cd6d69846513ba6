"""Is the run working? Named verdicts from the loss curve and from what observers measured on the held-out buffer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Row = Mapping[str, float | int]
State = Literal["healthy", "partial collapse", "collapse", "diverging", "not learning", "not measured"]

Found = tuple[State, str] | None

ENOUGH = 20
"""Logged steps below which a loss curve says nothing but that it is finite."""

REMEDIES = {
    "partial collapse": "lower the learning rate, or raise the batch or the weight of a variance term",
    "collapse": "lower the learning rate, use a batch norm in the projector, or choose another pretext",
    "diverging": "lower the learning rate (a third is a good start) or set optimiser.clip = 1.0",
    "not learning": "train longer, raise the learning rate, or check that the views differ (modality.strength)",
}

OF_TOKENS = "for vectors of whole records, use a pretext that compares records, such as SimCLR; else nothing to do"
"""The remedy where tokens are predicted, which does not ask that records differ."""


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


def judge(losses: Sequence[Row], observations: Sequence[Row], *, pairs: bool = False, tokens: bool = False) -> Health:
    """The state of a run.

    losses: rows with `loss`; with `log_chance`, the loss of a trivial predictor, where the pretext knows it; and with
    `log_spread`, that of the head's output, where records are compared by it. observations: rows with `spread` (mean
    standard deviation of unit-length vectors' dimensions times sqrt(dim); 1 for an isotropic cloud, 0 for a point),
    `rank` (RankMe), `dim`, and `alignment` (mean squared distance of two views) where measured; oldest first, of the
    untrained encoder if the first. pairs: whether the pretext compares views. tokens: whether it predicts tokens: then
    the vectors of records, which nothing asks to differ, may lie close together for a while, and that stops nothing.
    """
    verdict = _diverging(losses) or _collapsed(losses, observations)
    verdict = verdict or _equal_views(observations, pairs) or _not_learning(losses)
    if verdict is not None:
        state, cause = verdict
        if tokens and state in ("collapse", "partial collapse"):
            return Health(state="partial collapse", cause=cause, remedy=OF_TOKENS)
        return Health(state=state, cause=cause, remedy=REMEDIES[state])
    if len(losses) < ENOUGH or not observations:
        cause = f"{len(losses)} logged steps and {len(observations)} looks at held-out records are too few to judge by"
        return Health(state="not measured", cause=cause, remedy=f"train for {ENOUGH} steps or more")
    last = observations[-1]
    return Health(
        state="healthy",
        cause=f"loss {losses[0]['loss']:.3g} to {losses[-1]['loss']:.3g}, effective rank {last['rank']:.0f} of "
        f"{last['dim']:.0f}",
        remedy="nothing to do",
    )


def _diverging(rows: Sequence[Row]) -> Found:
    losses = [row["loss"] for row in rows]
    for index, loss in enumerate(losses):
        if not math.isfinite(loss):
            return "diverging", f"the loss became {loss} at log entry {index + 1}"
    if len(losses) < ENOUGH:
        return None
    tail, best = _median(losses[-10:]), min(losses)
    rose = tail - best
    if rose > 2 * max(abs(losses[0] - best), 0.1 * abs(losses[0]), 1e-6) and tail > losses[0]:
        return "diverging", f"the loss rose from {best:.3g} to {tail:.3g}, above its start of {losses[0]:.3g}"
    return None


def _collapsed(losses: Sequence[Row], observations: Sequence[Row]) -> Found:
    heads = [row["log_spread"] for row in losses if "log_spread" in row]
    judged = len(heads) >= 2 * ENOUGH
    if judged and _is_point(_median(heads[-ENOUGH:]), heads):
        return "collapse", f"the head gives all records nearly one vector (spread {heads[-1]:.3f}; 1 is a full cloud)"
    if not observations:
        return None
    last, recent = observations[-1], observations[-2:]
    spreads, rank = [row["spread"] for row in observations], max(row["rank"] for row in observations)
    if all(_is_point(row["spread"], spreads) for row in recent):
        cause = f"all records get nearly one vector (spread {last['spread']:.3f}; 1 is a full cloud)"
        # What the head tells apart is no point: the vectors differ, though by little beside what they share.
        return ("partial collapse", f"{cause}; the head still tells them apart") if judged else ("collapse", cause)
    if all(row["rank"] < 1.5 for row in recent) and rank >= 2:
        return "collapse", f"the vectors lie on a line (effective rank {last['rank']:.1f} of {last['dim']:.0f})"
    if last["rank"] < 0.25 * rank:
        return (
            "partial collapse",
            f"the effective rank fell from {rank:.0f} to {last['rank']:.0f} of {last['dim']:.0f}",
        )
    if last["spread"] < 0.25 * max(spreads):
        return "partial collapse", f"the spread of the vectors fell from {max(spreads):.2f} to {last['spread']:.2f}"
    return None


def _is_point(spread: float, history: Sequence[float]) -> bool:
    """Below any cloud, or small and fallen: some untrained networks map everything close together."""
    return spread < 0.01 or (spread < 0.05 and spread < 0.5 * max(history))


def _equal_views(observations: Sequence[Row], pairs: bool) -> Found:
    if not pairs or not observations or observations[-1].get("alignment", 1.0) > 1e-7:
        return None
    return "not learning", "the views of a record do not differ, so nothing has to be learned to make them agree"


def _not_learning(rows: Sequence[Row]) -> Found:
    if len(rows) < ENOUGH:
        return None
    losses, chance = [row["loss"] for row in rows], rows[-1].get("log_chance")
    tail = losses[-max(5, len(losses) // 10) :]
    start, end = _median(losses[:5]), _median(tail)
    if chance is not None and end > 0.98 * chance:
        return "not learning", f"the loss {end:.3g} is still that of guessing ({chance:.3g})"
    noise = _median([abs(loss - end) for loss in tail])
    if start - end < max(1e-4 * abs(start), 3 * noise):
        return "not learning", f"the loss moved from {start:.4g} to {end:.4g} only, by less than it scatters"
    return None


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
