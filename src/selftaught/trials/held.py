"""Tables of the accuracy that is kept under corruptions and elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from selftaught.reports.blocks import Block, Cell, Column, Curve, Estimate, LinePlot, Table
from selftaught.trials.conditions import Held, Moved


def corruption_tables(held: Sequence[Held]) -> tuple[Block, ...]:
    """Accuracy over severities, then the share of accuracy that is kept under each corruption."""
    return _severity_plot(held), _severity_table(held), corruption_table(held)


def _names(held: Sequence[Held]) -> list[str]:
    return list(dict.fromkeys(each.contestant for each in held))


def _severity_plot(held: Sequence[Held]) -> LinePlot:
    lines = []
    for place, name in enumerate(_names(held)):
        own = [each for each in held if each.contestant == name and (each.corruption == "" or each.corruption is None)]
        own = [each for each in own if each.severity is not None]
        lines.append(
            Curve(
                name=name, x=tuple(float(each.severity or 0) for each in own), y=tuple(each.value for each in own),
                low=tuple(each.low for each in own), high=tuple(each.high for each in own),
                style="control" if place else "main",
            )
        )  # fmt: skip
    return LinePlot(
        curves=tuple(lines),
        x_label="severity, 0 is none",
        y_label="test accuracy",
        title="Accuracy under corruptions",
        caption="With all labels, mean over corruptions. Bands are 95 % intervals over test records.",
    )


def _severity_table(held: Sequence[Held]) -> Table:
    """The lead of the encoder over everyone, by severity."""
    severities = sorted({each.severity for each in held if each.severity})
    known = {(each.contestant, each.severity): each for each in held if each.corruption is None}
    rows: list[tuple[Cell, ...]] = []
    for name in _names(held)[1:]:
        cells: list[Cell] = [name]
        for severity in severities:
            lead = known[name, severity].lead
            cells.append(None if lead is None else _points(lead))
        rows.append(tuple(cells))
    return Table(
        columns=("lead of the encoder over", *(Column(name=f"severity {each}", unit="points") for each in severities)),
        rows=tuple(rows),
        title="Lead under corruptions",
        caption="Mean over corruptions, paired over the same test records; above 0 the encoder is better.",
    )


def corruption_table(held: Sequence[Held]) -> Table:
    """Faults by contestants: the share of accuracy that is kept, mean over severities."""
    names = _names(held)
    corruptions = list(dict.fromkeys(each.corruption for each in held if each.corruption))
    known = {
        (each.contestant, each.corruption): each for each in held if each.severity is None or each.corruption == ""
    }
    rows: list[tuple[Cell, ...]] = [("none: accuracy", *(known[name, ""].value for name in names))]
    rows += [(str(corruption), *(known[name, corruption].kept for name in names)) for corruption in corruptions]
    rows.append(("all", *(known[name, None].kept for name in names)))
    return Table(
        columns=("corruption", *(Column(name=name, digits=3) for name in names)),
        rows=tuple(rows),
        title="Share of accuracy kept",
        caption="Accuracy under the corruption, mean over severities, by the accuracy without it.",
    )


def moved_table(moved: Sequence[Moved], place: str, left_out: int) -> Table:
    """One line per contestant: here, there, kept, and the encoder's lead there."""
    rows: list[tuple[Cell, ...]] = []
    for each in moved:
        lead = None if each.lead is None else _points(each.lead)
        rows.append((each.contestant, _accuracy(each.here), _accuracy(each.there), each.kept, lead or "–"))
    more = f" {left_out:,} records of unknown classes are left out." if left_out else ""
    return Table(
        columns=(
            "contestant",
            "test part",
            place,
            Column(name="kept", digits=3),
            Column(name="lead of the encoder there", unit="points", align="right"),
        ),
        rows=tuple(rows),
        title="Accuracy here and there",
        caption=f"Everyone learned from all labels of the training part. 95 % intervals over records.{more}",
        main=(0,),
    )


def _accuracy(value: tuple[float, float, float]) -> Estimate:
    return Estimate(value=value[0], low=value[1], high=value[2], digits=3)


def _points(lead: tuple[float, float, float]) -> Estimate:
    value, low, high = (100 * each for each in lead)
    return Estimate(value=value, low=low, high=high, digits=1)
