"""Starting from weights that exist: a run of ours, or a state dict of torchvision, timm, transformers or anyone."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from selftaught.core.encoder import Encoder
from selftaught.core.errors import RunError, UsageError
from selftaught.encoders.huggingface import HUB, KINDS, download_weights

PREFIXES = (
    "",
    "module.",
    "model.",
    "backbone.",
    "encoder.",
    "module.encoder_q.",
    "student.backbone.",
    "teacher.backbone.",
    "transformer.",
    *(f"{kind}." for kind in KINDS),
)
HEADS = ("fc.", "head.", "classifier.", "num_batches_tracked", ".attn.bias", ".attn.masked_bias", "position_ids")


@dataclass(frozen=True, kw_only=True)
class Started:
    """What was loaded: names of the encoder that matched, and names of the file that were left out."""

    place: str
    matched: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What matched and what did not, for a report."""
        some = ", ".join(self.left_out[:3]) + (", ..." if len(self.left_out) > 3 else "")
        rest = f"; {len(self.left_out)} of the file were left out ({some})" if self.left_out else ""
        return f"{self.place}: all {len(self.matched)} weights of the encoder matched{rest}"


def starter(place: str) -> Callable[[Encoder], Started]:
    """A function that puts the weights of `place` into an encoder. Raises RunError where they cannot be read."""
    state = read_state(download_weights(place) if place.startswith(HUB) else Path(place))
    return lambda encoder: start_from(encoder, state, place)


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a run, an encoder folder, a .safetensors or a torch file; pickled code is never run."""
    for inner in (path / "encoder" / "model.safetensors", path / "model.safetensors", path / "pytorch_model.bin"):
        if inner.exists():
            path = inner
            break
    if not path.is_file():
        raise RunError(f"--from {path} is neither a run, an encoder folder nor a file of weights.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, EOFError, pickle.UnpicklingError) as problem:
        raise RunError(f"--from {path} cannot be read as weights: {str(problem).splitlines()[0]}") from problem
    for key in ("state_dict", "model", "teacher", "student"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    items = content.items() if isinstance(content, Mapping) else ()
    tensors = {name: value for name, value in items if isinstance(value, Tensor)}
    if not tensors:
        raise RunError(f"--from {path} holds no tensors by name.")
    return tensors


def start_from(encoder: Encoder, state: Mapping[str, Tensor], place: str) -> Started:
    """Loads every weight of the encoder from `state`, strictly.

    A prefix that all names share (module., backbone., ...) and a classifier at the end are seen through. Raises
    UsageError naming what is missing or has another shape.
    """
    wanted = {name: value.shape for name, value in encoder.state_dict().items()}
    own = (
        {name.removeprefix("model."): name for name in wanted} if all(n.startswith("model.") for n in wanted) else None
    )
    best: dict[str, str] = {}
    shared = ""
    for prefix in PREFIXES:
        stripped = {name.removeprefix(prefix): name for name in state if name.startswith(prefix)}
        if own is not None:
            stripped |= {own[name]: source for name, source in stripped.items() if name in own}
        found = {name: stripped[name] for name in wanted if name in stripped}
        if len(found) > len(best):
            best, shared = found, prefix
    missing = [name for name in wanted if name not in best and not name.endswith("num_batches_tracked")]
    shaped = [
        f"{name} is {tuple(state[source].shape)}, needed {tuple(wanted[name])}"
        for name, source in best.items()
        if state[source].shape != wanted[name]
    ]
    if missing or shaped:
        raise UsageError(
            f"--from {place} does not fit this encoder: {len(best) - len(shaped)} of {len(wanted)} weights match; "
            f"missing {', '.join(missing[:5]) or 'none'}; other shapes: {'; '.join(shaped[:5]) or 'none'}. "
            f"Choose the encoder the weights were made for (encoder, size, view size and channels decide)."
        )
    used = set(best.values())
    left = [name for name in state if name not in used]
    strange = [name for name in left if not any(head in name for head in HEADS)]
    blocks = {_block(name, shared) for name in used}
    if any(_block(name, shared) in blocks for name in strange):
        raise UsageError(
            f"--from {place} has {len(strange)} weights that this encoder lacks, such as {strange[0]}. Choose the "
            f"encoder the weights were made for."
        )
    encoder.load_state_dict({name: state[source] for name, source in best.items()}, strict=False)
    return Started(place=place, matched=tuple(best), left_out=tuple(left))


def _block(name: str, prefix: str) -> str:
    """The part of a network that a weight belongs to: module.layer3.5.conv1.weight is of layer3."""
    return name.removeprefix(prefix).split(".")[0]
