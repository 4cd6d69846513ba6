"""The encoder as it is handed over: safetensors and a config in one folder, loadable without the pretext."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from selftaught.core.batch import Batch, View
from selftaught.core.config import from_dict, to_dict
from selftaught.core.encoder import Encoded, Encoder, EncoderConfig
from selftaught.core.errors import RunError
from selftaught.core.modality import Fitted, Rows
from selftaught.core.rng import Rng
from selftaught.encoders import AnyEncoder
from selftaught.modalities import AnyModality
from selftaught.runs.files import read_arrays, read_json, write_arrays, write_atomically, write_json

FORMAT = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Pretrained:
    """A frozen encoder with all it needs to read new records: its modality and what was fitted."""

    encoder: Encoder
    config: EncoderConfig
    modality: AnyModality
    fitted: Fitted

    def batch(self, rows: Rows) -> Batch:
        """The clean view of decoded rows."""
        clean = self.modality.batch(rows, self.fitted)
        return self.modality.augment(clean, View(kind="clean"), Rng(seed=0))

    @torch.inference_mode()
    def encode(self, batch: Batch, layers: Sequence[int] = ()) -> Encoded:
        """Tokens, pooled vectors and the asked layers, in evaluation mode, on the encoder's device."""
        self.encoder.eval()
        return self.encoder.encode(batch.to(self.device), layers)

    @property
    def device(self) -> torch.device:
        """Where the encoder's weights lie: on the GPU where there is one."""
        return next((each.device for each in self.encoder.parameters()), torch.device("cpu"))

    def save_pretrained(self, folder: Path | str) -> None:
        """Writes model.safetensors, fitted.safetensors and config.json into `folder`."""
        save_pretrained(self, Path(folder))

    @staticmethod
    def from_pretrained(folder: Path | str) -> Pretrained:
        """What `save_pretrained` wrote. Raises RunError where files are missing, damaged or of another version."""
        return load_pretrained(Path(folder))


def save_pretrained(pretrained: Pretrained, folder: Path) -> None:
    """The three files of an encoder folder; config.json last, so that its presence means complete."""
    state = {name: value.detach().cpu().contiguous() for name, value in pretrained.encoder.state_dict().items()}
    write_atomically(folder / "model.safetensors", lambda path: save_file(state, path))
    write_arrays(folder / "fitted.safetensors", dict(pretrained.fitted.arrays))
    config = {
        "format": FORMAT,
        "encoder": to_dict(pretrained.config),
        "modality": to_dict(pretrained.modality),
        "facts": dict(pretrained.fitted.facts),
        "fitted": pretrained.fitted.hash,
        "dim": pretrained.encoder.dim,
    }
    write_json(folder / "config.json", config)


def load_pretrained(folder: Path) -> Pretrained:
    """The encoder in a folder, or in the `encoder/` of a run folder; on the GPU where there is one."""
    if (folder / "encoder" / "config.json").exists():
        folder = folder / "encoder"
    if not (folder / "config.json").exists():
        raise RunError(f"{folder} holds no encoder: config.json is missing. Give a run folder or its encoder/ folder.")
    config: dict[str, Any] = read_json(folder / "config.json")
    if config.get("format") != FORMAT:
        raise RunError(f"{folder} is of format {config.get('format')}, this version reads {FORMAT}.")
    fitted = Fitted(arrays=read_arrays(folder / "fitted.safetensors"), facts=config["facts"])
    modality = from_dict(AnyModality, config["modality"], "modality")
    encoder_config = from_dict(AnyEncoder, config["encoder"], "encoder")
    encoder = encoder_config.build(modality, fitted)
    load_state(encoder, folder / "model.safetensors")
    encoder.to("cuda" if torch.cuda.is_available() else "cpu")
    return Pretrained(encoder=encoder.eval(), config=encoder_config, modality=modality, fitted=fitted)


def load_state(encoder: Encoder, path: Path) -> None:
    """Weights of a safetensors file into an encoder, strictly."""
    try:
        state = load_file(path)
        encoder.load_state_dict(state, strict=True)
    except (OSError, SafetensorError, RuntimeError) as problem:
        raise RunError(f"{path} cannot be loaded: {problem}") from problem
