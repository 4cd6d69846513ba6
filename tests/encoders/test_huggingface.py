"""Models of transformers, built from a config offline: packing, direction, layers, vocabulary, and starting weights."""

import json
from dataclasses import replace

import pytest
import torch
from tests.modalities.text.samples import SMALL, prepared
from tests.toys.samples import SAMPLES

from selftaught.core.batch import View, document_index
from selftaught.core.config import from_dict, to_dict
from selftaught.core.errors import IllegalPair, RunError, UsageError
from selftaught.core.pretext import Clock, Spec, gather_nothing
from selftaught.core.rng import Rng
from selftaught.encoders import AnyEncoder, HuggingFace
from selftaught.encoders.huggingface import KINDS, download_weights, unpack
from selftaught.encoders.start import starter
from selftaught.pretexts import MaskedToken, NextToken

transformers = pytest.importorskip("transformers")

RNG = Rng(seed=2)
EACH = pytest.mark.parametrize("kind", KINDS)


def small(kind, **options):
    return HuggingFace(kind=kind, width=16, depth=2, heads=2, dropout=0.0, window=8, **options)


@pytest.fixture(scope="module")
def ready():
    return prepared(12)


def built(kind, ready, **options):
    torch.manual_seed(1)
    return small(kind, **options).build(ready[0], ready[1]).eval()


def shown(ready, **options):
    text, fitted, rows = ready
    return text.augment(text.batch(rows, fitted), View(kind="clean", **options), RNG)


@EACH
def test_every_kind_gives_one_vector_a_document_and_one_a_token(kind, ready):
    encoder, view = built(kind, ready), shown(ready)
    encoded = encoder.encode(view)
    assert encoded.pooled.shape == (12, encoder.dim) == (12, 16)
    assert encoded.tokens.content.shape == (*view.x.shape, 16)
    assert encoded.pooled.isfinite().all()


@EACH
def test_a_document_has_one_vector_packed_or_alone(kind, ready):
    encoder, plain, packed = built(kind, ready), shown(ready), shown(ready, packed=True)
    assert packed.rows < plain.rows
    place = (packed.facts.record[:, None] == plain.facts.record).long().argmax(1)
    torch.testing.assert_close(encoder.encode(packed).pooled, encoder.encode(plain).pooled[place], rtol=1e-3, atol=1e-4)


@EACH
def test_packed_documents_are_blind_to_each_other(kind, ready):
    encoder, view = built(kind, ready), shown(ready, packed=True)
    other = view.segment == 2
    changed = replace(view, x=torch.where(other, (view.x + 1) % ready[1].facts["size"], view.x))
    first, second = (encoder.encode(part).tokens.content for part in (view, changed))
    seen = view.valid & ~other
    torch.testing.assert_close(first[seen], second[seen], rtol=0, atol=1e-6)
    assert not torch.allclose(first[other], second[other], atol=1e-4)


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "modernbert", "gpt2"])
def test_causal_attention_never_looks_ahead(kind, ready):
    encoder, view = built(kind, ready), shown(ready)
    changed = replace(view, x=view.x.clone())
    changed.x[:, 3] = (changed.x[:, 3] + 1) % ready[1].facts["size"]
    first, second = (
        encoder.forward(encoder.tokenize(part), attend="causal").tokens.content for part in (view, changed)
    )
    torch.testing.assert_close(first[:, :3], second[:, :3], rtol=0, atol=1e-6)
    assert not torch.allclose(first[:, 3], second[:, 3], atol=1e-4)


def test_gpt2_looks_back_even_where_vectors_are_read(ready):
    encoder, view = built("gpt2", ready), shown(ready)
    tokens = encoder.tokenize(view)
    assert torch.equal(encoder.forward(tokens).pooled, encoder.forward(tokens, attend="causal").pooled)


def test_longformer_is_known_to_look_both_ways_before_it_is_built():
    assert "causal" not in small("longformer").can
    assert "causal" in small("bert").can
    assert "causal" in HuggingFace.can


@pytest.mark.parametrize(("kind", "attend"), [("bert", "local"), ("longformer", "causal")])
def test_what_a_model_cannot_do_is_refused_with_another_encoder(kind, attend, ready):
    encoder = built(kind, ready)
    with pytest.raises(IllegalPair, match="use the encoder 'transformer'"):
        encoder.forward(encoder.tokenize(shown(ready)), attend=attend)


@EACH
def test_layers_are_the_outputs_of_the_asked_blocks(kind, ready):
    encoder, view = built(kind, ready), shown(ready)
    layers = encoder.encode(view, layers=(1, 0)).layers
    assert [layer.shape for layer in layers] == [torch.Size((*view.x.shape, 16))] * 2
    assert not torch.allclose(layers[0], layers[1])
    again = encoder.encode(view, layers=(0,)).layers
    torch.testing.assert_close(again[0], layers[1])


@EACH
def test_a_document_of_another_place_in_the_row_keeps_its_positions(kind, ready):
    """Some tokens of every document only, as a pretext that drops tokens asks for."""
    encoder, view = built(kind, ready), shown(ready)
    tokens = encoder.tokenize(view)
    some = tokens.take(torch.tensor([[0, 2, 3]]).expand(view.rows, 3))
    assert encoder.forward(some).tokens.content.shape == (view.rows, 3, 16)
    moved = replace(some, pos=2 * some.pos)  # not shifted: modernbert knows distances only
    assert not torch.allclose(encoder.forward(some).pooled, encoder.forward(moved).pooled, atol=1e-5)


