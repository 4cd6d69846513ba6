"""Faults of sensors: six and more, in five severities, on any recording, drawn by record."""

import itertools

import numpy as np
import pytest
import torch
from tests.modalities.series.makers import ODD, SERIES, prepared, rows_of

from selftaught.core.errors import UsageError
from selftaught.core.rng import Rng

RNG = Rng(seed=8)
EACH = pytest.mark.parametrize("name", SERIES.corruptions)


def distance(rows, name, severity):
    """Mean squared change of observed values, a lost one counting as much as its spread."""
    changed = SERIES.corrupt(rows, name, severity, RNG).fields["values"]
    total = []
    for before, after in zip(rows.fields["values"], changed, strict=True):
        gone = after.isnan() & ~before.isnan()
        gap = torch.where(gone, before - before.nanmean(0), after - before)
        total.append(float(gap.square().nanmean()))
    return float(np.mean(total))


def test_there_are_at_least_six():
    assert len(set(SERIES.corruptions)) >= 6


@EACH
def test_every_severity_is_harder_than_the_last_and_lengths_and_ids_stay(name):
    _, _, rows = prepared(64)
    found = [distance(rows, name, severity) for severity in range(1, 6)]
    assert found[0] > 0
    assert all(second > first for first, second in itertools.pairwise(found))
    changed = SERIES.corrupt(rows, name, 3, RNG)
    assert torch.equal(changed.record, rows.record)
    assert [each.shape for each in changed.fields["values"]] == [each.shape for each in rows.fields["values"]]
    assert torch.equal(changed.fields["rate"], rows.fields["rate"])


@EACH
@pytest.mark.parametrize("kind", ODD)
def test_odd_recordings_stay_recordings(name, kind):
    rows = rows_of(SERIES, ODD[kind])
    for severity in (1, 5):
        changed = SERIES.corrupt(rows, name, severity, RNG)
        assert isinstance(changed.fields["values"], type(rows.fields["values"]))
        assert not any(bool(each.isinf().any()) for each in changed.fields["values"])


@EACH
def test_what_a_record_suffers_does_not_depend_on_the_others(name):
    _, _, rows = prepared(8)
    alone = rows_of(SERIES, [rows.fields["values"][5].numpy()])
    alone = type(rows)(fields=alone.fields, record=rows.record[5:6])
    one = SERIES.corrupt(alone, name, 4, RNG).fields["values"][0]
    torch.testing.assert_close(one, SERIES.corrupt(rows, name, 4, RNG).fields["values"][5], equal_nan=True)


@pytest.mark.parametrize(("name", "severity"), [("rain", 1), ("noise", 0), ("noise", 6)])
def test_an_unknown_fault_or_severity_is_refused(name, severity):
    _, _, rows = prepared(2)
    with pytest.raises(UsageError, match="severities 1 to 5"):
        SERIES.corrupt(rows, name, severity, RNG)
