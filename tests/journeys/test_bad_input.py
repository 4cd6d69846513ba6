"""Bad input: a clear message, the right exit code, no traceback, and nothing lost."""

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.journeys.photos import (
    DATA,
    GATE,
    USAGE,
    Ready,
    call,
    pictures,
    pretrain,
    refused,
    write_labels,
    write_photos,
)

PROBES = ("--budgets", "1,5,all", "--draws", "2", "--from-scratch", "none", "--quiet")


def save(folder: Path, arrays: np.ndarray) -> Path:
    folder.mkdir()
    for index, array in enumerate(arrays):
        Image.fromarray(array).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_photos(tmp_path / "photos", 60)
    return tmp_path / "photos"


@pytest.fixture
def run(ready: Ready, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ready.run, tmp_path / "run"))


def test_a_folder_that_is_not_there_is_a_fault_of_the_data(tmp_path: Path) -> None:
    refused(pretrain(tmp_path / "nowhere"), DATA, "no file or folder", "nowhere")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(pretrain(tmp_path / "empty"), DATA, "holds no files")


def test_one_picture_is_refused(tmp_path: Path) -> None:
    refused(pretrain(save(tmp_path / "one", pictures(1)[0])), DATA, "more data")


def test_identical_pictures_are_refused(tmp_path: Path) -> None:
    refused(pretrain(save(tmp_path / "same", np.repeat(pictures(1)[0], 40, 0))), DATA, "all records are identical")


def test_blank_pictures_are_refused(tmp_path: Path) -> None:
    refused(pretrain(save(tmp_path / "blank", np.zeros((40, 20, 20, 3), np.uint8))), DATA, "all records are identical")


def test_some_blank_pictures_are_a_finding(tmp_path: Path) -> None:
    values = pictures(60)[0]
    for index in range(4):
        values[index] = 40 * index
    said = pretrain(save(tmp_path / "some", values))
    assert said.code == 0, said.err
    assert "4 of the records have one value everywhere" in said.out


def test_text_files_that_are_named_like_pictures_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.jpg").write_text("hello")
    refused(pretrain(tmp_path / "texts"), DATA, "a.jpg", "Not a picture")


def test_an_archive_with_names_that_lead_out_of_it_is_refused(tmp_path: Path, photos: Path) -> None:
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as archive:
        for path in photos.rglob("*.png"):
            archive.write(path, path.relative_to(photos))
        archive.writestr("../evil.png", b"x")
    refused(pretrain(tmp_path / "slip.zip"), DATA, "'../evil.png'")
    assert not (tmp_path / "evil.png").exists()
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_broken_pictures_are_set_aside_counted_and_named_and_the_run_goes_on(photos: Path, tmp_path: Path) -> None:
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(whole, "JPEG")
    (photos / "cut.jpg").write_bytes(whole.getvalue()[:700])
    (photos / "text.jpg").write_text("hello")
    said = pretrain(photos)
    assert said.code == 0, said.err
    assert "2 records could not be decoded and were set aside" in said.out
    assert "cut.jpg" in said.out
    assert "records                    60" in said.out
    vectors = call("embed", tmp_path / "run", photos, "--out", tmp_path / "v.npy", "--quiet")
    assert vectors.code == 0
    assert "set aside  2 records" in vectors.out
    assert np.load(tmp_path / "v.npy").shape[0] == 60


@pytest.mark.slow
def test_arrays_with_values_that_are_no_numbers_lose_only_those_records(tmp_path: Path) -> None:
    values = pictures(60)[0].astype(np.float32) / 255
    values[3, 0, 0, 0], values[5, 1, 1, 1] = np.nan, np.inf
    np.save(tmp_path / "values.npy", values)
    said = pretrain(tmp_path / "values.npy")
    assert said.code == 0, said.err
    assert "2 records could not be decoded" in said.out


def test_a_batch_larger_than_the_data_is_refused_with_one_that_fits(photos: Path) -> None:
    refused(call("pretrain", photos, "--out", photos.parent / "run", "--batch", "512"), DATA, "512", "48", "--batch 24")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--pretext", "simclrr"], ["simclrr", "nextwindow, simclr", "Did you mean 'simclr'?"]),
        (["--pretext", "VICREGS"], ["Did you mean 'vicreg'?"]),
        (["--encoder", "resnett"], ["Did you mean 'resnet'?"]),
        (["--stepz", "4"], ["--stepz", "--steps"]),
        (["--size", "xxl"], ["xxl", "xs"]),
        (["--set", "bach=8"], ["bach", "Did you mean 'batch'?"]),
        (["--pretext", "simclr", "--set", "pretext.temperatur=0.1"], ["temperatur", "Did you mean 'temperature'?"]),
        (["--pretext", "simclr", "--set", "pretext.temperature=hot"], ["temperature must be float", "'hot'"]),
        (["--set", "seed=1.5"], ["seed must be int"]),
        (["--set", "batch"], ["KEY=VALUE"]),
        (["--set", "encoder.widths=[8]"], ["chosen from the data", "--encoder", "convnet"]),
        (["--accumulate", "2"], ["SimCLR compares the records of a batch", "MAE"]),
        (["--pretext", "mae", "--encoder", "convnet"], ["MAE needs drop", "Use the encoder", "Transformer"]),
        (["--minutes", "1"], ["one budget", "minutes and steps"]),
        (["--recipe", "no.toml"], ["no.toml", "cannot be read"]),
        (["--pretext", "supervised"], ["--labels"]),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("--") else "",
)
def test_a_wrong_option_is_refused_with_the_nearest_right_one(
    photos: Path, options: list[str], words: list[str]
) -> None:
    refused(pretrain(photos, *options), USAGE, *words)
    assert not (photos.parent / "run").exists()


