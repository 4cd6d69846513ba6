"""A report for the terminal: verdict first, aligned tables, no colour codes unless asked for."""

from collections.abc import Sequence

from selftaught.reports.blocks import (
    Block,
    Cell,
    Code,
    Column,
    Curve,
    Facts,
    Findings,
    Gallery,
    LinePlot,
    Sample,
    ScatterMap,
    Section,
    Table,
    Text,
    Verdict,
)
from selftaught.reports.figures import axis_name, number_words, reading
from selftaught.reports.formats import common_count, display_width, format_cell, is_number, printable
from selftaught.reports.samples import say_sample

SHOWN_POINTS = 8
FEW_POINTS = 4
SHOWN_CODE = 12
"""Points of a plot in a table, those of a plot without ticks of its own in a terminal, and lines of code there."""
SHOWN_NEIGHBOURS = 5
SHOWN_LINES = 3
"""Neighbours by name, and neighbours of texts and rows, which take a line each."""
GAP = "  "
NARROWEST = 12

TONES = {"good": ("+", "32"), "bad": ("x", "31"), "warning": ("!", "33"), "neutral": ("=", "36")}
SEVERITIES = {"error": "x", "warning": "!", "info": "i", "passed": "+", "not applicable": "-"}


def render_text(
    title: str,
    verdict: Verdict,
    sections: Sequence[Section],
    *,
    width: int = 88,
    colour: bool = False,
    samples: bool = True,
) -> str:
    """Return the whole report as lines of at most `width` columns; code is never broken."""
    lines = [paint(printable(title), "1", colour), "=" * min(width, display_width(title)), ""]
    lines += verdict_lines(verdict, width, colour)
    for section in sections:
        blocks = section.blocks if section.brief is None else section.brief
        if section.brief == ():
            continue
        lines += ["", paint(printable(section.title), "1", colour), "-" * min(width, display_width(section.title))]
        lines += wrap(section.note, width) if section.note else []
        for block in blocks:
            lines += ["", *block_lines(block, width, colour, samples)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def paint(text: str, code: str, colour: bool) -> str:
    """Return `text` in an ANSI style, or unchanged without colour."""
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """Return `text` broken between words into lines of at most `width` columns; longer words are cut."""
    room = max(1, width - len(indent))
    lines, line = [], ""
    for word in printable(text).split():
        joined = f"{line} {word}" if line else word
        if display_width(joined) <= room:
            line = joined
            continue
        lines += [line] if line else []
        pieces = _cut(word, room)
        lines += pieces[:-1]
        line = pieces[-1]
    return [indent + part for part in [*lines, line]]


def _cut(word: str, room: int) -> list[str]:
    pieces, piece = [], ""
    for char in word:
        if piece and display_width(piece + char) > room:
            pieces.append(piece)
            piece = ""
        piece += char
    return [*pieces, piece]


def pad(text: str, width: int, right: bool) -> str:
    """Return `text` filled with spaces to `width` columns, standing to the right if asked."""
    space = " " * max(0, width - display_width(text))
    return space + text if right else text + space


def verdict_lines(verdict: Verdict, width: int, colour: bool) -> list[str]:
    """Return the verdict: sign, headline, sentences, facts."""
    sign, code = TONES[verdict.tone]
    head = wrap(verdict.headline, width, "    ")
    head[0] = f"[{sign}] {head[0].lstrip()}"
    lines = [paint(line, f"1;{code}", colour) for line in head]
    for sentence in verdict.sentences:
        lines += wrap(sentence, width, "    ")
    if verdict.facts:
        lines += ["", *_pairs([(label, format_cell(cell)) for label, cell in verdict.facts], width, "    ")]
    return lines


def block_lines(block: Block, width: int, colour: bool, samples: bool) -> list[str]:
    """Return one block as lines of at most `width` columns."""
    match block:
        case Text():
            paragraphs = [wrap(part, width) for part in block.text.split("\n\n")]
            return [line for part in paragraphs for line in (*part, "")][:-1]
        case Facts():
            pairs = [(label, format_cell(cell, unit=unit)) for label, cell, unit in block.rows]
            return _titled(block.title, _pairs(pairs, width, ""), block.caption, width)
        case Table():
            return _titled(block.title, table_lines(block, width, colour), block.caption, width)
        case LinePlot():
            table = plot_table(block, SHOWN_POINTS if block.ticks else FEW_POINTS)
            caption = f"{table.caption} {block.caption}".strip()
            return _titled(block.title, table_lines(table, width, colour), caption, width)
        case ScatterMap():
            return _titled(block.title, _map_lines(block, width), block.caption, width)
        case Gallery():
            return _titled(block.title, _gallery_lines(block, width, samples), block.caption, width)
        case Findings():
            return _titled(block.title, _finding_lines(block, width, colour, samples), "", width)
        case Code():
            return _titled(block.title, _code_lines(block), "", width)


def _code_lines(block: Code) -> list[str]:
    lines = ["    " + printable(line) for line in block.code.splitlines()]
    left = len(lines) - SHOWN_CODE
    return lines if left <= 1 else [*lines[:SHOWN_CODE], f"    ... {left} more lines on the page"]


def _titled(title: str, body: list[str], caption: str, width: int) -> list[str]:
    head = [f"{printable(title)}:"] if title else []
    return [*head, *body, *(wrap(caption, width) if caption else [])]


def _pairs(pairs: Sequence[tuple[str, str]], width: int, indent: str) -> list[str]:
    longest = min(max((display_width(label) for label, _ in pairs), default=0), width // 2)
    lines = []
    for label, value in pairs:
        head = f"{indent}{pad(printable(label), longest, right=False)}{GAP}"
        body = wrap(value, width - display_width(head))
        lines.append(head + body[0])
        lines += [" " * display_width(head) + line for line in body[1:]]
    return lines


def column_of(column: Column | str) -> Column:
    """Return the column, with a bare name standing for `Column(name=...)`."""
    return Column(name=column) if isinstance(column, str) else column


def stands_right(column: Column, cells: Sequence[Cell]) -> bool:
    """Return whether a column stands to the right: asked for, or all that was measured in it are numbers."""
    measured = [cell for cell in cells if is_number(cell) or isinstance(cell, str)]
    numeric = bool(measured) and all(is_number(cell) for cell in measured)
    return column.align == "right" or (column.align == "auto" and numeric)


def table_lines(table: Table, width: int, colour: bool = False) -> list[str]:
    """Return an aligned table; one that is too wide goes on below with its first column repeated."""
    columns = [column_of(column) for column in table.columns]
    marked = {column for _, column in table.best}
    texts = [
        [
            printable(format_cell(cell, columns[j].digits))
            + ((" *" if (i, j) in table.best else GAP) if j in marked else "")
            for j, cell in enumerate(row)
        ]
        for i, row in enumerate(table.rows)
    ]
    heads = [
        printable(axis_name(column.name, column.unit)) + (GAP if j in marked else "")
        for j, column in enumerate(columns)
    ]
    rights = [stands_right(column, [row[j] for row in table.rows]) for j, column in enumerate(columns)]
    widths = [max(map(display_width, [head, *(row[j] for row in texts)])) for j, head in enumerate(heads)]
    widths = _narrowed(widths, rights, width)
    lines: list[str] = []
    for group in _groups(widths, width):
        lines += [""] if lines else []
        head = _row([heads[j] for j in group], [widths[j] for j in group], [rights[j] for j in group])
        lines += [*head, GAP.join("-" * widths[j] for j in group)]
        for i, row in enumerate(texts):
            body = _row([row[j] for j in group], [widths[j] for j in group], [rights[j] for j in group])
            lines += [paint(line, "1", colour and i in table.main) for line in body]
    count = common_count(cell for row in table.rows for cell in row)
    notes = [*(["* best"] if marked else []), *([f"{count} throughout"] if count else [])]
    return [*lines, *([", ".join(notes)] if notes else [])]


def _narrowed(widths: list[int], rights: Sequence[bool], width: int) -> list[int]:
    """Take what is too wide from the widest text columns if that is enough; numbers are never broken."""
    narrow = [min(own, width) for own in widths]
    excess = sum(narrow) + len(GAP) * (len(narrow) - 1) - width
    while excess > 0:
        free = [j for j, right in enumerate(rights) if not right and narrow[j] > NARROWEST]
        if not free:
            return [min(own, width // 3 if j == 0 else width) for j, own in enumerate(widths)]
        narrow[max(free, key=narrow.__getitem__)] -= 1
        excess -= 1
    return narrow


def _groups(widths: Sequence[int], width: int) -> list[list[int]]:
    groups, group, used = [], [0], widths[0] if widths else 0
    for j in range(1, len(widths)):
        if used + len(GAP) + widths[j] > width and len(group) > 1:
            groups.append(group)
            group, used = [0], widths[0]
        group.append(j)
        used += len(GAP) + widths[j]
    return [*groups, group] if widths else []


def _row(cells: Sequence[str], widths: Sequence[int], rights: Sequence[bool]) -> list[str]:
    parts = [[cell] if display_width(cell) <= own else wrap(cell, own) for cell, own in zip(cells, widths, strict=True)]
    height = max(map(len, parts), default=0)
    return [
        GAP.join(
            pad(part[line] if line < len(part) else "", own, right)
            for part, own, right in zip(parts, widths, rights, strict=True)
        )
        for line in range(height)
    ]


def plot_table(plot: LinePlot, limit: int = SHOWN_POINTS) -> Table:
    """Return the numbers of a plot, one row per x and one column per curve; says when points are left out."""
    places = sorted({float(x) for curve in plot.curves for x in curve.x})
    shown = places
    if len(places) > limit:
        shown = [places[round(index * (len(places) - 1) / (limit - 1))] for index in range(limit)]
    labels = {float(x): label for x, label in plot.ticks}
    values: list[dict[float, str]] = [_readings_by_x(curve) for curve in plot.curves]
    rows = tuple((labels.get(x) or number_words(x), *(points.get(x) for points in values)) for x in shown)
    head = axis_name(plot.x_label, plot.x_unit)
    columns = (Column(name=head, align="right"), *(Column(name=curve.name, align="right") for curve in plot.curves))
    left_out = f"{plot.y_label}; {len(shown)} of {len(places)} points shown." if len(shown) < len(places) else ""
    return Table(columns=columns, rows=rows, caption=left_out)


def _readings_by_x(curve: Curve) -> dict[float, str]:
    words = ((float(x), reading(curve, index)) for index, x in enumerate(curve.x))
    return {x: value for x, value in words if value}


def _map_lines(scatter: ScatterMap, width: int) -> list[str]:
    counts = [(name, scatter.codes.count(code)) for code, name in enumerate(scatter.names)]
    unlabelled = scatter.codes.count(-1)
    pairs = [(name, f"{count:,}") for name, count in counts] + ([("no label", f"{unlabelled:,}")] if unlabelled else [])
    return [*wrap(f"Map of {len(scatter.x):,} records; see the page.", width), *_pairs(pairs, width, "  ")]


def _gallery_lines(gallery: Gallery, width: int, samples: bool) -> list[str]:
    if not samples:
        return [f"{len(gallery.rows)} queries; samples left out."]
    lines: list[tuple[str, str]] = []
    wordy: list[str] = []
    for row in gallery.rows:
        signs = {True: "+", False: "-", None: ""}
        agrees = row.agrees or (None,) * len(row.found)
        if row.query.kind in ("text", "row"):
            near = list(zip(row.found, agrees, strict=True))[:SHOWN_LINES]
            wordy.append(_line(f"  {_worded(row.query)}", width))
            wordy += [_line(f"    {signs[mark] or chr(183)} {_worded(sample)}", width) for sample, mark in near]
            continue
        found = [signs[mark] + _name(sample) for sample, mark in zip(row.found, agrees, strict=True)]
        lines.append((_name(row.query), ", ".join(found[:SHOWN_NEIGHBOURS])))
    return [*wordy, *_pairs(lines, width, "  ")]


def _name(sample: Sample) -> str:
    if sample.caption:
        return sample.caption
    return say_sample(sample)[:40]


def _worded(sample: Sample) -> str:
    return f"{sample.caption}: {say_sample(sample)}" if sample.caption else say_sample(sample)


def _line(text: str, width: int) -> str:
    """The text on one line, cut where it is too wide."""
    shown = printable(text)
    if display_width(shown) <= width:
        return shown
    while display_width(shown) > width - 2:
        shown = shown[:-1]
    return f"{shown.rstrip()} …"


def _finding_lines(findings: Findings, width: int, colour: bool, samples: bool) -> list[str]:
    lines = []
    for item in findings.items:
        count = f" ({item.counted})" if item.counted else ""
        body = wrap(f"{item.code}  {item.told(samples)}{count}", width, "    ")
        body[0] = f"[{SEVERITIES[item.severity]}] {body[0].lstrip()}"
        code = {"error": "31", "warning": "33"}.get(item.severity, "0")
        lines += [paint(body[0], code, colour), *body[1:]]
        lines += wrap(f"-> {item.remedy}", width, "    ") if item.remedy else []
        lines += [_line(f"    {_worded(sample)}", width) for sample in item.samples if samples]
    return lines or ["No findings."]
