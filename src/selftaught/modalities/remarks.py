"""What decoding remarks on, in words: one sentence for each code that a modality gives a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from selftaught.data.findings import Finding

REMARKS: Mapping[str, str] = {
    "all-missing": "hold no value at all, only gaps",
    "alpha-composited": "are partly transparent and were laid on the background",
    "beyond-full-scale": "are louder than full scale and were clipped",
    "blank": "have one value everywhere, so there is nothing to see on them",
    "channel-missing": "lack a channel that others have; it is missing there",
    "channels-cancel": "have channels that cancel each other out; the loudest one was taken",
    "clipped": "reach the largest value they can hold and are cut off there",
    "colour-space-converted": "were in another colour space (CMYK, palette, Lab) and were turned into RGB",
    "colour-to-grey": "are in colour, and this data is grey; they were turned into grey",
    "column-missing": "lack a column that others have; its cell is missing there",
    "depth-changed": "have another depth than the data; their values were rescaled",
    "depth-reduced": "have 16 bits a value, and 8 were kept",
    "first-frame": "are animated; only the first frame was taken",
    "grey-to-colour": "are grey, and this data is in colour; their channel was repeated",
    "infinite-cell": "hold an infinite number, which was taken for a missing cell",
    "mixed-to-mono": "have several channels, which were averaged",
    "not-a-count": "hold a cell that is no count where the column counts; it is missing there",
    "not-a-flag": "hold a cell that is neither yes nor no where the column says one; it is missing there",
    "not-a-number": "hold a cell that is no number where the column has numbers; it is missing there",
    "not-a-time": "hold a cell that is no date or time where the column has them; it is missing there",
    "resampled": "have another rate than the data and were brought to it",
    "silent": "hold no sound",
    "text-broken": "hold bytes that are no character; a mark stands in their place",
    "text-controls": "hold control characters, which were taken out",
    "text-encoding": "are not UTF-8 and were read in another encoding",
    "text-longer-than-a-row": "are longer than a row; training sees parts, vectors are made of the beginning",
    "text-truncated": "are longer than the limit, and only their beginning was kept",
    "time-duplicated": "name a time twice; rows of one time were averaged",
    "time-gaps": "have gaps in time; the steps between are missing",
    "time-missing": "have no times, or rows without one; such rows were left out where others have a time",
    "time-unsorted": "are not in the order of time and were sorted",
    "truncated": "are shorter than their header says; what is there was taken",
    "turned-upright": "are stored turned and were set upright",
    "values-infinite": "hold infinite values, which were taken for missing ones",
}


def explain(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings of a store; remarks say what they mean instead of naming a code."""
    return tuple(
        replace(each, message=f"{each.count:,} of the records {REMARKS[each.code]}.") if each.code in REMARKS else each
        for each in findings
    )
