"""The public door: names, the loaded encoder, the scikit-learn transformer, the matrix of parts."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from tests.journeys.photos import Ready, pictures

import selftaught
from selftaught import SelfTaught
from selftaught.api import doctor, list_parts, report
from selftaught.core.config import members
from selftaught.core.errors import DataError, IllegalPair, RunError, UsageError
from selftaught.core.pretext import check_pair
from selftaught.encoders import AnyEncoder
from selftaught.modalities import AnyModality
from selftaught.pretexts import AnyPretext


def test_every_public_name_can_be_imported_from_the_place_that_is_stated() -> None:
    assert sorted(name for names in selftaught._PLACES.values() for name in names) == sorted(selftaught.__all__)
    for place, names in selftaught._PLACES.items():
        for name in names:
            assert getattr(selftaught, name) is getattr(importlib.import_module(place), name)
            assert name in dir(selftaught)
    with pytest.raises(AttributeError, match="nothing"):
        _ = selftaught.nothing


@pytest.mark.slow
def test_a_stage_stays_a_function_after_its_folder_was_imported() -> None:
    # The folder of a stage has the name of its function, and importing it must not take the function's place.
    script = (
        "import selftaught\n"
        "from selftaught import evaluate\n"
        "import selftaught.evaluate.report, selftaught.api\n"
        "from selftaught import evaluate as again, pretrain, embed, export\n"
        "print(evaluate is again is selftaught.evaluate, all(map(callable, (pretrain, embed, export))))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_every_verb_is_a_function_with_a_summary() -> None:
    from selftaught.cli import VERBS

    for name, (place, line) in VERBS.items():
        module, _, function = place.partition(":")
        first = (getattr(importlib.import_module(module), function).__doc__ or "").splitlines()[0]
        assert first.endswith("."), name
        assert line.endswith("."), name


def test_a_loaded_encoder_gives_one_vector_a_picture(ready: Ready) -> None:
    encoder = selftaught.load(ready.run)
    values = pictures(5)[0]
    vectors = encoder.embed(values)
    assert vectors.shape == (5, encoder.pretrained.encoder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(encoder.embed(values[2:]), vectors[2:], atol=1e-5)
    assert not encoder.module.training


def test_a_loaded_encoder_is_a_plain_network_that_can_be_trained_further(ready: Ready) -> None:
    loaded = selftaught.load(ready.run)
    network, size = loaded.network(), loaded.pretrained.modality.size
    values = np.random.default_rng(0).integers(0, 256, (6, size, size, 3), np.uint8)  # of the size: nothing is resized
    shown = torch.from_numpy(values).permute(0, 3, 1, 2).float().to(loaded.pretrained.device)
    np.testing.assert_allclose(network(shown).detach().cpu().numpy(), loaded.embed(values), atol=1e-3, rtol=1e-3)
    network(shown).square().sum().backward()
    assert all(each.grad is not None for each in loaded.module.parameters() if each.requires_grad)


def test_files_and_arrays_of_the_same_pictures_have_the_same_vectors(ready: Ready) -> None:
    encoder = selftaught.load(str(ready.run))
    by_name = dict(zip(sorted(ready.labels), encoder.embed(ready.photos), strict=True))
    values = pictures(150)[0]
    names = sorted(ready.labels, key=lambda name: name.rsplit("/")[-1])
    np.testing.assert_allclose(encoder.embed(values), np.stack([by_name[name] for name in names]), atol=1e-5)


def test_an_array_with_a_broken_record_is_refused_because_rows_would_shift(ready: Ready, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    for name in list(ready.labels)[:3]:
        (tmp_path / "broken" / Path(name).name).write_bytes((ready.photos / name).read_bytes())
    (tmp_path / "broken" / "text.png").write_text("hello")
    with pytest.raises(DataError, match="1 records could not be decoded"):
        selftaught.load(ready.run).embed(tmp_path / "broken")


def test_a_folder_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no encoder"):
        selftaught.load(tmp_path)


@pytest.mark.slow
def test_the_transformer_works_in_a_pipeline_on_arrays_of_pictures() -> None:
    values, kinds = pictures(96)
    model = make_pipeline(SelfTaught(steps=20, size="xs"), LogisticRegression(max_iter=2000))
    model.fit(values, kinds)
    asked, truth = pictures(30, seed=8)
    assert model.score(asked, truth) > 0.6
    names = model[0].get_feature_names_out()
    assert len(names) == model[0].transform(asked).shape[1]
    assert names[0] == "selftaught0"


def test_the_transformer_is_cloned_with_its_parameters_and_without_what_it_learned() -> None:
    model = SelfTaught(minutes=1.0, pretext="vicreg", size="m", seed=3)
    assert model.get_params() == {
        "minutes": 1.0, "steps": None, "pretext": "vicreg", "size": "m", "seed": 3, "modality": None, "folder": None
    }  # fmt: skip
    assert clone(model).get_params() == model.get_params()
    assert clone(model.set_params(seed=4)).seed == 4
    with pytest.raises(NotFittedError):
        model.transform(pictures(3)[0])


def test_the_transformer_refuses_wrong_parameters_when_it_is_fitted(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="simclrr"):
        SelfTaught(pretext="simclrr").fit(pictures(20)[0])


@pytest.mark.slow
def test_a_fitted_transformer_refuses_paths_and_keeps_its_run_where_asked(tmp_path: Path) -> None:
    model = SelfTaught(steps=4, size="xs", folder=tmp_path / "kept").fit(pictures(60)[0])
    assert (tmp_path / "kept" / "run" / "manifest.json").exists()
    with pytest.raises(UsageError, match="takes arrays"):
        model.transform("photos/")


def test_the_matrix_of_parts_says_what_check_pair_says() -> None:
    encoders, modalities = members(AnyEncoder), members(AnyModality)
    tables = list_parts().tables
    assert [table.title.lower() for table in tables] == list(modalities)
    for table in tables:
        modality = modalities[table.title.lower()]
        names = [str(column).lower() for column in table.columns[1:]]
        assert set(names) == {name for name, each in encoders.items() if each.layout in ("any", modality.layout)}
        assert [str(row[0]).lower() for row in table.rows] == list(members(AnyPretext))
        for name, *cells in table.rows:
            pretext = members(AnyPretext)[str(name).lower()]()
            for encoder, cell in zip(names, cells, strict=True):
                asked = pretext, modality.offers | {"label"}, encoders[encoder].can, (table.title, encoder)
                if cell == "yes":
                    check_pair(*asked, encoders.values())
                    continue
                assert str(cell).startswith("needs "), (name, encoder, cell)
                with pytest.raises(IllegalPair, match=r"Use the encoder .*Transformer|No encoder makes up for"):
                    check_pair(*asked, encoders.values())
        assert {row[0] for row in table.rows if row[1 + names.index("transformer")] == "yes"} >= {"SimCLR", "MAE"}


def test_doctor_names_versions_and_how_to_install_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    real = metadata.version

    def without_timm(name: str) -> str:
        if name == "timm":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", without_timm)
    facts = {label: str(value) for label, value, _ in doctor().rows}
    assert {"selftaught", "python", "torch", "processor", "gpu"} <= set(facts)
    assert "pip install 'selftaught[timm]'" in facts["timm"]


def test_the_report_of_a_folder_without_one_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="selftaught evaluate"):
        report(tmp_path)
