"""Our losses against recorded ones of lightly and transformers. Tolerances are those of fp32 sums in another order."""

import numpy as np
import pytest
import torch
from tests.parity.recorded import FOLDER, arrays, facts

from selftaught.core.pretext import Representation, gather_nothing
from selftaught.core.targets import Continuous
from selftaught.modalities.image.stem import patches
from selftaught.pretexts.contrastive import nt_xent
from selftaught.pretexts.reconstruction import reconstruction
from selftaught.pretexts.redundancy import covariance_penalty, invariance, variance_hinge, vicreg
from selftaught.probes.knn import knn_scores

VALUE = {"rtol": 1e-5, "atol": 1e-6}
GRADIENT = {"rtol": 1e-4, "atol": 1e-6}


def two_views(name: str) -> torch.Tensor:
    return torch.stack([arrays()[f"{name}.first"], arrays()[f"{name}.second"]], 1)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent_and_its_gradient_equal_those_of_lightly(temperature):
    z = two_views("ntxent").requires_grad_()
    loss = nt_xent(z, temperature)
    loss.backward()
    torch.testing.assert_close(loss.detach(), arrays()[f"ntxent.loss.{temperature}"], **VALUE)
    torch.testing.assert_close(z.grad[:, 0], arrays()[f"ntxent.gradient.{temperature}"], **GRADIENT)


def test_vicreg_and_its_gradient_equal_those_of_lightly():
    z = two_views("vicreg").requires_grad_()
    loss = torch.stack(list(vicreg(z).values())).sum()
    loss.backward()
    torch.testing.assert_close(loss.detach(), arrays()["vicreg.loss"], **VALUE)
    torch.testing.assert_close(z.grad[:, 0], arrays()["vicreg.gradient"], **GRADIENT)


def test_vicreg_terms_follow_the_conventions_of_lightly():
    """Variance unbiased and averaged over views, covariance over (n - 1) and width and added over views."""
    z = two_views("vicreg")
    torch.testing.assert_close(invariance(z), arrays()["vicreg.invariance"], **VALUE)
    hinges = torch.stack([variance_hinge(z[:, view]) for view in range(2)])
    penalties = torch.stack([covariance_penalty(z[:, view]) for view in range(2)])
    torch.testing.assert_close(hinges, arrays()["vicreg.variance"], **VALUE)
    torch.testing.assert_close(penalties, arrays()["vicreg.covariance"], **VALUE)
    terms = vicreg(z, weights=(1.0, 1.0, 1.0))
    torch.testing.assert_close(terms["variance"], arrays()["vicreg.variance"].mean(), **VALUE)
    torch.testing.assert_close(terms["covariance"], arrays()["vicreg.covariance"].sum(), **VALUE)


def test_patches_hold_the_values_in_the_order_of_vitmae():
    assert torch.equal(patches(arrays()["mae.pixels"], facts()["mae"]["patch"]), arrays()["mae.patches"])


@pytest.mark.parametrize("kind", ["normalised", "plain"])
def test_the_reconstruction_loss_equals_that_of_vitmae_under_its_noise(kind):
    dropped = arrays()["mae.dropped"].bool()
    count = int(dropped[0].sum())
    drop = dropped.nonzero()[:, 1].view(-1, count)
    target = Continuous(values=patches(arrays()["mae.pixels"], facts()["mae"]["patch"]), valid=torch.ones_like(dropped))
    logits = arrays()["mae.logits"]
    prediction = logits.gather(1, drop[..., None].expand(-1, -1, logits.shape[2]))
    shown = Representation({"prediction": prediction, "drop": drop, "dropped": torch.ones_like(drop).bool()})
    loss = reconstruction(target, shown, normalise=kind == "normalised", gather=gather_nothing, ranks=1)
    torch.testing.assert_close(loss, arrays()[f"mae.loss.{kind}"], **VALUE)


def test_vitmae_drops_the_share_that_we_drop_but_rounds_the_visible_down():
    """They keep int(n * (1 - drop)), we round(n * (1 - drop)): 9 tokens at 0.75 leave 2 in both, 0.7 would not."""
    options = facts()["mae"]
    count = (options["side"] // options["patch"]) ** 2
    kept = int((1 - arrays()["mae.dropped"][0]).sum())
    assert kept == int(count * (1 - options["drop"])) == round(count * (1 - options["drop"]))


def test_weighted_neighbours_order_the_classes_as_lightly_does():
    known = arrays()
    scores = knn_scores(known["knn.bank"], known["knn.labels"], known["knn.queries"], 4, neighbours=20, temperature=0.1)
    assert np.array_equal(scores.argmax(1), known["knn.order"][:, 0].numpy())
    ranked = np.take_along_axis(scores, known["knn.order"].numpy(), 1)
    assert (np.diff(ranked, axis=1) <= 1e-6).all()


def test_the_recorded_file_is_small_and_says_its_versions():
    assert (FOLDER / "peers.safetensors").stat().st_size < 200_000
    assert set(facts()["versions"]) >= {"torch", "torchvision", "lightly", "timm", "transformers"}
