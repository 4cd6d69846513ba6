"""Recipe: one frozen choice of modality, encoder, pretext, optimiser, budget and seed: the only list of options."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import tomli_w

from selftaught.core.config import fingerprint, from_dict, to_dict
from selftaught.core.errors import UsageError
from selftaught.core.pretext import check_pair
from selftaught.encoders import MLP, AnyEncoder, Dilated, HuggingFace
from selftaught.encoders.choice import default_encoder, default_resolution, readers
from selftaught.modalities import AnyModality
from selftaught.pretexts import AnyPretext, SimCLR, Supervised
from selftaught.pretexts.choice import check_positives, default_batch, default_passes, default_pretext

Size = Literal["xs", "s", "m", "l"]


def option(default: Any, text: str) -> Any:
    """A dataclass field with its one-line help."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class Optimiser:
    """How weights move. Norms, biases and other vectors never decay.

    kind: "adamw" (Loshchilov 2019) or "muon" (Jordan 2024: orthogonalised momentum for matrices, AdamW for the rest).
    lr: peak rate of AdamW; matrix_lr: peak rate of Muon's matrices. warmup: fraction of the budget. clip: largest
    gradient norm; 0 is off. final: fraction of the peak rate at the end of the cosine.
    """

    kind: Literal["adamw", "muon"] = "adamw"
    lr: float = 1e-3
    matrix_lr: float = 0.1
    momentum: float = 0.6
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.98)
    warmup: float = 0.05
    final: float = 0.0
    clip: float = 0.0

    def __post_init__(self) -> None:
        for name in ("lr", "matrix_lr"):
            if not getattr(self, name) > 0:
                raise UsageError(f"optimiser.{name} must be above 0; got {getattr(self, name)}.")
        for name in ("warmup", "final", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"optimiser.{name} is a fraction from 0 to below 1; got {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a pretraining but the data. `None` means: chosen from the data, and recorded.

    Exactly one of minutes, epochs and steps is the budget (minutes=5 when none is given).
    """

    modality: AnyModality | None = option(None, "kind of data; recognised from the data when not given")
    encoder: AnyEncoder | None = option(None, "network; the modality's default at the given size when not given")
    pretext: AnyPretext | None = option(None, "self-supervised objective; the usual one of the modality when not given")
    optimiser: Optimiser = option(Optimiser(kind="muon"), "how weights move")
    positives: Literal["record", "group"] = option(
        "record", "what the views of a pair show: one record, or two of one group (--group: speaker, device)"
    )
    size: Size = option("s", "size dial of the default encoder")
    minutes: float | None = option(None, "budget in minutes of training")
    epochs: float | None = option(None, "budget in passes over the training part")
    steps: int | None = option(None, "budget in optimiser steps")
    passes: float | None = option(None, "most passes that a budget in minutes may take; by the pretext when not given")
    batch: int | None = option(None, "records per optimiser step, over all processes; 256 where the data allows")
    accumulate: int = option(1, "chunks that a batch is split into to save memory")
    precision: Literal["auto", "fp32", "bf16"] = option("auto", "arithmetic; auto times both on this machine")
    resolution: tuple[tuple[float, float], ...] | None = option(
        None, "(view size as a fraction, until this progress) pairs; none: from the encoder and view size"
    )
    ema: float = option(0.0, "decay of the averaged encoder that is kept; 0 averages nothing")
    seed: int = option(0, "seed of weights, order and views")

    def __post_init__(self) -> None:
        given = [name for name in ("minutes", "epochs", "steps") if getattr(self, name) is not None]
        if len(given) > 1:
            raise UsageError(f"give one budget, not {' and '.join(given)}.")
        for name in (*given, *(("passes",) if self.passes is not None else ())):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} must be above 0; got {getattr(self, name)}.")
        if self.batch is not None and self.batch < 2:
            raise UsageError(f"batch must be 2 or more; got {self.batch}.")
        if self.accumulate < 1 or (self.batch or self.accumulate) % self.accumulate:
            raise UsageError(f"accumulate must divide the batch; {self.accumulate} does not divide {self.batch}.")
        pretext = self.pretext or SimCLR()
        if self.accumulate > 1 and pretext.couples_records:
            raise UsageError(
                f"{type(pretext).__name__} compares the records of a batch, so accumulation would quietly train "
                f"with fewer of them ({self.accumulate} chunks). Lower batch instead, or use a pretext that does not "
                f"couple records (MAE)."
            )
        if not 0 <= self.ema < 1:
            raise UsageError(f"ema is a decay from 0 to below 1; got {self.ema}.")

    @property
    def objective(self) -> AnyPretext:
        """The pretext of a resolved recipe."""
        assert self.pretext is not None  # `resolve` has chosen one
        return self.pretext

    @property
    def hash(self) -> str:
        """Hex digest of the whole recipe."""
        return fingerprint(self)

    @property
    def stages(self) -> tuple[tuple[float, float], ...]:
        """The resolution schedule; full views all along where none was chosen yet."""
        return self.resolution or ((1.0, 1.0),)

    def to_toml(self) -> str:
        """The recipe as TOML; what is None is left out."""
        return tomli_w.dumps(_without_none(to_dict(self)))


def recipe_from_toml(text: str, place: str = "recipe.toml") -> Recipe:
    """A recipe from TOML. Raises UsageError for unknown keys, wrong types and broken syntax."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise UsageError(f"{place} is not valid TOML: {problem}.") from problem
    recipe: Recipe = from_dict(Recipe, content, place)
    return recipe


def read_recipe(path: Path | str) -> Recipe:
    """The recipe in a TOML file."""
    try:
        return recipe_from_toml(Path(path).read_text(encoding="utf-8"), str(path))
    except OSError as problem:
        raise UsageError(f"recipe {path} cannot be read: {problem.strerror}.") from problem


def resolve(recipe: Recipe, modality: AnyModality, records: int, loaded: bool = False) -> Recipe:
    """The recipe with every None decided for a modality and a number of training records.

    loaded: training starts from weights that exist; these, and networks of others, are trained with AdamW where no
    optimiser was set up by hand: Muon gives every matrix a size of its own. Raises IllegalPair for an illegal choice.
    """
    pretext = recipe.pretext or default_pretext(modality, recipe.encoder)
    encoder = recipe.encoder or default_encoder(pretext, modality, recipe.size)
    offers = modality.offers | (frozenset({"label"}) if isinstance(pretext, Supervised) else frozenset())
    names = (modality.name, type(encoder).__name__.lower())
    check_pair(pretext, offers, encoder.can, names, readers(modality, encoder))
    if recipe.positives == "group":
        check_positives(pretext)
    optimiser = recipe.optimiser
    if optimiser == Optimiser(kind="muon"):
        optimiser = default_optimiser(modality, encoder, pretext, loaded)
    minutes = recipe.minutes if (recipe.epochs or recipe.steps or recipe.minutes) else 5.0
    resolution = recipe.resolution if recipe.resolution is not None else default_resolution(encoder)
    batch = recipe.batch or default_batch(pretext, records)
    passes = (recipe.passes or default_passes(pretext)) if minutes else None
    chosen = replace(recipe, modality=modality, encoder=encoder, pretext=pretext, optimiser=optimiser)
    return replace(chosen, resolution=resolution, batch=batch, minutes=minutes, passes=passes)


def default_optimiser(modality: AnyModality, encoder: AnyEncoder, pretext: AnyPretext, loaded: bool) -> Optimiser:
    """AdamW for weights that exist, networks of others, MLPs and dilated convolutions; else Muon (docs/why/log.md)."""
    if loaded or isinstance(encoder, HuggingFace | MLP | Dilated):
        return Optimiser(kind="adamw", lr=1e-4 if loaded else 5e-4 if isinstance(encoder, HuggingFace) else 1e-3)
    if modality.layout == "words":  # each step moves the vectors of the few pieces that it saw
        return Optimiser(kind="muon", lr=2e-2 if pretext.level == "record" else 5e-3)
    return Optimiser(kind="muon")


def _without_none(item: Any) -> Any:
    if isinstance(item, dict):
        return {key: _without_none(value) for key, value in item.items() if value is not None}
    if isinstance(item, list):
        return [_without_none(value) for value in item]
    return item
