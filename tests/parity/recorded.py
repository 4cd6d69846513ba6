"""What benchmarks/parity_record.py recorded of the peers; see recorded/peers.json for their versions."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tests.parity.seeded import weights_for
from torch import Tensor, nn

FOLDER = Path(__file__).parent / "recorded"


@cache
def arrays() -> dict[str, Tensor]:
    return load_file(FOLDER / "peers.safetensors")


@cache
def facts() -> dict[str, Any]:
    return json.loads((FOLDER / "peers.json").read_text(encoding="utf-8"))


def fill(module: nn.Module, renamed: dict[str, str] | None = None) -> nn.Module:
    """Our module with the weights that the peer had. renamed: peer's part of a name, by ours."""
    wanted = module.state_dict()
    names = {name: _peer_name(name, renamed or {}) for name in wanted}
    drawn = weights_for({names[name]: tuple(value.shape) for name, value in wanted.items()})
    module.load_state_dict({name: torch.from_numpy(drawn[names[name]]) for name in wanted})
    return module.eval()


def _peer_name(name: str, renamed: dict[str, str]) -> str:
    for ours, theirs in renamed.items():
        name = name.replace(ours, theirs)
    return name
