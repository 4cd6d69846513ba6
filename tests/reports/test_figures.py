"""Drawings and colours."""

import itertools
import math
import re
from xml.etree import ElementTree

import pytest

from selftaught.reports import Curve, LinePlot, Sample, Threshold
from selftaught.reports.figures import appearance, draw_narrow, draw_wide, names_fit, readings, spread, thin
from selftaught.reports.palette import DARK, LIGHT
from selftaught.reports.samples import sample_view
from selftaught.reports.scales import make_ticks, y_scale


def plot_of(*curves: Curve, **fields: object) -> LinePlot:
    return LinePlot(curves=curves, x_label="labels", y_label="accuracy", **fields)  # type: ignore[arg-type]


def numbers_of(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", path)]


@pytest.mark.parametrize(
    ("low", "high", "log", "labels"),
    [
        (0.0, 1.0, False, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.0, 3000.0, False, ["0", "1,000", "2,000", "3,000"]),
        (1.0, 100.0, True, ["1", "2", "5", "10", "20", "50", "100"]),
        (1e-5, 1e-3, True, ["1e−5", "2e−5", "5e−5", "1e−4", "2e−4", "5e−4", "1e−3"]),
    ],
)
def test_ticks_are_round_numbers_inside_the_axis(low: float, high: float, log: bool, labels: list[str]) -> None:
    assert [label for _, label in make_ticks(low, high, log)] == labels


def test_ticks_between_whole_steps_keep_their_decimals() -> None:
    ticks = make_ticks(0.0, 1.25, False)
    assert all(float(label) == pytest.approx(value) for value, label in ticks)


def test_the_vertical_axis_holds_bands_and_thresholds() -> None:
    curve = Curve(name="a", x=(1, 2), y=(0.5, 0.6), low=(0.3, 0.5), high=(0.7, 0.9))
    scale = y_scale(plot_of(curve, thresholds=(Threshold(value=0.95, name="ceiling"),)))
    assert scale.low < 0.3
    assert scale.high > 0.95


def test_a_drawing_is_well_formed_and_stays_inside_its_frame() -> None:
    curve = Curve(name="a < b", x=(1, 10, 100), y=(0.1, 5.0, -3.0), low=(0.0, 4.0, -4.0), high=(0.2, 6.0, -2.0))
    svg = ElementTree.fromstring(str(draw_narrow(plot_of(curve, x_scale="log", y_range=(0.0, 1.0)))))
    left, top, width, height = (float(number) for number in svg.attrib["data-area"].split())
    for path in (node.attrib["d"] for node in svg.iter() if node.attrib.get("class") == "stroke"):
        numbers = numbers_of(path)
        assert all(left - 1 <= x <= left + width + 1 for x in numbers[::2])
        assert all(top - 8 <= y <= top + height + 8 for y in numbers[1::2])


def test_a_point_that_was_not_measured_leaves_a_gap() -> None:
    curve = Curve(name="a", x=(1, 2, 3, 4), y=(1.0, math.nan, 2.0, 3.0))
    strokes = re.findall(r'class="stroke" d="([^"]*)"', str(draw_narrow(plot_of(curve))))
    assert strokes[0].count("M") == 2
    assert len(readings(plot_of(curve))["curves"][0]["x"]) == 3


def test_main_curves_share_a_colour_of_their_own() -> None:
    curves = [Curve(name=str(i), x=(1,), y=(1,), style="main" if i == 2 else "control") for i in range(5)]
    assert appearance(plot_of(*curves)) == (1, 2, 0, 3, 4)


def test_names_at_line_ends_do_not_overlap() -> None:
    curves = [Curve(name=f"curve {i}", x=(1, 2), y=(1, 1 + i / 1000)) for i in range(6)]
    plot = plot_of(*curves)
    assert names_fit(plot)
    svg = ElementTree.fromstring(str(draw_wide(plot)))
    heights = sorted(float(node.attrib["y"]) for node in svg.iter() if node.attrib.get("class") == "name control")
    assert len(heights) == 6
    assert min(b - a for a, b in itertools.pairwise(heights)) >= 17.9


def test_spreading_moves_only_what_overlaps() -> None:
    assert spread([10, 100, 200], 18, 0, 300) == [10, 100, 200]
    assert spread([100, 100], 18, 0, 300) == [91, 109]
    moved = spread([1, 2, 3, 298, 299], 18, 0, 300)
    assert moved == sorted(moved)
    assert moved[0] >= 0
    assert moved[-1] <= 300


def test_long_curves_are_thinned_but_keep_ends_and_extremes() -> None:
    y = [math.sin(i / 50) for i in range(5000)]
    y[1234], y[4321] = 9.0, -9.0
    kept = thin(Curve(name="a", x=tuple(range(5000)), y=tuple(y)))
    assert len(kept) <= 243
    assert {0, 1234, 4321, 4999} <= set(kept)


def test_a_series_of_any_length_becomes_one_short_path_per_channel() -> None:
    view = sample_view(Sample(kind="line", content=(tuple(range(100_000)), (5.0,) * 10)))
    assert len(view["paths"]) == 2
    assert len(view["paths"][0]) < 8000


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_reaches_4_5_and_lines_reach_2_6_times_the_ground(colours: dict[str, str]) -> None:
    grounds = [colours[name] for name in ("ground", "surface", "raised", "accent-wash")]
    for name in ("ink", "soft", "faint", "accent"):
        assert min(contrast(colours[name], ground) for ground in grounds) >= 4.5, name
    for name in ("good", "bad", "warning", "neutral"):
        assert contrast(colours[name], colours[f"{name}-wash"]) >= 4.5, name
    for index in range(8):
        assert contrast(colours[f"c{index}"], colours["surface"]) >= 2.6, index
