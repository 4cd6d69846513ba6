"""The page in a real browser: drawn, alive, quiet, and at home on a phone in either theme."""

from pathlib import Path
from typing import Any

import pytest
from tests.reports.demo import DemoReport
from tests.reports.test_html import EVIL, evil_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 780},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}
# How many different colours stand on the canvas, and which share of it is not transparent.
INK = """canvas => {
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set(); let inked = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] > 250) colours.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
    if (data[i + 3] > 0) inked += 1;
  }
  return {colours: colours.size, share: inked / (data.length / 4)};
}"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
GROUND = "() => getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def address(demo: DemoReport, tmp_path_factory: pytest.TempPathFactory) -> str:
    return demo.write(tmp_path_factory.mktemp("page")).html.as_uri()


class Visit:
    """One open page, with all it said and asked for."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.address = address
        self.page.goto(address)

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *error: object) -> None:
        self.context.close()

    def point(self, across: float, down: float) -> tuple[float, float]:
        """Return the window position of a point of the map, given as shares of the canvas."""
        canvas = self.page.locator("canvas")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        return box["x"] + across * box["width"], box["y"] + down * box["height"]

    def crowded(self) -> tuple[float, float]:
        """Return the window position of a point of the map where some record lies."""
        data = self.page.evaluate("JSON.parse(document.querySelector('[data-map] script').textContent)")
        middle = sorted(range(len(data["x"])), key=data["x"].__getitem__)[len(data["x"]) // 2]
        self.point(0, 0)
        box = self.page.locator("canvas").bounding_box()
        scale = min((box["width"] - 46) / data["width"], (box["height"] - 46) / data["height"])
        left = (box["width"] - data["width"] * scale) / 2
        top = (box["height"] - data["height"] * scale) / 2
        return box["x"] + left + data["x"][middle] * scale, box["y"] + top + data["y"][middle] * scale


@pytest.mark.parametrize("options", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_plots_and_map_are_drawn_without_complaint_or_request(
    browser: Any, address: str, options: dict[str, Any], scheme: str
) -> None:
    with Visit(browser, address, color_scheme=scheme, **options) as visit:
        drawings = visit.page.locator("svg.drawing:visible")
        assert drawings.count() == 5
        for index in range(5):
            paths = drawings.nth(index).locator(".stroke").evaluate_all("all => all.map(p => p.getTotalLength())")
            assert paths
            assert min(paths) > 100
        ink = visit.page.locator("canvas").evaluate(INK)
        assert ink["colours"] >= 8
        assert 0.01 < ink["share"] < 0.6
        visit.page.mouse.wheel(0, 9000)
        assert visit.page.evaluate(OVERFLOW) <= 0
        assert visit.complaints == []
        assert {url for url in visit.requests if not url.startswith("data:")} == {visit.address}


def test_the_mouse_over_a_point_shows_its_picture_and_leaving_hides_it(browser: Any, address: str) -> None:
    with Visit(browser, address, **DESK) as visit:
        tip = visit.page.locator("#tip")
        visit.page.mouse.move(*visit.crowded())
        picture = tip.locator("img")
        picture.wait_for(state="visible")
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 48
        assert tip.inner_text().strip().endswith(".png")
        visit.page.mouse.move(5, 5)
        tip.wait_for(state="hidden")
        assert visit.complaints == []


def test_a_tap_on_a_point_shows_its_picture_inside_the_screen(browser: Any, address: str) -> None:
    with Visit(browser, address, **PHONE) as visit:
        visit.page.touchscreen.tap(*visit.crowded())
        tip = visit.page.locator("#tip")
        tip.locator("img").wait_for(state="visible")
        box = tip.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert visit.page.evaluate(OVERFLOW) <= 0
        visit.page.touchscreen.tap(*visit.point(0.5, -0.1))
        tip.wait_for(state="hidden")


def test_the_arrow_keys_walk_through_the_map_and_escape_leaves_it(browser: Any, address: str) -> None:
    with Visit(browser, address, **DESK) as visit:
        visit.page.locator("canvas").focus()
        visit.page.keyboard.press("ArrowRight")
        tip = visit.page.locator("#tip")
        tip.locator("img").wait_for(state="visible")
        first = tip.inner_text()
        visit.page.keyboard.press("ArrowRight")
        assert tip.inner_text() != first
        visit.page.keyboard.press("Escape")
        tip.wait_for(state="hidden")


def test_the_legend_takes_a_category_off_the_map_and_brings_it_back(browser: Any, address: str) -> None:
    with Visit(browser, address, **DESK) as visit:
        canvas, button = visit.page.locator("canvas"), visit.page.locator("button[data-code]").nth(1)
        visit.point(0, 0)
        before = canvas.evaluate(INK)["share"]
        button.click()
        visit.page.mouse.move(5, 5)
        assert button.get_attribute("aria-pressed") == "false"
        assert canvas.evaluate(INK)["share"] < before
        visit.page.locator("[data-all]").click()
        visit.page.mouse.move(5, 5)
        assert button.get_attribute("aria-pressed") == "true"
        assert canvas.evaluate(INK)["share"] == pytest.approx(before)


def test_the_pointer_reads_every_curve_with_its_interval(browser: Any, address: str) -> None:
    with Visit(browser, address, **DESK) as visit:
        stage = visit.page.locator("[data-plot]").first
        stage.scroll_into_view_if_needed()
        box = stage.bounding_box()
        visit.page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"])
        tip = visit.page.locator("#tip")
        tip.wait_for(state="visible")
        assert tip.locator(".line").count() == 6
        assert "labels per class: 20" in tip.inner_text() or "labels per class: 10" in tip.inner_text()
        assert tip.locator(".interval").first.inner_text().startswith("[0.")
        assert stage.locator("circle.spot").count() == 6
        visit.page.mouse.move(5, 5)
        tip.wait_for(state="hidden")


def test_a_plot_can_be_read_with_the_keyboard(browser: Any, address: str) -> None:
    with Visit(browser, address, **DESK) as visit:
        visit.page.locator("[data-plot]").first.focus()
        visit.page.keyboard.press("ArrowRight")
        visit.page.keyboard.press("ArrowRight")
        assert "labels per class: 2" in visit.page.locator("#tip").inner_text()


def test_the_system_theme_is_followed_and_the_button_overrules_it(browser: Any, address: str) -> None:
    grounds, inks = {}, {}
    for scheme in ("light", "dark"):
        with Visit(browser, address, color_scheme=scheme, **DESK) as visit:
            grounds[scheme] = visit.page.evaluate(GROUND)
            visit.page.locator("#theme").click()
            inks[scheme] = visit.page.evaluate(GROUND)
            visit.page.locator("#theme").click()
            assert visit.page.evaluate(GROUND) == grounds[scheme]
    assert grounds["light"] != grounds["dark"]
    assert inks == {"light": grounds["dark"], "dark": grounds["light"]}


def test_wide_tables_scroll_inside_themselves_on_a_phone(browser: Any, address: str) -> None:
    with Visit(browser, address, **PHONE) as visit:
        inside = visit.page.locator(".block.table .scroll").first
        assert inside.evaluate("node => node.scrollWidth > node.clientWidth")
        for summary in visit.page.locator("summary").all():
            summary.click()
        assert visit.page.evaluate(OVERFLOW) <= 0


def test_plots_and_numbers_are_there_without_scripts(browser: Any, address: str) -> None:
    with Visit(browser, address, java_script_enabled=False, **DESK) as visit:
        assert visit.page.locator("svg.drawing:visible").count() == 5
        assert visit.page.locator("#theme").is_hidden()
        visit.page.locator("summary").first.click()
        assert visit.page.locator("details table").first.is_visible()


def test_a_page_without_samples_still_answers_to_the_mouse(browser: Any, demo: DemoReport, tmp_path: Path) -> None:
    address = demo.write(tmp_path, samples=False).html.as_uri()
    with Visit(browser, address, **DESK) as visit:
        assert visit.page.locator("img").count() == 0
        visit.page.mouse.move(*visit.crowded())
        tip = visit.page.locator("#tip")
        tip.wait_for(state="visible")
        assert tip.locator("img").count() == 0
        assert ".png" not in tip.inner_text()


def test_hostile_labels_run_nothing_and_are_shown_as_they_are(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "evil.html"
    path.write_text(evil_page(), encoding="utf-8")
    with Visit(browser, path.as_uri(), **PHONE) as visit:
        dialogs: list[str] = []
        visit.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        canvas, tip = visit.page.locator("canvas"), visit.page.locator("#tip")
        canvas.focus()
        shown = []
        for _ in range(4):
            visit.page.keyboard.press("ArrowRight")
            shown.append(tip.inner_text())
        assert EVIL in shown[0]
        assert tip.locator("dl").count() == 1
        assert visit.page.locator("h1").inner_text() == EVIL
        assert visit.page.evaluate(OVERFLOW) <= 0
        assert dialogs == []
        assert visit.complaints == []


def test_paper_is_white_whatever_the_theme(browser: Any, address: str) -> None:
    with Visit(browser, address, color_scheme="dark", **DESK) as visit:
        visit.page.emulate_media(media="print", color_scheme="dark")
        assert visit.page.evaluate(GROUND) == "rgb(255, 255, 255)"
        assert visit.page.locator("nav").is_hidden()
