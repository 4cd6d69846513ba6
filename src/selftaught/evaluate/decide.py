"""From a label-efficiency curve to plain words: did pretraining help, against what, up to how many labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from selftaught.probes.curve import Curve, Point
from selftaught.trials.scores import ENCODER, SCRATCH, TWIN, Score, words

Answer = Literal["pretrain", "pretrain with few labels", "no clear winner", "do not pretrain"]
SEEDS = 3
UNDERPOWERED = f"Underpowered: fewer than {SEEDS} seeds; train two more runs that differ in --seed only."


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer with its reasons. better, worse: budgets (labels per class, None is all) where the interval of the
    lead over the best control is wholly above or below zero."""

    answer: Answer
    headline: str
    sentences: tuple[str, ...]
    better: tuple[int | None, ...]
    worse: tuple[int | None, ...]


def decide(curve: Curve) -> Decision:
    """The answer of a curve; the best control at each budget was chosen by inner cross-validation, never on test.

    Pretraining helps where the encoder beats that control, every control beside it, and its own untrained twin: without
    the last, the gain may be the architecture's.
    """
    rivals = rivals_of(curve)
    twin = [point for point in curve.points if point.name == TWIN]
    unlearned = {point.per_class for point in twin if point.lead is not None and point.lead.low <= 0}
    behind = {point.per_class for point in rivals if point.lead is not None and point.lead.low <= 0}
    sizes = tuple(dict.fromkeys(point.per_class for point in rivals))
    better = tuple(size for size in sizes if size not in behind | unlearned)
    winners = [point for point in rivals if point.lead is not None and point.lead.high < 0]
    worse = tuple(dict.fromkeys(point.per_class for point in winners))
    sentences = [_twin_sentence(twin)]
    shown = [point for point in rivals if point.per_class in better + worse] or rivals
    if shown:
        pick = min(shown, key=lambda point: (abs((point.per_class or 10**9) - 10), -point.accuracy.value))
        sentences.append(_rival_sentence(curve, pick))
    trained = {point.per_class for point in curve.points if point.name == SCRATCH}
    untried = [size for size in better if size not in trained]
    if untried:
        sentences.append(f"Supervised from scratch was not trained at {words(untried)}; --from-scratch says where.")
    if min((point.seeds for point in curve.points if point.name == curve.encoder), default=0) < SEEDS:
        sentences.append(UNDERPOWERED)
    names = sorted({point.name for point in winners})
    verb = "are" if len(names) > 1 else "is"
    if better and not worse:
        answer: Answer = "pretrain"
        headline = f"Pretraining helps at {words(better)}."
    elif better:
        answer = "pretrain with few labels"
        headline = f"Pretraining helps at {words(better)}; at {words(worse)} {' and '.join(names)} {verb} better."
    elif worse:
        answer = "do not pretrain"
        headline = (
            f"Do not pretrain here: {' and '.join(names)} {'win' if len(names) > 1 else 'wins'} at {words(worse)}."
        )
    else:
        answer = "no clear winner"
        headline = "No clear winner: the encoder and the best control cannot be told apart."
    return Decision(
        answer=answer, headline=headline, sentences=tuple(s for s in sentences if s), better=better, worse=worse
    )


def decide_with_all(
    scores: Sequence[Score], best: str, metric: str, notes: Sequence[str] = (), beside: Sequence[str] = ()
) -> Decision:
    """The answer where all labels are one budget, by the lead over the best control and over the untrained twin.

    notes: sentences on what was not measured. beside: controls that the encoder has to beat as well as the best one.
    """
    by_name = {score.name: score for score in scores}
    twin, rivals = by_name[TWIN], [by_name[name] for name in (best, *beside)]
    rival = max(rivals, key=lambda each: each.value)
    learned = twin.lead_low is not None and twin.lead_low > 0
    winners = [each.name for each in rivals if each.lead_high is not None and each.lead_high < 0]
    answer: Answer = "no clear winner"
    headline = f"No clear winner between the encoder and {rival.name}."
    if learned and all(each.lead_low is not None and each.lead_low > 0 for each in rivals):
        names = " and ".join(each.name for each in rivals)
        headline, answer = f"Pretraining helps: it beats {names}.", "pretrain"
    elif winners:
        verb = "win" if len(winners) > 1 else "wins"
        headline, answer = f"Do not pretrain here: {' and '.join(winners)} {verb}.", "do not pretrain"
    sentences = [
        "The encoder learned: it beats its untrained twin."
        if learned
        else "The encoder is not shown to beat its untrained twin: it learned nothing that these labels can use.",
        f"{metric} with all labels: encoder {by_name[ENCODER].value:.3f}, best control {rival.value:.3f} with "
        f"{rival.name}.",
        *notes,
    ]
    if by_name[ENCODER].seeds < SEEDS:
        sentences.append(UNDERPOWERED)
    return Decision(answer=answer, headline=headline, sentences=tuple(sentences), better=(), worse=())


def rivals_of(curve: Curve) -> list[Point]:
    """What the encoder has to beat at each budget: the best control, and those beside it that ran there."""
    found = []
    for best in curve.best_controls:
        names = dict.fromkeys((best.name, *curve.beside))
        found += [point for point in curve.points if point.per_class == best.per_class and point.name in names]
    return found


def _twin_sentence(twin: Sequence[Point]) -> str:
    if not twin:
        return ""
    above = [point.per_class for point in twin if point.lead is not None and point.lead.low > 0]
    if len(above) == len(twin):
        return "The encoder learned: it beats its untrained twin at every budget."
    if above:
        return f"The encoder beats its untrained twin at {words(above)}, elsewhere it is not shown to."
    return "The encoder is not shown to beat its untrained twin: it learned nothing that these labels can use."


def _rival_sentence(curve: Curve, rival: Point) -> str:
    own = curve.at(curve.encoder, rival.per_class)
    lead = rival.lead
    interval = "" if lead is None else f" (lead {100 * lead.value:+.1f} points, 95 % interval "
    if lead is not None:
        interval += f"{100 * lead.low:+.1f} to {100 * lead.high:+.1f})"
    return (
        f"At {words([rival.per_class])}: encoder {own.accuracy.value:.3f}, best control "
        f"{rival.accuracy.value:.3f} with {rival.name}{interval}."
    )
