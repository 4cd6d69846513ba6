"""Token pretexts: name the tokens that were hidden, or name the one that comes next.

Shape letters: B rows, N tokens, M dropped tokens, P outputs of a target, D width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.core.batch import Batch, View, document_index
from selftaught.core.encoder import Encoder
from selftaught.core.errors import UsageError
from selftaught.core.pretext import Clock, Gather, Outcome, ParamGroup, Pretext, Representation, Spec
from selftaught.core.rng import Rng
from selftaught.core.targets import Categorical, Target, gather_tokens, masked_mean
from selftaught.core.tokens import Tokens
from selftaught.pretexts.drop import random_drop
from selftaught.pretexts.reconstruction import reconstruction


@dataclass(frozen=True, kw_only=True)
class MaskedToken(Pretext):
    """Hide a few tokens and name each from all that stay; only dropped tokens get outputs.

    Use when: records are sequences of discrete tokens, such as text; the robust first choice there.
    Avoid when: documents have a handful of units: one that is dropped says all, and under spans often none is.
    Losses: tokens (by the target's kind; log of the vocabulary at chance).
    Relations: MAE leaves dropped tokens out of the encoder and needs a decoder; NextToken sees the past only.
    Source: Devlin 2019, section 3.1; whole words after its released code, spans after Joshi 2020; differs: a swapped
    token comes from the same document instead of the vocabulary, outputs are not tied to the input's table, and spans
    are cut from a partition of the document, so that two never overlap.
    """

    drop: float = 0.15
    unit: Literal["token", "word", "span"] = "word"
    span: float = 3.8
    hidden: float = 0.8
    swapped: float = 0.1
    normalise: bool = True

    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "drop", "target"})
    level: ClassVar[Literal["token", "record"]] = "token"
    couples_records: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 < self.drop < 1:
            raise UsageError(f"MaskedToken.drop is a fraction between 0 and 1; got {self.drop}. The paper uses 0.15.")
        if self.hidden < 0 or self.swapped < 0 or not 0 < self.hidden + self.swapped <= 1:
            raise UsageError(
                f"MaskedToken.hidden and MaskedToken.swapped are shares of the dropped tokens that sum to at most 1; "
                f"got {self.hidden} and {self.swapped}. The paper uses 0.8 and 0.1."
            )
        if self.span < 1:
            raise UsageError(f"MaskedToken.span is a mean number of units, 1 or more; got {self.span}.")

    def plan(self) -> tuple[View, ...]:
        """One weakly augmented view with its target; documents may share a row."""
        return (View(kind="weak", target=True, packed=True),)

    def build(self, encoder: Encoder, spec: Spec) -> nn.Module:
        """The content of hidden tokens, and the layers that name them."""
        return TokenHead(encoder.dim, spec.outputs)

    def represent(
        self, encoder: Encoder, head: nn.Module, views: Sequence[Batch], clock: Clock, rng: Rng
    ) -> Representation:
        """prediction (B, M, P), drop (B, M) token indices, dropped (B, M) which of them count."""
        view, own = views[0], rng.fold("tokens")
        pattern = random_drop(self._grouped(view, own), self.drop, own)
        dropped = torch.ones_like(pattern.drop, dtype=torch.bool) if pattern.dropped is None else pattern.dropped
        fate = choose_fate(view, pattern.drop, dropped, (self.hidden, self.swapped), own)
        seen = encoder.forward(hide(encoder.tokenize(view), fate, head.get_parameter("dropped"))).tokens
        assert seen is not None  # promised by the encoder's `can`
        prediction = head(gather_tokens(seen.content, pattern.drop))
        return Representation({"prediction": prediction, "drop": pattern.drop, "dropped": dropped})

    def losses(
        self, head: nn.Module, representation: Representation, views: Sequence[Batch], clock: Clock, gather: Gather
    ) -> Outcome:
        """The target's own loss, averaged over dropped valid tokens."""
        target = _target_of(views[0], "MaskedToken")
        loss = reconstruction(target, representation, normalise=self.normalise, gather=gather, ranks=clock.ranks)
        return Outcome(losses={"tokens": loss}, logs=_chance(target, loss))

    def param_groups(self, head: nn.Module) -> tuple[ParamGroup, ...]:
        """The output layer apart: its rows are the vocabulary."""
        return output_apart(head, head.get_submodule("leave"))

    def _grouped(self, view: Batch, rng: Rng) -> Batch:
        """The view with the units that are dropped together."""
        if self.unit == "word":
            return view
        if self.unit == "token":
            return replace(view, unit=places_in(view.segment)[0])
        return replace(view, unit=spans_of(view, self.span, rng))


@dataclass(frozen=True, kw_only=True)
class NextToken(Pretext):
    """Name every token from those before it in its document.

    Use when: tokens come in an order that means something, and text shall be generated.
    Avoid when: vectors are all that is wanted: MaskedToken sees both sides of every token.
    Losses: next (by the target's kind; log of the vocabulary at chance).
    Relations: MaskedToken hides tokens anywhere; `generate` draws from what this one has learned.
    Source: Radford 2018, eq. 1; differs: any target kind, outputs are not tied to the input's table.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "drop", "causal", "target"})
    level: ClassVar[Literal["token", "record"]] = "token"
    couples_records: ClassVar[bool] = False

    def plan(self) -> tuple[View, ...]:
        """One weakly augmented view with its target; documents may share a row."""
        return (View(kind="weak", target=True, packed=True),)

    def build(self, encoder: Encoder, spec: Spec) -> nn.Module:
        """One linear layer."""
        return nn.Linear(encoder.dim, spec.outputs)

    def represent(
        self, encoder: Encoder, head: nn.Module, views: Sequence[Batch], clock: Clock, rng: Rng
    ) -> Representation:
        """prediction (B, N - 1, P): for the second token of a row and all after it."""
        seen = encoder.forward(encoder.tokenize(views[0]), attend="causal").tokens
        assert seen is not None  # promised by the encoder's `can`
        return Representation({"prediction": head(seen.content[:, :-1])})

    def losses(
        self, head: nn.Module, representation: Representation, views: Sequence[Batch], clock: Clock, gather: Gather
    ) -> Outcome:
        """The target's own loss, averaged over valid tokens that have one before them in their document."""
        target, segment = _target_of(views[0], "NextToken"), views[0].segment
        following = torch.arange(1, segment.shape[1], device=segment.device).expand(len(segment), -1)
        wanted = target.take(following)
        same = (segment[:, 1:] == segment[:, :-1]) & (segment[:, 1:] > 0)
        loss = masked_mean(wanted.loss(representation["prediction"]), wanted.valid & same, gather, clock.ranks)
        return Outcome(losses={"next": loss}, logs=_chance(target, loss))

    def param_groups(self, head: nn.Module) -> tuple[ParamGroup, ...]:
        """The output layer, whose rows are the vocabulary."""
        return output_apart(head, head)


def output_apart(head: nn.Module, output: nn.Module) -> tuple[ParamGroup, ...]:
    """A head's parameters in two groups: the others, and the output layer's, whose rows are a vocabulary."""
    last = tuple(output.parameters())
    known = {id(part) for part in last}
    others = tuple(part for part in head.parameters() if id(part) not in known)
    return (ParamGroup(parameters=others), ParamGroup(parameters=last, table=True))


class TokenHead(nn.Module):
    """A dense layer, GELU and norm before the outputs, as in the released code of Devlin 2019.

    dropped: the content that stands where a token is hidden.
    """

    def __init__(self, dim: int, outputs: int) -> None:
        super().__init__()
        self.dropped = nn.Parameter(torch.zeros(dim))
        self.dense = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.leave = nn.Linear(dim, outputs)
        nn.init.normal_(self.dropped, std=0.02)

    def forward(self, content: Float[Tensor, "b m d"]) -> Float[Tensor, "b m p"]:
        """What the target's loss wants, for every token."""
        out: Tensor = self.leave(self.norm(F.gelu(self.dense(content))))
        return out


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What happens to every token. hidden: its content is replaced. source: whose content it has, else its own."""

    hidden: Bool[Tensor, "b n"]
    source: Int[Tensor, "b n"]


def choose_fate(
    view: Batch,
    drop: Int[Tensor, "b m"],
    dropped: Bool[Tensor, "b m"],
    shares: tuple[float, float],
    rng: Rng,
) -> Fate:
    """Hides a share of the dropped tokens, swaps a share, leaves the rest as it is (Devlin 2019, section 3.1).

    shares: (hidden, swapped). All is drawn by the token's place in its document, wherever that is packed.
    """
    count = view.segment.shape[1]
    going = torch.zeros_like(view.segment).scatter_add(1, drop, dropped.long()) > 0
    rank, start = places_in(view.segment)
    document = document_index(view.segment)
    length = torch.bincount(document[document >= 0], minlength=len(view.facts.record))[document.clamp(min=0)]
    draw = rng.uniform(view.facts.record, "fate", (count, 2))[document.clamp(min=0), rank]
    hidden, swapped = shares
    other = start + (draw[..., 1] * length).long().minimum(length - 1)
    moved = going & (draw[..., 0] >= hidden) & (draw[..., 0] < hidden + swapped)
    return Fate(hidden=going & (draw[..., 0] < hidden), source=torch.where(moved, other, rank + start))


def hide(tokens: Tokens, fate: Fate, vector: Float[Tensor, " d"]) -> Tokens:
    """The tokens with their content as their fate has it; places stay."""
    content = gather_tokens(tokens.content, fate.source)
    return replace(tokens, content=torch.where(fate.hidden[..., None], vector.to(content.dtype), content))


def places_in(segment: Int[Tensor, "b n"]) -> tuple[Int[Tensor, "b n"], Int[Tensor, "b n"]]:
    """Each token's place in its document, from 0, and the place in the row at which that document starts."""
    place = torch.arange(segment.shape[1], device=segment.device).expand_as(segment)
    first = torch.ones_like(segment, dtype=torch.bool)
    first[:, 1:] = segment[:, 1:] != segment[:, :-1]
    start = torch.where(first, place, 0).cummax(1).values
    return place - start, start


def spans_of(view: Batch, mean: float, rng: Rng) -> Int[Tensor, "b n"]:
    """Units joined to spans of geometric length with this mean (Joshi 2020, section 3.1), numbered in each document."""
    rank, start = places_in(view.segment)
    document = document_index(view.segment).clamp(min=0)
    begins = rank == 0
    draw = rng.uniform(view.facts.record, "spans", (view.segment.shape[1],))[document, rank]
    changes = torch.zeros_like(begins)
    changes[:, 1:] = view.unit[:, 1:] != view.unit[:, :-1]
    number = (begins | (changes & (draw < 1 / mean))).long().cumsum(1)
    return number - number.gather(1, start)


@torch.no_grad()
def generate(
    encoder: Encoder,
    head: nn.Module,
    start: Batch,
    count: int,
    rng: Rng,
    *,
    length: int,
    temperature: float = 1.0,
    best: int = 0,
    stop: int | None = None,
) -> Int[Tensor, "b n"]:
    """`count` more tokens for every row, (B, count), drawn one by one from what NextToken has learned.

    start: one document a row, all of one length, x (B, N) classes. length: tokens that the encoder sees at most, those
    it was trained with. temperature: below 1 keeps to likely tokens; 0 takes the likeliest. best: draw among so many of
    the likeliest; 0: among all. stop: a token after which a row repeats it. Every token costs a whole forward.
    """
    if not isinstance(start.x, Tensor) or start.x.is_floating_point() or not bool((start.segment == 1).all()):
        raise UsageError("generate starts from rows of one document each, of equal lengths, whose tokens are classes.")
    x = start.x
    over = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    for step in range(count):
        seen = encoder.forward(encoder.tokenize(_rows_of(start, x[:, -length:])), attend="causal").tokens
        assert seen is not None  # promised by the encoder's `can`
        scores = head(seen.content[:, -1]).float()
        if best:
            scores = scores.masked_fill(scores < scores.topk(min(best, scores.shape[1]), 1).values[:, -1:], -math.inf)
        chosen = scores.argmax(1)
        if temperature > 0:
            reached = (scores / temperature).softmax(1).cumsum(1)
            draw = rng.uniform(start.facts.record, f"token/{step}")[:, None] * reached[:, -1:]
            chosen = (reached <= draw).sum(1).clamp(max=scores.shape[1] - 1)
        if stop is not None:
            chosen = torch.where(over, stop, chosen)
            over = over | (chosen == stop)
        x = torch.cat([x, chosen[:, None]], 1)
    return x[:, start.x.shape[1] :]


def _rows_of(start: Batch, x: Int[Tensor, "b n"]) -> Batch:
    """Rows of one document each, whose tokens stand at 0, 1, ..."""
    place = torch.arange(x.shape[1], device=x.device).expand_as(x)
    pos = place[..., None].float().expand(-1, -1, len(start.axes))
    return replace(
        start, x=x, segment=torch.ones_like(x), pos=pos, origin=(pos + 0.5) / x.shape[1], unit=place, target=None,
        dense=True,
    )  # fmt: skip


def _target_of(view: Batch, name: str) -> Target:
    if view.target is None:
        raise UsageError(f"{name} got a view without targets; plan a View with target=True.")
    return view.target


def _chance(target: Target, loss: Tensor) -> dict[str, Tensor]:
    """The loss of a guess among all classes, nats, where that is known."""
    return {"chance": loss.new_tensor(math.log(target.size))} if isinstance(target, Categorical) else {}
