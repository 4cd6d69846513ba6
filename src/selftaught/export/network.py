"""An encoder as a plain network of raw pictures: what ONNX traces, and what a training loop of one's own takes."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from selftaught.core.batch import Batch, Facts, map_tensors
from selftaught.core.errors import IllegalPair
from selftaught.core.modality import Rows
from selftaught.runs.encoder import Pretrained


class PlainNetwork(nn.Module):
    """Raw pictures (B, C, size, size), in the unit they are stored in (0..255 for 8 bits), to vectors (B, dim).

    The weights are the encoder's own, and can be trained; the statistics of the channels are fixed.
    """

    def __init__(self, pretrained: Pretrained, template: Batch) -> None:
        super().__init__()
        self.encoder = pretrained.encoder
        self.template = template
        arrays = {name: torch.from_numpy(pretrained.fitted.arrays[name]) for name in ("low", "high", "mean", "std")}
        scale = 1 / ((arrays["high"] - arrays["low"]) * arrays["std"])
        shift = -arrays["low"] * scale - arrays["mean"] / arrays["std"]
        self.scale = nn.Parameter(scale[:, None, None], requires_grad=False)
        self.shift = nn.Parameter(shift[:, None, None], requires_grad=False)

    def forward(self, pictures: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """Pooled vectors."""
        rows = pictures.shape[0]
        place = self.scale.device
        batch: Batch = map_tensors(self.template, lambda each: each.to(place).expand(rows, *each.shape[1:]))
        facts = Facts(record=torch.zeros(1, dtype=torch.long, device=place).expand(rows))
        return self.encoder.encode(replace(batch, x=pictures * self.scale + self.shift, facts=facts)).pooled


def plain_network(pretrained: Pretrained) -> PlainNetwork:
    """The network, on the encoder's device. Raises IllegalPair for what is no picture encoder."""
    if pretrained.modality.name != "image" or pretrained.modality.shape is None:
        raise IllegalPair(
            f"Only pictures go in raw; this encoder reads {pretrained.modality.name}. Use `selftaught embed`, or the "
            "folder that `export` writes by default."
        )
    return PlainNetwork(pretrained, _template(pretrained)).to(pretrained.device)


def _template(pretrained: Pretrained) -> Batch:
    """One row of a clean full view, for the places of its tokens."""
    shape = pretrained.modality.shape
    assert shape is not None  # checked by the caller
    channels, height, width = shape
    pixels = torch.zeros(1, channels, height, width)
    rows = Rows(fields={"pixels": pixels, "side": torch.tensor([[height, width]])}, record=torch.zeros(1).long())
    return pretrained.batch(rows)
