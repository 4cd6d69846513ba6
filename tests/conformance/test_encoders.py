"""Every encoder against the protocol, on every sample whose layout it reads."""

import json
from typing import get_args

import pytest
import torch
from tests.toys.samples import SAMPLES

from selftaught.core.batch import View
from selftaught.core.config import from_dict, to_dict
from selftaught.core.errors import IllegalPair
from selftaught.core.rng import Rng
from selftaught.encoders import MLP, AnyEncoder, ConvNet, Dilated, HuggingFace, Own, ResNet, Timm, Transformer

UNION = get_args(AnyEncoder)
SMALL = {
    ConvNet: ConvNet(widths=(8, 8, 16)),
    ResNet: ResNet(depth=10, width=8),
    Transformer: Transformer(width=16, depth=2, heads=2),
    Timm: Timm(name="resnet10t"),
    Own: Own(source="tests.toys.own:flat_network", dim=6),
    HuggingFace: HuggingFace(width=16, depth=2, heads=2, dropout=0.0),
    Dilated: Dilated(width=8, depth=2, outputs=12, dropout=0.0),
    MLP: MLP(width=16, depth=2, cell=4),
}
READS = [
    (config, name)
    for config in SMALL.values()
    for name, sample in SAMPLES.items()
    if config.layout == sample.modality.layout or isinstance(config, Transformer)
    if not isinstance(config, Own) or name == "image"
]
READERS = pytest.mark.parametrize(
    ("config", "name"), READS, ids=lambda value: value if isinstance(value, str) else type(value).__name__
)


def built(config, name):
    sample = SAMPLES[name]
    return config.build(sample.modality, sample.fitted()).eval()


def shown(name, rows=None, kind="clean", **options):
    sample = SAMPLES[name]
    batch = sample.modality.batch(rows or sample.rows(4), sample.fitted())
    return sample.modality.augment(batch, View(kind=kind, **options), Rng(seed=3))


@pytest.mark.parametrize("kind", UNION, ids=lambda kind: kind.__name__)
def test_every_encoder_of_the_union_is_tried_and_survives_its_own_json(kind):
    config = SMALL[kind]
    again = from_dict(AnyEncoder, json.loads(json.dumps(to_dict(config))))
    assert again == config
    assert config.can <= {"tokens", "drop", "causal", "layers", "local"}


@READERS
def test_pooled_vectors_are_one_finite_row_a_document_of_the_declared_width(config, name):
    encoder = built(config, name)
    encoded = encoder.encode(shown(name))
    assert encoder.can == config.can
    assert encoded.pooled.shape == (4, encoder.dim)
    assert encoded.pooled.dtype == torch.float32
    assert encoded.pooled.isfinite().all()


@READERS
def test_the_loss_gradient_reaches_every_trained_parameter_of_the_stream(config, name):
    encoder = built(config, name).train()
    encoder.encode(shown(name)).pooled.square().sum().backward()
    for part, parameter in encoder.named_parameters():
        other_stream = name == "pair" and part.startswith("stem.tag")
        unused = other_stream or not parameter.requires_grad
        assert (parameter.grad is None) == unused, part


@READERS
def test_building_twice_from_one_seed_gives_equal_vectors(config, name):
    outputs = []
    for _ in range(2):
        torch.manual_seed(4)
        outputs.append(built(config, name).encode(shown(name)).pooled)
    assert torch.equal(*outputs)


@READERS
def test_a_state_dict_loaded_into_a_fresh_encoder_gives_equal_vectors(config, name):
    first, second = built(config, name), built(config, name)
    assert not torch.equal(first.encode(shown(name)).pooled, second.encode(shown(name)).pooled)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.encode(shown(name)).pooled, second.encode(shown(name)).pooled)


@READERS
def test_a_record_is_encoded_alike_alone_and_in_a_batch(config, name):
    encoder, batch = built(config, name), shown(name)
    together = encoder.encode(batch).pooled
    for row in range(batch.rows):
        alone = encoder.encode(batch.rows_at(torch.tensor([row]))).pooled
        torch.testing.assert_close(alone[0], together[row], rtol=1e-4, atol=1e-5)


@READERS
def test_odd_records_have_finite_vectors_and_gradients(config, name):
    encoder = built(config, name)
    for kind in SAMPLES[name].odd:
        pooled = encoder.encode(shown(name, SAMPLES[name].odd_rows(kind))).pooled
        assert pooled.isfinite().all(), kind
        pooled.sum().backward()
        assert all(part.grad.isfinite().all() for part in encoder.parameters() if part.grad is not None), kind


@READERS
def test_tokens_are_given_exactly_where_they_are_promised(config, name):
    encoded = built(config, name).encode(shown(name))
    if "tokens" not in config.can:
        assert encoded.tokens is None or encoded.tokens.content.shape[::2] == encoded.pooled.shape
        return
    tokens = encoded.tokens
    rows, count, width = tokens.content.shape
    assert (rows, width) == encoded.pooled.shape
    assert tokens.segment.shape == tokens.unit.shape == (rows, count)
    assert tokens.pos.shape == tokens.origin.shape == (rows, count, len(tokens.axes))


@READERS
def test_layers_are_given_in_the_order_of_the_network_where_they_are_promised(config, name):
    if "layers" not in config.can:
        assert built(config, name).encode(shown(name)).layers == ()
        return
    encoder = built(config, name)
    layers = encoder.encode(shown(name), layers=(0, 1)).layers
    assert len(layers) == 2
    assert all(layer.ndim == 3 and layer.shape[0] == 4 for layer in layers)
    assert len(encoder.encode(shown(name), layers=range(encoder.depth)).layers) == encoder.depth


@READERS
def test_an_encoder_without_drop_refuses_to_run_on_some_tokens(config, name):
    encoder, batch = built(config, name), shown(name)
    if "drop" in config.can:
        tokens = encoder.tokenize(batch)
        some = tokens.take(torch.zeros(batch.rows, 1, dtype=torch.long))
        assert encoder.forward(some).tokens.content.shape == (batch.rows, 1, encoder.dim)
        return
    with pytest.raises(IllegalPair, match="transformer"):
        encoder.tokenize(batch)


@READERS
def test_content_of_tokens_knows_nothing_of_their_places(config, name):
    if "drop" not in config.can:
        assert "causal" not in config.can
        return
    encoder, batch = built(config, name), shown(name)
    moved = type(batch)(**{**vars(batch), "pos": batch.pos + 3, "origin": batch.origin / 2})
    assert torch.equal(encoder.tokenize(batch).content, encoder.tokenize(moved).content)
    outputs = [encoder.forward(encoder.tokenize(part)).pooled for part in (batch, moved)]
    assert not torch.equal(*outputs)


@pytest.mark.parametrize("config", [config for config in SMALL.values() if config.layout == "picture"])
def test_picture_encoders_refuse_other_modalities_and_name_an_encoder_that_serves(config):
    with pytest.raises(IllegalPair, match=r"not documents; use the encoder 'transformer'"):
        built(config, "documents")


@READERS
def test_vectors_in_bf16_are_near_those_in_fp32(config, name):
    encoder, batch = built(config, name), shown(name)
    expected = encoder.encode(batch).pooled
    with torch.autocast("cpu", torch.bfloat16):
        pooled = encoder.encode(batch).pooled
    assert pooled.is_floating_point()
    assert (pooled.float() - expected).abs().max() < 0.05 * expected.abs().max()