@EACH
def test_every_parameter_is_trained(kind, ready):
    encoder = built(kind, ready).train()
    encoder.encode(shown(ready)).pooled.square().sum().backward()
    assert [name for name, part in encoder.named_parameters() if part.grad is None] == []


@pytest.mark.parametrize(("kind", "pretext"), [("bert", MaskedToken()), ("gpt2", NextToken())])
def test_both_token_pretexts_run_on_models_of_others(kind, pretext, ready):
    text, fitted, rows = ready
    encoder = built(kind, ready).train()
    size = fitted.facts["size"]
    head = pretext.build(encoder, Spec(records=12, dim=16, axes=text.axes, outputs=size, steps=1, batch=12))
    view = text.augment(text.batch(rows, fitted), pretext.plan()[0], RNG)
    clock = Clock(step=0, steps=1)
    loss = pretext.losses(head, pretext.represent(encoder, head, [view], clock, RNG), [view], clock, gather_nothing)
    loss.total.backward()
    assert loss.total.isfinite()


def test_models_read_text_only():
    sample = SAMPLES["table"]
    with pytest.raises(IllegalPair, match="reads pieces of text, not table"):
        small("bert").build(sample.modality, sample.fitted())


@pytest.mark.parametrize("options", [{"heads": 5}, {"window": 7}, {"window": 0}])
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(UsageError):
        HuggingFace(**options)


@pytest.fixture
def folder(tmp_path, ready):
    """A folder as transformers writes it, of a model with a head for masked tokens."""
    torch.manual_seed(5)
    config = transformers.BertConfig(
        vocab_size=ready[1].facts["size"], hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=40,
    )  # fmt: skip
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path)
    return tmp_path


def test_a_local_folder_says_what_the_model_is_and_a_run_loads_without_it(folder, ready):
    config = HuggingFace.of(str(folder))
    assert config.kind == "bert"
    assert from_dict(AnyEncoder, json.loads(json.dumps(to_dict(config)))) == config
    encoder = config.build(ready[0], ready[1])
    assert encoder.dim == 16
    assert len(encoder.model.encoder.layer) == 2
    assert HuggingFace.of("gpt2") == HuggingFace(kind="gpt2")


def test_weights_of_a_folder_start_the_encoder(folder, ready):
    encoder = HuggingFace.of(str(folder)).build(ready[0], ready[1]).eval()
    started = starter(str(folder))(encoder)
    assert len(started.matched) == len(encoder.state_dict())
    assert any(name.startswith("cls.") for name in started.left_out)
    theirs = transformers.BertForMaskedLM.from_pretrained(folder).eval()
    view = shown(ready)
    expected = theirs.bert(input_ids=view.x, attention_mask=view.valid.long()).last_hidden_state
    seen = encoder.encode(view).tokens.content
    torch.testing.assert_close(seen[view.valid], expected[view.valid], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["roberta", "distilbert", "modernbert", "longformer", "gpt2"])
def test_our_outputs_are_those_of_the_model_itself(kind, ready):
    encoder, view = built(kind, ready), shown(ready)
    place = view.pos[..., 0].long() + (1 if kind in ("roberta", "longformer") else 0)
    more = {"position_ids": place, "attention_mask": view.valid.long()}
    if kind == "longformer":
        more["global_attention_mask"] = (view.pos[..., 0] == 0).long() * view.valid
    with torch.no_grad():
        expected = encoder.model(input_ids=view.x, **more).last_hidden_state
    seen = encoder.encode(view).tokens.content
    torch.testing.assert_close(seen[view.valid], expected[view.valid], rtol=1e-4, atol=1e-5)


def test_a_vocabulary_or_rows_too_large_for_the_model_are_refused_with_the_remedy(folder, ready):
    config = HuggingFace.of(str(folder))
    text, fitted, _ = ready
    larger = replace(fitted, facts={**fitted.facts, "size": 10_000})
    with pytest.raises(UsageError, match=r"modality\.tokenizer=FOLDER"):
        config.build(text, larger)
    longer = replace(fitted, facts={**fitted.facts, "length": 41})
    with pytest.raises(UsageError, match=r"modality\.length=40"):
        config.build(text, longer)


def test_what_is_neither_kind_nor_folder_is_refused_offline(tmp_path):
    with pytest.raises(UsageError, match="no kind, folder or name"):
        HuggingFace.of(str(tmp_path / "nothing"))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5"}), encoding="utf-8")
    with pytest.raises(UsageError, match="is a t5; served are bert"):
        HuggingFace.of(str(tmp_path))
    with pytest.raises(RunError, match="cannot be had"):
        download_weights("hub:nobody/nothing")


def test_unpacked_tokens_find_their_way_back():
    segment = torch.tensor([[1, 1, 2, 2, 2, 0], [1, 2, 2, 3, 0, 0]])
    row, column, home = unpack(segment)
    assert row.shape == column.shape == (5, 3)
    assert column.tolist() == [[0, 1, -1], [2, 3, 4], [0, -1, -1], [1, 2, -1], [3, -1, -1]]
    document = document_index(segment)
    for b in range(2):
        for n in range(6):
            if segment[b, n]:
                place = (int(document[b, n]), int(home[b, n]))
                assert (int(row[place]), int(column[place])) == (b, n)


def test_an_unpacked_row_of_padding_is_a_document_of_its_own():
    row, column, _ = unpack(torch.tensor([[1, 1], [0, 0]]))
    assert column.tolist() == [[0, 1], [-1, -1]]
    assert row.shape == (2, 2)
    assert SMALL.layout == HuggingFace.layout == "words"
