"""A report as one self-contained page: everything is inline, nothing is fetched, every user string is escaped."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from selftaught.core.errors import UsageError
from selftaught.reports.blocks import (
    Block,
    Cell,
    Code,
    Estimate,
    Facts,
    Finding,
    Findings,
    Gallery,
    LinePlot,
    NotApplicable,
    Sample,
    ScatterMap,
    Section,
    Table,
    Text,
    Verdict,
)
from selftaught.reports.figures import (
    MARKERS,
    appearance,
    draw_narrow,
    draw_wide,
    element,
    is_long,
    marker,
    marker_of,
    names_fit,
    readings,
)
from selftaught.reports.formats import common_count, estimate_parts, format_cell, is_number
from selftaught.reports.palette import theme_rules
from selftaught.reports.samples import SPARK_HEIGHT, SPARK_WIDTH, fit_samples, sample_view, share_room, weigh
from selftaught.reports.text import column_of, plot_table, stands_right

SCRIPTS = ("page.js", "plot.js", "map.js")
TONE_WORDS = {"good": "positive", "bad": "negative", "warning": "with a warning", "neutral": "no clear winner"}
MAP_GRID = 10_000
COLOURS = 8
SAMPLE_BYTES = 7_000_000
PAGE_WORDS = "8 MB"
"""What the samples of a page take together at most, and what the reader is told: the rest takes less than 1 MB."""


def render_html(
    title: str, verdict: Verdict, sections: Sequence[Section], *, kind: str = "", samples: bool = True
) -> str:
    """Return the page; without `samples` neither content nor caption of any record is in it.

    Where samples would make the page heavier than PAGE_WORDS, some are left out, and their blocks say so.
    """
    script = "\n".join(template_text(name) for name in SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    room = room_of([block for section in sections for block in section.blocks])
    views = [
        {"title": section.title, "note": section.note, "blocks": block_views(section.blocks, samples, room)}
        for section in sections
    ]
    page = environment().get_template("report.html.j2")
    return page.render(
        title=title,
        kind=kind,
        verdict=verdict_view(verdict),
        sections=views,
        samples=samples,
        style=Markup(theme_rules() + template_text("report.css")),
        script=Markup(script),
        script_digest=digest,
        spark=(SPARK_WIDTH, SPARK_HEIGHT),
    )


def template_text(name: str) -> str:
    """Return a file of the templates folder."""
    return (files("selftaught.reports") / "templates" / name).read_text(encoding="utf-8")


@cache
def environment() -> Environment:
    """Return the template environment: escaping always on, missing names are errors."""
    return Environment(
        loader=FunctionLoader(template_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def verdict_view(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as the template needs it."""
    return {
        "headline": verdict.headline,
        "sentences": verdict.sentences,
        "tone": verdict.tone,
        "tone_word": TONE_WORDS[verdict.tone],
        "facts": [{"label": label, **cell_view(cell)} for label, cell in verdict.facts],
    }


def cell_view(cell: Cell, digits: int | None = None) -> dict[str, Any]:
    """Return a cell as words, with its kind, interval, count and the reason why it may be empty."""
    view = {"kind": "value", "text": format_cell(cell, digits), "interval": "", "count": "", "reason": ""}
    match cell:
        case None:
            view["kind"] = "missing"
        case NotApplicable():
            view |= {"kind": "inapplicable", "reason": cell.reason or "not applicable"}
        case Estimate():
            view["text"], view["interval"], view["count"] = estimate_parts(cell, digits)
            view["kind"] = "number" if cell.value == cell.value else "missing"
        case _ if is_number(cell):
            view["kind"] = "number" if cell == cell else "missing"
    return view


def samples_of(block: Block) -> tuple[Sample, ...]:
    """Return all samples of a block, in reading order."""
    match block:
        case ScatterMap():
            return block.samples
        case Gallery():
            return tuple(sample for row in block.rows for sample in (row.query, *row.found))
        case Findings():
            return tuple(sample for item in block.items for sample in item.samples)
    return ()


