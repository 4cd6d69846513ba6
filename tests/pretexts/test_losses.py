"""Pure losses against slow loops written from the papers' equations, on one process and on several."""

import math

import pytest
import torch
from tests.toys.samples import SAMPLES
from tests.toys.training import LIBRARY, Training
from torch.nn import functional as F

from selftaught.core.pretext import Clock, Representation, gather_nothing
from selftaught.core.targets import Categorical, Continuous
from selftaught.pretexts import Supervised
from selftaught.pretexts.contrastive import nt_xent
from selftaught.pretexts.reconstruction import reconstruction
from selftaught.pretexts.redundancy import covariance_penalty, invariance, variance_hinge, vicreg


def similarity(first, second):
    dot = sum(a * b for a, b in zip(first, second, strict=True))
    return dot / math.sqrt(sum(a * a for a in first) * sum(b * b for b in second))


def slow_nt_xent(z, temperature):
    """Chen 2020, eq. 1, averaged over all ordered positive pairs."""
    b, views = z.shape[:2]
    points = [(record, z[record, view].tolist()) for view in range(views) for record in range(b)]
    total, pairs = 0.0, 0
    for i, (record, anchor) in enumerate(points):
        others = [math.exp(similarity(anchor, point) / temperature) for k, (_, point) in enumerate(points) if k != i]
        for j, (owner, positive) in enumerate(points):
            if owner == record and j != i:
                total -= math.log(math.exp(similarity(anchor, positive) / temperature) / sum(others))
                pairs += 1
    return total / pairs


@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent_equals_equation_one(views, temperature):
    z = torch.randn(5, views, 4)
    assert nt_xent(z, temperature).item() == pytest.approx(slow_nt_xent(z, temperature), rel=1e-5)


def test_nt_xent_of_one_record_is_zero_for_two_views():
    assert nt_xent(torch.randn(1, 2, 4), 0.1).item() == pytest.approx(0, abs=1e-6)


def test_nt_xent_at_chance_is_near_the_logarithm_of_the_number_of_others():
    z = torch.randn(256, 2, 512)
    assert nt_xent(z, 1.0).item() == pytest.approx(math.log(2 * 256 - 1), abs=0.05)


def test_nt_xent_stays_finite_for_zero_vectors_and_tiny_temperatures():
    z = torch.zeros(4, 2, 3, requires_grad=True)
    loss = nt_xent(z, 0.01)
    loss.backward()
    assert loss.isfinite()
    assert z.grad.isfinite().all()


def over_ranks(loss, parts):
    """The mean over simulated processes: each sees its own part, gather gives all of them."""
    return torch.stack([loss(part, rank) for rank, part in enumerate(parts)]).mean()


@pytest.mark.parametrize("views", [2, 3])
def test_nt_xent_over_processes_equals_one_process_in_value_and_gradient(views):
    z = torch.randn(6, views, 4, requires_grad=True)
    whole = nt_xent(z, 0.2)
    parts = z.split(2)
    everything = F.normalize(z, dim=-1)
    spread = over_ranks(lambda part, rank: nt_xent(part, 0.2, lambda _: everything, rank), parts)
    torch.testing.assert_close(spread, whole)
    torch.testing.assert_close(torch.autograd.grad(spread, z)[0], torch.autograd.grad(whole, z)[0])


def test_records_of_one_content_are_no_negatives_of_each_other():
    z, content = torch.randn(6, 2, 8), torch.tensor([4, 4, -3, 4, 1, 1])
    total = 0.0
    for view in range(2):
        for record in range(6):
            others = [
                math.exp(similarity(z[record, view], z[other, side]) / 0.2)
                for other in range(6)
                for side in range(2)
                if (other, side) != (record, view) and (other == record or content[other] != content[record])
            ]
            positive = math.exp(similarity(z[record, view], z[record, 1 - view]) / 0.2)
            total -= math.log(positive / sum(others))
    assert nt_xent(z, 0.2, content=content).item() == pytest.approx(total / 12, rel=1e-5)
    assert nt_xent(z, 0.2, content=torch.arange(6)).item() == pytest.approx(nt_xent(z, 0.2).item(), rel=1e-6)


