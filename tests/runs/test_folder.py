"""What may be done with a folder, and rows of its CSV files."""

import errno
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.engine.making import recipe_of

from selftaught.core.errors import RunError
from selftaught.runs.files import read_arrays, read_json, write_arrays, write_atomically, write_text
from selftaught.runs.folder import append_row, claim, cut_rows, open_run, read_rows

DATA = {"records": 8, "source": "abc", "options": {"labels": None}}


def test_a_new_folder_gets_recipe_and_data(tmp_path):
    folder = claim(tmp_path / "deep" / "run", recipe_of(), DATA)
    assert folder.recipe.exists()
    assert read_json(folder.data) == DATA


@pytest.mark.parametrize("minutes", [1.0, 0.5])
def test_the_same_run_may_be_claimed_again(minutes, tmp_path):
    claim(tmp_path, recipe_of(minutes=minutes), DATA)
    assert claim(tmp_path, recipe_of(minutes=minutes), DATA).path == tmp_path


def test_a_claim_that_was_killed_halfway_may_be_repeated(tmp_path):
    folder = claim(tmp_path, recipe_of(), DATA)
    folder.recipe.unlink()
    (tmp_path / ".recipe.toml.77.part").write_text("half")
    assert claim(tmp_path, recipe_of(), DATA).recipe.exists()


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(RunError, match=r"not empty and holds no run \(found thesis\.tex\); give a new or empty folder"):
        claim(tmp_path, recipe_of(), DATA)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(RunError, match=r"out is a file\. Give a folder"):
        claim(tmp_path / "out", recipe_of(), DATA)
    with pytest.raises(RunError, match="is a file"):
        claim(tmp_path / "out" / "below", recipe_of(), DATA)


def test_a_folder_without_the_right_to_write_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)  # chmod does not stop root
    with pytest.raises(RunError, match=r"cannot be written: no permission in .*Give another folder"):
        claim(tmp_path / "run", recipe_of(), DATA)


def test_another_recipe_is_refused_by_what_differs(tmp_path):
    claim(tmp_path, recipe_of(seed=0), DATA)
    with pytest.raises(RunError, match=r"another recipe \(batch, seed differ\).*--recipe"):
        claim(tmp_path, recipe_of(seed=1, batch=8), DATA)


def test_other_data_are_refused_by_what_differs(tmp_path):
    claim(tmp_path, recipe_of(), DATA)
    with pytest.raises(RunError, match=r"other data \(source differ\); give another --out"):
        claim(tmp_path, recipe_of(), DATA | {"source": "xyz"})


def test_only_a_finished_run_is_opened(tmp_path):
    with pytest.raises(RunError, match="no run folder"):
        open_run(tmp_path)
    folder = claim(tmp_path, recipe_of(), DATA)
    with pytest.raises(RunError, match="unfinished; repeat its pretrain command"):
        open_run(tmp_path)
    write_text(folder.manifest, "{}")
    assert open_run(tmp_path) == folder


def test_rows_come_back_as_they_were_and_can_be_cut(tmp_path):
    path = tmp_path / "losses.csv"
    rows = [{"step": step, "loss": 1 / (step + 3), "norm": float("inf")} for step in range(5)]
    for row in rows:
        append_row(path, row)
    assert read_rows(path) == rows
    cut_rows(path, 2)
    append_row(path, rows[3])
    assert read_rows(path) == rows[:4]
    cut_rows(path, -1)
    assert not path.exists()


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_last_line_that_a_kill_cut_short_is_no_row(cut, tmp_path):
    path = tmp_path / "losses.csv"
    for step in range(3):
        append_row(path, {"step": step, "loss": 0.123456})
    path.write_bytes(path.read_bytes()[:-cut])
    assert [row["step"] for row in read_rows(path)] == [0, 1]


def test_a_damaged_table_is_named(tmp_path):
    (tmp_path / "losses.csv").write_text("step,loss\n1,what\n")
    with pytest.raises(RunError, match=r"losses\.csv is damaged"):
        read_rows(tmp_path / "losses.csv")


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(part: Path) -> None:
        part.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RunError, match=r"file cannot be written: No space left on device\. Nothing was lost"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_what_safetensors_says_of_a_full_disk_is_understood(tmp_path):
    with pytest.raises(RunError, match="cannot be written"):
        write_atomically(tmp_path / "file", lambda part: save_file({"x": np.ones(2)}, part / "nowhere"))


def test_damaged_files_are_named(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(RunError, match=r"a\.json is damaged"):
        read_json(tmp_path / "a.json")
    with pytest.raises(RunError, match=r"b\.json cannot be read"):
        read_json(tmp_path / "b.json")
    write_arrays(tmp_path / "c", {"x": np.ones(100)})
    (tmp_path / "c").write_bytes((tmp_path / "c").read_bytes()[:200])
    with pytest.raises(RunError, match="missing or damaged"):
        read_arrays(tmp_path / "c")
