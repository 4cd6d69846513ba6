"""From the bytes of a picture file, or an array, to a square canvas of pixels.

Media are untrusted: only known formats are opened, the number of pixels is checked before any is read, and what is
damaged raises DataError with the reason.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
from PIL import Image as Pillow
from PIL import ImageFile
from torch import Tensor

from selftaught.core.errors import DataError
from selftaught.data.files import SUFFIXES

Depth = Literal["uint8", "uint16", "float32"]

FORMATS = ("JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP", "PPM")
OTHER_FILES = frozenset[str]().union(*SUFFIXES.values()) - SUFFIXES["pictures"]
# What Pillow's readers raise on damaged input.
_DAMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, MemoryError),
    *(struct.error, zlib.error, Pillow.DecompressionBombError, Pillow.DecompressionBombWarning),
)
_TURNS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a picture may ask of the machine. pixels: in all. aspect: longer side / shorter side."""

    pixels: int = 178_956_970
    aspect: float = 64.0


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One decoded picture. values: (C, H, W), possibly already reduced. side: true (height, width), upright."""

    values: np.ndarray
    side: tuple[int, int]
    findings: tuple[str, ...] = ()


def looks_like_picture(record_id: str, value: Any) -> bool:
    """Whether this is a picture's file, by its name or else by its first bytes, or an array with two or three axes.

    An array that is four times as long as wide is a recording rather, unless it holds bytes.
    """
    if isinstance(value, np.ndarray):
        sides = value.shape
        long = value.ndim == 2 and value.dtype != np.uint8 and max(sides) >= 4 * min(sides)
        return value.ndim in (2, 3) and value.dtype.kind in "biuf" and not long
    suffix = PurePosixPath(record_id).suffix.lower()
    if not isinstance(value, (bytes, bytearray, memoryview)) or suffix in OTHER_FILES:
        return False
    return suffix in SUFFIXES["pictures"] or (len(value) > 8 and _factory_of(bytes(value[:16])) is not None)


def read_picture(value: Any, limits: Limits, enough: int, channels: int | None = None) -> Picture:
    """A picture from file bytes or an array, upright, alpha kept.

    enough: a JPEG may be read at a reduced scale as long as its sides stay at least this long. channels: tells the
    channel axis of an array that leaves it open. Raises DataError.
    """
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return _read_array(value, limits, channels)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _read_file(bytes(value), limits, enough)
    raise DataError(f"A picture must be the bytes of a file or an array; got {type(value).__name__}.")


def square(picture: Picture, canvas: int, channels: int, depth: Depth, background: float) -> Picture:
    """The picture squashed to (channels, canvas, canvas) in the given depth, with findings about what was changed."""
    values, found = _match_channels(picture.values, channels, background)
    values, changed = _match_depth(values, depth)
    if values.shape[1:] != (canvas, canvas):
        values = _resize(values, canvas)
    blank = ("blank",) if values.min() == values.max() else ()
    findings = picture.findings + found + changed + blank
    return Picture(values=np.ascontiguousarray(values), side=picture.side, findings=findings)


def count_colours(values: np.ndarray, encoded: bool) -> int:
    """Channels worth storing: the alpha channel of a file is composited away, the bands of an array all stay."""
    count = int(values.shape[0])
    return {2: 1, 4: 3}.get(count, count) if encoded else count


def check_size(height: int, width: int, limits: Limits) -> None:
    """Raises DataError for a picture without pixels, with too many of them, or far longer than it is wide."""
    if height < 1 or width < 1:
        raise DataError(f"The picture has no pixels: {width} x {height}.")
    if height * width > limits.pixels:
        raise DataError(
            f"The picture has {width} x {height} pixels, more than the limit of {limits.pixels:,} "
            f"(a decompression bomb?). Raise it with Image(limits=Limits(pixels={height * width}))."
        )
    if max(height, width) > limits.aspect * min(height, width):
        raise DataError(
            f"The picture is {width} x {height}, longer than {limits.aspect:g} times its shorter side. "
            f"Cut it into pieces, or raise the limit with Image(limits=Limits(aspect=...))."
        )


def _read_file(content: bytes, limits: Limits, enough: int) -> Picture:
    try:
        image = _open(content)
        width, height = image.size
        check_size(height, width, limits)
        image.draft(image.mode, (enough, enough))
        findings = ["depth-reduced"] if ";16" in str(image.tile) and not image.mode.startswith("I") else []
        findings += ["first-frame"] if getattr(image, "is_animated", False) else []
        image.load()
        # A TIFF is turned by its reader, which then forgets the orientation: ask after loading.
        orientation = int(image.getexif().get(0x0112, 1))
        plain, changed = _to_plain_mode(image)
        if orientation in _TURNS:
            plain = plain.transpose(_TURNS[orientation])
            findings.append("turned-upright")
        values = np.asarray(plain)
    except _DAMAGE as problem:
        raise DataError(f"The picture is damaged or truncated: {problem}.") from problem
    if orientation in (5, 6, 7, 8):
        width, height = height, width
    values = values[None] if values.ndim == 2 else values.transpose(2, 0, 1)
    return Picture(values=_plain_numbers(values), side=(height, width), findings=(*findings, *changed))


def _open(content: bytes) -> ImageFile.ImageFile:
    if not content:
        raise DataError("The file is empty.")
    factory = _factory_of(content[:16])
    if factory is None:
        raise DataError(f"Not a picture in a known format ({', '.join(FORMATS)}).")
    picture: ImageFile.ImageFile = factory(io.BytesIO(content), "")
    return picture


def _factory_of(head: bytes) -> Any:
    """Pillow's class for files that begin so, None for what is no picture in a known format."""
    # Pillow's own `open` warns or raises at a size fixed for the whole process; `check_size` has the user's limit.
    Pillow.init()
    for name in FORMATS:
        if name in Pillow.OPEN:
            factory, accept = Pillow.OPEN[name]
            if accept is None or accept(head) is True:
                return factory
    return None


