"""A column that the encoder reads cannot be the label it is judged by."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from tests.journeys.photos import call

from selftaught import evaluate
from selftaught.core.errors import DataError

pytestmark = pytest.mark.slow
FEW = ("--steps", "3", "--batch", "16", "--size", "xs", "--precision", "fp32", "--quiet")


def write_table(path: Path, count: int = 160) -> Path:
    """Heights and incomes that a class decides, a town, and the class."""
    rng = np.random.default_rng(0)
    kind = rng.integers(3, size=count)
    rows = zip(kind + rng.normal(0, 0.3, count), 2 * kind + rng.normal(0, 0.5, count), kind, strict=True)
    towns = rng.choice(["Oslo", "Bergen", "Molde"], count)
    lines = [f"{a:.3f},{b:.3f},{town},{'abc'[int(k)]}\n" for (a, b, k), town in zip(rows, towns, strict=True)]
    path.write_text("height,income,town,class\n" + "".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was told of no label."""
    place = tmp_path_factory.mktemp("leak")
    said = call("pretrain", write_table(place / "people.csv"), "--out", place / "run", *FEW)
    assert said.code == 0, said.err
    return place / "run"


def test_a_label_that_was_an_input_is_refused_with_the_command_that_leaves_it_out(run: Path) -> None:
    said = call("evaluate", run, "--labels", "class", "--quiet")
    assert said.code == 3
    assert "what it learned holds the answer" in said.err
    command = said.err.partition("without it: ")[2].strip()
    assert command.startswith("selftaught pretrain ")
    words = shlex.split(command)[1:]
    again = call(*words, *FEW[2:])
    assert again.code == 0, again.err
    out = words[words.index("--out") + 1]
    found = call("evaluate", out, "--budgets", "5,all", "--draws", "2", "--from-scratch", "none", "--quiet")
    assert found.code == 0, found.err
    for part in ("What is in the data", "read as", "cells missing"):
        assert part in found.out, part


@pytest.mark.parametrize("option", ["group", "split", "id_column"])
def test_other_roles_take_no_input_away_either(run: Path, option: str) -> None:
    data = run.parent / "people.csv" if option == "split" else None  # the parts of the run hold on its own data
    with pytest.raises(DataError, match=f"--{option.replace('_', '-')} names the column 'town'"):
        evaluate(run, data=data, quiet=True, **{option: "town"})


def test_the_same_column_named_through_the_file_is_no_way_around(run: Path) -> None:
    with pytest.raises(DataError, match="names the column 'class'"):
        evaluate(run, labels=f"{run.parent / 'people.csv'}:class", quiet=True)
