"""Positives by a column: two records of one group stand for one, in the views, in the loss and in what is learned."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.engine.making import MODALITY, TRUNK, Desk, draw, recipe_of

from selftaught.core.errors import DataError, UsageError
from selftaught.core.rng import Rng
from selftaught.data.labelling import Labelling
from selftaught.engine.embedding import embed_records, untrained_twin
from selftaught.engine.feed import make_views
from selftaught.engine.job import partners_of
from selftaught.engine.loop import train
from selftaught.pretexts import MAE, SimCLR, VICReg
from selftaught.probes.knn import knn_predict
from selftaught.recipe import Recipe, resolve

GROUPED = Labelling(records=96, groups=draw(96)[1], group_names=("0", "1", "2", "3"))


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk.of(tmp_path)


@pytest.mark.parametrize("pretext", [SimCLR(views=3), VICReg()])
def test_every_second_view_shows_the_partner(desk: Desk, pretext):
    job = replace(desk.job("run"), labelling=GROUPED)
    rows, partners = job.rows(np.arange(8)), job.rows(np.arange(8, 16))
    cpu, rng = torch.device("cpu"), Rng(seed=0)
    views = make_views(rows, MODALITY, job.fitted, pretext, rng, 1.0, cpu, partners)
    alone = make_views(rows, MODALITY, job.fitted, pretext, rng, 1.0, cpu)
    beside = make_views(partners, MODALITY, job.fitted, pretext, rng, 1.0, cpu)
    for place, view in enumerate(views):
        shown = beside if place % 2 else alone
        assert torch.equal(view.x, shown[place].x)
        assert torch.equal(view.facts.content, view.facts.group)
    assert alone[0].facts.content is None


def test_records_without_a_group_have_a_content_of_their_own(desk: Desk):
    job = replace(desk.job("run"), labelling=replace(GROUPED, groups=np.full(96, -1)))
    rows = job.rows(np.arange(8))
    view = make_views(rows, MODALITY, job.fitted, SimCLR(), Rng(seed=0), 1.0, torch.device("cpu"), rows)[0]
    assert len(set(view.facts.content.tolist())) == 8


def test_groups_as_positives_teach_what_a_group_has_in_common(desk: Desk):
    kinds = draw(96)[1]
    scores: dict[str, list[float]] = {"group": [], "record": [], "twin": []}
    for seed in range(3):
        for positives in ("group", "record"):
            recipe = recipe_of(steps=60, batch=32, seed=seed, positives=positives)
            trained = train(replace(desk.job(f"{positives}{seed}", recipe), labelling=GROUPED)).pretrained
            scores[positives].append(score(desk, trained, kinds))
            if positives == "group":
                scores["twin"].append(score(desk, untrained_twin(trained, seed), kinds))
    means = {name: np.mean(each) for name, each in scores.items()}
    assert means["group"] > max(means["record"], means["twin"]) + 0.1, scores


def score(desk: Desk, pretrained, kinds: np.ndarray) -> float:
    known, asked = (embed_records(pretrained, desk.store, part) for part in (desk.train, desk.held))
    return float((knn_predict(known, kinds[desk.train], asked) == kinds[desk.held]).mean())


def test_groups_are_needed_and_must_hold_two_records():
    recipe = Recipe(positives="group")
    assert partners_of(Recipe(), Labelling(records=4), np.arange(4)) is None
    with pytest.raises(UsageError, match="--group"):
        partners_of(recipe, Labelling(records=4), np.arange(4))
    with pytest.raises(DataError, match="No two training records"):
        partners_of(recipe, replace(GROUPED, groups=np.arange(96)), np.arange(4))


def test_a_pretext_that_compares_no_whole_views_is_refused():
    recipe = Recipe(positives="group", encoder=TRUNK)
    assert resolve(recipe, MODALITY, 100).positives == "group"
    with pytest.raises(UsageError, match="MAE does not compare whole views"):
        resolve(replace(recipe, pretext=MAE()), MODALITY, 100)
