"""The page of a real evaluation in a real browser: drawn, alive, quiet."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.photos import Ready
from tests.reports.test_page import DESK, INK, OVERFLOW, PHONE, Visit

from selftaught import evaluate

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def page(ready: Ready, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = shutil.copytree(ready.run, tmp_path_factory.mktemp("page") / "run")
    found = evaluate(run, labels=ready.file, budgets=(1, 5, "all"), draws=2, from_scratch=("none",), quiet=True)
    return found.page.absolute()


@pytest.mark.parametrize("options", [DESK, PHONE], ids=["desk", "phone"])
def test_plots_and_map_of_a_real_evaluation_are_drawn_quietly(browser: Any, page: Path, options: dict) -> None:
    with Visit(browser, page.as_uri(), **options) as visit:
        drawings = visit.page.locator("svg.drawing:visible")
        assert drawings.count() >= 4
        for index in range(drawings.count()):
            paths = drawings.nth(index).locator(".stroke").evaluate_all("all => all.map(p => p.getTotalLength())")
            assert paths
            assert max(paths) > 50
        canvas = visit.page.locator("canvas")
        canvas.scroll_into_view_if_needed()
        assert canvas.evaluate(INK)["share"] > 0.001
        assert visit.page.evaluate(OVERFLOW) <= 0
        assert "help" in visit.page.locator("body").inner_text()
        assert visit.complaints == []
        assert {url for url in visit.requests if not url.startswith("data:")} == {visit.address}


def test_the_map_of_a_real_evaluation_shows_the_picture_under_the_mouse(browser: Any, page: Path) -> None:
    with Visit(browser, page.as_uri(), **DESK) as visit:
        visit.page.mouse.move(*visit.crowded())
        picture = visit.page.locator("#tip img")
        picture.wait_for(state="visible")
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
        assert ".png" in visit.page.locator("#tip").inner_text()
        assert visit.complaints == []
