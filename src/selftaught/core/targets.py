"""Typed targets: what a token is worth predicting, and the loss that follows from its kind.

Shape letters: B rows, N tokens, P values per token, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class Continuous:
    """Real values, judged by squared error (unit of the values, squared)."""

    values: Float[Tensor, "b n p"]
    valid: Bool[Tensor, "b n"]

    @property
    def outputs(self) -> int:
        """Numbers a decoder must emit per token."""
        return self.values.shape[-1]

    def take(self, ids: Int[Tensor, "b m"]) -> Continuous:
        """Targets of the tokens `ids` of every row."""
        return Continuous(values=gather_tokens(self.values, ids), valid=gather_tokens(self.valid, ids))

    def normalised(self) -> Continuous:
        """Each token's values brought to mean 0 and variance 1 (He 2022, section 4, 'per-patch normalisation').

        A token of one value stays as it is: normalised it would say nothing.
        """
        if self.outputs == 1:
            return self
        # The paper's variance divides by P - 1, layer_norm's by P: the same after one factor.
        bias = (self.outputs - 1) / self.outputs
        unit = F.layer_norm(self.values.float(), (self.outputs,), eps=1e-6 * bias)
        return Continuous(values=unit.mul_(bias**0.5), valid=self.valid)

    def loss(self, prediction: Float[Tensor, "b n p"]) -> Float[Tensor, "b n"]:
        """Mean squared error per token."""
        wanted = _shown(self.values.float(), self.valid)
        return F.mse_loss(prediction.float(), wanted, reduction="none").mean(-1)


@dataclass(frozen=True, kw_only=True)
class Categorical:
    """One class of `size` per token, judged by cross entropy in nats; chance is log(size)."""

    values: Int[Tensor, "b n"]
    valid: Bool[Tensor, "b n"]
    size: int

    @property
    def outputs(self) -> int:
        """Numbers a decoder must emit per token."""
        return self.size

    def take(self, ids: Int[Tensor, "b m"]) -> Categorical:
        """Targets of the tokens `ids` of every row."""
        return Categorical(values=gather_tokens(self.values, ids), valid=gather_tokens(self.valid, ids), size=self.size)

    def loss(self, prediction: Float[Tensor, "b n c"]) -> Float[Tensor, "b n"]:
        """Cross entropy per token, nats."""
        values = _shown(self.values, self.valid)
        flat = F.cross_entropy(prediction.float().flatten(0, 1), values.flatten(), reduction="none")
        return flat.view(self.values.shape)


@dataclass(frozen=True, kw_only=True)
class Circular:
    """Angles in radians, predicted as (sine, cosine) and judged by 1 - cosine of the difference; chance is 1."""

    values: Float[Tensor, "b n"]
    valid: Bool[Tensor, "b n"]

    @property
    def outputs(self) -> int:
        """Numbers a decoder must emit per token."""
        return 2

    def take(self, ids: Int[Tensor, "b m"]) -> Circular:
        """Targets of the tokens `ids` of every row."""
        return Circular(values=gather_tokens(self.values, ids), valid=gather_tokens(self.valid, ids))

    def loss(self, prediction: Float[Tensor, "b n 2"]) -> Float[Tensor, "b n"]:
        """1 - cosine of the angle between prediction and target, per token."""
        unit = F.normalize(prediction.float(), dim=-1)
        angle = _shown(self.values.float(), self.valid)
        return 1 - (unit[..., 0] * angle.sin() + unit[..., 1] * angle.cos())


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Non-negative counts, predicted as log rates and judged by the Poisson deviance (nats)."""

    values: Float[Tensor, "b n"]
    valid: Bool[Tensor, "b n"]

    @property
    def outputs(self) -> int:
        """Numbers a decoder must emit per token."""
        return 1

    def take(self, ids: Int[Tensor, "b m"]) -> Counts:
        """Targets of the tokens `ids` of every row."""
        return Counts(values=gather_tokens(self.values, ids), valid=gather_tokens(self.valid, ids))

    def loss(self, prediction: Float[Tensor, "b n 1"]) -> Float[Tensor, "b n"]:
        """Poisson negative log-likelihood per token, up to a constant."""
        log_rate = prediction[..., 0].float().clamp(max=math.log(1e6))
        return log_rate.exp() - _shown(self.values.float(), self.valid) * log_rate


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """One target kind per column (tables): each token is judged by the part that owns it.

    Every part has the full (B, N) layout and is valid at most where it owns; `part` says which part that is.
    """

    parts: tuple[Continuous | Categorical | Circular | Counts, ...]
    part: Int[Tensor, "b n"]
    valid: Bool[Tensor, "b n"]

    @property
    def outputs(self) -> int:
        """Numbers a decoder must emit per token: the parts' outputs side by side."""
        return sum(part.outputs for part in self.parts)

    def take(self, ids: Int[Tensor, "b m"]) -> Mixed:
        """Targets of the tokens `ids` of every row."""
        return Mixed(
            parts=tuple(part.take(ids) for part in self.parts),
            part=gather_tokens(self.part, ids),
            valid=gather_tokens(self.valid, ids),
        )

    def loss(self, prediction: Float[Tensor, "b n p"]) -> Float[Tensor, "b n"]:
        """Each token's loss by the kind of its own column."""
        total = prediction.new_zeros(self.part.shape, dtype=torch.float32)
        start = 0
        for index, part in enumerate(self.parts):
            owned = self.part == index
            loss = part.loss(prediction[..., start : start + part.outputs])
            total = torch.where(owned, loss, total)
            start += part.outputs
        return total


