"""Local attention against a slow loop, its isolation, and memory that grows with the length."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.toys.samples import SAMPLES

from selftaught.core.batch import View
from selftaught.core.errors import UsageError
from selftaught.core.rng import Rng
from selftaught.encoders import Transformer
from selftaught.encoders.local import document_numbers, first_tokens, local_mix

SEGMENT = torch.tensor([[1, 1, 1, 1, 1, 2, 2, 2, 0], [1, 2, 2, 2, 2, 2, 2, 2, 2]])
LOCAL = Transformer(width=16, depth=2, heads=2, window=3, anchors=2)


def allowed(segment, spare, row, query, key, window, causal):
    """Whether a token may look at another: same document, and near, or one of them is global."""
    numbers = [*spare[row].tolist(), *segment[row].tolist()]
    count = spare.shape[1]
    if numbers[query] != numbers[key]:
        return False
    if query < count or key < count:
        return True
    return abs(query - key) <= window and not (causal and key > query)


def slow(query, key, value, segment, spare, window, causal):
    mixed = torch.zeros_like(value)
    for row in range(query.shape[0]):
        for place in range(query.shape[2]):
            seen = [
                other for other in range(key.shape[2]) if allowed(segment, spare, row, place, other, window, causal)
            ]
            scores = torch.einsum("hd,hmd->hm", query[row, :, place], key[row])[:, seen]
            weight = (scores / math.sqrt(query.shape[-1])).softmax(-1)
            mixed[row, :, place] = (weight[..., None] * value[row][:, seen]).sum(1)
    return mixed


@pytest.mark.parametrize("window", [1, 2, 3, 4, 9, 40])
@pytest.mark.parametrize(("each", "causal"), [(0, False), (0, True), (1, False), (2, False)])
def test_local_attention_equals_a_slow_loop(window, each, causal):
    spare = document_numbers(SEGMENT, each, dense=False)
    query, key, value = (torch.randn(2, 3, spare.shape[1] + 9, 4) for _ in range(3))
    mixed = local_mix(SEGMENT, spare, window, causal=causal)(query, key, value)
    expected = slow(query, key, value, SEGMENT, spare, window, causal)
    there = torch.cat([torch.ones_like(spare), SEGMENT], 1) > 0
    where = there[:, None, :, None].expand_as(mixed)
    torch.testing.assert_close(mixed[where], expected[where], atol=1e-5, rtol=1e-4)


def test_every_document_of_a_row_has_global_tokens_of_its_own():
    numbers = document_numbers(SEGMENT, 2, dense=False)
    assert numbers.tolist() == [[1, 1, 2, 2]] * 2
    assert document_numbers(SEGMENT, 2, dense=True).tolist() == [[1, 1]] * 2
    assert document_numbers(SEGMENT, 0, dense=False).shape == (2, 0)
    vectors = torch.arange(6.0).view(2, 3)
    assert torch.equal(first_tokens(vectors, numbers), vectors.repeat(2, 1).expand(2, 4, 3))


def trunk(config=LOCAL):
    sample = SAMPLES["documents"]
    return config.build(sample.modality, sample.fitted())


def shown(count=8, **options):
    sample = SAMPLES["documents"]
    batch = sample.modality.batch(sample.rows(count), sample.fitted())
    return sample.modality.augment(batch, View(kind="clean", **options), Rng(seed=0))


def test_a_document_has_one_vector_packed_or_alone():
    encoder = trunk()
    plain, packed = shown(), shown(packed=True)
    assert packed.rows < plain.rows
    torch.testing.assert_close(encoder.encode(packed).pooled, encoder.encode(plain).pooled, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("attend", ["full", "causal", "local"])
def test_packed_documents_are_blind_to_each_other_to_the_last_bit(attend):
    encoder, view = trunk(), shown(packed=True)
    other = view.segment == 2
    changed = replace(view, x=torch.where(other, (view.x + 1) % 7, view.x))
    first, second = (encoder.forward(encoder.tokenize(part), attend=attend).tokens.content for part in (view, changed))
    assert torch.equal(first[~other], second[~other])
    assert not torch.equal(first[other], second[other])


def test_a_window_over_all_of_a_document_without_anchors_is_full_attention():
    wide, full = trunk(replace(LOCAL, window=50, anchors=0)), trunk(Transformer(width=16, depth=2, heads=2))
    full.load_state_dict(wide.state_dict())
    torch.testing.assert_close(wide.encode(shown()).pooled, full.encode(shown()).pooled, rtol=1e-4, atol=1e-5)


def test_far_tokens_meet_through_anchors_only():
    sample = SAMPLES["documents"]
    rows = sample.decoded([list(range(7)) * 6], [0], seed=0)
    view = sample.modality.augment(sample.modality.batch(rows, sample.fitted()), View(kind="clean"), Rng(seed=0))
    changed = replace(view, x=view.x.clone())
    changed.x[0, 0] = (changed.x[0, 0] + 1) % 7
    for anchors in (0, 2):
        encoder = trunk(replace(LOCAL, anchors=anchors))
        ends = [encoder.encode(part).tokens.content[0, -1] for part in (view, changed)]
        assert torch.equal(*ends) == (anchors == 0)


def test_a_causal_forward_has_no_anchors_and_never_looks_ahead():
    encoder, batch = trunk(replace(LOCAL, causal=True)), shown()
    assert encoder.anchors is None
    changed = replace(batch, x=batch.x.clone())
    changed.x[:, 2] = (changed.x[:, 2] + 1) % 7
    first, second = (encoder.encode(part).tokens.content for part in (batch, changed))
    assert torch.equal(first[:, :2], second[:, :2])
    assert not torch.equal(first[:, 2:], second[:, 2:])


def test_a_causal_encoder_looks_back_only_whatever_is_asked():
    plain = trunk(Transformer(width=16, depth=2, heads=2, causal=True))
    tokens = plain.tokenize(shown())
    assert torch.equal(plain.forward(tokens).pooled, plain.forward(tokens, attend="causal").pooled)


def test_every_parameter_of_a_local_trunk_is_trained():
    encoder = trunk()
    encoder.encode(shown()).pooled.square().sum().backward()
    assert all(part.grad is not None and part.grad.isfinite().all() for part in encoder.parameters())
    assert encoder.anchors.grad.any()


@given(st.integers(1, 40), st.integers(1, 12))
def test_patterns_grow_with_the_length_not_with_its_square(count, window):
    segment = torch.ones(1, count, dtype=torch.long)
    mix = local_mix(segment, document_numbers(segment, 2, dense=True), window)
    chunks = -(-count // window)
    assert mix.near.shape == (chunks, 1, window, 3 * window + 2)
    assert mix.far.shape == (1, 1, 2, count + 2)


@pytest.mark.slow
def test_what_backward_needs_grows_with_the_length():
    def kept(count):
        query, key, value = (torch.randn(1, 2, count + 2, 8, requires_grad=True) for _ in range(3))
        segment = torch.ones(1, count, dtype=torch.long)
        numbers = document_numbers(segment, 2, dense=True)
        sizes = []

        def note(tensor):
            sizes.append(tensor.numel() * tensor.element_size())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            local_mix(segment, numbers, 16)(query, key, value)
        return sum(sizes)

    assert kept(4_096) < 4.5 * kept(1_024)


@pytest.mark.parametrize("name", ["window", "anchors"])
def test_negative_options_are_refused(name):
    with pytest.raises(UsageError, match=f"Transformer.{name} must be 0 or more"):
        Transformer(**{name: -1})
