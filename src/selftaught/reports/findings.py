"""Findings of the data layer as a report shows them, alarms first, and what a modality says of its records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from selftaught.core.modality import Modality, Rows
from selftaught.data.findings import Finding as DataFinding
from selftaught.data.store import Store
from selftaught.reports.blocks import Cell, Finding, Sample

NAMED = (
    *("set-aside", "split-leak", "duplicates", "recordings-cut"),
    *("blank", "depth-reduced", "first-frame"),
    *("text-truncated", "text-longer-than-a-row", "text-broken", "text-controls"),
    *("silent", "clipped", "truncated", "beyond-full-scale", "channels-cancel"),
    *("values-infinite", "all-missing", "channel-missing"),
    *("time-missing", "time-unsorted", "time-duplicated", "time-gaps"),
    *("column-missing", "infinite-cell", "not-a-number", "not-a-count", "not-a-flag", "not-a-time"),
)
SHOWN = 3
"""Findings on single records, and how many of these they name: not those that most records of a set share."""
ALARMS = ("set-aside", "one-class", "class-of-one", "split-leak")
AUDITED = 2_000
CHUNK = 64
"""Records that the facts of a data set are told from, and how many are read at once."""

DataFact = tuple[str, Cell, str]
"""What, how much, and its unit."""


def shown_findings(
    findings: Sequence[DataFinding], samples: Mapping[str, tuple[Sample, ...]] | None = None
) -> tuple[Finding, ...]:
    """The data's findings for a report, alarms first, each once. samples: a few records by code, where there are."""
    unique = {(finding.code, finding.message): finding for finding in findings}
    ordered = sorted(unique.values(), key=lambda finding: finding.code not in ALARMS)
    return tuple(
        Finding(
            code=finding.code,
            severity="warning" if finding.code in ALARMS else "info",
            message=finding.message,
            count=finding.count,
            samples=(samples or {}).get(finding.code, ()),
            names=finding.ids[:SHOWN] if finding.code in NAMED else (),
        )
        for finding in ordered
    )


def audit_facts(modality: Modality, store: Store) -> tuple[DataFact, ...]:
    """What the data was taken for, and the modality's facts of it: lengths, durations, rates, what is missing.

    From at most AUDITED records, spread evenly over the store; the last fact says so.
    """
    count = min(AUDITED, len(store))
    chosen = np.linspace(0, max(0, len(store) - 1), count).round().astype(np.int64)

    def chunks() -> Iterator[Rows]:
        for start in range(0, count, CHUNK):
            yield store.rows(chosen[start : start + CHUNK])

    facts: tuple[DataFact, ...] = tuple((name, _whole(value), unit) for name, value, unit in modality.audit(chunks()))
    looked: tuple[DataFact, ...] = (("told from", count, f"of {len(store):,} records"),)
    return (("read as", modality.sentence, ""), *facts, *(looked if facts and count < len(store) else ()))


def _whole(value: float | str) -> float | int | str:
    return int(value) if isinstance(value, float) and value.is_integer() else value
