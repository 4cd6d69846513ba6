"""Hierarchical contrast: the same moment of two overlapping crops attracts, other moments and other records repel.

Shape letters: B records, N tokens of a view, T of them that are compared, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from selftaught.core.batch import Batch, View, cat_batches
from selftaught.core.encoder import Encoder
from selftaught.core.errors import IllegalPair, UsageError
from selftaught.core.pretext import Clock, Gather, Outcome, Pretext, Representation, Spec
from selftaught.core.rng import Rng
from selftaught.core.targets import gather_tokens
from selftaught.core.tokens import Tokens


def hierarchical_contrast(
    first: Float[Tensor, "b t d"],
    second: Float[Tensor, "b t d"],
    shared: Bool[Tensor, "b t"] | None = None,
    instance: float = 0.5,
) -> Float[Tensor, ""]:
    """Temporal and instance-wise contrast, averaged over scales that halve by max-pooling (Yue 2022, eq. 1-3), nats.

    instance: weight of the instance-wise term, the rest is the temporal one's. shared: the places that both crops have;
    None is all. As in the paper's code both crops give anchors, an odd last place is left out of the next scale, and
    the last scale, of one place, has the instance-wise term only.
    """
    if shared is not None:
        # Every other place repeats the nearest shared one, so that the maximum of two is that of the shared ones.
        near = nearest_shared(shared)
        first, second = gather_tokens(first, near), gather_tokens(second, near)
    losses = []
    while first.shape[1] > 1:
        across = contrast(first.transpose(0, 1), second.transpose(0, 1), None if shared is None else shared.T)
        losses.append(instance * across + (1 - instance) * contrast(first, second, shared))
        even = first.shape[1] // 2 * 2
        first, second = (each[:, :even].unflatten(1, (-1, 2)).amax(2) for each in (first, second))
        shared = None if shared is None else shared[:, :even].unflatten(1, (-1, 2)).any(2)
    across = contrast(first.transpose(0, 1), second.transpose(0, 1), None if shared is None else shared.T)
    return torch.stack([*losses, instance * across]).mean()


def nearest_shared(shared: Bool[Tensor, "b t"]) -> Int[Tensor, "b t"]:
    """For every place the nearest one of its row's single stretch of shared places; 0 where there is none."""
    start, count = shared.byte().argmax(1, keepdim=True), shared.sum(1, keepdim=True)
    line = torch.arange(shared.shape[1], device=shared.device)
    return torch.minimum(torch.maximum(line, start), (start + count - 1).clamp(min=0))


def contrast(
    first: Float[Tensor, "g m d"], second: Float[Tensor, "g m d"], valid: Bool[Tensor, "g m"] | None
) -> Float[Tensor, ""]:
    """Mean cross entropy of finding each item's other view among the items of its group, of both views, but itself.

    Groups with a single valid item have nothing to tell apart, and are left out; 0, with a gradient path, where all
    are such. Similarities are plain dot products, in the precision of the views.
    """
    items = first.shape[1]
    if items == 1:
        return 0.0 * (first.float().sum() + second.float().sum())
    both = torch.cat([first, second], 1)
    if valid is None:
        valid = torch.ones(first.shape[:2], dtype=torch.bool, device=first.device)
    valid = valid & (valid.sum(1, keepdim=True) > 1)
    twice = valid.repeat(1, 2).float()
    # Finite, so that anchors of a group that is left out have a chance of something at all.
    floor = (twice - 1) * 1e30
    return cast(Tensor, _Contrast.apply(both, twice / twice.sum().clamp(min=1), floor))


class _Contrast(torch.autograd.Function):
    """The sum of `share` times each item's cross entropy, with one table of scores that is turned into its gradient.

    It is the largest tensor of the step, and a pass over it costs more than the products.
    """

    @staticmethod
    def forward(ctx: Any, both: Tensor, share: Tensor, floor: Tensor) -> Tensor:
        items = both.shape[1] // 2
        # What all items share raises all scores of an anchor alike; without it they are smaller, and rounded less.
        others = both - both.mean(1, keepdim=True)
        scores = torch.baddbmm(floor.to(both.dtype)[:, None], both, others.transpose(1, 2))
        scores.diagonal(0, 1, 2).fill_(float("-inf"))
        chance = scores.softmax(2)
        right = torch.cat([chance.diagonal(items, 1, 2), chance.diagonal(-items, 1, 2)], 1).float()
        ctx.save_for_backward(both, others, chance, share)
        return -(share * right.clamp(min=torch.finfo(torch.float32).tiny).log()).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        both, others, chance, share = ctx.saved_tensors
        items, weight = both.shape[1] // 2, (grad * share).to(both.dtype)
        slope = chance * weight[..., None]
        slope.diagonal(items, 1, 2).sub_(weight[:, :items])
        slope.diagonal(-items, 1, 2).sub_(weight[:, items:])
        return slope @ others + slope.transpose(1, 2) @ both, None, None


