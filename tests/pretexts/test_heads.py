"""Projectors and the token decoder, and what MAE shows to whom."""

from dataclasses import replace

import pytest
import torch
from tests.toys.samples import SAMPLES
from tests.toys.training import LIBRARY, Training
from torch import nn

from selftaught.core.batch import document_index
from selftaught.pretexts import MAE, SimCLR, VICReg
from selftaught.pretexts.heads import project_views, projector


@pytest.mark.parametrize(
    ("norm", "kinds"),
    [
        ("batch", [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]),
        ("layer", [nn.Linear, nn.LayerNorm, nn.ReLU, nn.Linear, nn.LayerNorm, nn.ReLU, nn.Linear]),
        ("none", [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]),
    ],
)
def test_a_projector_has_norm_and_relu_between_layers_and_a_plain_end(norm, kinds):
    head = projector((4, 8, 8, 3), norm)
    assert [type(part) for part in head] == kinds
    assert head(torch.randn(5, 4)).shape == (5, 3)
    assert head[-1].bias is not None


@pytest.mark.parametrize("pretext", [SimCLR, VICReg])
def test_the_head_has_batch_norm_but_for_columns_of_a_table(pretext):
    kinds = {}
    for name in ("image", "table"):
        head = Training(SAMPLES[name], pretext(hidden=16, outputs=8)).head
        kinds[name] = {type(part) for part in head}
    assert nn.BatchNorm1d in kinds["image"]
    assert kinds["table"] == {nn.Linear, nn.ReLU}


def test_joint_and_per_view_statistics_agree_without_batch_norm_and_differ_with_it():
    results = {}
    for norm in ("none", "batch"):
        training = Training(SAMPLES["table"], SimCLR(hidden=16, outputs=8, norm=norm))
        views = training.views(SAMPLES["table"].rows(6))
        results[norm] = [project_views(training.encoder, training.head, views, joint=flag) for flag in (True, False)]
    torch.testing.assert_close(*results["none"], rtol=1e-4, atol=1e-5)
    assert (results["batch"][0] - results["batch"][1]).abs().max() > 1e-3


def test_views_of_several_sizes_are_each_encoded_in_their_own_forward():
    training = Training(SAMPLES["image"], LIBRARY["simclr"])
    rows = SAMPLES["image"].rows(4)
    large = training.views(rows)
    small = training.views(rows, [replace(training.pretext.plan()[0], size=0.5, count=1)])
    z = project_views(training.encoder, training.head, [*large, *small], joint=True)
    assert z.shape == (4, 3, 8)
    alone = training.head(training.encoder.encode(small[0]).pooled)
    torch.testing.assert_close(z[:, 2], alone, rtol=1e-4, atol=1e-5)


def test_mae_never_looks_at_what_it_dropped():
    training = Training(SAMPLES["image"], LIBRARY["mae"])
    view = training.views(SAMPLES["image"].rows(4))[0]
    parts = training.represent([view])
    x = view.x.clone()
    for row in range(4):
        for token in parts["drop"][row].tolist():
            top, left = 4 * (token // 4), 4 * (token % 4)
            x[row, :, top : top + 4, left : left + 4] = 1e3
    again = training.represent([replace(view, x=x)])
    assert torch.equal(parts["drop"], again["drop"])
    assert torch.equal(parts["prediction"], again["prediction"])


def test_mae_asks_the_encoder_for_visible_tokens_only():
    training = Training(SAMPLES["image"], MAE(width=8, depth=1, heads=2, drop=0.75))
    counts = []
    hook = training.encoder.blocks[0].register_forward_hook(lambda _, given, out: counts.append(out.shape[1]))
    training.represent(training.views(SAMPLES["image"].rows(4)))
    hook.remove()
    assert counts == [4]


def test_the_decoder_tells_dropped_tokens_apart_by_their_places_alone():
    training = Training(SAMPLES["table"], MAE(width=8, depth=1, heads=2, drop=0.6))
    views = training.views(SAMPLES["table"].rows(4))
    prediction = training.represent(views)["prediction"]
    assert prediction.shape[1] == 3
    gaps = (prediction[:, 0] - prediction[:, 1]).abs().amax(1)
    assert (gaps > 1e-6).all()


def test_what_mae_predicts_of_a_document_does_not_depend_on_its_neighbours():
    training = Training(SAMPLES["documents"], LIBRARY["mae"])
    rows = SAMPLES["documents"].rows(6)
    packed = training.views(rows)[0]
    plain = training.views(rows, [replace(training.pretext.plan()[0], packed=False)])[0]
    assert packed.rows < plain.rows
    found = [_predictions_by_place(view, training.represent([view])) for view in (packed, plain)]
    assert found[0].keys() == found[1].keys()
    for place, prediction in found[0].items():
        torch.testing.assert_close(prediction, found[1][place], rtol=1e-4, atol=1e-5)


def _predictions_by_place(view, parts):
    """Predictions by (document, place in it)."""
    document, found = document_index(view.segment), {}
    for row in range(view.rows):
        for m, token in enumerate(parts["drop"][row].tolist()):
            if parts["dropped"][row, m]:
                found[int(document[row, token]), int(view.pos[row, token, 0])] = parts["prediction"][row, m]
    return found


@pytest.mark.slow
def test_mae_learns_to_fill_in_counting_documents():
    training = Training(SAMPLES["documents"], MAE(width=16, depth=1, heads=2, drop=0.3), records=64)
    losses = [training.step(SAMPLES["documents"].rows(64, seed=step % 4), step).total.item() for step in range(80)]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