def _to_plain_mode(image: Pillow.Image) -> tuple[Pillow.Image, tuple[str, ...]]:
    # To L, LA, RGB, RGBA, or a mode of numbers (I, I;16, F).
    see_through = "transparency" in image.info
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if see_through or image.mode == "PA" else "RGB"), ()
    if image.mode in ("L", "RGB") and see_through:
        return image.convert(image.mode + "A" if image.mode == "L" else "RGBA"), ()
    if image.mode in ("L", "LA", "RGB", "RGBA", "F") or image.mode.startswith("I"):
        return image, ()
    if image.mode == "1":
        return image.convert("L"), ()
    return image.convert("RGB"), ("colour-space-converted",)


def _read_array(values: np.ndarray, limits: Limits, channels: int | None) -> Picture:
    if values.dtype.kind not in "biuf":
        raise DataError(f"A picture's array must hold numbers; got {values.dtype}.")
    if values.ndim == 2:
        values = values[None]
    if values.ndim != 3:
        raise DataError(f"A picture's array must be (H, W), (H, W, C) or (C, H, W); got {values.shape}.")
    elif _channels_last(values.shape, channels):
        values = values.transpose(2, 0, 1)
    check_size(values.shape[1], values.shape[2], limits)
    if values.shape[0] < 1:
        raise DataError(f"The picture has no channels: its array is {values.shape}.")
    return Picture(values=_plain_numbers(values), side=(values.shape[1], values.shape[2]))


def _channels_last(shape: tuple[int, ...], channels: int | None) -> bool:
    first, last = shape[0], shape[2]
    if channels is not None and (first == channels) != (last == channels):
        return last == channels
    return last < first


def _plain_numbers(values: np.ndarray) -> np.ndarray:
    # One of the three depths that are stored.
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        return values.astype(np.uint16)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise DataError(f"{count} of the picture's {values.size} values are NaN or infinite. Replace them first.")
    limit = float(np.finfo(np.float32).max)
    if np.abs(values).max() > limit:
        raise DataError("The picture's values are beyond the range of float32. Rescale them first.")
    return values.astype(np.float32)


def _match_channels(values: np.ndarray, channels: int, background: float) -> tuple[np.ndarray, tuple[str, ...]]:
    count = values.shape[0]
    if count == channels:
        return values, ()
    if count in (2, 4) and channels in (1, 3):
        colour, changed = _match_channels(_composite(values, background), channels, background)
        return colour, ("alpha-composited", *changed)
    if count == 1 and channels == 3:
        return values.repeat(3, axis=0), ("grey-to-colour",)
    if count == 3 and channels == 1:
        weight = np.array([0.299, 0.587, 0.114], np.float32)[:, None, None]
        grey = (values * weight).sum(0, keepdims=True, dtype=np.float32)
        return _to_depth_of(grey, values.dtype), ("colour-to-grey",)
    raise DataError(
        f"The picture has {count} channels; this data has {channels}. Leave it out, or set Image(channels=)."
    )


def _composite(values: np.ndarray, background: float) -> np.ndarray:
    top = 1.0 if values.dtype == np.float32 else float(np.iinfo(values.dtype).max)
    cover = values[-1:].astype(np.float32) / top
    return _to_depth_of(values[:-1] * cover + background * top * (1 - cover), values.dtype)


def _match_depth(values: np.ndarray, depth: Depth) -> tuple[np.ndarray, tuple[str, ...]]:
    if values.dtype == depth:
        return values, ()
    if values.dtype == np.float32:
        raise DataError(f"The picture holds floats; this data is stored as {depth}. Set Image(depth='float32').")
    if depth == "float32":
        return values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max), ("depth-changed",)
    if depth == "uint16":
        return values.astype(np.uint16) * np.uint16(257), ("depth-changed",)
    return (values >> 8).astype(np.uint8), ("depth-reduced",)


def _to_depth_of(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    if dtype == np.float32:
        return values.astype(np.float32)
    return (values + 0.5).clip(0, np.iinfo(dtype).max).astype(dtype)


def _resize(values: np.ndarray, canvas: int) -> np.ndarray:
    # Bicubic with antialias; its overshoot must not leave the range of the picture's own values.
    size = (canvas, canvas)
    if values.dtype == np.uint8 and values.shape[0] == 3:
        picture = Pillow.fromarray(np.ascontiguousarray(values.transpose(1, 2, 0)))
        return np.asarray(picture.resize(size, Pillow.Resampling.BICUBIC, reducing_gap=3.0)).transpose(2, 0, 1)
    planes = []
    for plane in values:
        exact = plane if plane.dtype == np.uint8 else plane.astype(np.float32)
        picture = Pillow.fromarray(np.ascontiguousarray(exact))
        resized = np.asarray(picture.resize(size, Pillow.Resampling.BICUBIC, reducing_gap=3.0))
        planes.append(resized.clip(plane.min(), plane.max()))
    return _to_depth_of(np.stack(planes), values.dtype) if values.dtype != np.uint8 else np.stack(planes)
