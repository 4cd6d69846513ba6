"""Reports as JSON and as files."""

import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest
from tests.reports.demo import DemoReport

from selftaught.core.errors import UsageError
from selftaught.reports import NotApplicable, Report, Sample, Section, Verdict
from selftaught.reports.plain import to_plain


class Colour(StrEnum):
    """A small enumeration."""

    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Small(Report):
    """The smallest report."""

    payload: object = None

    @property
    def title(self) -> str:
        """Return the heading."""
        return "small"

    def verdict(self) -> Verdict:
        """Return a neutral verdict."""
        return Verdict(headline="No clear winner")

    def sections(self) -> tuple[Section, ...]:
        """Return nothing."""
        return ()


def test_json_loads_back_with_type_schema_verdict_and_data(demo: DemoReport) -> None:
    loaded = json.loads(demo.json())
    assert loaded["type"] == "DemoReport"
    assert loaded["schema"] == 1
    assert loaded["verdict"]["tone"] == "good"
    assert loaded["data"]["scores"]["untrained twin"] == list(demo.scores["untrained twin"])
    assert loaded["data"]["matrix"] == [[1.0, None], ["inf", 0.5]]


def test_json_leaves_sample_content_out_and_captions_too_when_asked(demo: DemoReport) -> None:
    first = demo.pictures[0]
    assert json.loads(demo.json())["data"]["pictures"][0] == {"kind": "picture", "caption": first.caption}
    assert first.caption not in demo.json(samples=False)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float32(0.5), 0.5),
        (np.array([1, 2], dtype=np.int16), [1, 2]),
        (float("nan"), None),
        (float("-inf"), "-inf"),
        (Path("a") / "b", os.path.join("a", "b")),
        (Colour.RED, "red"),
        ({1: (True, None)}, {"1": [True, None]}),
        (frozenset({"b", "a"}), ["a", "b"]),
        (b"bytes", None),
        (NotApplicable(reason="one class"), {"not_applicable": True, "reason": "one class"}),
        (Sample(kind="text", content="secret"), {"kind": "text", "caption": "", "content": "secret"}),
    ],
)
def test_every_plain_kind_of_value_has_one_json_form(value: object, plain: object) -> None:
    assert to_plain(value) == plain
    json.dumps(to_plain(value), allow_nan=False)


def test_a_value_without_a_json_form_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="holds a complex"):
        Small(payload=1j).json()


def test_write_leaves_exactly_three_whole_files(tmp_path: Path, demo: DemoReport) -> None:
    folder = tmp_path / "reports" / "deep"
    written = demo.write(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json", "report.txt"]
    assert written.html.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert written.text.read_text(encoding="utf-8") == demo.text()
    assert json.loads(written.json.read_text(encoding="utf-8"))["type"] == "DemoReport"
    assert written.html.stat().st_size < 6_000_000


def test_a_failed_write_keeps_the_old_report_and_leaves_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Small().write(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(UsageError, match="No space left on device"):
        Small(payload="new").write(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_is_a_file_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match="taken"):
        Small().write(tmp_path / "taken")


def test_a_notebook_gets_the_page_in_a_closed_frame() -> None:
    frame = Small()._repr_html_()
    assert frame.startswith("<iframe")
    assert 'sandbox="allow-scripts"' in frame
    assert frame.count("<") == 2
