"""MaskedToken and NextToken against slow loops, who gets hidden, and what is generated."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.modalities.text.samples import prepared, rows_of
from torch import nn

from selftaught.core.batch import Axis, Batch, Facts, View
from selftaught.core.errors import UsageError
from selftaught.core.pretext import Clock, Spec, gather_nothing
from selftaught.core.rng import Rng
from selftaught.core.targets import Categorical
from selftaught.encoders import Transformer
from selftaught.pretexts import MaskedToken, NextToken
from selftaught.pretexts.tokens import Fate, choose_fate, generate, hide, places_in, spans_of

RNG = Rng(seed=6)
CLOCK = Clock(step=0, steps=10)
TRUNK = Transformer(width=16, depth=2, heads=2)
SEGMENT = torch.tensor([[1, 1, 1, 2, 2, 0], [1, 2, 2, 2, 2, 2]])


def a_view(segment=SEGMENT, size=9) -> Batch:
    """Tokens of classes drawn at random, every two of a document one unit."""
    rank, _ = places_in(segment)
    x = torch.randint(size, segment.shape, generator=torch.Generator().manual_seed(0)) * (segment > 0)
    documents = sum(int(row.max()) for row in segment)
    return Batch(
        x=x, stream="text", segment=segment, pos=rank[..., None].float(), axes=(Axis(name="time"),),
        origin=rank[..., None].float(), unit=rank // 2, facts=Facts(record=torch.arange(documents) * 17 + 3),
        target=Categorical(values=x, valid=segment > 0, size=size),
    )  # fmt: skip


def begun(pretext, count=16):
    """The text modality with what it learned, an encoder, a head, and a view of documents that share rows."""
    text, fitted, rows = prepared(count)
    torch.manual_seed(0)
    encoder = TRUNK.build(text, fitted)
    size = fitted.facts["size"]
    head = pretext.build(encoder, Spec(records=16, dim=16, axes=text.axes, outputs=size, steps=10, batch=16))
    view = text.augment(text.batch(rows, fitted), pretext.plan()[0], RNG)
    return text, fitted, encoder, head, view


def dropped_in(shown, view):
    """Which tokens of the view were dropped, (B, N)."""
    return torch.zeros_like(view.x).scatter_add(1, shown["drop"], shown["dropped"].long()) > 0


def test_both_ask_for_packed_views_with_targets():
    for pretext in (MaskedToken(), NextToken()):
        (view,) = pretext.plan()
        assert view.packed
        assert view.target


def test_places_start_anew_in_every_document():
    rank, start = places_in(SEGMENT)
    assert rank.tolist() == [[0, 1, 2, 0, 1, 0], [0, 0, 1, 2, 3, 4]]
    assert start.tolist() == [[0, 0, 0, 3, 3, 5], [0, 1, 1, 1, 1, 1]]


@pytest.mark.parametrize("unit", ["token", "word", "span"])
def test_the_masked_loss_equals_a_slow_loop_over_dropped_tokens(unit):
    pretext = MaskedToken(drop=0.4, unit=unit)
    _, _, encoder, head, view = begun(pretext)
    shown = pretext.represent(encoder, head, [view], CLOCK, RNG)
    outcome = pretext.losses(head, shown, [view], CLOCK, gather_nothing)
    total, count = 0.0, 0
    for row in range(view.rows):
        for place, token in enumerate(shown["drop"][row].tolist()):
            if shown["dropped"][row, place]:
                scores = shown["prediction"][row, place].double()
                total += (scores.logsumexp(0) - scores[view.x[row, token]]).item()
                count += 1
    assert outcome.losses["tokens"].item() == pytest.approx(total / count, rel=1e-5)
    assert outcome.logs["chance"].item() == pytest.approx(math.log(view.target.size))


def test_outputs_are_made_for_dropped_tokens_only():
    pretext = MaskedToken(drop=0.15, unit="token")
    _, _, encoder, head, view = begun(pretext)
    seen = []
    head.leave.register_forward_hook(lambda _, given, out: seen.append(out.shape))
    shown = pretext.represent(encoder, head, [view], CLOCK, RNG)
    assert len(seen) == 1
    assert seen[0][:2] == shown["drop"].shape
    assert shown["dropped"].sum().item() / view.valid.sum().item() == pytest.approx(0.15, abs=0.05)
    assert seen[0][1] < 0.4 * view.segment.shape[1]


def test_what_a_hidden_token_was_moves_no_output():
    pretext = MaskedToken(drop=0.4, hidden=1.0, swapped=0.0)
    _, fitted, encoder, head, view = begun(pretext)
    first = pretext.represent(encoder, head, [view], CLOCK, RNG)
    other = torch.where(dropped_in(first, view), (view.x + 5) % fitted.facts["size"], view.x)
    second = pretext.represent(encoder, head, [replace(view, x=other)], CLOCK, RNG)
    assert torch.equal(first["prediction"], second["prediction"])


def test_dropped_tokens_are_hidden_swapped_and_left_in_the_shares_of_the_paper():
    view = a_view(torch.ones(400, 50, dtype=torch.long))
    drop = torch.arange(50).expand(400, 50)
    fate = choose_fate(view, drop, torch.ones(400, 50, dtype=torch.bool), (0.8, 0.1), RNG)
    moved = fate.source != torch.arange(50)
    assert fate.hidden.float().mean().item() == pytest.approx(0.8, abs=0.01)
    assert moved.float().mean().item() == pytest.approx(0.1 * 49 / 50, abs=0.01)
    assert not (moved & fate.hidden).any()


def test_what_is_not_dropped_keeps_its_content_and_swaps_stay_in_the_document():
    drop, dropped = torch.tensor([[0, 3], [0, 2]]), torch.tensor([[True, True], [False, True]])
    fate = choose_fate(a_view(), drop, dropped, (0.0, 1.0), RNG)
    assert not fate.hidden.any()
    for row in range(2):
        for place in range(6):
            source = int(fate.source[row, place])
            if place not in drop[row].tolist() or (row, place) == (1, 0):
                assert source == place
            assert SEGMENT[row, source] == SEGMENT[row, place]


def test_content_becomes_what_its_fate_says_and_places_stay():
    text, fitted, rows = prepared(4)
    encoder = TRUNK.build(text, fitted)
    tokens = encoder.tokenize(text.augment(text.batch(rows, fitted), View(kind="clean"), RNG))
    count = tokens.segment.shape[1]
    hidden, vector = torch.rand(4, count) < 0.3, torch.full((16,), 7.0)
    after = hide(tokens, Fate(hidden=hidden, source=torch.arange(count).flip(0).expand(4, count)), vector)
    assert torch.equal(after.content[hidden], vector.expand(int(hidden.sum()), -1))
    assert torch.equal(after.content[~hidden], tokens.content.flip(1)[~hidden])
    assert torch.equal(after.pos, tokens.pos)


@pytest.mark.parametrize("unit", ["token", "word", "span"])
def test_a_document_loses_the_same_tokens_packed_or_alone(unit):
    pretext = MaskedToken(drop=0.4, unit=unit)
    text, fitted, encoder, head, _ = begun(pretext)
    base = text.batch(prepared(16)[2], fitted)
    lost, record = [], None
    for packed in (True, False):
        view = text.augment(base, View(kind="clean", packed=packed, target=True), RNG)
        record = view.facts.record if packed else record
        view = view if packed else view.rows_at((record[:, None] == view.facts.record).long().argmax(1))
        lost.append(dropped_in(pretext.represent(encoder, head, [view], CLOCK, RNG), view)[view.valid])
    assert lost[0].any()
    assert torch.equal(*lost)


def test_whole_words_are_dropped_together():
    pretext = MaskedToken(drop=0.3, unit="word")
    _, _, encoder, head, view = begun(pretext)
    flag = dropped_in(pretext.represent(encoder, head, [view], CLOCK, RNG), view)
    for row in range(view.rows):
        for segment in range(1, int(view.segment[row].max()) + 1):
            own = view.segment[row] == segment
            for unit in view.unit[row][own].unique():
                assert len(flag[row][own & (view.unit[row] == unit)].unique()) == 1


def test_spans_join_whole_units_with_the_asked_mean_length():
    spans = spans_of(a_view(torch.ones(300, 200, dtype=torch.long)), 4.0, RNG)
    assert spans[:, 0].eq(0).all()
    assert spans.diff(dim=1).min() == 0
    assert spans.diff(dim=1).max() == 1
    assert torch.equal(spans[:, ::2], spans[:, 1::2])  # units of two tokens are never cut
    assert 100 / (spans[:, -1].float().mean().item() + 1) == pytest.approx(4.0, rel=0.1)


def test_spans_of_packed_documents_are_numbered_from_nought_in_each():
    spans = spans_of(a_view(), 1.0, RNG)
    assert spans.tolist() == [[0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 1, 2]]


def test_the_next_token_loss_equals_a_slow_loop():
    pretext = NextToken()
    _, _, encoder, head, view = begun(pretext)
    shown = pretext.represent(encoder, head, [view], CLOCK, RNG)
    total, count = 0.0, 0
    for row in range(view.rows):
        for place in range(1, view.segment.shape[1]):
            here = int(view.segment[row, place])
            if here and here == int(view.segment[row, place - 1]):
                scores = shown["prediction"][row, place - 1].double()
                total += (scores.logsumexp(0) - scores[view.x[row, place]]).item()
                count += 1
    loss = pretext.losses(head, shown, [view], CLOCK, gather_nothing).losses["next"]
    assert loss.item() == pytest.approx(total / count, rel=1e-5)


def test_no_token_sees_itself_or_what_follows():
    pretext = NextToken()
    _, fitted, encoder, head, view = begun(pretext)
    changed = view.x.clone()
    changed[:, 4:] = (changed[:, 4:] + 1) % fitted.facts["size"]
    views = (view, replace(view, x=changed))
    first, second = (pretext.represent(encoder, head, [each], CLOCK, RNG)["prediction"] for each in views)
    assert torch.equal(first[:, :4], second[:, :4])
    assert not torch.equal(first[:, 4:], second[:, 4:])


BOTH = pytest.mark.parametrize("pretext", [MaskedToken(), NextToken()], ids=["masked", "next"])


@BOTH
def test_views_without_targets_are_refused(pretext):
    _, _, encoder, head, view = begun(pretext)
    shown = pretext.represent(encoder, head, [view], CLOCK, RNG)
    with pytest.raises(UsageError, match="without targets"):
        pretext.losses(head, shown, [replace(view, target=None)], CLOCK, gather_nothing)


@BOTH
def test_documents_of_one_token_have_a_loss_of_nought_with_finite_gradients(pretext):
    _, fitted, encoder, head, _ = begun(pretext)
    view = a_view(torch.ones(2, 1, dtype=torch.long), fitted.facts["size"])
    loss = pretext.losses(head, pretext.represent(encoder, head, [view], CLOCK, RNG), [view], CLOCK, gather_nothing)
    loss.total.backward()
    assert loss.total.item() == 0
    assert all(part.grad is None or part.grad.isfinite().all() for part in encoder.parameters())


@pytest.mark.slow
@pytest.mark.parametrize(("pretext", "factor"), [(MaskedToken(drop=0.3), 0.75), (NextToken(), 0.6)])
def test_both_learn_what_words_stand_together(pretext, factor):
    text, fitted, encoder, head, _ = begun(pretext, 64)
    optimiser = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=5e-3)
    base = text.batch(prepared(64)[2], fitted)
    losses = []
    for step in range(150):
        rng = RNG.at(step)
        view = text.augment(base, pretext.plan()[0], rng)
        shown = pretext.represent(encoder, head, [view], CLOCK, rng)
        loss = pretext.losses(head, shown, [view], CLOCK, gather_nothing).total
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < factor * np.mean(losses[:3])


@pytest.fixture
def begin():
    """An encoder and a head that were never trained, and two beginnings of equal length."""
    text, fitted, encoder, head, _ = begun(NextToken())
    view = text.augment(text.batch(rows_of(["the old boat", "the old oven"]), fitted), View(kind="clean"), RNG)
    width = int(view.valid.sum(1).min())
    names = ("x", "segment", "pos", "origin", "unit")
    return encoder, head, replace(view, **{name: getattr(view, name)[:, :width] for name in names})


def test_the_likeliest_tokens_are_those_that_a_slow_loop_finds(begin):
    encoder, head, start = begin
    made = generate(encoder, head, start, 5, RNG, length=24, temperature=0.0)
    x = start.x
    for _ in range(5):
        place = torch.arange(x.shape[1]).expand_as(x)
        pos = place[..., None].float()
        view = replace(start, x=x, segment=torch.ones_like(x), pos=pos, origin=pos, unit=place)
        seen = encoder.forward(encoder.tokenize(view), attend="causal").tokens.content
        x = torch.cat([x, head(seen[:, -1]).argmax(1, keepdim=True)], 1)
    assert torch.equal(made, x[:, start.x.shape[1] :])


def test_the_length_bounds_what_the_encoder_sees(begin):
    encoder, head, start = begin
    widths = []
    encoder.blocks[0].register_forward_hook(lambda _, given, out: widths.append(out.shape[1]))
    generate(encoder, head, start, 6, RNG, length=4)
    assert max(widths) == 4


def test_drawing_follows_the_seed_and_best_of_one_is_the_likeliest(begin):
    encoder, head, start = begin
    first, again, other = (generate(encoder, head, start, 8, rng, length=24) for rng in (RNG, RNG, Rng(seed=7)))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    likeliest = generate(encoder, head, start, 8, RNG, length=24, temperature=0.0)
    assert torch.equal(generate(encoder, head, start, 8, Rng(seed=7), length=24, best=1), likeliest)


def test_tokens_are_drawn_as_often_as_the_head_says(begin):
    encoder, _, start = begin
    many = start.rows_at(torch.zeros(4_000, dtype=torch.long))
    head = nn.Linear(16, 3)
    nn.init.zeros_(head.weight)
    with torch.no_grad():
        head.bias.copy_(torch.tensor([0.5, 0.3, 0.2]).log())
    made = generate(encoder, head, replace(many, facts=Facts(record=torch.arange(4_000))), 1, RNG, length=24)
    often = torch.bincount(made[:, 0], minlength=3) / 4_000
    torch.testing.assert_close(often, torch.tensor([0.5, 0.3, 0.2]), atol=0.03, rtol=0)


def test_after_its_end_a_row_repeats_it(begin):
    encoder, _, start = begin
    head = nn.Linear(16, 9)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    for row in generate(encoder, head, start, 60, RNG, length=24, stop=1).tolist():
        assert 1 in row
        assert set(row[row.index(1) :]) == {1}


def test_ragged_or_packed_beginnings_are_refused(begin):
    encoder, head, _ = begin
    with pytest.raises(UsageError, match="equal lengths"):
        generate(encoder, head, a_view(), 1, RNG, length=24)