def room_of(blocks: Sequence[Block]) -> dict[int, int]:
    """Return how many bytes the samples of each block may take, by the identity of the block."""
    needs = [sum(map(weigh, samples_of(block))) for block in blocks]
    return dict(zip(map(id, blocks), share_room(needs, SAMPLE_BYTES), strict=True))


def block_views(blocks: Sequence[Block], samples: bool, room: Mapping[int, int] | None = None) -> list[dict[str, Any]]:
    """Return the blocks as template data; plots of half width stand in pairs, one left over takes the full width."""
    views = []
    waiting = False
    for index, block in enumerate(blocks):
        half = isinstance(block, LinePlot) and block.width == "half"
        if half:
            following = blocks[index + 1] if index + 1 < len(blocks) else None
            paired = isinstance(following, LinePlot) and following.width == "half"
            half = waiting or paired
            waiting = half and not waiting
        own = SAMPLE_BYTES if room is None else room[id(block)]
        views.append({"title": "", "caption": "", **block_view(block, samples, own), "half": half})
    return views


def block_view(block: Block, samples: bool, room: int = SAMPLE_BYTES) -> dict[str, Any]:
    """Return one block as template data, `kind` naming its macro; its samples take at most `room` bytes."""
    match block:
        case Text():
            return {"kind": "text", "paragraphs": [part for part in block.text.split("\n\n") if part.strip()]}
        case Facts():
            rows = [{"label": label, "unit": unit, **cell_view(cell)} for label, cell, unit in block.rows]
            return {"kind": "facts", "title": block.title, "caption": block.caption, "rows": rows}
        case Table():
            return table_view(block)
        case LinePlot():
            return plot_view(block)
        case ScatterMap():
            return map_view(block, samples, room)
        case Gallery():
            return gallery_view(block, samples, room)
        case Findings():
            return findings_view(block, samples, room)
        case Code():
            return {
                "kind": "code",
                "title": block.title or "Code",
                "code": block.code.strip("\n"),
                "language": block.language,
            }
    raise UsageError(f"A section holds a {type(block).__name__}; blocks are Text, Facts, Table, LinePlot and so on.")


def table_view(table: Table) -> dict[str, Any]:
    """Return a table as template data."""
    columns = [column_of(column) for column in table.columns]
    heads = [
        {"name": column.name, "unit": column.unit, "right": stands_right(column, [row[j] for row in table.rows])}
        for j, column in enumerate(columns)
    ]
    count = common_count(cell for row in table.rows for cell in row)
    said_once = {"count": ""} if count else {}
    rows = [
        {
            "main": i in table.main,
            "cells": [
                {**cell_view(cell, columns[j].digits), **said_once, "best": (i, j) in table.best}
                for j, cell in enumerate(row)
            ],
        }
        for i, row in enumerate(table.rows)
    ]
    notes = ("Underlined: best." if table.best else "", f"{count} throughout." if count else "", table.caption)
    caption = " ".join(note for note in notes if note)
    return {"kind": "table", "title": table.title, "caption": caption, "columns": heads, "rows": rows}


def plot_view(plot: LinePlot) -> dict[str, Any]:
    """Return a plot as two drawings, for wide and narrow screens, its legend, readings and table of numbers."""
    named = names_fit(plot)
    legend = [
        {"name": curve.name, "swatch": curve_swatch(colour, curve.style, is_long(curve))}
        for curve, colour in zip(plot.curves, appearance(plot), strict=True)
    ]
    return {
        "kind": "plot",
        "title": plot.title or plot.y_label,
        "caption": plot.caption,
        "wide": draw_wide(plot),
        "narrow": draw_narrow(plot),
        "legend": legend if len(legend) > 1 else [],
        "named": named,
        "readings": readings(plot),
        "numbers": table_view(plot_table(plot)),
    }


def curve_swatch(colour: int, style: str, long: bool) -> Markup:
    """Return the sign of a curve in a legend: a stroke with its marker, without one if the curve is long."""
    shape, size = ("circle", 4.2) if style == "main" else (marker_of(colour), 3.6)
    stroke = element("path", {"class": "stroke", "d": "M1 7L25 7"})
    sign = Markup("") if long else marker(13, 7, size, shape)
    inside = element("g", {"class": f"curve c{colour} {style}{' long' if long else ''}"}, stroke, sign)
    return element("svg", {"class": "swatch", "viewBox": "0 0 26 14", "aria-hidden": "true"}, inside)


