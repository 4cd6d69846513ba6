"""The trunk: who attends to whom, where positions come from, and that dropped tokens cost nothing."""

import math
from dataclasses import replace

import pytest
import torch
from tests.toys.samples import SAMPLES
from torch.utils.flop_counter import FlopCounterMode

from selftaught.core.batch import Axis, View
from selftaught.core.errors import UsageError
from selftaught.core.rng import Rng
from selftaught.encoders import Transformer
from selftaught.layers.attention import attend, attention_pattern
from selftaught.layers.positions import PositionCode, sinusoids

SEGMENT = torch.tensor([[1, 1, 2, 2, 0], [1, 2, 3, 0, 0]])
SMALL = Transformer(width=16, depth=2, heads=2)


def trunk(name="documents", config=SMALL):
    sample = SAMPLES[name]
    return config.build(sample.modality, sample.fitted())


def shown(name="documents", count=8, **options):
    sample = SAMPLES[name]
    batch = sample.modality.batch(sample.rows(count), sample.fitted())
    return sample.modality.augment(batch, View(kind="clean", **options), Rng(seed=0))


@pytest.mark.parametrize("causal", [False, True])
def test_the_pattern_is_same_document_and_no_later_token_if_causal(causal):
    pattern = attention_pattern(SEGMENT, dense=False, causal=causal)
    assert pattern.shape == (2, 1, 5, 5)
    for b in range(2):
        for query in range(5):
            for key in range(5):
                allowed = SEGMENT[b, query] == SEGMENT[b, key] and not (causal and key > query)
                assert pattern[b, 0, query, key] == allowed


def test_a_dense_batch_needs_a_pattern_only_when_causal():
    ones = torch.ones(2, 3, dtype=torch.long)
    assert attention_pattern(ones, dense=True, causal=False) is None
    causal = attention_pattern(ones, dense=True, causal=True)
    assert torch.equal(causal, torch.ones(2, 1, 3, 3).tril().bool())


