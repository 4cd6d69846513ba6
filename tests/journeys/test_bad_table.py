"""Bad tables: a clear message before work starts, or a finding and the run goes on; never a traceback."""

from pathlib import Path

import numpy as np
import pytest
from tests.journeys.photos import DATA, USAGE, call, pretrain, refused

COUNT = 160


def lines(count: int = COUNT, seed: int = 0) -> list[str]:
    """The lines of a CSV of people whose class moves height and income, as spreadsheets write them."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(2, size=count)
    height, income = 1.6 + 0.2 * kind + rng.normal(0, 0.05, count), np.exp(7 + 2 * kind + rng.normal(0, 0.3, count))
    town = rng.choice(["Oslo", "Bergen", "Molde"], count)
    rows = zip(height, income, town, kind, strict=True)
    return ["height,income,town,class", *(f'{a:.2f},"{int(b):,}",{c},{"xy"[int(k)]}' for a, b, c, k in rows)]


def write(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


HEAD = lines(0)[0]
REFUSED = {
    "zero bytes": (b"", ["no rows"]),
    "a header alone": (HEAD.encode(), ["no rows"]),
    "one row": ("\n".join(lines(1)).encode(), ["No column tells records apart"]),
    "three rows": ("\n".join(lines(3)).encode(), ["more data"]),
    "all cells missing": (f"{HEAD}\n".encode() + b",,,\n" * COUNT, ["height is constant"]),
    "all rows alike": (f"{HEAD}\n".encode() + b"1,2,Oslo,x\n" * COUNT, ["height is constant"]),
    "invalid utf-8": ("\n".join(lines()).encode() + b"\n1.7,5,Troms\xf8,x\n", ["Save it again, as UTF-8"]),
    "utf-16": ("\n".join(lines()).encode("utf-16"), ["Save it again, as UTF-8"]),
    "a line with a cell too many": ("\n".join([*lines(), "1,2,Oslo,x,5"]).encode(), [f"Line {COUNT + 2} has 5 cells"]),
    "a column named twice": (b"a,a\n1,2\n" * COUNT, ["names a column twice"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_tables_that_cannot_be_used_are_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    content, words = REFUSED[name]
    (tmp_path / "people.csv").write_bytes(content)
    refused(pretrain(tmp_path / "people.csv", "--modality", "table"), DATA, *words)
    assert not (tmp_path / "run" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ('[["heigth", "count"]]', ["heigth", "Did you mean 'height'?"]),
        ('[["height", "metres"]]', ["'metres'", "continuous"]),
    ],
    ids=["a column that is not there", "a kind that is none"],
)
def test_kinds_that_cannot_be_are_refused(tmp_path: Path, kinds: str, words: list[str]) -> None:
    data = write(tmp_path / "people.csv", lines())
    refused(pretrain(data, "--modality", "table", "--set", f"modality.kinds={kinds}"), USAGE, *words)


def odd_lines() -> list[str]:
    """The table with every odd column and cell that a run must survive."""
    rows = [line.rpartition(",") for line in lines()]
    out = [rows[0][0] + ",nothing,one,code,reading,when,class"]
    for place, (start, _, kind) in enumerate(rows[1:]):
        reading = ("inf", "nan", "-inf", "broken")[place] if place < 4 else f"{place * 7 % 13 / 3:.3f}"
        when = "soon" if place == 5 else f"2024-03-{1 + place % 28:02d}"
        out.append(f"{start},,{'' if place % 3 else 'only'},c{place * 7919 % 100_003},{reading},{when},{kind}")
    return out


@pytest.mark.slow
def test_odd_columns_and_cells_are_findings_and_the_run_goes_on_to_the_end(tmp_path: Path) -> None:
    data = tmp_path / "people.csv"
    data.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(odd_lines()).encode())
    said = pretrain(data, "--labels", "class")
    assert said.code == 0, said.err
    assert "left out: nothing (constant)" in " ".join(said.out.split())
    for part in ("constant columns", "continuous columns", "height, income, reading", "not-a-time", "not-a-number"):
        assert part in said.out, part
    assert "infinite-cell" in said.out
    run = tmp_path / "run"
    found = call("evaluate", run, "--budgets", "5,all", "--draws", "2", "--from-scratch", "none", "--quiet")
    assert found.code == 0, found.err
    assert "gradient boosting" in found.out


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the plain table, with the class as its label."""
    data = write(tmp_path_factory.mktemp("people") / "people.csv", lines())
    said = pretrain(data, "--labels", "class")
    assert said.code == 0, said.err
    return data.parent / "run"


@pytest.mark.slow
def test_new_rows_with_unseen_categories_missing_and_other_columns_are_embedded(run: Path, tmp_path: Path) -> None:
    new = write(tmp_path / "new.csv", ["town,height,shoe", "Tromsø,1.75,43", ",,44", "Oslo,tall,40"])
    said = call("embed", run, new, "--out", tmp_path / "new.npy", "--quiet")
    assert said.code == 0, said.err
    assert np.isfinite(np.load(tmp_path / "new.npy")).all()
    assert np.load(tmp_path / "new.npy").shape[0] == 3
    for part in ("column-missing", "not-a-number"):
        assert part in said.out, said.out


@pytest.mark.slow
def test_rows_of_another_table_are_refused_by_name(run: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.csv", ["petals,colour", *(f"{place},red" for place in range(5))])
    refused(
        call("embed", run, other, "--out", tmp_path / "x.npy", "--quiet"), DATA, "none of the table's columns", "petals"
    )


@pytest.mark.slow
def test_binary_content_and_a_huge_cell_are_read_as_names(tmp_path: Path) -> None:
    rows = lines()
    rows[3] = rows[3].replace("Oslo", "\x01\x02\x7f").replace("Bergen", "\x01\x02").replace("Molde", "\x01")
    rows[4] = f'1.7,"1,000",{"x" * 2_000_000},y'
    said = pretrain(write(tmp_path / "people.csv", rows), "--labels", "class")
    assert said.code == 0, said.err
    assert "Traceback" not in said.err
