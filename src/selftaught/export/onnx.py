"""ONNX with a dynamic batch: raw values of full views in, pooled vectors out; the only file that knows onnx."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from selftaught.core.batch import Batch, Facts, map_tensors
from selftaught.core.errors import GateError, IllegalPair, MissingExtra
from selftaught.core.modality import Rows
from selftaught.runs.encoder import Pretrained
from selftaught.runs.files import write_atomically

TRACED_BATCH = 3
CHECKED_BATCHES = (1, 7)
TOLERANCE = 1e-3
"""Largest accepted difference of a vector's value, relative to the largest value of all vectors."""


class Raw(nn.Module):
    """An encoder of raw values: pictures (B, C, size, size) in the unit they are stored in, 0..255 for 8 bits."""

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
        batch: Batch = map_tensors(self.template, lambda each: each.expand(rows, *each.shape[1:]))
        facts = Facts(record=torch.zeros(1, dtype=torch.long).expand(rows))
        return self.encoder.encode(replace(batch, x=pictures * self.scale + self.shift, facts=facts)).pooled


def export_onnx(pretrained: Pretrained, path: Path) -> float:
    """Writes the file and returns the largest relative difference at batch sizes that were not traced.

    Raises IllegalPair for what is no picture encoder, MissingExtra without onnx, GateError where vectors differ.
    """
    shape = pretrained.modality.shape
    if pretrained.modality.name != "image" or shape is None:
        raise IllegalPair(f"ONNX export serves pictures; this encoder reads {pretrained.modality.name}.")
    try:
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as missing:
        raise MissingExtra("onnx", "onnx", "Export to ONNX") from missing
    raw = Raw(pretrained, template_of(pretrained)).eval()
    sample = torch.rand(TRACED_BATCH, *shape) * 255
    write_atomically(path, lambda part: _trace(raw, sample, part))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for size in CHECKED_BATCHES:
        pictures = torch.rand(size, *shape) * 255
        with torch.inference_mode():
            ours = raw(pictures)
        theirs = torch.from_numpy(session.run(None, {"pictures": pictures.numpy()})[0])
        worst = max(worst, float((ours - theirs).abs().max() / ours.abs().max().clamp(min=1e-6)))
    if worst > TOLERANCE:
        path.unlink()
        raise GateError(f"the ONNX file gives other vectors (difference {worst:.1e}, allowed {TOLERANCE:.0e}).")
    return worst


def template_of(pretrained: Pretrained) -> Batch:
    """One row of a clean full view, for the places of its tokens."""
    shape = pretrained.modality.shape
    assert shape is not None  # checked by the caller
    channels, height, width = shape
    pixels = torch.zeros(1, channels, height, width)
    rows = Rows(fields={"pixels": pixels, "side": torch.tensor([[height, width]])}, record=torch.zeros(1).long())
    return pretrained.batch(rows)


def _trace(raw: nn.Module, sample: Tensor, path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=4096)
    noise = io.StringIO()
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(noise):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                raw,
                (sample,),
                input_names=["pictures"],
                output_names=["vectors"],
                dynamic_shapes=({0: batch},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
            assert program is not None  # dynamo=True returns the program
            program.save(path)
    finally:
        logger.setLevel(level)
