"""The page's source: complete, self-contained, and harmless whatever the labels say."""

import json
import re
import struct
from html.parser import HTMLParser

import pytest
from tests.reports.demo import NAMES, DemoReport

from selftaught.core.errors import UsageError
from selftaught.reports import (
    Code,
    Curve,
    Facts,
    Finding,
    Findings,
    Gallery,
    LinePlot,
    Neighbours,
    Sample,
    ScatterMap,
    Section,
    Table,
    Text,
    Verdict,
)
from selftaught.reports.html import block_views, render_html

EVIL = "</script><script>alert('x')</script><img src=x onerror=alert(1)>\"'&"
WAV = b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + bytes(24)
SAMPLES = (
    Sample(kind="text", content=f"secret words {EVIL}", caption=EVIL),
    Sample(kind="audio", content=WAV, caption="a sound"),
    Sample(kind="line", content=((0.0, 1.0, float("nan"), 0.5), (1.0, 0.0, 1.0, 0.0)), caption="a series"),
    Sample(kind="row", content=(("age", "41"), (EVIL, "secret words")), caption="a row"),
)


class Outline(HTMLParser):
    """Collects tags, headings, addresses and the text of script elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "script" and self.scripts and not self.scripts[-1]:
            self.scripts[-1] = data


def evil_page(samples: bool = True) -> str:
    blocks = (
        Text(text=EVIL),
        Facts(rows=((EVIL, EVIL, EVIL),), title=EVIL, caption=EVIL),
        Table(columns=(EVIL,), rows=((EVIL,),), title=EVIL, caption=EVIL),
        LinePlot(
            curves=(Curve(name=EVIL, x=(1, 2), y=(1, 2)), Curve(name=EVIL, x=(1, 2), y=(2, 1))),
            x_label=EVIL,
            y_label=EVIL,
        ),
        ScatterMap(x=(0, 1, 2, 3), y=(0, 1, 2, 3), codes=(0, 0, 0, -1), names=(EVIL,), samples=SAMPLES, category=EVIL),
        Gallery(
            rows=tuple(Neighbours(query=sample, found=SAMPLES, agrees=(True, False, None, True)) for sample in SAMPLES)
        ),
        Findings(items=(Finding(code=EVIL, severity="error", message=EVIL, remedy=EVIL),)),
        Code(code=EVIL, title=EVIL, language=EVIL),
    )
    verdict = Verdict(headline=EVIL, sentences=(EVIL,), facts=((EVIL, EVIL),), tone="bad")
    return render_html(EVIL, verdict, (Section(title=EVIL, note=EVIL, blocks=blocks),), kind=EVIL, samples=samples)


def test_the_page_has_one_first_heading_and_the_verdict_before_the_sections(demo: DemoReport) -> None:
    page = demo.html()
    tags = Outline(page).tags
    assert tags.count("h1") == 1
    assert tags.count("h2") == 1 + len(demo.sections())
    assert page.index('id="verdict"') < page.index('id="section-1"')


def test_nothing_in_the_page_points_outside(demo: DemoReport) -> None:
    page = demo.html()
    addresses = [
        value or "" for name, value in Outline(page).attributes if name in ("src", "href", "action", "srcset", "data")
    ]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|localStorage", page)


def test_labels_that_look_like_markup_stay_words() -> None:
    page = evil_page()
    tags = Outline(page).tags
    assert "<script>alert" not in page
    assert tags.count("script") == 3
    assert not any(name.startswith("on") for name, _ in Outline(page).attributes)
    assert tags.count("img") == 0


def test_data_in_script_elements_is_json_and_keeps_the_words() -> None:
    readings, atlas = (json.loads(text) for text in Outline(evil_page()).scripts[:2])
    assert readings["curves"][0]["name"] == EVIL
    assert atlas["names"] == [EVIL]
    assert [sample["kind"] for sample in atlas["samples"]] == ["text", "audio", "line", "row"]


def test_every_kind_of_sample_is_drawn() -> None:
    page = evil_page()
    tags = Outline(page).tags
    assert tags.count("blockquote") == 5
    assert tags.count("audio") == 5
    assert page.count('class="spark"') == 5
    assert page.count('class="record"') == 5


def test_a_page_without_samples_holds_no_content_and_no_caption(demo: DemoReport) -> None:
    page = demo.html(samples=False)
    assert "data:image/jpeg" not in page
    assert not any(sample.caption in page for sample in demo.pictures[:200])
    assert all(name in page for name in NAMES)
    assert "secret words" not in evil_page(samples=False)
    assert "a sound" not in evil_page(samples=False)


def test_pictures_that_could_carry_script_are_refused() -> None:
    gallery = Gallery(rows=(Neighbours(query=Sample(kind="picture", content=b"<svg onload=x>"), found=()),))
    with pytest.raises(UsageError, match="PNG, JPEG"):
        block_views((gallery,), True)


def test_missing_and_inapplicable_cells_are_told_apart(demo: DemoReport) -> None:
    page = demo.html()
    assert page.count("not measured") >= 6
    assert 'title="needs no labels"' in page


def test_half_plots_stand_in_pairs_and_one_left_over_takes_the_full_width() -> None:
    plot = LinePlot(curves=(Curve(name="a", x=(1, 2), y=(1, 2)),), x_label="x", y_label="y", width="half")
    halves = [view["half"] for view in block_views((plot, plot, plot, Text(text="a"), plot, plot), True)]
    assert halves == [True, True, False, False, True, True]


def test_empty_blocks_still_make_a_page() -> None:
    blocks = (
        Table(columns=("a",), rows=()),
        ScatterMap(x=(), y=()),
        Gallery(rows=()),
        Findings(items=()),
        LinePlot(curves=(), x_label="x", y_label="y", x_scale="log", y_scale="log"),
        LinePlot(curves=(Curve(name="a", x=(1,), y=(float("nan"),)),), x_label="x", y_label="y"),
    )
    assert "</html>" in render_html("empty", Verdict(headline="Nothing"), (Section(title="s", blocks=blocks),))
