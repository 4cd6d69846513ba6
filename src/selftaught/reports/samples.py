"""Samples as plain data for the page: data addresses for bytes, path data for series. Nothing is fetched later."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from selftaught.core.errors import UsageError
from selftaught.core.modality import Portrait
from selftaught.reports.blocks import Number, Numbers, Sample, as_numbers
from selftaught.reports.formats import format_number
from selftaught.reports.sound import SPECTROGRAM_BYTES, draw_spectrogram, read_sound

SPARK_WIDTH, SPARK_HEIGHT = 120, 48
TEXT_LIMIT = 600
POINT_LIMIT = 120
ROW_LIMIT = 24
"""Letters of a text, points of a channel, and cells of a row that a page shows."""
FLATTENED = 8.0
"""Channels whose ranges differ more than so many times are drawn on a scale each: on one, some would be flat."""

# Only raster formats: an SVG picture could carry script.
MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


def sample_of(portrait: Portrait, caption: str = "") -> Sample:
    """Return a modality's portrait of a record as a sample; arrays and mappings become plain tuples."""
    content: Any = portrait.content
    if portrait.kind == "line":
        values = np.asarray(content, np.float64)
        columns = values[:, None] if values.ndim == 1 else values
        content = tuple(as_numbers(channel) for channel in columns[:: max(1, len(columns) // (2 * POINT_LIMIT))].T)
    if portrait.kind == "row" and isinstance(content, Mapping):
        content = tuple((str(name), str(value)) for name, value in content.items())
    return Sample(kind=portrait.kind, content=content, caption=caption)


def media_type(data: bytes, kind: str) -> str:
    """Return the media type of picture or audio bytes, read from their first bytes.

    Raises:
        UsageError: the bytes are none of PNG, JPEG, GIF, WebP (picture) or WAV (audio).
    """
    if data[:4] == b"RIFF" and data[8:12] in (b"WEBP", b"WAVE"):
        found = "image/webp" if data[8:12] == b"WEBP" else "audio/wav"
    else:
        found = next((name for magic, name in MAGIC if data.startswith(magic)), "")
    if found.partition("/")[0] != {"picture": "image", "audio": "audio"}[kind]:
        raise UsageError(
            f"A {kind} sample starts with bytes {data[:12]!r}; "
            f"{'encode it as PNG, JPEG, GIF or WebP' if kind == 'picture' else 'encode it as WAV'} first."
        )
    return found


def data_address(data: bytes, kind: str) -> str:
    """Return the bytes of a picture or sound as an address that fetches nothing."""
    return f"data:{media_type(data, kind)};base64,{base64.b64encode(data).decode('ascii')}"


def sample_view(sample: Sample) -> dict[str, Any]:
    """Return what a template or the map's script needs to show `sample`; keys are short since maps hold thousands."""
    if sample.content is None:
        return {"kind": "none", "caption": sample.caption}
    view: dict[str, Any] = {"kind": sample.kind, "caption": sample.caption}
    content: Any = sample.content
    match sample.kind:
        case "picture":
            view["address"] = data_address(content, "picture")
        case "audio":
            drawing = draw_spectrogram(content)
            view["address"] = data_address(content, "audio")
            view["picture"] = data_address(drawing, "picture") if drawing else ""
        case "text":
            view["text"] = shorten(content)
        case "line":
            view["paths"] = spark_paths(content)
        case "row":
            view["row"] = [[name, value] for name, value in content[:ROW_LIMIT]]
    return view


def weigh(sample: Sample) -> int:
    """Return about how many bytes of a page the sample takes, rather too many than too few."""
    content: Any = sample.content
    size = 64 + len(json.dumps(sample.caption))
    match sample.kind:
        case "picture" | "audio" if content is not None:
            size += 4 * len(content) // 3 + (SPECTROGRAM_BYTES if sample.kind == "audio" else 0)
        case "text" if content is not None:
            size += len(json.dumps(shorten(content)))
        case "line" if content is not None:
            size += sum(16 + 11 * min(len(channel), POINT_LIMIT) for channel in content)
        case "row" if content is not None:
            size += len(json.dumps(content[:ROW_LIMIT])) + 40 * min(len(content), ROW_LIMIT)
    return size


def share_room(needs: Sequence[int], room: int) -> list[int]:
    """Return how many of `room` bytes each may take: small needs are met whole, the others share the rest evenly."""
    given, left = [0] * len(needs), room
    order = sorted(range(len(needs)), key=needs.__getitem__)
    for place, index in enumerate(order):
        given[index] = min(needs[index], left // (len(order) - place))
        left -= given[index]
    return given


def fit_samples(samples: Sequence[Sample], room: int, *, evenly: bool = False) -> tuple[Sample, ...]:
    """Return the samples, the contents of some left out (captions stay) so that all take at most `room` bytes.

    The first are kept, or (`evenly`) some from everywhere.
    """
    weights = [weigh(sample) for sample in samples]
    if sum(weights) <= room:
        return tuple(samples)
    order = range(len(samples))
    # Multiples of the golden ratio, modulo 1, fill an interval evenly wherever one stops.
    taken = sorted(order, key=lambda index: index * 0.6180339887498949 % 1) if evenly else order
    bare = [replace(sample, content=None) for sample in samples]
    fitted, left = list(bare), room - sum(weigh(sample) for sample in bare)
    for index in taken:
        more = weights[index] - weigh(bare[index])
        if more <= left:
            fitted[index] = samples[index]
            left -= more
    return tuple(fitted)


def say_sample(sample: Sample) -> str:
    """Return the sample's content in words for a terminal: one line, as long as it happens to be."""
    content: Any = sample.content
    if content is None:
        return "left out"
    match sample.kind:
        case "text":
            return " ".join(shorten(content).split())
        case "row":
            return ", ".join(f"{name} {value}" for name, value in content[:ROW_LIMIT])
        case "line":
            steps = max(map(len, content), default=0)
            return f"{len(content)} channel{'' if len(content) == 1 else 's'}, {steps:,} points"
        case "audio":
            sound = read_sound(content)
            return "sound" if sound is None else f"{format_number(len(sound[0]) / sound[1], 1)} s of sound"
    return sample.kind


def plain_sample(sample: Sample) -> Any:
    """Return texts and rows as they are shown, of sounds and series how large they are; None of the others."""
    content: Any = sample.content
    if content is None or sample.kind == "picture":
        return None
    if sample.kind == "text":
        return shorten(content)
    return dict(content[:ROW_LIMIT]) if sample.kind == "row" else say_sample(sample)


def shorten(text: str) -> str:
    """Return the beginning of a text, with dots where it is cut."""
    return text if len(text) <= TEXT_LIMIT else text[:TEXT_LIMIT].rstrip() + " …"


def spark_paths(channels: tuple[Numbers, ...]) -> list[str]:
    """Return one SVG path per channel in a box of SPARK_WIDTH x SPARK_HEIGHT, on one value scale where that shows all.

    Channels whose ranges differ too much for one scale get one each.
    """
    ranges = [_range(channel) for channel in channels]
    known = [each for each in ranges if each is not None]
    together = (min((low for low, _ in known), default=0.0), max((high for _, high in known), default=1.0))
    spans = [high - low for low, high in known if high > low]
    apart = bool(spans) and together[1] - together[0] > FLATTENED * min(spans)
    paths = []
    for channel, own in zip(channels, ranges, strict=True):
        low, high = own if apart and own is not None else together
        span = (high - low) or 1.0
        shown = channel[:: max(1, math.ceil(len(channel) / POINT_LIMIT))]
        across = (SPARK_WIDTH - 4) / max(1, len(shown) - 1)
        points = [
            (2 + index * across, SPARK_HEIGHT - 3 - (SPARK_HEIGHT - 6) * (value - low) / span)
            for index, value in enumerate(shown)
        ]
        paths.append(path_data(points))
    return paths


def _range(channel: Numbers) -> tuple[float, float] | None:
    finite = [float(value) for value in channel if math.isfinite(value)]
    return (min(finite), max(finite)) if finite else None


def path_data(points: Sequence[tuple[Number, Number]]) -> str:
    """Return SVG path data through `points` (pixels); a point that is not finite lifts the pen."""
    parts, drawing = [], False
    for x, y in points:
        if math.isfinite(x) and math.isfinite(y):
            parts.append(f"{'L' if drawing else 'M'}{x:.1f} {y:.1f}")
            drawing = True
        else:
            drawing = False
    return "".join(parts)