def test_records_of_one_content_on_several_processes_equal_one_process():
    z, content = torch.randn(8, 2, 4), torch.tensor([0, 1, 0, 2, 2, 0, 3, 1])

    def loss(rank):
        mine = slice(4 * rank, 4 * rank + 4)
        return nt_xent(z[mine], 0.2, lambda part: content if part.ndim == 1 else z_all, rank, content[mine])

    z_all = F.normalize(z, dim=-1)
    parts = (loss(0) + loss(1)) / 2
    assert parts.item() == pytest.approx(nt_xent(z, 0.2, content=content).item(), rel=1e-5)


def test_a_batch_of_one_content_has_no_negatives_and_stays_finite():
    z = torch.randn(4, 2, 8, requires_grad=True)
    loss = nt_xent(z, 0.2, content=torch.zeros(4, dtype=torch.long))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert z.grad is not None
    assert z.grad.isfinite().all()


def column(z, view, p):
    return [z[record, view, p].item() for record in range(len(z))]


def slow_covariance(first, second):
    """Unbiased covariance of two columns (Bardes 2022, eq. 3)."""
    n = len(first)
    means = sum(first) / n, sum(second) / n
    return sum((a - means[0]) * (b - means[1]) for a, b in zip(first, second, strict=True)) / (n - 1)


def slow_terms(z):
    """Bardes 2022, eq. 1 to 5, for two views; as in the paper's code invariance is also averaged over the width."""
    n, _, width = z.shape
    distance = sum((z[b, 0, p].item() - z[b, 1, p].item()) ** 2 for b in range(n) for p in range(width)) / (n * width)
    variance, covariance = [], []
    for view in range(2):
        columns = [column(z, view, p) for p in range(width)]
        variance.append(sum(max(0, 1 - math.sqrt(slow_covariance(c, c) + 1e-4)) for c in columns) / width)
        pairs = [(i, j) for i in range(width) for j in range(width) if i != j]
        covariance.append(sum(slow_covariance(columns[i], columns[j]) ** 2 for i, j in pairs) / width)
    return distance, sum(variance) / 2, sum(covariance)


def test_vicreg_equals_equations_one_to_six():
    z = torch.randn(7, 2, 5) * torch.linspace(0.1, 1.5, 5)
    terms = vicreg(z, (25.0, 10.0, 2.0))
    distance, variance, covariance = slow_terms(z)
    assert terms["invariance"].item() == pytest.approx(25 * distance, rel=1e-5)
    assert terms["variance"].item() == pytest.approx(10 * variance, rel=1e-5)
    assert terms["covariance"].item() == pytest.approx(2 * covariance, rel=1e-5)


def test_vicreg_with_three_views_averages_over_all_pairs():
    z = torch.randn(6, 3, 4)
    pairs = [slow_terms(z[:, [a, b]])[0] for a, b in ((0, 1), (0, 2), (1, 2))]
    assert invariance(z).item() == pytest.approx(sum(pairs) / 3, rel=1e-5)


def test_vicreg_over_processes_equals_one_process_in_value_and_gradient():
    z = torch.randn(6, 2, 4, requires_grad=True)
    whole = torch.stack([*vicreg(z).values()]).sum()
    spread = over_ranks(lambda part, rank: torch.stack([*vicreg(part, gather=lambda _: z).values()]).sum(), z.split(2))
    torch.testing.assert_close(spread, whole)
    torch.testing.assert_close(torch.autograd.grad(spread, z)[0], torch.autograd.grad(whole, z)[0])


def test_spread_features_cost_nothing_and_collapsed_ones_cost_the_whole_hinge():
    spread = torch.cat([torch.eye(4), -torch.eye(4)]) * 4
    assert variance_hinge(spread) == 0
    assert covariance_penalty(spread).item() == pytest.approx(0, abs=1e-6)
    assert variance_hinge(torch.ones(8, 4)).item() == pytest.approx(0.99)


def test_vicreg_of_one_record_is_finite():
    z = torch.randn(1, 2, 4, requires_grad=True)
    total = torch.stack([*vicreg(z).values()]).sum()
    total.backward()
    assert total.isfinite()
    assert z.grad.isfinite().all()


def slow_reconstruction(values, prediction, drop, counts, normalise):
    """He 2022, section 3: squared error on dropped patches only, of patches normalised by themselves (section 4)."""
    total, tokens = 0.0, 0
    for b in range(len(drop)):
        for m in range(drop.shape[1]):
            if not counts[b, m]:
                continue
            patch = values[b, drop[b, m]].tolist()
            if normalise:
                mean = sum(patch) / len(patch)
                variance = sum((value - mean) ** 2 for value in patch) / (len(patch) - 1)
                patch = [(value - mean) / math.sqrt(variance + 1e-6) for value in patch]
            total += sum((p.item() - v) ** 2 for p, v in zip(prediction[b, m], patch, strict=True)) / len(patch)
            tokens += 1
    return total / tokens


