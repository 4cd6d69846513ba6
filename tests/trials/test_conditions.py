"""Corruptions and other places: what is kept is counted right, by the probe that the curve is made with."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.journeys.photos import QUICK, Ready, call, make_ready

from selftaught.core.errors import UsageError
from selftaught.core.modality import Rows
from selftaught.engine.prepare import DataOptions
from selftaught.evaluate.stage import scratch_of
from selftaught.evaluate.subject import Subject, open_subject
from selftaught.probes.budgets import nested_budgets
from selftaught.probes.curve import label_efficiency
from selftaught.trials.conditions import (
    Answers,
    contenders,
    embed_rows,
    find_corruptions,
    join_rows,
    meet_corruptions,
    meet_elsewhere,
)
from selftaught.trials.controls import encoder_features, feature_controls
from selftaught.trials.parts import Parts, labelled_parts, stand_alone
from selftaught.trials.scores import ENCODER
from selftaught.trials.supervised import load_network, train_from_scratch

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    return make_ready(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def subject(ready: Ready) -> Subject:
    return open_subject([ready.run], None, DataOptions(labels=ready.file), None, True)


@pytest.fixture(scope="module")
def parts(subject: Subject) -> Parts:
    return labelled_parts(subject.prepared, subject.splits)


def answer_by(right_in: set[int]) -> Answers:
    """Right in some lots, wrong in the others."""

    def answer(lots: Sequence[Rows], codes: np.ndarray) -> np.ndarray:
        sizes = [len(lot.record) for lot in lots]
        return np.concatenate([np.full(size, float(place in right_in)) for place, size in enumerate(sizes)])

    return answer


def test_accuracy_kept_is_counted_by_corruption_and_by_severity(subject: Subject, parts: Parts) -> None:
    modality = subject.encoders[0].modality
    answers = {ENCODER: answer_by({0, 1, 2, 3, 4}), "weak": answer_by({0, 1})}
    found = meet_corruptions(answers, parts, modality, ("noise", "blur"), severities=(1, 5))
    kept = {(each.contestant, each.corruption, each.severity): each.kept for each in found}
    assert kept[ENCODER, None, None] == 1.0
    assert kept["weak", "noise", 1] == 1.0  # lots: clean, noise 1, noise 5, blur 1, blur 5
    assert kept["weak", "noise", 5] == kept["weak", "blur", None] == 0.0
    assert kept["weak", None, 1] == kept["weak", "noise", None] == 0.5
    assert kept["weak", None, None] == 0.25
    lead = next(each.lead for each in found if (each.contestant, each.corruption) == ("weak", "blur"))
    assert lead == pytest.approx((1.0, 1.0, 1.0))
    assert all(each.lead is None for each in found if each.contestant == ENCODER)


def test_heavy_noise_costs_someone_who_looks_at_pixels_accuracy(subject: Subject, parts: Parts) -> None:
    encoders = subject.encoders
    known = {ENCODER: encoder_features(encoders, parts)}
    answers = contenders({ENCODER: encoders}, known, parts)
    assert list(answers) == [ENCODER, *(each.name for each in encoders[0].modality.classical())]
    found = meet_corruptions(answers, parts, encoders[0].modality, ("noise",), severities=(5,))
    accuracy = {(each.contestant, each.corruption): each.value for each in found}
    lost = [accuracy[name, ""] - accuracy[name, "noise"] for name in answers]
    assert accuracy["HOG and colour histogram", ""] > 0.7
    assert max(lost) > 0.15


def test_the_clean_accuracy_is_that_of_the_curve(subject: Subject, parts: Parts) -> None:
    encoders = subject.encoders
    contestants = {ENCODER: encoder_features(encoders, parts), **feature_controls(encoders, parts)}
    budgets = nested_budgets(parts.labels[0], (None,))
    curve = label_efficiency(contestants, ENCODER, parts.labels, budgets, resamples=20)
    answers = contenders({ENCODER: encoders}, {ENCODER: contestants[ENCODER]}, parts)
    rows, codes = parts.store.rows(parts.test), parts.codes[parts.test]
    moved = meet_elsewhere(answers, parts, rows, codes, None)
    for each in moved:
        assert each.here[0] == each.there[0] == pytest.approx(curve.at(each.contestant, None).accuracy.value)
        assert each.kept == 1.0


def test_rows_are_joined_and_embedded_as_the_store_gives_them(subject: Subject) -> None:
    store, encoder = subject.store, subject.encoders[0]
    joined = join_rows([store.rows(np.arange(3)), store.rows(np.arange(3, 7))])
    whole = store.rows(np.arange(7))
    assert torch.equal(joined.record, whole.record)
    for name, field in whole.fields.items():
        assert all(torch.equal(one, other) for one, other in zip(joined.fields[name], field, strict=True))
    np.testing.assert_allclose(embed_rows(encoder, joined), embed_rows(encoder, whole))


def test_an_unknown_corruption_is_refused_by_name(subject: Subject) -> None:
    modality = subject.encoders[0].modality
    assert find_corruptions(modality, ("all",)) == modality.corruptions
    assert find_corruptions(modality, ("blur", "blur")) == ("blur",)
    with pytest.raises(UsageError, match=r"noise.*got fog"):
        find_corruptions(modality, ("blur", "fog"))


def test_records_that_are_stored_as_the_bytes_of_their_files_meet_corruptions_too(ready: Ready, tmp_path: Path) -> None:
    said = call("pretrain", ready.photos, "--out", tmp_path / "run", "--store", "encoded", *QUICK)
    assert said.code == 0, said.err
    subject = open_subject([tmp_path / "run"], None, DataOptions(labels=ready.file), None, True)
    parts, encoders = labelled_parts(subject.prepared, subject.splits), subject.encoders
    answers = contenders({ENCODER: encoders}, {ENCODER: encoder_features(encoders, parts)}, parts)
    found = meet_corruptions(answers, parts, encoders[0].modality, ("noise",), severities=(1,))
    accuracy = {(each.contestant, each.corruption): each.value for each in found}
    assert accuracy["HOG and colour histogram", ""] > 0.7
    assert accuracy["HOG and colour histogram", "noise"] > 0.5


def test_lots_of_other_lengths_become_ragged() -> None:
    lots = [Rows(fields={"wave": torch.zeros(2, length)}, record=torch.arange(2)) for length in (5, 7)]
    assert [len(row) for row in join_rows(lots).fields["wave"]] == [5, 5, 7, 7]


def test_the_supervised_network_is_that_of_these_labels(ready: Ready, subject: Subject, parts: Parts) -> None:
    budgets = nested_budgets(parts.labels[0], (None,))
    scratch = replace(scratch_of(subject, True), place=ready.run.parent / "controls-of-conditions", seconds=1.0)
    assert load_network(scratch, parts, budgets) is None
    found = train_from_scratch(scratch, parts, budgets, (None,), 1)
    network = load_network(scratch, parts, budgets)
    assert network is not None
    vectors = embed_rows(network.pretrained, parts.store.rows(parts.test))
    right = (vectors @ network.weight.T + network.bias).argmax(1) == parts.labels[1]
    assert right.tolist() == found[None][0].tolist()
    other = replace(parts, codes=np.where(parts.codes == 0, 1, np.where(parts.codes == 1, 0, parts.codes)))
    assert load_network(scratch, other, budgets) is None
    assert load_network(scratch, parts, nested_budgets(parts.labels[0], (5,))) is None


def test_records_without_a_group_each_stand_alone() -> None:
    assert stand_alone(np.array([0, -1, 1, -1, 0])).tolist() == [0, 2, 1, 3, 0]
    assert stand_alone(np.array([-1, -1])).tolist() == [0, 1]
