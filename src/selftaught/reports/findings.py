"""Findings of the data layer as a report shows them: alarms first."""

from __future__ import annotations

from collections.abc import Sequence

from selftaught.data.findings import Finding as DataFinding
from selftaught.reports.blocks import Finding

NAMED = ("set-aside", "split-leak", "duplicates", "blank", "depth-reduced", "first-frame")
SHOWN = 3
ALARMS = ("set-aside", "one-class", "class-of-one", "split-leak")


def shown_findings(findings: Sequence[DataFinding]) -> tuple[Finding, ...]:
    """The data's findings for a report, alarms first, each once."""
    unique = {(finding.code, finding.message): finding for finding in findings}
    ordered = sorted(unique.values(), key=lambda finding: finding.code not in ALARMS)
    return tuple(
        Finding(
            code=finding.code,
            severity="warning" if finding.code in ALARMS else "info",
            message=finding.message,
            count=finding.count,
            names=finding.ids[:SHOWN] if finding.code in NAMED else (),
        )
        for finding in ordered
    )