def category_swatch(code: int) -> Markup:
    """Return the sign of a category in a map's legend; after eight colours the shape changes."""
    colour = code % COLOURS if code >= 0 else "none"
    shape = MARKERS[code // COLOURS % len(MARKERS)] if code >= 0 else "circle"
    inside = element("g", {"class": f"curve c{colour} main"}, marker(7, 7, 4.4, shape))
    return element("svg", {"class": "dot", "viewBox": "0 0 14 14", "aria-hidden": "true"}, inside)


def map_view(scatter: ScatterMap, samples: bool, room: int = SAMPLE_BYTES) -> dict[str, Any]:
    """Return a map as template data: positions on a whole-number grid that keeps their proportions."""
    low_x, low_y = min(scatter.x, default=0), min(scatter.y, default=0)
    span_x, span_y = max(scatter.x, default=1) - low_x, max(scatter.y, default=1) - low_y
    scale = MAP_GRID / (max(span_x, span_y) or 1)
    shown = fit_samples(scatter.samples, room, evenly=True) if samples else ()
    codes = scatter.codes or (-1,) * len(scatter.x)
    entries = [(code, scatter.names[code]) for code in range(len(scatter.names))]
    entries += [(-1, f"no {scatter.category}")] if scatter.names and -1 in codes else []
    legend = [
        {"code": code, "name": name, "count": codes.count(code), "swatch": category_swatch(code)}
        for code, name in entries
    ]
    data = {
        "x": [round((x - low_x) * scale) for x in scatter.x],
        "y": [round((low_y + span_y - y) * scale) for y in scatter.y],
        "width": round(span_x * scale) or 1,
        "height": round(span_y * scale) or 1,
        "codes": codes,
        "names": scatter.names,
        "samples": [sample_view(sample) for sample in shown],
        "spark": (SPARK_WIDTH, SPARK_HEIGHT),
    }
    return {
        "kind": "map",
        "title": scatter.title,
        "caption": with_left_out(scatter.caption, shown),
        "category": scatter.category,
        "count": len(scatter.x),
        "legend": legend,
        "withheld": bool(scatter.samples) and not samples,
        "data": data,
    }


def gallery_view(gallery: Gallery, samples: bool, room: int = SAMPLE_BYTES) -> dict[str, Any]:
    """Return a gallery as template data, empty when samples are withheld."""
    shown = fit_samples(samples_of(gallery), room) if samples else ()
    following = iter(shown)
    rows = [
        {
            "query": sample_view(next(following)),
            "found": [
                {**sample_view(next(following)), "agrees": agrees} for agrees in row.agrees or (None,) * len(row.found)
            ],
        }
        for row in (gallery.rows if samples else ())
    ]
    return {
        "kind": "gallery",
        "title": gallery.title,
        "caption": with_left_out(gallery.caption, shown),
        "rows": rows,
        "withheld": not samples,
        "count": len(gallery.rows),
    }


def findings_view(findings: Findings, samples: bool, room: int = SAMPLE_BYTES) -> dict[str, Any]:
    """Return findings as template data, without their samples when those are withheld."""
    following = iter(fit_samples(samples_of(findings), room) if samples else ())
    items = [
        {
            **{field.name: getattr(item, field.name) for field in fields(Finding)},
            "message": item.told(samples),
            "counted": item.counted,
            "names": (),
            "samples": [sample_view(next(following)) for _ in (item.samples if samples else ())],
        }
        for item in findings.items
    ]
    return {"kind": "findings", "title": findings.title, "items": items}


def with_left_out(caption: str, samples: Sequence[Sample]) -> str:
    """Return the caption with a sentence on the samples that were left out for the size of the page, if any were."""
    kept = sum(sample.content is not None for sample in samples)
    if kept == len(samples):
        return caption
    said = f"{kept:,} of {len(samples):,} samples are on this page, which is kept below {PAGE_WORDS}."
    return f"{caption} {said}".strip()
