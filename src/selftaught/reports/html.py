"""A report as one self-contained page: everything is inline, nothing is fetched, every user string is escaped."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import replace
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
    Findings,
    Gallery,
    LinePlot,
    NotApplicable,
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
from selftaught.reports.samples import SPARK_HEIGHT, SPARK_WIDTH, sample_view
from selftaught.reports.text import column_of, plot_table, stands_right

SCRIPTS = ("page.js", "plot.js", "map.js")
TONE_WORDS = {"good": "positive", "bad": "negative", "warning": "with a warning", "neutral": "no clear winner"}
MAP_GRID = 10_000
COLOURS = 8


def render_html(
    title: str, verdict: Verdict, sections: Sequence[Section], *, kind: str = "", samples: bool = True
) -> str:
    """Return the page; without `samples` neither content nor caption of any record is in it."""
    script = "\n".join(template_text(name) for name in SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    views = [
        {"title": section.title, "note": section.note, "blocks": block_views(section.blocks, samples)}
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


def block_views(blocks: Sequence[Block], samples: bool) -> list[dict[str, Any]]:
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
        views.append({"title": "", "caption": "", **block_view(block, samples), "half": half})
    return views


def block_view(block: Block, samples: bool) -> dict[str, Any]:
    """Return one block as template data, `kind` naming its macro."""
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
            return map_view(block, samples)
        case Gallery():
            return gallery_view(block, samples)
        case Findings():
            items = [replace(item, message=item.told(samples), names=()) for item in block.items]
            return {"kind": "findings", "title": block.title, "items": items}
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


def map_view(scatter: ScatterMap, samples: bool) -> dict[str, Any]:
    """Return a map as template data: positions on a whole-number grid that keeps their proportions."""
    low_x, low_y = min(scatter.x, default=0), min(scatter.y, default=0)
    span_x, span_y = max(scatter.x, default=1) - low_x, max(scatter.y, default=1) - low_y
    scale = MAP_GRID / (max(span_x, span_y) or 1)
    shown = scatter.samples if samples else ()
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
        "caption": scatter.caption,
        "category": scatter.category,
        "count": len(scatter.x),
        "legend": legend,
        "withheld": bool(scatter.samples) and not samples,
        "data": data,
    }


def gallery_view(gallery: Gallery, samples: bool) -> dict[str, Any]:
    """Return a gallery as template data, empty when samples are withheld."""
    rows = [
        {
            "query": sample_view(row.query),
            "found": [
                {**sample_view(sample), "agrees": agrees}
                for sample, agrees in zip(row.found, row.agrees or (None,) * len(row.found), strict=True)
            ],
        }
        for row in (gallery.rows if samples else ())
    ]
    return {
        "kind": "gallery",
        "title": gallery.title,
        "caption": gallery.caption,
        "rows": rows,
        "withheld": not samples,
        "count": len(gallery.rows),
    }
