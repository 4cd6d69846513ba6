"""Pictures of a batch as small JPEG files in their true aspect, for reports."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image as PillowImage
from torch import Tensor

from selftaught.core.modality import Portrait


def portray_pixels(pixels: Tensor, sides: Tensor, low: Tensor, high: Tensor, size: int) -> tuple[Portrait, ...]:
    """Thumbnails whose longer side is `size` pixels, from canvases (B, C, S, S) and true (height, width) sides (B, 2).

    Three channels are shown as colour, any other number as the grey mean; `low`..`high` (C,) become black..white.
    """
    values = (pixels.float() - low[:, None, None]) / (high - low)[:, None, None]
    values = values if pixels.shape[1] == 3 else values.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    whole = (values.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return tuple(_thumbnail(each, side, size) for each, side in zip(whole, sides.cpu().numpy(), strict=True))


def _thumbnail(values: np.ndarray, side: np.ndarray, size: int) -> Portrait:
    scale = size / max(1, int(side.max()))
    width, height = (max(1, round(int(each) * scale)) for each in (side[1], side[0]))
    file = io.BytesIO()
    PillowImage.fromarray(values).resize((width, height)).save(file, "JPEG", quality=80)
    return Portrait(kind="picture", content=file.getvalue())
