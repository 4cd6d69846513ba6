"""The terminal form: verdict first, aligned, never wider than asked."""

import pytest
from tests.reports.demo import DemoReport

from selftaught.reports import Code, Column, Finding, Findings, Gallery, Neighbours, Sample, Table, Verdict
from selftaught.reports.formats import display_width
from selftaught.reports.text import block_lines, render_text, table_lines, wrap


def test_the_verdict_comes_before_every_section(demo: DemoReport) -> None:
    text = demo.text()
    places = [text.index(part) for part in ("[+] Pretraining helps", "Label efficiency\n-", "Training\n-", "Data\n-")]
    assert places == sorted(places)


@pytest.mark.parametrize("width", [50, 88, 160])
def test_no_line_is_wider_than_asked_except_code(demo: DemoReport, width: int) -> None:
    text = demo.text(width)
    wide = [line for line in text.splitlines() if display_width(line) > width and not line.startswith("    self")]
    assert not wide


def test_no_colour_codes_unless_asked(demo: DemoReport) -> None:
    assert "\x1b" not in demo.text()
    assert "\x1b[1;32m" in demo.text(colour=True)


def test_columns_stay_aligned_with_wide_characters() -> None:
    table = Table(columns=("name", "score"), rows=(("猫", 0.5), ("dog", 0.25), ("longer name", None)))
    lines = table_lines(table, 60)
    assert len({display_width(line) for line in lines}) == 1
    assert lines[2].endswith("0.500")


def test_a_table_that_is_too_wide_goes_on_below_with_its_first_column() -> None:
    columns = ("name", *(f"column {index}" for index in range(12)))
    lines = table_lines(Table(columns=columns, rows=(("ours", *(0.5,) * 12),)), 50)
    assert sum(line.startswith("ours") for line in lines) > 1
    assert "".join(lines).count("0.500") == 12
    assert max(map(display_width, lines)) <= 50


def test_best_cells_carry_a_star_and_units_stand_in_the_head() -> None:
    table = Table(
        columns=("name", Column(name="time", unit="s", digits=1)), rows=(("a", 2.5), ("b", 10.0)), best=((0, 1),)
    )
    lines = table_lines(table, 60)
    assert lines[0].rstrip().endswith("time (s)")
    assert lines[2].endswith("2.5 *")
    assert lines[-1] == "* best"


def test_a_label_cannot_colour_or_move_the_terminal() -> None:
    text = render_text("\x1b[2Jtitle", Verdict(headline="a\x1b[31mb"), ())
    assert "\x1b" not in text


def test_words_longer_than_the_line_are_cut() -> None:
    assert wrap("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]


def test_findings_give_code_count_and_remedy() -> None:
    found = Finding(code="D104", severity="error", message="Unreadable", count=1200, remedy="Re-export them.")
    lines = block_lines(Findings(items=(found,)), 80, False, True)
    assert lines == ["[x] D104 Unreadable (1,200 records)", "    -> Re-export them."]
    assert [Finding(code="a", severity="info", message="", count=count).counted for count in (None, 1, 2)] == [
        "",
        "1 record",
        "2 records",
    ]
    assert block_lines(Findings(items=()), 80, False, True) == ["No findings."]


def test_text_without_samples_names_no_record() -> None:
    secret = Sample(kind="text", content="private words", caption="patient 7")
    gallery = Gallery(rows=(Neighbours(query=secret, found=(secret,), agrees=(True,)),))
    assert "patient" in "\n".join(block_lines(gallery, 80, False, True))
    assert "p" not in "\n".join(block_lines(gallery, 80, False, False)).replace("samples", "").replace("queries", "")


def test_code_is_never_broken() -> None:
    code = "selftaught pretrain " + "--option value " * 20
    assert block_lines(Code(code=code), 40, False, True) == ["    " + code]
