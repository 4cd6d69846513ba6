"""Data that the tests of this folder make: small pictures, and a decoder that knows nothing of modalities."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from selftaught.core.errors import DataError
from selftaught.core.modality import Record, Stored


def png(value: int, size: int = 4) -> bytes:
    """A grey PNG whose pixels spell `value` (below 65,536), so that different values are different pictures."""
    pixels = np.full((size, size), value % 256, np.uint8)
    pixels[0, 0] = value // 256
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def value_of(pixels: np.ndarray) -> int:
    """The value that `png` spelled."""
    return int(pixels[0, 0]) * 256 + int(pixels[-1, -1])


def write_folder(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def pictures(count: int, first: int = 0) -> dict[str, bytes]:
    return {f"{index:05d}.png": png(index) for index in range(first, first + count)}


def decode(record: Record) -> Stored:
    """Encoded pictures and arrays to one field `pixels`."""
    value = record.read()
    if isinstance(value, np.ndarray):
        return Stored(fields={"pixels": value})
    try:
        with Image.open(io.BytesIO(value)) as image:
            return Stored(fields={"pixels": np.asarray(image)})
    except (UnidentifiedImageError, SyntaxError) as problem:
        raise DataError("it is not a picture") from problem
