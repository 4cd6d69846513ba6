"""Generated pictures that look like photos: shapes with edges, gradients and grain."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor

from selftaught.core.modality import Fitted, Record, Rows
from selftaught.modalities import Image


def draw(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """A picture (H, W, C) uint8."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    y, x = y / height, x / width
    picture = np.zeros((height, width, channels))
    for channel in range(channels):
        slope = random.uniform(-1, 1, 2)
        picture[..., channel] = 128 + 90 * (slope[0] * (x - 0.5) + slope[1] * (y - 0.5))
    for _ in range(6):
        centre, radius = random.uniform(0, 1, 2), random.uniform(0.05, 0.35)
        inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2
        picture[inside] = random.uniform(0, 255, channels)
    picture += random.normal(0, 12, picture.shape)
    return picture.clip(0, 255).astype(np.uint8)


def draw_batch(count: int, height: int, width: int, channels: int = 3) -> Tensor:
    """Pictures (B, C, H, W) uint8."""
    stack = np.stack([draw(height, width, channels, seed) for seed in range(count)])
    return torch.from_numpy(stack).permute(0, 3, 1, 2).contiguous()


def encode(picture: Any, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of a file of an array or a Pillow picture."""
    image = picture if isinstance(picture, Pillow.Image) else Pillow.fromarray(np.squeeze(picture))
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def record(value: Any, name: str = "picture") -> Record:
    """A record that holds a value."""
    return Record(id=name, read=lambda: value)


def prepare(values: list[Any], image: Image | None = None) -> tuple[Image, Fitted, Rows]:
    """A resolved modality, its fit and the rows of some values."""
    records = [record(value, str(index)) for index, value in enumerate(values)]
    image = (image or Image()).recognise(records)
    stored = [image.decode(part).fields for part in records]
    fields: dict[str, Tensor | tuple[Tensor, ...]] = {
        "side": torch.from_numpy(np.stack([part["side"] for part in stored]))
    }
    if image.store == "encoded":
        fields["bytes"] = tuple(torch.from_numpy(part["bytes"].copy()) for part in stored)
    else:
        fields["pixels"] = torch.from_numpy(np.stack([part["pixels"] for part in stored]))
    rows = Rows(fields=fields, record=torch.arange(len(values)))
    return image, image.fit([rows]), rows


def pick(rows: Rows, index: list[int]) -> Rows:
    """Some of the rows, with the record ids they had."""
    chosen = torch.tensor(index)
    fields = {
        name: part[chosen] if isinstance(part, Tensor) else tuple(part[place] for place in index)
        for name, part in rows.fields.items()
    }
    return Rows(fields=fields, record=rows.record[chosen])