@pytest.mark.parametrize("normalise", [False, True])
def test_reconstruction_equals_the_papers_loss(normalise):
    values, prediction = torch.randn(3, 6, 4), torch.randn(3, 2, 4)
    drop = torch.tensor([[0, 5], [2, 1], [4, 4]])
    dropped = torch.tensor([[True, True], [True, True], [True, False]])
    valid = torch.ones(3, 6).bool()
    valid[1, 2] = False
    loss = reconstruction(
        Continuous(values=values, valid=valid),
        Representation({"prediction": prediction, "drop": drop, "dropped": dropped}),
        normalise=normalise,
        gather=gather_nothing,
        ranks=1,
    )
    counts = dropped & valid.gather(1, drop)
    assert loss.item() == pytest.approx(slow_reconstruction(values, prediction, drop, counts, normalise), rel=1e-5)


def test_normalising_leaves_classes_alone():
    target = Categorical(values=torch.tensor([[1, 2]]), valid=torch.ones(1, 2).bool(), size=4)
    parts = {"prediction": torch.zeros(1, 1, 4), "drop": torch.tensor([[1]]), "dropped": torch.ones(1, 1).bool()}
    loss = reconstruction(target, Representation(parts), normalise=True, gather=gather_nothing, ranks=1)
    assert loss.item() == pytest.approx(math.log(4))


def test_mae_on_pictures_equals_the_slow_loop_on_its_own_predictions():
    training = Training(SAMPLES["image"], LIBRARY["mae"])
    views = training.views(SAMPLES["image"].rows(3))
    parts = training.represent(views)
    loss = training.losses(views).losses["reconstruction"]
    expected = slow_reconstruction(views[0].target.values, *(parts[k] for k in ("prediction", "drop", "dropped")), True)
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_supervised_equals_a_slow_loop_over_the_rows_with_a_label():
    training = Training(SAMPLES["table"], Supervised())
    view = training.views(SAMPLES["table"].rows(6))[0]
    view.facts.label[torch.tensor([0, 3])] = -1
    scores = training.represent([view])["prediction"]
    rows = [row for row in range(6) if view.facts.label[row] >= 0]
    slow = [scores[row].logsumexp(0) - scores[row, view.facts.label[row]] for row in rows]
    assert training.losses([view]).total.item() == pytest.approx(float(sum(slow).detach()) / len(rows), rel=1e-5)


@pytest.mark.parametrize("label", [torch.full((4,), -1), torch.full((4,), float("nan"))])
def test_supervised_without_any_label_in_the_batch_is_zero_with_zero_gradients(label):
    training = Training(SAMPLES["table"], Supervised())
    view = training.views(SAMPLES["table"].rows(4))[0]
    object.__setattr__(view.facts, "label", label)
    total = training.losses([view]).total
    total.backward()
    assert total == 0
    assert not any(part.grad.any() for part in training.parameters)


def test_supervised_numbers_are_judged_by_squared_error_where_they_are_known():
    training = Training(SAMPLES["table"], Supervised())
    view = training.views(SAMPLES["table"].rows(3))[0]
    object.__setattr__(view.facts, "label", torch.tensor([1.5, float("nan"), -2.0]))
    guess = training.represent([view])["prediction"][:, 0]
    expected = ((guess[0] - 1.5) ** 2 + (guess[2] + 2) ** 2) / 2
    torch.testing.assert_close(training.losses([view]).total, expected)


def test_supervised_over_processes_weighs_every_labelled_row_alike():
    pretext, label = Supervised(), torch.tensor([0, -1, 2, 1, -1, -1])
    training = Training(SAMPLES["table"], pretext)
    view = training.views(SAMPLES["table"].rows(6))[0]
    object.__setattr__(view.facts, "label", label)
    whole = training.losses([view]).total
    totals = []

    def gather(_):
        return torch.tensor([1.0, 2.0, 0.0])  # labelled rows of each process

    for rank, rows in enumerate(torch.arange(6).split(2)):
        part, clock = view.rows_at(rows), Clock(step=0, steps=1, rank=rank, ranks=3)
        totals.append(pretext.losses(training.head, training.represent([part]), [part], clock, gather).total)
    torch.testing.assert_close(torch.stack(totals).mean(), whole)
