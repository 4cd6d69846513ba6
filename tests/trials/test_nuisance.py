"""Nuisances: what features hold is read from them, what they do not hold is not."""

from pathlib import Path

import numpy as np
import pytest
from tests.journeys.photos import Ready, make_ready

from selftaught.core.modality import Modality
from selftaught.data.store import Store, open_store
from selftaught.engine.prepare import DataOptions, prepare
from selftaught.modalities import Series
from selftaught.runs.encoder import load_pretrained
from selftaught.runs.files import read_json
from selftaught.trials.nuisance import Nuisance, nuisance_table, probe_nuisances, traits_of


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    return make_ready(tmp_path_factory.getbasetemp())


def stored(records: list[np.ndarray], place: Path) -> tuple[Modality, Store]:
    """Recordings, decoded into a store."""
    prepared = prepare(records, Series(), place, DataOptions(), quiet=True)
    return prepared.modality, prepared.store


def by_name(found: tuple[Nuisance, ...]) -> dict[str, dict[str, float]]:
    return {each.name: {who: value for who, value, _, _ in each.values} for each in found}


def test_what_the_features_hold_is_read_and_what_they_do_not_hold_is_not() -> None:
    rng = np.random.default_rng(0)
    site, level = rng.integers(4, size=400), rng.normal(size=400)
    holds = np.concatenate([np.eye(4)[site], level[:, None], rng.normal(size=(400, 8))], 1).astype(np.float32)
    lacks = rng.normal(size=(400, 13)).astype(np.float32)
    found = probe_nuisances({"holds": holds, "lacks": lacks}, {"site": site, "level": level})
    values = by_name(found)
    assert values["site"]["holds"] > 0.95
    assert abs(values["site"]["lacks"] - 0.25) < 0.1
    assert values["level"]["holds"] > 0.95
    assert values["level"]["lacks"] < 0.1
    assert found[0].chance == pytest.approx(np.bincount(site).max() / 400)
    table = nuisance_table(found)
    assert [row[:2] for row in table.rows] == [("site", "accuracy"), ("level", "R2")]


def test_unknown_values_are_left_out_and_a_nuisance_that_says_nothing_too() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(100, 4)).astype(np.float32)
    some = np.where(np.arange(100) < 20, np.arange(100) % 2, -1)
    gaps = np.where(np.arange(100) < 50, features[:, 0], np.nan).astype(np.float64)
    nuisances = {"few": some, "same": np.zeros(100, np.int64), "half": gaps}
    found = probe_nuisances({"encoder": features}, nuisances)
    assert [each.name for each in found] == ["half"]
    assert found[0].values[0][1] > 0.9


@pytest.mark.slow
def test_every_picture_has_a_brightness(ready: Ready) -> None:
    modality, store = load_pretrained(ready.run).modality, open_store(read_json(ready.run / "data.json")["store"])
    rows = np.arange(len(store))
    traits = traits_of(modality, store, rows)
    assert set(traits) == {"brightness"}  # all are of one size: a length says nothing
    pixels = [float(store.rows(rows[place : place + 1]).fields["pixels"][0].float().mean()) for place in range(20)]
    np.testing.assert_allclose(traits["brightness"][:20], pixels, rtol=1e-5)


def test_recordings_have_a_length_and_their_gaps_are_counted_without_padding(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    records = [rng.normal(size=(length, 2)).astype(np.float32) for length in range(97, 137)]
    records[3][20:30] = np.nan
    modality, store = stored(records, tmp_path)
    traits = traits_of(modality, store, np.arange(40))
    assert set(traits) == {"length", "level", "missing values"}
    assert traits["length"].tolist() == list(range(97, 137))
    assert traits["missing values"][3] == pytest.approx(0.1)
    assert np.delete(traits["missing values"], 3).tolist() == [0.0] * 39
