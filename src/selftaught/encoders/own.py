"""A user's own network behind the encoder protocol."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from selftaught.core.batch import Batch
from selftaught.core.encoder import Encoded, Encoder, EncoderConfig
from selftaught.core.errors import UsageError
from selftaught.core.modality import Fitted, Modality


@dataclass(frozen=True, kw_only=True)
class Own(EncoderConfig):
    """A network made by a function of the user's: `source` is "package.module:function", called without arguments.

    The network takes `Batch.x` and returns one vector a row, (B, dim); `dim` is its length.
    """

    source: str
    dim: int

    can: ClassVar[frozenset[str]] = frozenset()
    layout: ClassVar[Literal["any", "picture"]] = "any"

    def build(self, modality: Modality, fitted: Fitted) -> Encoder:
        """The user's network, freshly made. Raises UsageError when the source cannot be found or is no network."""
        module_name, _, name = self.source.partition(":")
        try:
            made = getattr(importlib.import_module(module_name), name)()
        except (ImportError, AttributeError, ValueError) as problem:
            raise UsageError(
                f"encoder source {self.source!r} could not be loaded ({problem}). "
                f"Give it as package.module:function, importable from here."
            ) from problem
        return wrap(made, self.dim)


class OwnEncoder(Encoder):
    """Any module from `Batch.x` to (B, dim)."""

    can = Own.can

    def __init__(self, module: nn.Module, dim: int) -> None:
        super().__init__()
        self.module = module
        self.dim = dim

    def encode(self, batch: Batch, layers: Sequence[int] = ()) -> Encoded:
        """The module's output as the pooled vector. Raises UsageError where its shape is not (B, dim)."""
        pooled: Tensor = self.module(batch.x)
        if pooled.shape != (batch.rows, self.dim):
            raise UsageError(
                f"your encoder must return (rows, dim) = ({batch.rows}, {self.dim}); it returned {tuple(pooled.shape)}."
            )
        return Encoded(pooled=pooled)


def wrap(module: object, dim: int) -> Encoder:
    """An Encoder around a user's module; an Encoder is returned as it is."""
    if isinstance(module, Encoder):
        return module
    if not isinstance(module, nn.Module):
        raise UsageError(f"an encoder must be a torch.nn.Module; got {type(module).__name__}.")
    return OwnEncoder(module, dim)
