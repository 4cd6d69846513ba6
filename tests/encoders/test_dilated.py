"""The dilated network: its products equal the library's convolutions, and padding and pieces change nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.modalities.series.makers import BY_CHANNEL, SERIES, prepared, rows_of
from tests.toys.samples import SAMPLES
from torch.nn import functional as F

from selftaught.core.batch import View
from selftaught.core.errors import IllegalPair, UsageError
from selftaught.core.rng import Rng
from selftaught.encoders import dilated
from selftaught.encoders.dilated import Dilated, TemporalConv, join_taps, step_tokens

SMALL = Dilated(width=8, depth=3, outputs=12)


def encoder(config=SMALL):
    series, fitted, _ = prepared()
    return config.build(series, fitted).eval()


def shown(kind="clean", rows=None, count=8, **options):
    series, fitted, own = prepared(count)
    return series.augment(series.batch(own if rows is None else rows, fitted), View(kind=kind, **options), Rng(seed=2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("dilation", [1, 2, 4, 6, 7, 64])
def test_a_product_equals_the_librarys_convolution_in_value_and_gradients(dilation, dtype):
    layer, results = TemporalConv(5, 4, dilation).to(dtype), []
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(3, 7, 5, dtype=dtype)
    for way in (layer, lambda leaf: plain(layer, leaf)):
        leaf = x.clone().requires_grad_()
        out = way(leaf)
        weight = torch.linspace(-1, 1, out.numel()).view(out.shape).to(dtype)
        results.append((out, *torch.autograd.grad((out * weight).sum(), (leaf, layer.weight, layer.bias))))
    for one, other in zip(*results, strict=True):
        bound = 1e-5 if dtype == torch.float32 else 3e-2
        assert (one.float() - other.float()).abs().max() <= bound * other.float().abs().max()


def plain(layer, x):
    out = F.conv1d(x.transpose(1, 2), layer.weight, layer.bias, padding=layer.dilation, dilation=layer.dilation)
    return out.transpose(1, 2)


def test_taps_are_the_steps_before_at_and_after_in_a_slow_loop():
    x = torch.randn(2, 6, 3)
    taps = join_taps(x, 2)
    for t in range(6):
        for tap, place in enumerate((t - 2, t, t + 2)):
            expected = x[:, place] if 0 <= place < 6 else torch.zeros(2, 3)
            assert torch.equal(taps[:, t, 3 * tap : 3 * tap + 3], expected)


def test_weights_are_drawn_as_the_library_draws_them():
    torch.manual_seed(0)
    ours = TemporalConv(64, 64, 2)
    library = torch.nn.Conv1d(64, 64, 3)
    assert ours.weight.std().item() == pytest.approx(library.weight.std().item(), rel=0.05)
    assert ours.weight.abs().max().item() == pytest.approx(library.weight.abs().max().item(), rel=0.01)


def test_the_defaults_are_the_papers_network():
    config = Dilated()
    series, fitted, _ = prepared()
    network = config.build(series, fitted)
    assert [block.conv1.dilation for block in network.blocks] == [2**power for power in range(11)]
    assert [block.conv2.weight.shape[0] for block in network.blocks] == [64] * 10 + [320]
    assert network.dim == 320


@pytest.mark.parametrize("size", ["xs", "s", "m", "l"])
def test_every_mark_of_the_size_dial_is_a_network(size):
    assert Dilated.of_size(size).outputs > 0


def test_there_is_a_token_for_every_step_and_the_pooled_vector_is_their_maximum():
    network, batch = encoder(), shown()
    encoded = network.encode(batch)
    tokens = encoded.tokens
    assert tokens.content.shape == (8, batch.x.shape[1], 12)
    assert torch.equal(tokens.valid.sum(1), 4 * batch.valid.sum(1))
    for row in range(8):
        torch.testing.assert_close(encoded.pooled[row], tokens.content[row, tokens.valid[row]].amax(0))


def test_origins_of_steps_go_on_within_the_tokens():
    series, fitted, _ = prepared()
    rows = rows_of(SERIES, [np.zeros((24, 2))] * 2)
    batch = series.augment(series.batch(rows, fitted), View(kind="clean"), Rng(seed=0))
    places = step_tokens(batch)
    torch.testing.assert_close(places.origin[0, :, 0], (torch.arange(24) + 0.5) / 24)
    assert places.pos[0, :, 0].tolist() == list(range(24))
    assert places.dense


def test_padding_reaches_no_step_of_a_shorter_recording():
    network = encoder()
    short, long = np.random.default_rng(0).normal(size=(8, 2)), np.random.default_rng(1).normal(size=(24, 2))
    alone = network.encode(shown(rows=rows_of(SERIES, [short])))
    beside = network.encode(shown(rows=rows_of(SERIES, [short, long])))
    torch.testing.assert_close(alone.pooled[0], beside.pooled[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(alone.tokens.content[0], beside.tokens.content[0, :8], rtol=1e-4, atol=1e-5)


def test_a_batch_read_in_pieces_gives_equal_vectors(monkeypatch):
    network, batch = encoder(), shown()
    with torch.no_grad():
        whole = network.encode(batch, layers=(1,))
        monkeypatch.setattr(dilated, "PIECE", 1)
        pieces = network.encode(batch, layers=(1,))
    torch.testing.assert_close(pieces.pooled, whole.pooled, rtol=1e-5, atol=1e-6)
    trained, own = network.encode(batch, layers=(1,)), whole.tokens.valid
    for other in (pieces, trained):
        torch.testing.assert_close(other.pooled, whole.pooled, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(other.tokens.content[own], whole.tokens.content[own], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(other.layers[0][own], whole.layers[0][own], rtol=1e-5, atol=1e-6)


def test_a_missing_value_is_no_zero():
    network, batch = encoder(), shown()
    filled = replace(batch, x=batch.x.nan_to_num(0.0))
    assert not torch.equal(network.encode(batch).pooled, network.encode(filled).pooled)


def test_what_is_no_sequence_is_refused_with_an_encoder_that_serves():
    sample = SAMPLES["image"]
    with pytest.raises(IllegalPair, match="use the encoder 'transformer'"):
        SMALL.build(sample.modality, sample.fitted())
    with pytest.raises(IllegalPair, match="mixing=True"):
        SMALL.build(BY_CHANNEL, prepared()[1])
    series, fitted, rows = prepared()
    with pytest.raises(UsageError, match="reads views"):
        encoder().encode(series.batch(rows, fitted))


@pytest.mark.parametrize("options", [{"width": 0}, {"depth": 0}, {"outputs": 0}, {"dropout": 1.0}])
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(UsageError, match="1 or more"):
        Dilated(**options)
