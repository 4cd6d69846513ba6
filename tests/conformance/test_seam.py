"""Every modality with every pretext that it can serve, toys included: no pair has code of its own."""

import numpy as np
import pytest
import torch
from tests.toys.cluster import Cluster
from tests.toys.order import Order
from tests.toys.queue import QueueContrast
from tests.toys.samples import SAMPLES
from tests.toys.training import Training, legal_pairs, name_pair

from selftaught.core.batch import View, map_tensors
from selftaught.core.errors import UsageError
from selftaught.core.pretext import cat_representations, gather_nothing
from selftaught.pretexts import NextToken

PAIRS = pytest.mark.parametrize(("name", "pretext"), legal_pairs(), ids=name_pair)


def begun(name, pretext, count=16):
    training = Training(SAMPLES[name], pretext, records=count)
    rows = SAMPLES[name].rows(count)
    training.begin_epoch(training.views(rows, (View(kind="clean"),))[0])
    return training, rows


@PAIRS
def test_a_step_has_finite_losses_and_changes_the_encoder(name, pretext):
    training, rows = begun(name, pretext)
    before = torch.cat([part.detach().flatten() for part in training.encoder.parameters()])
    outcome = training.step(rows)
    after = torch.cat([part.detach().flatten() for part in training.encoder.parameters()])
    assert outcome.losses
    assert all(loss.ndim == 0 and loss.isfinite() for loss in outcome.losses.values())
    assert after.isfinite().all()
    assert not torch.equal(before, after)


@PAIRS
def test_gradients_reach_trunk_stem_and_head_and_nothing_that_is_not_trained(name, pretext):
    training, rows = begun(name, pretext)
    views = training.views(rows)
    training.losses(views).total.backward()
    streams = {view.stream for view in views}
    for part, parameter in training.encoder.named_parameters():
        unread = name == "pair" and part.startswith("stem.") and part.split(".")[1] not in streams
        reached = parameter.grad is not None and bool(parameter.grad.any())
        assert reached != unread, part
    for part, parameter in training.head.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, part
        # A shift of every output cancels where only differences count, so only matrices must feel something.
        if parameter.requires_grad and parameter.ndim > 1:
            assert parameter.grad.any(), part


@PAIRS
def test_only_what_takes_gradients_is_handed_to_the_optimiser(name, pretext):
    training, _ = begun(name, pretext)
    groups = pretext.param_groups(training.head)
    given = [id(part) for group in groups for part in group.parameters]
    assert sorted(given) == sorted(id(part) for part in training.head.parameters() if part.requires_grad)


@PAIRS
def test_represented_in_chunks_equals_represented_whole(name, pretext):
    training, rows = begun(name, pretext)
    views = training.views(rows)
    whole = training.represent(views)
    cuts = torch.arange(views[0].rows).split(3)
    chunks = [training.represent([view.rows_at(cut) for view in views]) for cut in cuts]
    joined = cat_representations(chunks)
    assert joined.tensors.keys() == whole.tensors.keys()
    flags = [value for value in whole.tensors.values() if value.dtype == torch.bool]
    for part, expected in whole.tensors.items():
        assert joined[part].shape == expected.shape
        # What stands at padding depends on the padding; a flag says where that is.
        counts = flags[0] if flags and expected.dtype != torch.bool else torch.ones_like(expected, dtype=torch.bool)
        torch.testing.assert_close(joined[part][counts], expected[counts], rtol=1e-4, atol=1e-5)
    clock = training.clock(0)
    losses = [pretext.losses(training.head, part, views, clock, gather_nothing).total for part in (whole, joined)]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-6)


@PAIRS
def test_a_step_taken_twice_from_one_seed_is_equal(name, pretext):
    results = []
    for _ in range(2):
        training, rows = begun(name, pretext)
        outcomes = [training.step(rows, step) for step in range(2)]
        weights = [*training.encoder.state_dict().values(), *training.head.state_dict().values()]
        results.append(([outcome.total for outcome in outcomes], weights))
    assert results[0][0] == results[1][0]
    assert all(torch.equal(first, second) for first, second in zip(results[0][1], results[1][1], strict=True))


@PAIRS
def test_losses_write_nothing_and_steps_draw_nothing_from_global_randomness(name, pretext):
    training, rows = begun(name, pretext)
    before = {part: value.clone() for part, value in training.head.state_dict().items()}
    state = torch.get_rng_state()
    training.losses(training.views(rows))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[part], value) for part, value in training.head.state_dict().items())


@PAIRS
def test_batches_of_odd_records_have_finite_losses_and_gradients(name, pretext):
    sample = SAMPLES[name]
    for kind in sample.odd:
        training, _ = begun(name, pretext)
        rows = sample.odd_rows(kind)
        total = training.losses(training.views(rows)).total
        total.backward()
        assert total.isfinite(), kind
        assert all(part.grad.isfinite().all() for part in training.parameters if part.grad is not None), kind


@PAIRS
def test_a_batch_of_one_record_has_finite_losses_and_gradients(name, pretext):
    training, _ = begun(name, pretext)
    total = training.losses(training.views(SAMPLES[name].rows(1))).total
    total.backward()
    assert total.isfinite()
    assert all(part.grad.isfinite().all() for part in training.parameters if part.grad is not None)


FLOATS = [pair for pair in legal_pairs() if pair[0] not in ("documents", "text")]


