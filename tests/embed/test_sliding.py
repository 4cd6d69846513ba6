"""A vector for every time step: of its own recording only, and in the causal mode of its past only."""

import numpy as np
import pytest
import torch
from tests.modalities.series.makers import SERIES, prepared, rows_of
from tests.toys.samples import SAMPLES

from selftaught.core.errors import UsageError
from selftaught.encoders import Transformer
from selftaught.encoders.dilated import Dilated
from selftaught.probes.sliding import embed_causal, embed_steps
from selftaught.runs.encoder import Pretrained

CONFIGS = {"dilated": Dilated(width=8, depth=2, outputs=6), "transformer": Transformer(width=8, depth=1, heads=2)}


def pretrained(name):
    series, fitted, _ = prepared()
    torch.manual_seed(0)
    encoder = CONFIGS[name].build(series, fitted).eval()
    return Pretrained(encoder=encoder, config=CONFIGS[name], modality=series, fitted=fitted)


def stream(steps=40):
    return torch.from_numpy(np.random.default_rng(0).normal(size=(steps, 2)).astype(np.float32))


@pytest.mark.parametrize(("name", "each"), [("dilated", 1), ("transformer", 4)])
def test_every_row_has_its_own_number_of_vectors(name, each):
    rows = rows_of(SERIES, [np.ones((5, 2)), np.ones((24, 2)), np.ones((8, 2))])
    found = embed_steps(pretrained(name), rows)
    assert [len(part) for part in found] == [-(-steps // each) for steps in (5, 24, 8)]
    assert all(part.dtype == np.float32 for part in found)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_causal_vector_knows_the_past_and_nothing_else(name):
    model, values = pretrained(name), stream()
    steps = np.array([0, 3, 9, 25, 39])
    before = embed_causal(model, values, steps, context=16, batch=2)
    assert before.shape == (5, model.encoder.dim)
    changed = values.clone()
    changed[26:] += 5
    after = embed_causal(model, changed, steps, context=16, batch=2)
    np.testing.assert_allclose(before[:4], after[:4], rtol=1e-4, atol=1e-5)
    assert np.abs(before[4] - after[4]).max() > 1e-3
    early = values.clone()
    early[:10] += 5
    np.testing.assert_allclose(before[3], embed_causal(model, early, steps[3:4], context=16)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("depth", [1, 3, 6])
def test_the_short_way_to_the_last_step_gives_what_the_whole_network_gives(depth):
    series, fitted, _ = prepared()
    config = Dilated(width=8, depth=depth, outputs=6)
    network = config.build(series, fitted).eval()
    rows = rows_of(SERIES, [np.random.default_rng(steps).normal(size=(steps, 2)) for steps in (4, 8, 24, 36)])
    model = Pretrained(encoder=network, config=config, modality=series, fitted=fitted)
    whole = [part[-1] for part in embed_steps(model, rows)]
    view = model.batch(rows)
    with torch.no_grad():
        short = network.encode_last(view.x, torch.tensor([4, 8, 24, 36]))
    np.testing.assert_allclose(short.numpy(), np.stack(whole), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_batches_change_nothing(name):
    model, values, steps = pretrained(name), stream(), np.arange(40)
    one, many = (embed_causal(model, values, steps, context=8, batch=batch) for batch in (1, 40))
    np.testing.assert_allclose(one, many, rtol=1e-4, atol=1e-5)


def test_no_step_gives_no_vector_and_what_cannot_slide_is_refused():
    model = pretrained("dilated")
    assert embed_causal(model, stream(), np.array([], np.int64), context=8).shape == (0, 6)
    with pytest.raises(UsageError, match="context of 1"):
        embed_causal(model, stream(), np.arange(3), context=0)
    sample = SAMPLES["image"]
    encoder = CONFIGS["transformer"].build(sample.modality, sample.fitted())
    pictures = Pretrained(
        encoder=encoder, config=CONFIGS["transformer"], modality=sample.modality, fitted=sample.fitted()
    )
    with pytest.raises(UsageError, match="no time steps"):
        embed_causal(pictures, stream(), np.arange(3), context=4)
