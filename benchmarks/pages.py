"""Writes the tables of numbers into the docs pages, from modalities.csv, forecast.csv and race.csv under results/.

    .venv/bin/python benchmarks/pages.py

Between a comment that names a file and sets, and the next that ends it, a page holds what this script wrote last. The
best classical control is the one with the highest accuracy on the test part, which flatters it.
"""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from pathlib import Path

import ledger

DOCS = ledger.ROOT / "docs" / "how-to"
BUDGETS = ("1", "5", "20", "all")
ENCODER, TWIN, SCRATCH, MOST = "encoder", "untrained twin", "supervised from scratch", "majority"
BLOCK = re.compile(r"<!-- numbers: (?P<file>\S+) (?P<sets>[^>]*?) -->\n.*?<!-- end of numbers -->\n", re.DOTALL)


def of_labels(rows: list[dict[str, str]], sets: list[str]) -> list[str]:
    """Accuracy by set and labels a class: encoder, twin with the gain over it, best classical control, from scratch."""
    lines = [
        "| set | labels a class | encoder | untrained twin | points over it, 95 % | best classical | from scratch |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in sets:
        cells = {(row["contestant"], row["budget"]): row for row in rows if row["set"] == name}
        for budget in BUDGETS:
            own = cells.get((ENCODER, budget))
            if own is None:
                continue
            twin = cells[TWIN, budget]
            other = {
                who: row
                for (who, at), row in cells.items()
                if at == budget and who not in (ENCODER, TWIN, SCRATCH, MOST)
            }
            best = max(other, key=lambda who: float(other[who]["accuracy"]))
            scratch = cells.get((SCRATCH, budget))
            classical = f"{share(other[best]['accuracy'])} ({best})"
            shown = [said(name), budget, share(own["accuracy"]), share(twin["accuracy"]),
                     f"{points(twin['lead_low'])} to {points(twin['lead_high'])}",
                     classical, share(scratch["accuracy"]) if scratch else ""]  # fmt: skip
            lines.append(f"| {' | '.join(shown)} |")
    return lines


def of_forecasts(rows: list[dict[str, str]], sets: list[str]) -> list[str]:
    """Mean squared error by set and horizon, over the seeds."""
    errors: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        errors[row["set"], row["horizon"]][row["forecast"]].append(float(row["mse"]))
    names = list(dict.fromkeys(row["forecast"] for row in rows))
    lines = [f"| set | steps ahead | {' | '.join(names)} |", f"|---|---|{'---|' * len(names)}"]
    for (name, horizon), found in errors.items():
        if name in sets:
            shown = [f"{statistics.fmean(found[each]):.3f}" if found[each] else "" for each in names]
            lines.append(f"| {name} | {horizon} | {' | '.join(shown)} |")
    return lines


def of_races(rows: list[dict[str, str]], sets: list[str]) -> list[str]:
    """What a race took, beside what an exhaustive run says is best."""
    lines = [
        "| set | answer | taken | best of all | regret, points | best control | order without labels |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row["set"] not in sets:
            continue
        shown = [said(row["set"]), row["answer"], f"{row['taken']} {share(row['accuracy'])}",
                 f"{row['best']} {share(row['best_accuracy'])}", f"{float(row['regret']):.1f}",
                 f"{row['control']} {share(row['control_accuracy'])}", f"{float(row['spearman']):+.2f}"]  # fmt: skip
        lines.append(f"| {' | '.join(shown)} |")
    return lines


def said(name: str) -> str:
    """The name of a set in words."""
    return name.replace("fsdd-", "fsdd, without ").replace("hmp-", "hmp, fold ")


def share(text: str) -> str:
    """An accuracy with three digits and without the zero before the point."""
    return f"{float(text):.3f}".removeprefix("0")


def points(text: str) -> str:
    """A difference of accuracies in points, signed."""
    return f"{100 * float(text):+.1f}"


TABLES = {"forecast": of_forecasts, "race": of_races}
"""Who writes the table of a file; of any other it is `of_labels`."""


def fill(page: Path) -> str:
    """The page with its tables written anew."""

    def table(found: re.Match[str]) -> str:
        file, sets = found["file"], found["sets"].split()
        rows = ledger.Ledger(ledger.ROOT / file).rows
        lines = next((write for name, write in TABLES.items() if name in file), of_labels)(rows, sets)
        body = "".join(f"{line}\n" for line in lines) if len(lines) > 2 else ""
        return f"<!-- numbers: {file} {found['sets']} -->\n{body}<!-- end of numbers -->\n"

    return BLOCK.sub(table, page.read_text(encoding="utf-8"))


def main() -> None:
    for page in sorted(DOCS.glob("*.md")):
        page.write_text(fill(page), encoding="utf-8")


if __name__ == "__main__":
    main()
