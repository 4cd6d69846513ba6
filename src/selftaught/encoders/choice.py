"""Which encoder reads what: the usual one of each layout, and what goes together with what."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from selftaught.core.encoder import EncoderConfig
from selftaught.core.errors import IllegalPair
from selftaught.core.modality import Modality
from selftaught.core.pretext import Pretext, missing
from selftaught.encoders import MLP, AnyEncoder, ConvNet, Dilated, Transformer

WORDS = {"xs": (128, 1, 2), "s": (256, 1, 4), "m": (512, 1, 8), "l": (512, 4, 8)}
"""Width, depth and heads where vectors of documents are wanted: one shallow block does better in minutes than eight."""

GAIN = 0.1


def default_encoder(pretext: Pretext, modality: Modality, size: str) -> AnyEncoder:
    """The usual network of the modality's layout; a transformer for words, and where a pretext needs more than it can.

    Pictures: the small residual network. Columns: an MLP. Sequences: dilated convolutions. Words: a wide, shallow one
    that begins near the mean of the pieces, but the usual trunk where tokens are to be predicted.
    """
    asked = pretext.needs & {"tokens", "drop", "causal"}
    if modality.layout == "picture" and asked <= ConvNet.can:
        return ConvNet.of_size(size)
    if modality.layout == "columns" and asked <= MLP.can:
        return MLP.of_size(size)
    if modality.layout == "sequence" and asked <= Dilated.can and len(modality.axes) == 1:
        return Dilated.of_size(size)
    if modality.layout == "words" and pretext.level == "record":
        width, depth, heads = WORDS[size]
        return Transformer(width=width, depth=depth, heads=heads, gain=GAIN)
    return replace(Transformer.of_size(size), causal="causal" in asked)


def default_resolution(encoder: EncoderConfig) -> tuple[tuple[float, float], ...]:
    """Small views first for convolutions, which take any size; full views all along for the others."""
    if isinstance(encoder, ConvNet):
        return ((0.5, 0.3), (0.75, 0.75), (1.0, 1.0))
    return ((1.0, 1.0),)


def reads(encoder: type[EncoderConfig], modality: type[Modality]) -> bool:
    """Whether a kind of encoder reads the layout of a kind of data."""
    return encoder.layout in ("any", modality.layout)


def readers(modality: Modality, encoder: EncoderConfig) -> list[type[EncoderConfig]]:
    """The kinds of encoders that read a modality's layout. Raises IllegalPair where this one does not."""
    fitting = [each for each in get_args(AnyEncoder) if reads(each, type(modality))]
    if not reads(type(encoder), type(modality)):
        raise IllegalPair(
            f"The encoder {type(encoder).__name__.lower()} reads the layout {encoder.layout!r}, and modality "
            f"{modality.name} has {modality.layout!r}. Use the encoder "
            f"{' or '.join(sorted(each.__name__ for each in fitting))}."
        )
    return fitting


def legal(pretext: type[Pretext], modality: type[Modality], encoder: type[EncoderConfig]) -> str:
    """Nothing where the three classes go together, else what is missing, such as the layout that the encoder reads."""
    if not reads(encoder, modality):
        return f"layout {encoder.layout}"
    return ", ".join(sorted(missing(pretext.needs, modality.offers | {"label"}, encoder.can)))