@pytest.mark.parametrize(("name", "pretext"), FLOATS, ids=name_pair)
def test_couples_records_tells_whether_another_record_moves_a_records_gradient(name, pretext):
    def gradient(change):
        training, rows = begun(name, pretext, 6)
        for step in (0, 1):
            views = training.views(rows, step=step)
            views = [map_tensors(view, lambda tensor: tensor.clone()) for view in views]
            for view in views:
                view.x[1] = view.x[1] + change if view.x.is_floating_point() else (view.x[1] + round(change)) % 7
            if step == 0:
                training.begin_epoch(views[0])
            seen = next(view for view in views if view.x.is_floating_point())
            seen.x.requires_grad_()
            outcome = training.losses(views, step)
            outcome.total.backward()
            training.end_step(outcome, step)
        return seen.x.grad[0].nan_to_num()

    moved = (gradient(0.0) - gradient(1.0)).abs().max()
    assert (moved > 1e-7) == pretext.couples_records


@pytest.mark.slow
def test_next_token_learns_to_count():
    training = Training(SAMPLES["documents"], NextToken(), records=64)
    losses = [training.step(SAMPLES["documents"].rows(64, seed=step % 4), step).total.item() for step in range(60)]
    assert losses[0] > 1.5
    assert losses[-1] < 0.6 * losses[0]


def test_a_packed_document_is_blind_to_its_neighbours_to_the_last_bit():
    training, rows = begun("documents", next(pretext for name, pretext in legal_pairs() if name == "documents"))
    view = training.views(rows, (View(kind="clean", packed=True),))[0]
    assert view.rows < len(rows.record)
    changed = map_tensors(view, lambda tensor: tensor.clone())
    other = view.segment == 2
    changed.x[other] = (changed.x[other] + 1) % 7
    for attend in ("full", "causal"):
        outputs = [training.encoder.forward(training.encoder.tokenize(part), attend=attend) for part in (view, changed)]
        first, second = (output.tokens.content for output in outputs)
        assert torch.equal(first[~other], second[~other])
        assert not torch.equal(first[other], second[other])


@pytest.mark.parametrize(("told", "learns"), [(True, True), (False, False)], ids=["words-tell", "words-say-nothing"])
def test_order_is_learnt_from_content_and_cannot_be_learnt_from_places(told, learns):
    sample = SAMPLES["documents"]
    training = Training(sample, Order(), records=64)
    rows = sample.decoded([np.arange(6) * told for _ in range(64)], [0] * 64, seed=0)
    losses = [training.step(rows, step).total.item() for step in range(40)]
    chance = training.views(rows)[0].origin[:, :6].var(unbiased=False).item()
    # Whatever places could give away would let the loss fall below the variance of the origins.
    assert (sum(losses[-5:]) / 5 < 0.5 * chance) == learns
    assert learns or min(losses) > 0.9 * chance


def test_queue_and_teacher_are_written_after_the_step_as_the_paper_says():
    training, rows = begun("table", QueueContrast(size=24, momentum=0.75))
    head, before = training.head, {name: value.clone() for name, value in training.head.state_dict().items()}
    outcome = training.step(rows)
    assert torch.equal(head.queue[:16], outcome.state["key"])
    assert torch.equal(head.queue[16:], before["queue"][:8])
    for name, fast in training.encoder.named_parameters():
        slow = 0.75 * before[f"teacher.{name}"] + 0.25 * fast
        torch.testing.assert_close(head.get_parameter(f"teacher.{name}"), slow)


def test_clusters_are_written_before_the_epoch_alike_for_equal_streams():
    first, rows = begun("table", Cluster())
    second, _ = begun("table", Cluster())
    assert torch.equal(first.head.cluster, second.head.cluster)
    assert torch.equal(first.head.record, rows.record.sort().values)
    assert len(first.head.cluster.unique()) > 1


def test_a_pair_gives_each_view_the_stream_that_the_plan_asks_for():
    training, rows = begun("pair", next(pretext for name, pretext in legal_pairs() if "pair" in pretext.needs))
    assert [view.stream for view in training.views(rows)] == ["curve", "tag"]
    with pytest.raises(UsageError, match="streams 0 and 1"):
        training.views(rows, (View(kind="clean", stream=2),))


@pytest.mark.parametrize("name", ["pair", "table"])
def test_contrast_and_alignment_learn_to_tell_records_apart(name):
    pretext = next(
        each for own, each in legal_pairs() if own == name and type(each).__name__ in ("Alignment", "SimCLR")
    )
    training = Training(SAMPLES[name], pretext, records=32)
    losses = [training.step(SAMPLES[name].rows(32, seed=step % 4), step).total.item() for step in range(40)]
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])


@PAIRS
def test_encoder_and_head_loaded_from_their_state_give_equal_losses(name, pretext):
    first, rows = begun(name, pretext)
    first.step(rows)
    second = Training(SAMPLES[name], pretext, records=16)
    views = first.views(rows, step=1)
    second.encoder.load_state_dict(first.encoder.state_dict())
    second.head.load_state_dict(first.head.state_dict())
    assert torch.equal(first.losses(views).total, second.losses(views).total)


@PAIRS
def test_represented_in_bf16_with_losses_in_fp32_stays_near_fp32(name, pretext):
    training, rows = begun(name, pretext)
    views = training.views(rows)
    with torch.autocast("cpu", torch.bfloat16):
        representation = training.represent(views)
    outcome = pretext.losses(training.head, representation, views, training.clock(0), gather_nothing)
    outcome.total.backward()
    torch.testing.assert_close(outcome.total, training.losses(views).total, rtol=0.05, atol=0.05)
    assert all(part.grad.isfinite().all() for part in training.parameters if part.grad is not None)
