"""Samples as plain data for the page: data addresses for bytes, path data for series. Nothing is fetched later."""

import base64
import math
from collections.abc import Sequence
from typing import Any

from selftaught.core.errors import UsageError
from selftaught.reports.blocks import Number, Numbers, Sample

SPARK_WIDTH, SPARK_HEIGHT = 120, 48
TEXT_LIMIT = 600
POINT_LIMIT = 400

# Only raster formats: an SVG picture could carry script.
MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


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


def sample_view(sample: Sample) -> dict[str, Any]:
    """Return what a template or the map's script needs to show `sample`; keys are short since maps hold thousands."""
    view: dict[str, Any] = {"kind": sample.kind, "caption": sample.caption}
    content: Any = sample.content
    match sample.kind:
        case "picture" | "audio":
            encoded = base64.b64encode(content).decode("ascii")
            view["address"] = f"data:{media_type(content, sample.kind)};base64,{encoded}"
        case "text":
            view["text"] = content if len(content) <= TEXT_LIMIT else content[:TEXT_LIMIT].rstrip() + " …"
        case "line":
            view["paths"] = spark_paths(content)
        case "row":
            view["row"] = [[name, value] for name, value in content]
    return view


def spark_paths(channels: tuple[Numbers, ...]) -> list[str]:
    """Return one SVG path per channel, all on one value scale, in a box of SPARK_WIDTH x SPARK_HEIGHT."""
    finite = [value for channel in channels for value in channel if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    span = (high - low) or 1.0
    paths = []
    for channel in channels:
        step = max(1, math.ceil(len(channel) / POINT_LIMIT))
        shown = channel[::step]
        across = (SPARK_WIDTH - 4) / max(1, len(shown) - 1)
        points = [
            (2 + index * across, SPARK_HEIGHT - 3 - (SPARK_HEIGHT - 6) * (value - low) / span)
            for index, value in enumerate(shown)
        ]
        paths.append(path_data(points))
    return paths


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