def test_a_recipe_with_an_unknown_key_is_refused(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("stepz = 3\n")
    refused(pretrain(photos, "--recipe", tmp_path / "recipe.toml"), USAGE, "recipe.toml", "Did you mean 'steps'?")


def test_an_unknown_verb_is_refused_with_the_nearest_one() -> None:
    refused(call("pretrian", "x"), USAGE, "pretrian", "Did you mean 'pretrain'?")


def test_a_missing_argument_is_named() -> None:
    refused(call("evaluate"), USAGE, "RUNS")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: [*rows, ("zzz.png", "disc")], ["1 of 151 ids", "zzz.png", "The data's ids look like"]),
        (lambda rows: [*rows, (rows[0][0], "disc")], ["two different labels", "rows/000.png"]),
        (lambda rows: [(name, "same") for name, _ in rows], ["one class"]),
        (lambda rows: [(name, "") for name, _ in rows], ["has a label"]),
        (lambda rows: rows[:40], ["test part has", "10 are needed"]),
    ],
    ids=["unknown ids", "contradictions", "one class", "all missing", "too few to test"],
)
def test_labels_that_cannot_be_used_are_refused(run: Path, ready: Ready, tmp_path: Path, change, words) -> None:
    file = write_labels(tmp_path / "labels.csv", change(list(ready.labels.items())))
    refused(call("evaluate", run, "--labels", file, *PROBES), DATA, *words)
    assert not (run / "reports" / "report.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: [*rows, rows[0]], []),
        (lambda rows: [(name, "" if i % 10 == 9 else label) for i, (name, label) in enumerate(rows)], ["no label"]),
        (lambda rows: [*rows[:-1], (rows[-1][0], "rare")], ["Classes of one record cannot be trained and tested"]),
    ],
    ids=["repeated rows", "missing values", "a class of one"],
)
def test_labels_with_gaps_are_used_as_far_as_they_go(run: Path, ready: Ready, tmp_path: Path, change, words) -> None:
    file = write_labels(tmp_path / "labels.csv", change(list(ready.labels.items())))
    said = call("evaluate", run, "--labels", file, *PROBES)
    assert said.code == 0, said.err
    for word in words:
        assert word in said.out
    assert "n/a" not in said.out, "a class of one record must not close the larger budgets to all others"


def test_labels_that_are_neither_a_column_nor_a_file_are_refused(run: Path) -> None:
    refused(call("evaluate", run, "--labels", "nosuch"), DATA, "nosuch", "neither a file", "folder")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--budgets", "1,many"], ["--budgets", "many", "1,10,all"]),
        (["--budgets", "0"], ["--budgets", "got 0"]),
        (["--draws", "0"], ["--draws must be 1 or more"]),
        (["--from-scratch", "some"], ["--from-scratch", "some"]),
        (["--gate", "high"], ["high"]),
    ],
)
def test_a_wrong_option_of_evaluate_is_refused(run: Path, options: list[str], words: list[str]) -> None:
    refused(call("evaluate", run, "--labels", "folder", *options), USAGE, *words)


def test_budgets_above_every_class_are_refused_with_its_size(run: Path) -> None:
    refused(call("evaluate", run, "--labels", "folder", "--budgets", "4000", "--quiet"), DATA, "classes have 39")


@pytest.mark.slow
def test_a_gate_that_is_not_met_exits_with_4_and_the_report_is_kept(run: Path) -> None:
    said = call("evaluate", run, "--labels", "folder", "--gate", "1.01", *PROBES)
    refused(said, GATE, "1.010", "the encoder reached", str(run / "reports" / "report.html"))
    assert (run / "reports" / "report.html").exists()
    assert call("evaluate", run, "--labels", "folder", "--gate", "0.01", *PROBES).code == 0


def test_without_labels_no_gate_is_met(run: Path) -> None:
    refused(call("evaluate", run, "--gate", "0.5", "--quiet"), GATE, "not measured")


def test_an_unfinished_run_is_refused_with_what_to_do(run: Path) -> None:
    (run / "manifest.json").unlink()
    for verb in ("evaluate", "export"):
        refused(call(verb, run), DATA, "unfinished", "repeat its pretrain command")


@pytest.mark.parametrize("verb", ["evaluate", "embed", "export", "report"])
def test_a_folder_that_is_no_run_is_refused(photos: Path, verb: str) -> None:
    refused(call(verb, photos, *([photos] if verb == "embed" else [])), DATA, str(photos))


def test_runs_of_different_recipes_have_no_gate(run: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run, tmp_path / "other"))
    (other / "recipe.toml").write_text((run / "recipe.toml").read_text().replace("steps = 6", "steps = 7"))
    refused(call("evaluate", run, other, "--labels", "folder", "--gate", "0.5"), USAGE, "--gate", "one recipe")


@pytest.mark.slow
def test_data_that_changed_since_training_is_refused(ready: Ready, tmp_path: Path, photos: Path) -> None:
    said = pretrain(photos)
    assert said.code == 0, said.err
    Image.fromarray(pictures(1, seed=9)[0][0]).save(photos / "new.png")
    said = call("evaluate", tmp_path / "run", "--labels", "folder", "--quiet")
    refused(said, DATA, "61 records now, 60 then")


def test_embed_refuses_another_kind_of_file(run: Path, photos: Path, tmp_path: Path) -> None:
    refused(call("embed", run, photos, "--out", tmp_path / "x.csv"), USAGE, ".parquet or .npy")


def test_export_names_its_targets(run: Path) -> None:
    refused(call("export", run, "--to", "tflite"), USAGE, "tflite", "folder", "onnx")


def test_damaged_weights_are_named(run: Path, photos: Path) -> None:
    weights = run / "encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    refused(call("embed", run, photos, "--quiet"), DATA, "model.safetensors")
