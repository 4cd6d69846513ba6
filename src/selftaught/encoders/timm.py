"""The adapter of timm's models: the only file that knows timm."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from selftaught.core.batch import Batch
from selftaught.core.encoder import Encoded, Encoder, EncoderConfig
from selftaught.core.errors import MissingExtra, UsageError
from selftaught.core.modality import Fitted, Modality
from selftaught.encoders.pictures import map_tokens, picture_shape


@dataclass(frozen=True, kw_only=True)
class Timm(EncoderConfig):
    """Any picture model of timm by name, freshly initialised; weights come with `--from FILE`, never from a hub.

    The pooled vector is timm's own (`num_classes=0`).
    """

    name: str = "resnet18"

    can: ClassVar[frozenset[str]] = frozenset()
    layout: ClassVar[Literal["any", "picture"]] = "picture"

    def build(self, modality: Modality, fitted: Fitted) -> Encoder:
        """The model with the modality's channels and, where the model is sized, the view's size."""
        channels, size, _ = picture_shape(modality, f"timm:{self.name}")
        return TimmEncoder(_create(self.name, channels, size))


def _create(name: str, channels: int, size: int) -> nn.Module:
    try:
        import timm
    except ImportError as missing:
        raise MissingExtra("timm", "timm", f"The encoder timm:{name}") from missing
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=5)
        raise UsageError(f"timm has no model {name!r}. Close names: {', '.join(near) or 'none'}.")
    # Sized models know the first two, models with fixed windows the second; convolutional ones take any size.
    attempts: tuple[dict[str, Any], ...] = ({"img_size": size, "dynamic_img_size": True}, {"img_size": size})
    for options in attempts:
        try:
            sized: nn.Module = timm.create_model(name, num_classes=0, in_chans=channels, **options)
            return sized
        except TypeError:
            continue
    plain: nn.Module = timm.create_model(name, num_classes=0, in_chans=channels)
    return plain


class TimmEncoder(Encoder):
    """A timm model behind the encoder protocol."""

    can = Timm.can

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        # Some heads widen the pooled map (mobilenetv3: 288 to 1024).
        self.dim = int(model.head_hidden_size)  # type: ignore[arg-type]
        self.width = int(model.num_features)  # type: ignore[arg-type]

    def encode(self, batch: Batch, layers: Sequence[int] = ()) -> Encoded:
        """timm's pooled features; the last map as tokens where it is a map."""
        features: Tensor = self.model.forward_features(batch.x)  # type: ignore[operator]
        pooled: Tensor = self.model.forward_head(features, pre_logits=True)  # type: ignore[operator]
        is_map = features.ndim == 4 and features.shape[1] == self.width
        return Encoded(pooled=pooled, tokens=map_tokens(features, batch) if is_map else None)