def match_tokens(first: Tokens, second: Tokens) -> tuple[Int[Tensor, "b n"], Bool[Tensor, "b n"]]:
    """For every token of the first view the one of the second at the same place in its record, and whether it has one.

    Both views lie on the record's own grid, so one shift per record serves all its tokens.
    """
    count = first.origin.shape[1]
    own, other = first.origin[..., 0], second.origin[..., 0]
    pace = own[:, 1] - own[:, 0] if count > 1 else torch.ones_like(own[:, 0])
    shift = ((own[:, 0] - other[:, 0]) / pace.clamp(min=1e-9)).round().long()
    ids = torch.arange(count, device=own.device) + shift[:, None]
    inside = (ids >= 0) & (ids < count)
    ids = ids.clamp(0, count - 1)
    return ids, inside & first.valid & second.valid.gather(1, ids)


@dataclass(frozen=True, kw_only=True)
class TS2Vec(Pretext):
    """Recognise the same moment in two overlapping crops of a recording, at every scale of time.

    Use when: recordings are long or each moment matters (forecasting, segmentation, anomalies).
    Avoid when: recordings repeat themselves, so that other moments are no negatives; or batches are of one record.
    Losses: hierarchy (nats; mean over scales of instance-wise and temporal contrast).
    Relations: SimCLR compares whole records only; NextWindow predicts values.
    Source: Yue 2022, eq. 1-3; differs: crops of one length with a place of their own per record; a dropped step reads
    as a missing value.
    """

    crop: float = 0.625
    drop: float = 0.5
    instance: float = 0.5

    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "time"})
    level: ClassVar[Literal["token", "record"]] = "record"
    couples_records: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (0 < self.crop <= 1 and 0 <= self.drop < 1 and 0 <= self.instance <= 1):
            raise UsageError(
                f"TS2Vec.crop is a share above 0, TS2Vec.drop one below 1, TS2Vec.instance one from 0 to 1; got "
                f"{self.crop}, {self.drop} and {self.instance}."
            )

    def plan(self) -> tuple[View, ...]:
        """Two crops, unchanged but for their place."""
        return (View(kind="span", size=self.crop, count=2),)

    def build(self, encoder: Encoder, spec: Spec) -> nn.Module:
        """Nothing: the encoder's tokens are compared as they are. Raises IllegalPair for tokens of single channels."""
        if len(spec.axes) != 1:
            names = ", ".join(axis.name for axis in spec.axes)
            raise IllegalPair(f"TS2Vec needs tokens on one time axis; these have {names}. Use Series(mixing=True).")
        return nn.Identity()

    def represent(
        self, encoder: Encoder, head: nn.Module, views: Sequence[Batch], clock: Clock, rng: Rng
    ) -> Representation:
        """first, second: tokens of the stretch that both crops have (B, N, D); shared (B, N): how far it goes."""
        dropped = [drop_steps(view, self.drop, rng.fold("ts2vec").fold(place)) for place, view in enumerate(views)]
        tokens = encoder.encode(cat_batches(dropped)).tokens
        if tokens is None:
            raise IllegalPair("TS2Vec needs an encoder that gives tokens, such as Dilated or Transformer.")
        rows = views[0].rows
        first, second = rows_of(tokens, 0, rows), rows_of(tokens, rows, 2 * rows)
        ids, shared = match_tokens(first, second)
        # Only the stretches that both crops have are compared, each from its own beginning.
        start, count = shared.byte().argmax(1, keepdim=True), shared.sum(1, keepdim=True)
        line = torch.arange(max(1, int(count.max())), device=ids.device)
        place = (start + line).clamp(max=shared.shape[1] - 1)
        parts = {
            "first": gather_tokens(first.content, place),
            "second": gather_tokens(second.content, ids.gather(1, place)),
            "shared": line < count,
        }
        return Representation(parts)

    def losses(
        self, head: nn.Module, representation: Representation, views: Sequence[Batch], clock: Clock, gather: Gather
    ) -> Outcome:
        """The hierarchical contrast of the shared places."""
        first, second, shared = (representation[name] for name in ("first", "second", "shared"))
        return Outcome(losses={"hierarchy": hierarchical_contrast(first, second, shared, self.instance)})


def rows_of(tokens: Tokens, start: int, stop: int) -> Tokens:
    """The tokens of the rows from `start` to `stop`."""
    names = ("content", "segment", "pos", "origin", "unit")
    return replace(tokens, **{name: getattr(tokens, name)[start:stop] for name in names})


def drop_steps(view: Batch, share: float, rng: Rng) -> Batch:
    """The view with a random share of its time steps missing in all channels.

    The modality offers "time", which promises `x` as (B, T, C) with NaN for a missing value.
    """
    x = view.x
    assert isinstance(x, Tensor)  # as "time" promises
    lost = rng.uniform(view.facts.record, "steps", (x.shape[1],)) < share
    return replace(view, x=x.masked_fill(lost[..., None], float("nan")))
