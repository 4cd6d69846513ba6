"""The MLP of tables: one vector from all columns, in any precision, and no promise of tokens."""

import pytest
import torch
from tests.modalities.table.makers import prepare, shown
from tests.toys.samples import SAMPLES

from selftaught.core.errors import IllegalPair, UsageError
from selftaught.encoders.mlp import MLP

SMALL = MLP(width=24, depth=2, cell=4)


def built(config=SMALL):
    table, fitted, rows, _ = prepare(40)
    torch.manual_seed(0)
    return config.build(table, fitted), shown("clean", table, fitted, rows)


def test_every_column_moves_the_vector():
    encoder, batch = built()
    x = batch.x.clone().nan_to_num(0.0).requires_grad_()
    pooled = encoder.encode(type(batch)(**{**vars(batch), "x": x})).pooled
    assert pooled.shape == (40, 24)
    pooled.square().sum().backward()
    assert x.grad[:, :4].any(0).all()  # a class code is no number, so only numbers have a gradient


def test_blocks_equal_their_formula():
    encoder, batch = built()
    encoder.eval()
    content = encoder.enter(encoder.stem(batch).flatten(1))
    for block in encoder.blocks:
        content = content + block.contract(torch.relu(block.expand(block.norm(content))))
    torch.testing.assert_close(encoder.encode(batch).pooled, encoder.norm(content))


def test_dropout_acts_in_training_only():
    encoder, batch = built(MLP(width=24, depth=2, cell=4, dropout=0.5))
    assert not torch.equal(encoder.train().encode(batch).pooled, encoder.encode(batch).pooled)
    assert torch.equal(encoder.eval().encode(batch).pooled, encoder.encode(batch).pooled)


def test_it_gives_no_tokens_and_says_where_they_are():
    encoder, batch = built()
    assert encoder.can == frozenset({"layers"})
    assert encoder.encode(batch).tokens is None
    with pytest.raises(IllegalPair, match="transformer"):
        encoder.tokenize(batch)


@pytest.mark.parametrize("name", ["documents", "image"])
def test_records_without_fixed_columns_are_refused_with_an_encoder_that_serves(name):
    sample = SAMPLES[name]
    with pytest.raises(IllegalPair, match=f"not {sample.modality.name}; use the encoder 'transformer'"):
        SMALL.build(sample.modality, sample.fitted())


@pytest.mark.parametrize("size", ["xs", "s", "m", "l"])
def test_every_mark_of_the_size_dial_is_a_legal_network(size):
    assert MLP.of_size(size).width >= 128


@pytest.mark.parametrize("options", [{"width": 0}, {"depth": 0}, {"cell": 0}, {"dropout": 1.0}])
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(UsageError, match=next(iter(options))):
        MLP(**options)
