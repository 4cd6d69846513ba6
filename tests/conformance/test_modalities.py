"""Every modality, toys included, against the protocol. A new modality needs one maker in tests/toys/samples.py."""

from typing import get_args

import numpy as np
import pytest
import torch
from tests.toys.samples import SAMPLES

from selftaught.core.batch import Batch, View, document_index, map_tensors
from selftaught.core.config import fingerprint, from_dict, to_dict
from selftaught.core.errors import UsageError
from selftaught.core.modality import Fitted
from selftaught.core.rng import Rng
from selftaught.modalities import AnyModality

UNION = get_args(AnyModality) or (AnyModality,)
RNG = Rng(seed=11)
KINDS = ("strong", "weak", "clean", "noisy", "span")
MODALITIES = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
VIEWS = pytest.mark.parametrize("view", [View(kind=kind) for kind in KINDS], ids=KINDS)


def shown(sample, view, rows=None, rng=RNG) -> Batch:
    fitted = sample.fitted()
    return sample.modality.augment(sample.modality.batch(rows or sample.rows(6), fitted), view, rng)


def tensors_of(item) -> list[torch.Tensor]:
    found = []
    map_tensors(item, lambda tensor: found.append(tensor) or tensor)
    return found


@pytest.mark.parametrize("modality", UNION, ids=lambda kind: kind.__name__)
def test_every_modality_of_the_union_has_a_sample_maker(modality):
    assert any(type(sample.modality) is modality for sample in SAMPLES.values())


@MODALITIES
def test_a_modality_survives_its_own_json(sample):
    again = from_dict(type(sample.modality), to_dict(sample.modality))
    assert again == sample.modality
    assert fingerprint(again) == fingerprint(sample.modality)


@MODALITIES
@VIEWS
def test_a_view_has_the_shapes_and_types_of_the_protocol(sample, view):
    batch = shown(sample, view)
    rows, count = batch.segment.shape
    assert batch.axes == sample.modality.axes
    assert batch.pos.shape == batch.origin.shape == (rows, count, len(batch.axes))
    assert batch.unit.shape == (rows, count)
    assert batch.segment.dtype == batch.unit.dtype == torch.long
    assert batch.pos.dtype == batch.origin.dtype == torch.float32
    assert int(document_index(batch.segment).max()) + 1 == len(batch.facts.record)
    assert batch.target is None
    assert not batch.dense or batch.segment.eq(1).all()


@MODALITIES
@VIEWS
def test_places_of_a_view_lie_within_the_record(sample, view):
    batch = shown(sample, view)
    seen = batch.valid
    assert batch.unit[seen].min() >= 0
    assert batch.unit[seen].max() < batch.segment.shape[1]
    assert batch.origin[seen].min() >= -0.5
    assert batch.origin[seen].max() <= 1.5
    for index, axis in enumerate(batch.axes):
        if axis.size is not None:
            assert batch.pos[..., index][seen].max() < axis.size


@MODALITIES
@VIEWS
def test_a_view_drawn_twice_is_equal_and_another_epoch_is_not(sample, view):
    first, second, later = (shown(sample, view, rng=rng) for rng in (RNG, RNG, RNG.at(1)))
    for one, other in zip(tensors_of(first), tensors_of(second), strict=True):
        assert torch.equal(one.nan_to_num(), other.nan_to_num())
    if view.kind == "strong":
        same = first.x.shape == later.x.shape and torch.equal(first.x.nan_to_num(), later.x.nan_to_num())
        assert not same


@MODALITIES
@VIEWS
def test_a_records_view_does_not_depend_on_its_batch(sample, view):
    fitted = sample.fitted()
    whole = sample.modality.batch(sample.rows(6), fitted)
    everyone = sample.modality.augment(whole, view, RNG)
    some = sample.modality.augment(whole.rows_at(torch.tensor([4, 1])), view, RNG)
    expected = everyone.rows_at(torch.tensor([4, 1]))
    assert torch.equal(some.facts.record, expected.facts.record)
    counts = some.valid.sum(1).tolist()
    assert counts == expected.valid.sum(1).tolist()
    for part in ("pos", "origin", "unit", "x"):
        for one, other, count in zip(getattr(some, part), getattr(expected, part), counts, strict=True):
            cut = slice(None) if some.dense else slice(count)
            torch.testing.assert_close(one[cut], other[cut], equal_nan=True)


@MODALITIES
def test_two_views_of_one_plan_differ(sample):
    first, second = (shown(sample, View(kind="strong"), rng=RNG.fold(place)) for place in range(2))
    assert first.x.shape != second.x.shape or not torch.equal(first.x.nan_to_num(), second.x.nan_to_num())


@MODALITIES
def test_targets_come_where_they_are_offered_and_asked_for(sample):
    if "target" not in sample.modality.offers:
        assert shown(sample, View(kind="clean")).target is None
        return
    batch = shown(sample, View(kind="clean", target=True))
    assert batch.target.valid.shape == batch.segment.shape
    assert batch.target.outputs > 0
    assert not (batch.target.valid & ~batch.valid).any()
    prediction = torch.zeros(*batch.segment.shape, batch.target.outputs, requires_grad=True)
    loss = batch.target.loss(prediction)[batch.target.valid]
    assert loss.isfinite().all()
    loss.sum().backward()
    assert prediction.grad.isfinite().all()
    assert not prediction.grad[~batch.target.valid].any()