@pytest.mark.parametrize("causal", [None, False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_attention_equals_equation_one_in_a_slow_loop(causal, dtype):
    query, key, value = (torch.randn(2, 3, 5, 4) for _ in range(3))
    pattern = None if causal is None else attention_pattern(SEGMENT, dense=False, causal=causal)
    mixed = attend(query.to(dtype), key.to(dtype), value.to(dtype), pattern)
    expected = torch.zeros(2, 3, 5, 4)
    for b in range(2):
        for h in range(3):
            for n in range(5):
                seen = [m for m in range(5) if pattern is None or pattern[b, 0, n, m]]
                weight = [math.exp(float(query[b, h, n] @ key[b, h, m]) / 2) for m in seen]
                expected[b, h, n] = sum(w * value[b, h, m] for w, m in zip(weight, seen, strict=True)) / sum(weight)
    assert mixed.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 5e-2
    torch.testing.assert_close(mixed.float(), expected, atol=tolerance, rtol=tolerance)


def test_a_document_has_one_vector_packed_or_alone():
    encoder = trunk()
    plain, packed = shown(), shown(packed=True)
    assert packed.rows < plain.rows
    torch.testing.assert_close(encoder.encode(packed).pooled, encoder.encode(plain).pooled, rtol=1e-4, atol=1e-5)


def test_padding_reaches_no_token_and_no_vector():
    encoder, batch = trunk(), shown()
    tokens = encoder.tokenize(batch)
    spoiled = replace(tokens, content=torch.where(tokens.valid[..., None], tokens.content, 1e3))
    first, second = encoder.forward(tokens), encoder.forward(spoiled)
    assert torch.equal(first.pooled, second.pooled)
    assert torch.equal(first.tokens.content[batch.valid], second.tokens.content[batch.valid])


def test_causal_attention_never_looks_ahead_to_the_last_bit():
    encoder, batch = trunk(), shown()
    changed = replace(batch, x=batch.x.clone())
    changed.x[:, 2] = (changed.x[:, 2] + 1) % 7
    first, second = (
        encoder.forward(encoder.tokenize(part), attend="causal").tokens.content for part in (batch, changed)
    )
    assert torch.equal(first[:, :2], second[:, :2])
    assert not torch.equal(first[:, 2:], second[:, 2:])


def test_local_attention_without_a_window_takes_the_usual_one():
    encoder, batch = trunk(), shown()
    full, local = (encoder.forward(encoder.tokenize(batch), attend=attend).pooled for attend in ("full", "local"))
    torch.testing.assert_close(full, local, rtol=1e-4, atol=1e-5)


def test_dropped_tokens_are_not_computed():
    encoder, batch = trunk("image"), shown("image")
    tokens = encoder.tokenize(batch)
    few = tokens.take(torch.arange(4).expand(batch.rows, 4))
    assert tokens.content.shape[1] == 16
    costs, widths = [], []
    hooks = [block.register_forward_hook(lambda _, given, out: widths.append(out.shape[1])) for block in encoder.blocks]
    for part in (tokens, few):
        with FlopCounterMode(display=False) as counter:
            encoder.forward(part)
        costs.append(counter.get_total_flops())
    for hook in hooks:
        hook.remove()
    assert widths == [16, 16, 4, 4]
    assert costs[1] <= costs[0] / 4


def test_what_was_dropped_can_be_anything():
    encoder, batch = trunk("image"), shown("image")
    keep = torch.arange(4).expand(batch.rows, 4)
    tokens = encoder.tokenize(batch)
    spoiled = replace(tokens, content=tokens.content.index_fill(1, torch.arange(4, 16), float("nan")))
    assert torch.equal(encoder.forward(tokens.take(keep)).pooled, encoder.forward(spoiled.take(keep)).pooled)


def test_tokens_in_another_order_give_the_same_vector():
    encoder, batch = trunk("image"), shown("image")
    tokens = encoder.tokenize(batch)
    order = torch.randperm(16).expand(batch.rows, 16)
    first, second = encoder.forward(tokens).pooled, encoder.forward(tokens.take(order)).pooled
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)


def test_layers_are_the_outputs_of_the_asked_blocks():
    encoder, batch = trunk(), shown()
    seen = []
    hook = encoder.blocks[1].register_forward_hook(lambda _, given, out: seen.append(out))
    layers = encoder.encode(batch, layers=(1,)).layers
    hook.remove()
    assert len(layers) == 1
    assert torch.equal(layers[0], seen[0])


@pytest.mark.parametrize("size", ["xs", "s", "m", "l"])
def test_every_mark_of_the_size_dial_is_a_legal_trunk(size):
    config = Transformer.of_size(size)
    assert config.width % config.heads == 0


def test_gains_weigh_what_a_block_adds_and_without_one_nothing_is_added_to_the_network():
    plain, weighed = (trunk(config=replace(SMALL, gain=gain)) for gain in (None, 0.5))
    assert not any("gains" in name for name in plain.state_dict())
    gains = [part for name, part in weighed.named_parameters() if "gains" in name]
    assert [part.shape for part in gains] == [(16,)] * 4  # vectors, which Muon leaves alone
    x, block = torch.randn(2, 3, 16), weighed.blocks[0]
    middle = x + 0.5 * block.attn(block.norm1(x), None)
    torch.testing.assert_close(block(x, None), middle + 0.5 * block.mlp(block.norm2(middle)))
    with torch.no_grad():
        for part in gains:
            part.zero_()
    assert torch.equal(block(x, None), x)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(UsageError, match=r"3, must divide Transformer\.width, 16"):
        Transformer(width=16, heads=3)


def test_sinusoids_equal_a_slow_loop():
    coordinate = torch.tensor([[0.0, 1.0, 2.5], [7.0, 100.0, -3.0]])
    code = sinusoids(coordinate, 6)
    for b in range(2):
        for n in range(3):
            for step in range(3):
                angle = coordinate[b, n].item() / 10_000 ** (step / 3)
                assert code[b, n, step].item() == pytest.approx(math.sin(angle), abs=1e-5)
                assert code[b, n, 3 + step].item() == pytest.approx(math.cos(angle), abs=1e-5)


@pytest.mark.parametrize("width", [16, 17, 24])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_metric_axes_share_any_width_and_learn_nothing(width, count):
    code = PositionCode(width, [Axis(name=str(index)) for index in range(count)])
    pos = torch.cartesian_prod(*[torch.arange(4.0)] * count).view(1, -1, count)
    codes = code(pos)[0]
    assert codes.shape == (4**count, width)
    assert list(code.parameters()) == []
    apart = torch.cdist(codes, codes) + torch.eye(len(codes)) * 9
    assert apart.min() > 0.1


def test_an_index_axis_learns_one_row_per_index_and_adds_to_the_others():
    axes = [Axis(name="time"), Axis(name="column", size=3)]
    code = PositionCode(8, axes)
    pos = torch.tensor([[[5.0, 2.0], [5.0, 0.0]]])
    out = code(pos)
    table = code.tables["column"].weight
    torch.testing.assert_close(out[0, 0] - out[0, 1], table[2] - table[0])
    out[0, 0].sum().backward()
    assert table.grad.any(1).tolist() == [False, False, True]
