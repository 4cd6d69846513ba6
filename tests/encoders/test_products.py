"""Convolutions as matrix products equal the library's, in value and in gradient."""

import pytest
import torch
from tests.toys.samples import SAMPLES
from torch.nn import functional as F

from selftaught.core.batch import View
from selftaught.core.modality import Fitted
from selftaught.core.rng import Rng
from selftaught.encoders import ConvNet
from selftaught.encoders.products import TINY, PointConv, SpatialConv, columns

SIZES = [(8, 8), (7, 5), (5, 8), (2, 2), (1, 1), (1, 4), (3, 1)]


def convolved(layer, x, as_product):
    layer.product_sides = frozenset({x.shape[2]} if as_product else ())
    out = layer(x)
    way = "_WholeBackward" if x.shape[2] * x.shape[3] <= TINY else "_ProductBackward"
    assert (type(out.grad_fn).__name__ == way) == as_product
    return out


def near(actual, expected, dtype):
    # bf16 keeps 8 bits of a product; sums of 9 * channels of them are compared on the scale of the whole.
    bound = 1e-5 if dtype == torch.float32 else 2e-2
    error = (actual.float() - expected.float()).abs().max() / expected.float().abs().max()
    assert error < bound


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_product_equals_conv2d_in_value_and_gradients(size, stride, dtype):
    layer = SpatialConv(6, 4, stride)
    x = torch.randn(3, 6, *size, dtype=dtype)
    results = []
    for as_product in (True, False):
        leaf = x.clone().requires_grad_()
        out = convolved(layer, leaf, as_product)
        weight = torch.linspace(-1, 1, out.numel()).view(out.shape).to(dtype)
        results.append((out, *torch.autograd.grad((out * weight).sum(), (leaf, layer.weight))))
    product, expected = results
    assert [part.shape for part in product] == [part.shape for part in expected]
    assert [part.dtype for part in product] == [part.dtype for part in expected] == [dtype, dtype, torch.float32]
    for one, other in zip(product, expected, strict=True):
        near(one, other, dtype)


def test_a_product_takes_any_memory_layout():
    layer = SpatialConv(6, 4, 1)
    x = torch.randn(2, 6, 5, 5)
    for other in (x.contiguous(memory_format=torch.channels_last), x.transpose(2, 3).contiguous().transpose(2, 3)):
        assert torch.equal(convolved(layer, x, True), convolved(layer, other, True))


def test_only_the_chosen_sides_run_as_products_and_only_in_training():
    layer = SpatialConv(6, 4, 1)
    layer.product_sides = frozenset({5})
    for side, training, expected in ((5, True, True), (6, True, False), (5, False, False)):
        out = layer.train(training)(torch.randn(2, 6, side, side))
        assert (type(out.grad_fn).__name__ == "_ProductBackward") == expected


def test_columns_are_the_zero_padded_neighbourhoods_in_a_slow_loop():
    x = torch.randn(2, 3, 4, 5)
    padded = F.pad(x, (0, 0, 1, 1, 1, 1))
    rows = [
        padded[b, i : i + 3, j : j + 3].reshape(-1) for b in range(2) for i in range(0, 3, 2) for j in range(0, 4, 2)
    ]
    assert torch.equal(columns(x, 2), torch.stack(rows))


def test_a_first_layer_that_needs_no_input_gradient_gets_none():
    layer = SpatialConv(3, 4, 2)
    x = torch.randn(2, 3, 6, 6)
    convolved(layer, x, True).square().sum().backward()
    product, layer.weight.grad = layer.weight.grad, None
    convolved(layer, x, False).square().sum().backward()
    near(product, layer.weight.grad, torch.float32)
    assert x.grad is None


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_point_convolution_equals_conv2d_of_the_averaged_map(size):
    for stride in (1, 2):
        layer, x = PointConv(6, 4, stride), torch.randn(3, 6, *size)
        mean = F.avg_pool2d(x, stride, ceil_mode=True) if stride > 1 else x
        torch.testing.assert_close(layer(x), F.conv2d(mean, layer.weight), rtol=1e-4, atol=1e-5)
        assert layer(x).shape == SpatialConv(6, 4, stride)(x).shape


def test_a_whole_network_is_the_same_as_products():
    sample = SAMPLES["image"]
    encoder = ConvNet(widths=(8, 8, 16)).build(sample.modality, sample.fitted())
    batch = sample.modality.augment(
        sample.modality.batch(sample.rows(4), sample.fitted()), View(kind="clean"), Rng(seed=0)
    )
    results = []
    for sides in (frozenset(), frozenset({2, 4, 8, 16})):
        for part in encoder.modules():
            if isinstance(part, SpatialConv):
                part.product_sides = sides
        results.append(encoder.encode(batch).pooled)
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


def test_the_whitened_first_layer_decorrelates_the_patches_it_came_from_and_stays_fixed(numbers):
    flat = numbers.normal(size=(5000, 3 * 36)) @ numbers.normal(size=(3 * 36, 3 * 36))
    covariance = (flat.T @ flat / len(flat)).astype("float32")
    sample = SAMPLES["image"]
    encoder = ConvNet(widths=(16, 16, 16)).build(sample.modality, Fitted(arrays={"covariance": covariance}))
    assert not encoder.stem.weight.requires_grad
    centre = torch.from_numpy(flat).float().view(-1, 3, 6, 6)[:, :, 1:5, 1:5].flatten(1)
    outputs = centre @ encoder.stem.weight.flatten(1).T
    torch.testing.assert_close(outputs.T @ outputs / len(outputs), torch.eye(16), atol=5e-3, rtol=0)
