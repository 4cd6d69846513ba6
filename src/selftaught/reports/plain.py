"""Typed report data as plain JSON values and back to nothing but dicts, lists, strings, numbers and null."""

import dataclasses
import math
from collections.abc import Mapping
from datetime import date
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np

from selftaught.core.errors import UsageError
from selftaught.reports.blocks import Finding, NotApplicable, Sample
from selftaught.reports.samples import plain_sample


def to_plain(value: Any, samples: bool = True) -> Any:
    """Return `value` as JSON data.

    NaN becomes null (not measured), infinities the strings "inf" and "-inf", arrays nested lists, bytes null. Of a
    `Sample`, texts and rows are kept as they are shown, of pictures, sounds and series only what they are; without
    `samples` neither content nor caption.

    Raises:
        UsageError: a value has no JSON form.
    """
    match value:
        case Enum():
            return to_plain(value.value, samples)
        case np.generic() | np.ndarray():
            return to_plain(value.tolist(), samples)
        case None | bool() | str() | int():
            return value
        case float():
            return _finite(value)
        case bytes() | bytearray():
            return None
        case PurePath() | date():
            return str(value)
        case Sample():
            content = plain_sample(value) if samples else None
            known = {"kind": value.kind, "caption": value.caption if samples else None}
            return known if content is None else {**known, "content": content}
        case Finding() if value.names and not samples:
            return to_plain(dataclasses.replace(value, names=()), samples)
        case NotApplicable():
            return {"not_applicable": True, "reason": value.reason}
        case Mapping():
            return {str(key): to_plain(item, samples) for key, item in value.items()}
        case tuple() | list():
            return [to_plain(item, samples) for item in value]
        case set() | frozenset():
            return [to_plain(item, samples) for item in sorted(value)]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = dataclasses.fields(value)
            return {field.name: to_plain(getattr(value, field.name), samples) for field in fields}
    raise UsageError(f"A report field holds a {type(value).__name__}, which has no JSON form; store plain data.")


def _finite(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")