@MODALITIES
def test_a_packed_view_holds_the_same_documents_in_no_more_rows(sample):
    plain, packed = (shown(sample, View(kind="clean", packed=flag)) for flag in (False, True))
    same = packed.facts.record[:, None] == plain.facts.record
    assert torch.equal(same.sum(0), torch.ones(plain.rows, dtype=torch.long))
    plain = plain.rows_at(same.long().argmax(1))  # documents may lie in another order
    assert packed.rows <= plain.rows
    assert torch.equal(packed.pos[packed.valid], plain.pos[plain.valid])
    assert torch.equal(packed.unit[packed.valid], plain.unit[plain.valid])


@MODALITIES
def test_the_stem_gives_finite_content_without_positions_for_usual_and_odd_records(sample):
    stem = sample.modality.stem(16, sample.fitted())
    for rows in (sample.rows(6), sample.rows(1), *map(sample.odd_rows, sample.odd)):
        batch = shown(sample, View(kind="weak"), rows)
        content = stem(batch)
        assert content.shape == (*batch.segment.shape, 16)
        assert content.isfinite().all()


@MODALITIES
def test_fitting_is_deterministic_and_what_was_fitted_survives_its_arrays(sample):
    first, second = sample.fitted(), sample.fitted()
    assert first.hash == second.hash
    copied = {name: np.array(array) for name, array in first.arrays.items()}
    assert Fitted(arrays=copied, facts=dict(first.facts)).hash == first.hash


@MODALITIES
def test_a_stem_loaded_from_its_state_gives_equal_content(sample):
    fitted = sample.fitted()
    first, second = (sample.modality.stem(16, fitted) for _ in range(2))
    batch = shown(sample, View(kind="clean"))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(batch), second(batch))


@MODALITIES
def test_facts_travel_with_the_rows(sample):
    rows = sample.rows(5)
    batch = shown(sample, View(kind="strong"), rows)
    assert torch.equal(batch.facts.record, rows.record)
    assert torch.equal(batch.facts.label, rows.label)


OWN = {name: sample for name, sample in SAMPLES.items() if type(sample.modality) in UNION}
LIBRARY = pytest.mark.parametrize("sample", OWN.values(), ids=OWN)
WAYS = {"files", "text", "rows", "series", "arrays"}


def fields_of(rows) -> list[torch.Tensor]:
    return [part.nan_to_num() for _, value in sorted(rows.fields.items()) for part in value]


def alike(one, other) -> bool:
    pairs = zip(fields_of(one), fields_of(other), strict=True)
    return all(first.shape == second.shape and torch.equal(first, second) for first, second in pairs)


@LIBRARY
def test_a_modality_says_what_it_reads_what_it_decided_and_which_columns_are_inputs(sample):
    modality = sample.modality
    assert modality.reads
    assert modality.reads <= WAYS
    assert modality.sentence.strip()
    assert "\n" not in modality.sentence
    assert all(isinstance(name, str) for name in modality.inputs)


@LIBRARY
def test_six_corruptions_or_more_keep_records_and_labels_and_harm_something(sample):
    rows, fitted = sample.rows(6), sample.fitted()
    assert len(sample.modality.corruptions) >= 6
    for name in sample.modality.corruptions:
        first, again = (sample.modality.corrupt(rows, name, 5, RNG) for _ in range(2))
        assert alike(first, again), name
        assert not alike(first, rows), name
        assert first.fields.keys() == rows.fields.keys()
        assert torch.equal(first.record, rows.record)
        assert torch.equal(first.label, rows.label)
        mild = sample.modality.corrupt(rows, name, 1, RNG)
        assert sample.modality.batch(mild, fitted).rows == 6


@LIBRARY
def test_an_unknown_corruption_or_severity_is_refused(sample):
    rows, name = sample.rows(2), sample.modality.corruptions[0]
    for wrong in (("nonsense", 1), (name, 0), (name, 6)):
        with pytest.raises(UsageError):
            sample.modality.corrupt(rows, *wrong, RNG)


@LIBRARY
def test_odd_records_can_be_corrupted_and_audited(sample):
    for kind in sample.odd:
        rows = sample.odd_rows(kind)
        for name in sample.modality.corruptions:
            changed = sample.modality.corrupt(rows, name, 3, RNG)
            assert sample.modality.batch(changed, sample.fitted()).rows == len(rows.record), (kind, name)
        assert sample.modality.audit([rows])


@LIBRARY
def test_an_audit_gives_named_facts_with_their_units_whatever_the_chunks(sample):
    rows = sample.rows(8)
    facts = sample.modality.audit([rows])
    assert len(facts) >= 3
    assert all(isinstance(name, str) and isinstance(unit, str) for name, _, unit in facts)
    assert all(isinstance(value, (float, str)) for _, value, _ in facts)
    assert [name for name, _, _ in sample.modality.audit(iter([rows]))] == [name for name, _, _ in facts]
