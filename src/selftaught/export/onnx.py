"""ONNX with a dynamic batch: raw values of full views in, pooled vectors out; the only file that knows onnx."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from selftaught.core.errors import GateError, MissingExtra
from selftaught.export.network import plain_network
from selftaught.runs.encoder import Pretrained
from selftaught.runs.files import write_atomically

TRACED_BATCH = 3
CHECKED_BATCHES = (1, 7)
TOLERANCE = 1e-3
"""Largest accepted difference of a vector's value, relative to the largest value of all vectors."""


def export_onnx(pretrained: Pretrained, path: Path) -> float:
    """Writes the file and returns the largest relative difference at batch sizes that were not traced.

    Raises IllegalPair for what is no picture encoder, MissingExtra without onnx, GateError where vectors differ.
    """
    raw = plain_network(pretrained).cpu().eval()
    shape = pretrained.modality.shape
    assert shape is not None  # or there were no plain network
    try:
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as missing:
        raise MissingExtra("onnx", "onnx", "Export to ONNX") from missing
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
