"""Short rows side by side: nothing but the padding changes, and rows stay blind to each other."""

from dataclasses import replace

import pytest
import torch
from tests.modalities.text.samples import prepared

from selftaught.core.batch import View
from selftaught.core.rng import Rng
from selftaught.encoders import Transformer, transformer
from selftaught.encoders.folding import WORTH, find_folding

RNG = Rng(seed=4)


@pytest.fixture(scope="module")
def ready():
    """An encoder, and a view of documents of very unequal lengths."""
    text, fitted, rows = prepared(24)
    view = text.augment(text.batch(rows, fitted), View(kind="span"), RNG)
    torch.manual_seed(0)
    return Transformer(width=16, depth=2, heads=2).build(text, fitted), view


def test_folded_rows_come_back_as_they_were_with_nothing_at_padding(ready):
    encoder, view = ready
    tokens = encoder.tokenize(view)
    folding = find_folding(tokens)
    back = folding.unfold(folding.fold(tokens.content))
    assert torch.equal(back[view.valid], tokens.content[view.valid])
    assert not back[~view.valid].any()
    assert int((folding.segment > 0).sum()) == int(view.valid.sum())
    assert folding.segment.numel() <= WORTH * view.segment.numel()


@pytest.mark.parametrize("attend", ["full", "causal"])
def test_vectors_tokens_layers_and_gradients_are_those_of_unfolded_rows(ready, attend, monkeypatch):
    encoder, view = ready
    results = []
    for folds in (True, False):
        if not folds:
            monkeypatch.setattr(transformer, "find_folding", lambda tokens: None)
        encoder.zero_grad()
        encoded = encoder.forward(encoder.tokenize(view), attend=attend, layers=(0,))
        encoded.pooled.square().sum().backward()
        seen = (encoded.tokens.content, encoded.layers[0])
        gradients = [part.grad.clone() for part in encoder.parameters()]
        results.append([encoded.pooled, *(each[view.valid] for each in seen), *gradients])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_rows_that_share_a_folded_row_are_blind_to_each_other_to_the_last_bit(ready):
    encoder, view = ready
    folding = find_folding(encoder.tokenize(view))
    shared = next(row for row in folding.segment if len(row[row > 0].unique()) > 1)
    other = int(shared[shared > 0].unique()[0]) - 1
    changed = replace(view, x=view.x.clone())
    changed.x[other] = (changed.x[other] + 1) * view.valid[other]
    first, second = (encoder.encode(part).pooled for part in (view, changed))
    rest = torch.arange(view.rows) != other
    assert torch.equal(first[rest], second[rest])
    assert not torch.equal(first[other], second[other])


def test_full_packed_and_dense_rows_are_left_as_they_are(ready):
    encoder, view = ready
    tokens = encoder.tokenize(view)
    full = replace(tokens, segment=torch.ones_like(tokens.segment))
    assert find_folding(full) is None
    assert find_folding(replace(full, dense=True)) is None
    packed = replace(tokens, segment=torch.cat([tokens.segment[:, :1] * 2, tokens.segment[:, 1:] * 0], 1))
    assert find_folding(packed) is None


def test_rows_of_padding_alone_have_vectors_of_nought(ready):
    encoder, view = ready
    tokens = encoder.tokenize(view)
    empty = replace(tokens, segment=tokens.segment * (torch.arange(view.rows) > 0)[:, None])
    assert not encoder.forward(empty).pooled[0].any()
