"""The protocol of pretexts: views or dropped tokens in, named losses out.

Shape letters: B records, V views, M documents, D width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.core.batch import Axis, Batch, View
from selftaught.core.encoder import Encoder, EncoderConfig
from selftaught.core.errors import IllegalPair
from selftaught.core.rng import Rng

Gather = Callable[[Tensor], Tensor]


def gather_nothing(values: Tensor) -> Tensor:
    """The gather of a single process: what is here is all there is."""
    return values


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Where training stands. step of steps; rank of ranks: which process this is, and of how many."""

    step: int
    steps: int
    epoch: int = 0
    rank: int = 0
    ranks: int = 1

    @property
    def progress(self) -> float:
        """Fraction of the budget that is spent, 0..1."""
        return min(1.0, self.step / max(1, self.steps))


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a head may know when it is built. outputs: numbers a decoder emits per token (0 without targets). classes:
    of the label, 0 for a numeric one, None without labels."""

    records: int
    dim: int
    axes: tuple[Axis, ...]
    outputs: int
    steps: int
    batch: int
    classes: int | None = None
    streams: tuple[str, ...] = ()


@dataclass(frozen=True)
class Representation:
    """Named tensors with the records (or packed rows) first, so that chunks of a batch can be put together again."""

    tensors: Mapping[str, Tensor]

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]


def cat_representations(chunks: Sequence[Representation]) -> Representation:
    """The representation of a whole batch from those of its chunks.

    Chunks of ragged rows may differ in their number of tokens. The shorter ones are filled up with zeros, so a flag in
    the representation must say which tokens count.
    """
    return Representation({name: _cat_ragged([chunk[name] for chunk in chunks]) for name in chunks[0].tensors})


def _cat_ragged(parts: Sequence[Tensor]) -> Tensor:
    most = [max(sizes) for sizes in zip(*(part.shape[1:] for part in parts), strict=True)]
    filled = []
    for part in parts:
        lacking = [size - own for size, own in zip(most, part.shape[1:], strict=True)]
        filled.append(F.pad(part, [end for size in reversed(lacking) for end in (0, size)]) if any(lacking) else part)
    return torch.cat(filled)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """losses: summed by the engine. logs: shown, not trained. state: handed to `after_step`, detached."""

    losses: Mapping[str, Tensor]
    logs: Mapping[str, Tensor] = field(default_factory=dict)
    state: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        """The sum of the losses."""
        return torch.stack([loss.float() for loss in self.losses.values()]).sum()


@dataclass(frozen=True, kw_only=True)
class ParamGroup:
    """Parameters of a head with a rate of their own. `rate` multiplies the schedule; fixed: the schedule is ignored.

    table: their rows are entries of a vocabulary, so that an optimiser of matrices must leave them alone.
    """

    parameters: tuple[nn.Parameter, ...]
    rate: float = 1.0
    fixed: bool = False
    table: bool = False


class Pretext(ABC):
    """A frozen dataclass per self-supervised objective; its fields are the user's options.

    needs: capabilities of the encoder ("tokens", "drop", "causal") and offers of the modality ("target", "order",
    "pair", "label") without which it cannot run. level: what a training sample is. couples_records: whether one
    record's gradient depends on other records, of the batch or of earlier ones through the head's state (differential
    privacy needs to know).
    """

    needs: ClassVar[frozenset[str]]
    level: ClassVar[Literal["token", "record"]]
    couples_records: ClassVar[bool]

    @abstractmethod
    def plan(self) -> tuple[View, ...]:
        """The views this pretext wants, in the order in which it receives them (a count of 2 gives two)."""

    @abstractmethod
    def build(self, encoder: Encoder, spec: Spec) -> nn.Module:
        """The head: every trainable part that is not the encoder."""

    @abstractmethod
    def represent(
        self, encoder: Encoder, head: nn.Module, views: Sequence[Batch], clock: Clock, rng: Rng
    ) -> Representation:
        """Forward passes only; may be called on chunks of a batch."""

    @abstractmethod
    def losses(
        self, head: nn.Module, representation: Representation, views: Sequence[Batch], clock: Clock, gather: Gather
    ) -> Outcome:
        """Named losses; pure: writes nothing. The representation has the precision of the forward, such as bf16."""

    def after_step(self, encoder: Encoder, head: nn.Module, state: Mapping[str, Tensor], clock: Clock) -> None:  # noqa: B027
        """Momentum, queues and centres are written here, never in `losses`."""

    def before_epoch(  # noqa: B027
        self, encoder: Encoder, head: nn.Module, bank: Callable[[], tuple[Tensor, Tensor]], clock: Clock, rng: Rng
    ) -> None:
        """`bank()` gives (record ids, pooled vectors) of the training part, for pretexts that cluster each epoch.

        `rng` and what `bank()` gives are equal on all processes, so that all of them find the same clusters.
        """

    def param_groups(self, head: nn.Module) -> tuple[ParamGroup, ...]:
        """How the head's parameters are trained; by default all alike, but for those of a teacher, which are not."""
        return (ParamGroup(parameters=tuple(part for part in head.parameters() if part.requires_grad)),)


def missing(needs: frozenset[str], offers: frozenset[str], can: frozenset[str]) -> frozenset[str]:
    """What a pretext needs and neither modality nor encoder has."""
    return needs - offers - can


def check_pair(
    pretext: Pretext,
    offers: frozenset[str],
    can: frozenset[str],
    names: tuple[str, str],
    encoders: Iterable[type[EncoderConfig]],
) -> None:
    """Raises IllegalPair, with the reason and the encoders that would do, when the pretext cannot be served.

    names: of modality and encoder. encoders: that one may turn to instead.
    """
    lacking = missing(pretext.needs, offers, can)
    if not lacking:
        return
    wanted = ", ".join(sorted(lacking))
    able = sorted(each.__name__ for each in encoders if not missing(pretext.needs, offers, each.can))
    remedy = f"Use the encoder {' or '.join(able)}. " if able else f"No encoder makes up for modality {names[0]}. "
    raise IllegalPair(
        f"{type(pretext).__name__} needs {wanted}; modality {names[0]} with encoder {names[1]} does not offer that. "
        f"{remedy}`selftaught list` shows every legal combination."
    )


def flatten_plan(plan: Sequence[View]) -> tuple[View, ...]:
    """The plan with one entry per view."""
    return tuple(view for view in plan for _ in range(view.count))
