"""Forecasting pretexts: predict what comes next from what came before.

Shape letters: B rows, N tokens, M later tokens, P target values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from selftaught.core.batch import Batch, View
from selftaught.core.encoder import Encoder
from selftaught.core.errors import UsageError
from selftaught.core.pretext import Clock, Gather, Outcome, Pretext, Representation, Spec
from selftaught.core.rng import Rng
from selftaught.core.targets import masked_mean
from selftaught.pretexts.heads import TokenDecoder
from selftaught.pretexts.reconstruction import reconstruction


@dataclass(frozen=True, kw_only=True)
class NextWindow(Pretext):
    """Cut a record in time, encode what came before the cut, and predict the window after it.

    Use when: values follow from the past (load, traffic, sensors) and forecasts are what the encoder is for.
    Avoid when: the order says nothing, or what follows is noise.
    Losses: window (by the target's kind; `chance` is the loss of predicting zeros, the mean of the training part).
    Relations: NextToken predicts one token at every place with causal attention; MAE drops tokens anywhere.
    Source: Nie 2023, section 3 (patches to patches); differs: a random cut, a decoder asked by places, any target kind.
    """

    window: tuple[float, float] = (0.2, 0.5)
    width: int = 128
    depth: int = 2
    heads: int = 4

    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "drop", "order", "target"})
    level: ClassVar[Literal["token", "record"]] = "token"
    couples_records: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 < self.window[0] <= self.window[1] < 1:
            raise UsageError(
                f"NextWindow.window is a range of shares of a record between 0 and 1, smaller first; got {self.window}."
            )
        if self.width % self.heads:
            raise UsageError(f"NextWindow.heads must divide its width; {self.heads} does not divide {self.width}.")

    def plan(self) -> tuple[View, ...]:
        """One weakly augmented view with its target."""
        return (View(kind="weak", scale=(0.6, 1.0), target=True),)

    def build(self, encoder: Encoder, spec: Spec) -> nn.Module:
        """The decoder, which is asked by places."""
        return TokenDecoder(encoder.dim, spec.axes, self.width, self.depth, self.heads, spec.outputs)

    def represent(
        self, encoder: Encoder, head: nn.Module, views: Sequence[Batch], clock: Clock, rng: Rng
    ) -> Representation:
        """prediction (B, M, P), drop (B, M): token indices after the cut, dropped (B, M): which of them count."""
        view = views[0]
        past, later = cut_in_time(view, self.window, rng.fold("window"))
        tokens = encoder.tokenize(view)
        visible = encoder.forward(tokens.take(*places_of(past))).tokens
        drop, dropped = places_of(later)
        return Representation({"prediction": head(visible, tokens, drop, dropped), "drop": drop, "dropped": dropped})

    def losses(
        self, head: nn.Module, representation: Representation, views: Sequence[Batch], clock: Clock, gather: Gather
    ) -> Outcome:
        """The target's own loss, averaged over the later tokens, beside that of the trivial prediction."""
        target = views[0].target
        if target is None:
            raise UsageError("NextWindow got a view without targets; plan a View with target=True.")
        loss = reconstruction(target, representation, normalise=False, gather=gather, ranks=clock.ranks)
        wanted = target.take(representation["drop"])
        trivial = wanted.loss(torch.zeros_like(representation["prediction"]))
        chance = masked_mean(trivial, representation["dropped"] & wanted.valid, gather, clock.ranks)
        return Outcome(losses={"window": loss}, logs={"chance": chance})


def cut_in_time(batch: Batch, window: tuple[float, float], rng: Rng) -> tuple[Bool[Tensor, "b n"], Bool[Tensor, "b n"]]:
    """Which tokens lie before and after a cut at a random share of each record's time, its first axis.

    Both have a token wherever there are two moments; a record of one moment is all past.
    """
    time, valid = batch.pos[..., 0], batch.valid
    last = torch.where(valid, time, 0.0).amax(1)
    share = rng.uniform(batch.facts.record, "cut", (), window[0], window[1])
    cut = torch.minimum(((last + 1) * (1 - share)).round(), last).clamp(min=1)
    past = valid & (time < cut[:, None])
    return past, valid & ~past


def places_of(flag: Bool[Tensor, "b n"]) -> tuple[Int[Tensor, "b m"], Bool[Tensor, "b m"]]:
    """The indices of the flagged tokens of every row, filled up to the most of any row, and which of them count."""
    most = max(1, int(flag.sum(1).max()))
    ids = flag.byte().argsort(dim=1, descending=True, stable=True)[:, :most]
    return ids, flag.gather(1, ids)
