"""Samples of every kind on the page, in the terminal and in JSON: small, escaped, and within the room there is."""

import base64
import io
import json
import math
import struct
import wave
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.reports.test_page import DESK, OVERFLOW, PHONE, Visit

from selftaught.core.modality import Portrait
from selftaught.reports import Finding, Findings, Gallery, Neighbours, Sample, ScatterMap, Section, Verdict
from selftaught.reports.html import PAGE_WORDS, SAMPLE_BYTES, render_html
from selftaught.reports.plain import to_plain
from selftaught.reports.samples import (
    POINT_LIMIT,
    ROW_LIMIT,
    SPARK_HEIGHT,
    TEXT_LIMIT,
    fit_samples,
    sample_of,
    sample_view,
    say_sample,
    share_room,
    weigh,
)
from selftaught.reports.sound import HEIGHT, SPECTROGRAM_BYTES, WIDTH, draw_spectrogram, read_sound
from selftaught.reports.text import block_lines

RATE = 8_000
OVERLAP = """table => Math.max(...[...table.querySelectorAll("tbody tr")].map(row =>
  row.querySelector("th .sample").getBoundingClientRect().right -
  row.querySelector("td .sample").getBoundingClientRect().left))"""
"""By how many pixels a query lies over its first neighbour."""


def sound_of(values: np.ndarray, rate: int = RATE, channels: int = 1) -> bytes:
    """16-bit WAV bytes."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes((values * 32_000).round().astype("<i2").tobytes())
    return file.getvalue()


def tone(pitch: float, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * pitch * np.arange(round(seconds * RATE)) / RATE)


def every_kind() -> tuple[Sample, ...]:
    noise = np.random.default_rng(0).normal(size=(300, 3)).cumsum(0)
    portraits = (
        Portrait(kind="text", content="The <b>river</b> was seen near the harbour. " * 40),
        Portrait(kind="audio", content=sound_of(tone(600))),
        Portrait(kind="line", content=noise),
        Portrait(kind="row", content={"age": "41", "job <x>": "clerk"}),
    )
    return tuple(sample_of(portrait, f"record {place}") for place, portrait in enumerate(portraits))


def page_of(samples: tuple[Sample, ...], keep: bool = True) -> str:
    spots = tuple(float(place) for place in range(len(samples)))
    found = Finding(
        code="odd", severity="info", message="Odd ones", count=len(samples), samples=samples, names=("zeta 9",)
    )
    blocks = (
        ScatterMap(x=spots, y=spots, samples=samples, title="Map"),
        Gallery(rows=tuple(Neighbours(query=sample, found=samples) for sample in samples), title="Neighbours"),
        Findings(items=(found,)),
    )
    return render_html("kinds", Verdict(headline="Look"), (Section(title="Look", blocks=blocks),), samples=keep)


def test_a_portrait_of_an_array_becomes_one_tuple_a_channel_and_one_of_a_mapping_named_cells() -> None:
    text, _, line, row = every_kind()
    assert [len(channel) for channel in line.content] == [300] * 3
    assert row.content == (("age", "41"), ("job <x>", "clerk"))
    assert text.caption == "record 0"
    flat = sample_of(Portrait(kind="line", content=np.arange(5.0)))
    assert flat.content == ((0.0, 1.0, 2.0, 3.0, 4.0),)
    assert sample_view(sample_of(Portrait(kind="line", content=np.zeros((0, 2)))))["paths"] == ["", ""]


def test_a_series_with_a_missing_channel_is_drawn_without_it() -> None:
    values = np.stack([np.arange(9.0), np.full(9, np.nan)], 1)
    drawn, missing = sample_view(sample_of(Portrait(kind="line", content=values)))["paths"]
    assert drawn.count("L") == 8
    assert missing == ""


def heights(path: str) -> list[float]:
    return [float(point.split(" ")[1]) for point in path.replace("L", "M").split("M")[1:]]


def test_channels_of_very_different_ranges_get_a_scale_each_and_others_share_one() -> None:
    small, large = tuple(np.sin(np.arange(50.0))), tuple(1000 * np.sin(np.arange(50.0)))
    apart = sample_view(Sample(kind="line", content=(small, large)))["paths"]
    assert all(max(heights(path)) - min(heights(path)) > 0.8 * SPARK_HEIGHT for path in apart)
    together = sample_view(Sample(kind="line", content=(small, tuple(3 * value for value in small))))["paths"]
    spans = [max(heights(path)) - min(heights(path)) for path in together]
    assert spans[1] == pytest.approx(3 * spans[0], rel=0.05)


def test_a_spectrogram_is_a_small_see_through_picture_with_the_pitch_at_its_height() -> None:
    rows = []
    for pitch in (300, 2400):
        picture = draw_spectrogram(sound_of(tone(pitch)))
        assert 4 * len(picture) / 3 < SPECTROGRAM_BYTES
        opacity = np.asarray(Image.open(io.BytesIO(picture)).convert("RGBA"))[..., 3]
        assert opacity.shape == (HEIGHT, WIDTH)
        assert opacity.min() == 0
        rows.append(int(opacity.astype(float).mean(1).argmax()))
    assert rows[0] > rows[1] + 5, "a higher pitch stands higher"


@pytest.mark.parametrize(
    "data",
    [
        b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + bytes(24),
        b"",
        sound_of(np.zeros(0)),
        sound_of(np.zeros(4000)),
        sound_of(np.ones(3) / 2),
    ],
    ids=["broken", "nothing", "empty", "silent", "three samples"],
)
def test_what_cannot_be_drawn_has_no_spectrogram(data: bytes) -> None:
    assert draw_spectrogram(data) == b""


def test_a_stereo_sound_is_read_as_its_mean() -> None:
    both = np.stack([tone(500), np.zeros(4000)], 1).reshape(-1)
    found = read_sound(sound_of(both, channels=2))
    assert found is not None
    assert found[1] == RATE
    np.testing.assert_allclose(found[0], tone(500) * 32_000 / 32_768 / 2, atol=1e-3)


def test_the_weight_of_a_sample_is_what_it_takes_on_a_page_or_a_little_more() -> None:
    for sample in every_kind():
        taken = len(json.dumps(sample_view(sample)))
        assert taken <= weigh(sample) <= 1.6 * taken + 300, sample.kind


def test_room_is_shared_so_that_small_needs_are_met() -> None:
    assert share_room([10, 1000, 500], 300) == [10, 145, 145]
    assert share_room([10, 20], 300) == [10, 20]
    assert share_room([], 300) == []


def test_samples_that_do_not_fit_are_left_out_evenly_and_keep_their_captions() -> None:
    samples = tuple(Sample(kind="text", content="x" * 500, caption=str(place)) for place in range(200))
    fitted = fit_samples(samples, 50_000, evenly=True)
    kept = [place for place, sample in enumerate(fitted) if sample.content is not None]
    assert [sample.caption for sample in fitted] == [sample.caption for sample in samples]
    assert sum(map(weigh, fitted)) <= 50_000
    assert 40 < len(kept) < 90
    assert max(np.diff(kept)) < 8
    first = fit_samples(samples, 50_000)
    assert [sample.content is None for sample in first] == sorted(sample.content is None for sample in first)
    assert fit_samples(samples, 10**9) == samples


def test_a_page_stays_below_its_limit_and_says_what_was_left_out() -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, 24_000)
    samples = tuple(Sample(kind="audio", content=sound_of(noise), caption=f"clip {place}") for place in range(150))
    spots = tuple(float(place) for place in range(150))
    rows = tuple(Neighbours(query=sample, found=samples[:2]) for sample in samples[:3])
    blocks = (ScatterMap(x=spots, y=spots, samples=samples), Gallery(rows=rows))
    page = render_html("large", Verdict(headline="Look"), (Section(title="s", blocks=blocks),))
    assert SAMPLE_BYTES / 2 < len(page) < 8_000_000
    assert f"of 150 samples are on this page, which is kept below {PAGE_WORDS}" in page
    assert page.count("<audio") == 9, "the small gallery is whole"
    assert "clip 149" in page


def test_long_texts_and_wide_rows_are_cut() -> None:
    text = sample_view(Sample(kind="text", content="word " * 1000))["text"]
    assert len(text) <= TEXT_LIMIT + 2
    wide = Sample(kind="row", content=tuple((f"c{place}", "1") for place in range(200)))
    assert len(sample_view(wide)["row"]) == ROW_LIMIT
    assert len(sample_view(Sample(kind="line", content=(tuple(range(5000)),)))["paths"][0]) < 12 * POINT_LIMIT


def test_a_finding_shows_its_records_unless_samples_are_withheld() -> None:
    page = page_of(every_kind())
    assert page.count('class="examples"') == 1
    assert "Odd ones (zeta 9, ...)" in page
    assert "job &lt;x&gt;" in page
    assert "<b>river" not in page
    assert page.count('class="spectrogram"') == 6, "four neighbours, one query, one finding"
    bare = page_of(every_kind(), keep=False)
    assert 'class="examples"' not in bare
    for word in ("river", "clerk", "record 0", "data:audio", "zeta 9"):
        assert word not in bare


def test_a_terminal_says_what_a_page_shows() -> None:
    text, sound, line, row = every_kind()
    assert say_sample(text).startswith("The <b>river</b>")
    assert say_sample(sound) == "0.5 s of sound"
    assert say_sample(line) == "3 channels, 300 points"
    assert say_sample(row) == "age 41, job <x> clerk"
    gallery = Gallery(rows=(Neighbours(query=text, found=(text, row), agrees=(True, False)),))
    lines = block_lines(gallery, 60, False, True)
    assert [part[:12] for part in lines] == ["  record 0: ", "    + record", "    - record"]
    assert max(map(len, lines)) <= 60
    found = Findings(items=(Finding(code="odd", severity="info", message="Odd", samples=(row,)),))
    assert block_lines(found, 60, False, True)[-1] == "    record 3: age 41, job <x> clerk"
    assert "clerk" not in "\n".join(block_lines(found, 60, False, False))


def test_json_keeps_texts_and_rows_and_the_size_of_the_rest() -> None:
    text, sound, line, row = (to_plain(sample) for sample in every_kind())
    assert text["content"].startswith("The <b>river")
    assert sound == {"kind": "audio", "caption": "record 1", "content": "0.5 s of sound"}
    assert line["content"] == "3 channels, 300 points"
    assert row["content"] == {"age": "41", "job <x>": "clerk"}
    assert to_plain(every_kind()[3], False) == {"kind": "row", "caption": None}


def test_the_sound_on_the_page_is_the_sound_that_was_given() -> None:
    sample = every_kind()[1]
    address = sample_view(sample)["address"]
    assert address.startswith("data:audio/wav;base64,")
    assert base64.b64decode(address.partition(",")[2]) == sample.content
    assert math.isfinite(weigh(sample))


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("options", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_kind_is_seen_in_a_browser_without_complaint_or_request(
    browser: Any, tmp_path: Any, options: dict[str, Any], scheme: str
) -> None:
    path = tmp_path / "kinds.html"
    path.write_text(page_of(every_kind()), encoding="utf-8")
    with Visit(browser, path.as_uri(), color_scheme=scheme, **options) as visit:
        visit.page.locator("canvas").focus()
        seen = []
        for _ in range(4):
            visit.page.keyboard.press("ArrowRight")
            seen.append(visit.page.locator("#tip").evaluate("tip => tip.firstElementChild.tagName"))
        assert seen == ["BLOCKQUOTE", "IMG", "svg", "DL"]
        drawing = visit.page.locator(".neighbours .spectrogram").first
        assert drawing.evaluate("image => image.decode().then(() => image.naturalWidth)") == WIDTH
        sound = visit.page.locator(".neighbours audio").first
        length = sound.evaluate(
            "audio => new Promise(done => { audio.onloadedmetadata = () => done(audio.duration);"
            " audio.onerror = () => done(-1); audio.preload = 'auto'; audio.load(); })"
        )
        assert length == pytest.approx(0.5, abs=0.01)
        assert visit.page.locator(".neighbours .spark path").count() >= 3
        assert visit.page.locator(".neighbours").evaluate(OVERLAP) <= 0
        assert visit.page.evaluate(OVERFLOW) <= 0
        assert visit.complaints == []
        assert {url for url in visit.requests if not url.startswith("data:")} == {visit.address}