Target = Continuous | Categorical | Circular | Counts | Mixed


def gather_tokens(values: Tensor, ids: Int[Tensor, "b m"]) -> Tensor:
    """Values (B, N, ...) at the token indices `ids` (B, M) of each row."""
    if values.ndim == 2:
        return values.gather(1, ids)
    first = values.shape[1] * torch.arange(len(values), device=values.device)
    # Whole tokens at once: three times as fast as gather, which moves one number after the other.
    taken = values.flatten(0, 1).index_select(0, (ids + first[:, None]).flatten())
    return taken.view(*ids.shape, *values.shape[2:])


def _shown(values: Tensor, valid: Bool[Tensor, "b n"]) -> Tensor:
    # Even an unseen NaN turns the gradient of a sum that leaves it out into NaN, and an unseen class -1 is refused.
    flag = valid if values.ndim == valid.ndim else valid[..., None]
    return values.masked_fill(~flag, 0)


def masked_mean(
    loss: Float[Tensor, "b n"], valid: Bool[Tensor, "b n"], gather: Callable[[Tensor], Tensor], ranks: int
) -> Float[Tensor, ""]:
    """Mean of the losses at valid places of all processes; 0, with a gradient path, where there is none.

    Each process divides by its share of the joint count, so that the mean over processes is the joint mean.
    """
    count = gather(valid.sum().float().view(1)).sum().clamp(min=1) / ranks
    return torch.where(valid, loss, torch.zeros_like(loss)).sum() / count


def cat_targets(targets: Sequence[Target]) -> Target:
    """Targets of several batches of the same kind, one below the other."""
    first = targets[0]
    if isinstance(first, Mixed):
        mixed = [target for target in targets if isinstance(target, Mixed)]
        columns = zip(*(target.parts for target in mixed), strict=True)
        parts = tuple(cat_targets(column) for column in columns)
        return Mixed(
            parts=tuple(part for part in parts if not isinstance(part, Mixed)),
            part=torch.cat([target.part for target in mixed]),
            valid=torch.cat([target.valid for target in mixed]),
        )
    values = torch.cat([target.values for target in targets if not isinstance(target, Mixed)])
    valid = torch.cat([target.valid for target in targets])
    if isinstance(first, Categorical):
        return Categorical(values=values, valid=valid, size=first.size)
    return type(first)(values=values, valid=valid)
