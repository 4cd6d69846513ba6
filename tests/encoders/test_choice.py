"""The usual encoder of every layout, and the refusal of one that reads another."""

import pytest
from tests.modalities.series.makers import BY_CHANNEL, SERIES
from tests.modalities.table.samples import recognised

from selftaught.core.errors import IllegalPair
from selftaught.encoders import MLP, ConvNet, Dilated, HuggingFace, ResNet, Transformer
from selftaught.encoders.choice import default_encoder, legal
from selftaught.modalities import Audio, Image, Series, Table, Text
from selftaught.pretexts import MAE, VIME, MaskedToken, NextToken, NextWindow, SimCLR, TS2Vec, VICReg
from selftaught.recipe import Recipe, resolve

IMAGE = Image(size=16, patch=4, canvas=16, channels=3, depth="uint8")
AUDIO = Audio(rate=2000, window=0.16, frames=16, mels=16, patch=4, depth="int16")
TEXT = Text(length=16)


@pytest.mark.parametrize(
    ("pretext", "modality", "kind"),
    [
        (SimCLR(), IMAGE, ConvNet),
        (VICReg(), AUDIO, ConvNet),
        (MAE(), AUDIO, Transformer),
        (SimCLR(), TEXT, Transformer),
        (MaskedToken(), TEXT, Transformer),
        (SimCLR(), SERIES, Dilated),
        (TS2Vec(), SERIES, Dilated),
        (TS2Vec(), BY_CHANNEL, Transformer),
        (NextWindow(), SERIES, Transformer),
    ],
)
def test_the_usual_encoder_follows_from_layout_and_needs(pretext, modality, kind):
    for size in ("xs", "s", "m", "l"):
        encoder = default_encoder(pretext, modality, size)
        assert isinstance(encoder, kind)
        assert resolve(Recipe(pretext=pretext, size=size, steps=3), modality, 100).encoder == encoder


def test_tables_have_an_mlp_and_a_transformer_where_cells_are_dropped():
    table = recognised()
    assert isinstance(default_encoder(SimCLR(), table, "s"), MLP)
    assert isinstance(default_encoder(VIME(), table, "s"), MLP)
    assert isinstance(default_encoder(MAE(), table, "s"), Transformer)


def test_a_transformer_that_predicts_the_next_token_looks_back_only():
    assert default_encoder(NextToken(), TEXT, "s").causal
    assert not default_encoder(MaskedToken(), TEXT, "s").causal


@pytest.mark.parametrize(
    ("encoder", "modality"), [(ResNet(), TEXT), (HuggingFace(), IMAGE), (Dilated(), IMAGE), (MLP(), TEXT)]
)
def test_an_encoder_of_another_layout_is_refused_with_those_that_fit(encoder, modality):
    with pytest.raises(IllegalPair, match=r"reads the layout .*Use the encoder .*Transformer"):
        resolve(Recipe(encoder=encoder, steps=3), modality, 100)


def test_what_is_missing_between_three_classes_is_named():
    assert legal(SimCLR, Image, ResNet) == ""
    assert legal(MAE, Image, ResNet) == "drop"
    assert legal(VIME, Text, Transformer) == "swap"
    assert legal(TS2Vec, Series, Dilated) == ""
    assert legal(SimCLR, Text, ResNet) == "layout picture"
    assert legal(SimCLR, Table, MLP) == ""


@pytest.mark.parametrize("size", ["xs", "s", "m", "l"])
def test_words_get_a_shallow_trunk_for_vectors_and_the_usual_one_for_tokens(size):
    shallow, usual = (default_encoder(pretext, TEXT, size) for pretext in (SimCLR(), MaskedToken()))
    assert shallow.gain == 0.1
    assert shallow.depth < usual.depth
    assert usual == Transformer.of_size(size)
    assert default_encoder(NextToken(), TEXT, size).causal
