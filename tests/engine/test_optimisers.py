"""Which parameters are moved as matrices, and which optimiser a recipe gets where none was set up."""

import pytest
from tests.modalities.text.samples import prepared
from torch import nn

from selftaught.core.pretext import Spec
from selftaught.encoders import ConvNet, HuggingFace, Transformer
from selftaught.engine.optimisers import build_optimiser
from selftaught.modalities import Image, Series, Text
from selftaught.pretexts import MAE, MaskedToken, NextToken, SimCLR, Supervised
from selftaught.recipe import Optimiser, Recipe, resolve

IMAGE = Image(size=16, patch=4, canvas=16, channels=3, depth="uint8")
TEXT = Text(length=16)
SERIES = Series(channels=("x",), window=32)


def groups_of(pretext, kind="muon"):
    text, fitted, _ = prepared()
    encoder = Transformer(width=16, depth=1, heads=2).build(text, fitted)
    size = int(fitted.facts["size"])
    spec = Spec(records=64, dim=16, axes=text.axes, outputs=size, steps=10, batch=16)
    head = pretext.build(encoder, spec)
    return encoder, head, build_optimiser(Optimiser(kind=kind), encoder, head, pretext).param_groups


@pytest.mark.parametrize("pretext", [MaskedToken(), NextToken()], ids=lambda pretext: type(pretext).__name__)
def test_tables_and_the_output_layer_of_a_vocabulary_are_moved_by_adamw_without_decay(pretext):
    encoder, head, groups = groups_of(pretext)
    matrices = {id(part) for group in groups if group["muon"] for part in group["params"]}
    plain = [group for group in groups if not group["muon"] and not group["weight_decay"]]
    others = {id(part) for group in plain for part in group["params"]}
    output = head if isinstance(pretext, NextToken) else head.leave
    assert id(encoder.stem.table.weight) in others
    assert id(output.weight) in others
    inner = [part.weight for part in encoder.blocks.modules() if isinstance(part, nn.Linear)]
    assert inner
    assert all(id(weight) in matrices for weight in inner)
    everything = [id(part) for part in (*encoder.parameters(), *head.parameters()) if part.requires_grad]
    assert sorted(everything) == sorted(id(part) for group in groups for part in group["params"])


def test_loaded_weights_and_networks_of_others_get_adamw_where_muon_was_not_set_up():
    plain = resolve(Recipe(steps=5), IMAGE, 100)
    assert plain.optimiser == Recipe().optimiser
    assert resolve(Recipe(steps=5), IMAGE, 100, loaded=True).optimiser.kind == "adamw"
    assert resolve(Recipe(steps=5, encoder=HuggingFace()), TEXT, 100).optimiser.kind == "adamw"
    chosen = Optimiser(kind="muon", matrix_lr=0.02)
    assert resolve(Recipe(steps=5, optimiser=chosen), IMAGE, 100, loaded=True).optimiser == chosen


def test_the_choice_is_kept_when_a_resolved_recipe_is_resolved_again():
    once = resolve(Recipe(steps=5, pretext=SimCLR()), IMAGE, 100, loaded=True)
    assert resolve(once, IMAGE, 100) == once
    assert isinstance(once.encoder, ConvNet)


def test_words_get_a_rate_for_their_table_unless_one_was_set():
    assert resolve(Recipe(steps=5), TEXT, 100).optimiser == Optimiser(kind="muon", lr=2e-2)
    assert resolve(Recipe(steps=5, pretext=NextToken()), TEXT, 100).optimiser == Optimiser(kind="muon", lr=5e-3)
    chosen = Optimiser(kind="adamw", lr=3e-4)
    assert resolve(Recipe(steps=5, optimiser=chosen), TEXT, 100).optimiser == chosen


def test_dilated_convolutions_are_trained_with_adamw_for_muon_makes_them_diverge():
    for pretext in (None, Supervised(), SimCLR()):
        assert resolve(Recipe(steps=5, pretext=pretext), SERIES, 100).optimiser == Optimiser(kind="adamw")
    assert resolve(Recipe(steps=5, pretext=Supervised()), IMAGE, 100).optimiser == Optimiser(kind="muon")
    assert resolve(Recipe(steps=5, pretext=MAE()), SERIES, 100).optimiser == Optimiser(kind="muon")
