"""What is handed over gives the same vectors as what was trained."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from tests.journeys.photos import Ready, pictures
from tests.modalities.table.samples import table_rows

import selftaught
from selftaught.core.errors import IllegalPair, RunError, UsageError
from selftaught.encoders import AnyEncoder, ConvNet, ResNet, Transformer
from selftaught.engine.prepare import DataOptions, fit_modality, prepare
from selftaught.export.onnx import CHECKED_BATCHES, TRACED_BATCH, export_onnx
from selftaught.runs.encoder import Pretrained, load_pretrained, save_pretrained

SMALL = (
    ConvNet.of_size("xs"),
    ResNet(depth=10, width=16),
    Transformer.of_size("xs"),
)


def untrained(config: AnyEncoder, place: Path, side: int = 24) -> Pretrained:
    """An encoder with fresh weights, fitted to a few pictures."""
    prepared = prepare(pictures(24, side)[0], None, place, DataOptions(), quiet=True)
    fitted = fit_modality(prepared.modality, prepared.store, np.arange(24))
    encoder = config.build(prepared.modality, fitted).eval()
    return Pretrained(encoder=encoder, config=config, modality=prepared.modality, fitted=fitted)


@pytest.mark.slow
@pytest.mark.parametrize("config", SMALL, ids=lambda config: type(config).__name__)
def test_onnx_gives_the_same_vectors_at_batch_sizes_that_were_not_traced(config: AnyEncoder, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pretrained = untrained(config, tmp_path / "stores")
    assert export_onnx(pretrained, tmp_path / "encoder.onnx") < 1e-3
    session = runtime.InferenceSession(str(tmp_path / "encoder.onnx"), providers=["CPUExecutionProvider"])
    place = tmp_path / "more"
    for size in (2, 5):
        assert size not in (TRACED_BATCH, *CHECKED_BATCHES)
        values = pictures(size, 24, seed=7)[0]
        prepared = prepare(values, pretrained.modality, place / str(size), DataOptions(), quiet=True)
        ours = pretrained.encode(pretrained.batch(prepared.store.rows(np.arange(size)))).pooled.numpy()
        raw = values.transpose(0, 3, 1, 2).astype(np.float32)
        theirs = session.run(None, {"pictures": raw})[0]
        np.testing.assert_allclose(theirs, ours, atol=1e-3 * np.abs(ours).max())


@pytest.mark.parametrize("config", SMALL, ids=lambda config: type(config).__name__)
def test_a_saved_encoder_comes_back_with_equal_vectors(config: AnyEncoder, tmp_path: Path) -> None:
    pretrained = untrained(config, tmp_path / "stores")
    pretrained.save_pretrained(tmp_path / "saved")
    again = Pretrained.from_pretrained(tmp_path / "saved")
    values = pictures(4, 24, seed=3)[0]
    rows = prepare(values, pretrained.modality, tmp_path / "more", DataOptions(), quiet=True).store.rows(np.arange(4))
    torch.testing.assert_close(
        again.encode(again.batch(rows)).pooled, pretrained.encode(pretrained.batch(rows)).pooled, rtol=0, atol=0
    )


@pytest.mark.slow
def test_an_exported_folder_gives_the_vectors_of_the_run(ready: Ready, tmp_path: Path) -> None:
    report = selftaught.export(ready.run, out=tmp_path / "out")
    assert {path.name for path in report.files} >= {"model.safetensors", "config.json", "README.md"}
    values = pictures(6, seed=4)[0]
    np.testing.assert_array_equal(
        selftaught.load(tmp_path / "out").embed(values), selftaught.load(ready.run).embed(values)
    )


@pytest.mark.slow
def test_an_encoder_loads_without_the_run_and_without_any_pretext(ready: Ready, tmp_path: Path) -> None:
    shutil.copytree(ready.run / "encoder", tmp_path / "alone")
    script = (
        "import sys; sys.modules['selftaught.pretexts'] = None\n"
        "from selftaught.runs.encoder import load_pretrained\nfrom pathlib import Path\n"
        f"print(load_pretrained(Path({str(tmp_path / 'alone')!r})).encoder.dim)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_an_encoder_folder_names_no_pretext(ready: Ready) -> None:
    assert "simclr" not in (ready.run / "encoder" / "config.json").read_text().lower()


def test_damaged_weights_are_refused_by_name(ready: Ready, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ready.run / "encoder", tmp_path / "encoder"))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(RunError, match=r"model\.safetensors"):
        load_pretrained(folder)
    weights.write_bytes(b"no weights at all")
    with pytest.raises(RunError, match=r"model\.safetensors"):
        load_pretrained(folder)
    weights.unlink()
    with pytest.raises(RunError, match=r"model\.safetensors"):
        load_pretrained(folder)


def test_weights_of_another_network_are_refused(ready: Ready, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ready.run / "encoder", tmp_path / "encoder"))
    other = untrained(ResNet(depth=10, width=16), tmp_path / "stores", 20)
    save_pretrained(other, tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.safetensors", folder / "model.safetensors")
    with pytest.raises(RunError, match="cannot be loaded"):
        load_pretrained(folder)


def test_a_folder_of_another_format_is_refused(ready: Ready, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ready.run / "encoder", tmp_path / "encoder"))
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"format": 1', '"format": 99'))
    with pytest.raises(RunError, match="format 99"):
        load_pretrained(folder)


def test_the_card_says_what_was_trained_on_what_and_that_nothing_was_measured(ready: Ready, tmp_path: Path) -> None:
    selftaught.export(ready.run, out=tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    for part in ("ConvNet", "150 records", "without labels", "Not measured yet", "Health of the training"):
        assert part in card, part
    assert "from selftaught import load" in card


@pytest.mark.slow
def test_the_card_of_a_measured_run_quotes_its_verdict(ready: Ready, tmp_path: Path) -> None:
    run = shutil.copytree(ready.run, tmp_path / "run")
    found = selftaught.evaluate(run, labels=ready.file, budgets=(5,), draws=2, from_scratch=("none",), quiet=True)
    selftaught.export(run)
    assert found.decision is not None
    assert found.decision.headline in (tmp_path / "run" / "exports" / "README.md").read_text()


@pytest.mark.slow
def test_the_card_of_a_table_names_its_columns_and_onnx_of_it_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    frame = pandas.DataFrame(table_rows(60, np.random.default_rng(0))[0])
    selftaught.pretrain(frame, out=tmp_path / "run", recipe=selftaught.Recipe(steps=2, size="xs"), quiet=True)
    with pytest.raises(IllegalPair, match="this encoder reads table"):
        selftaught.export(tmp_path / "run", to="onnx")
    assert not list((tmp_path / "run" / "exports").glob("*"))
    selftaught.export(tmp_path / "run")
    card = (tmp_path / "run" / "exports" / "README.md").read_text()
    loaded = selftaught.load(tmp_path / "run" / "exports")
    assert f"- Reads: table: {loaded.pretrained.modality.sentence}" in card
    assert f"by name: {', '.join(loaded.pretrained.modality.inputs)}" in card
    assert "pictures" not in card
    assert loaded.embed(frame).shape == (60, loaded.pretrained.encoder.dim)


def test_an_unknown_target_is_refused(ready: Ready) -> None:
    with pytest.raises(UsageError, match="tflite"):
        selftaught.export(ready.run, to="tflite")
