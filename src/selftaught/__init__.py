"""Self-supervised learning with a measured verdict.

    from selftaught import Recipe, evaluate, pretrain
    pretrain("photos/", out="runs/photos", recipe=Recipe(minutes=5))
    print(evaluate("runs/photos", labels="labels.csv").text())

Names are imported when they are first used, so `import selftaught` costs nothing.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selftaught.api import SelfTaught, demo, load
    from selftaught.compare import compare
    from selftaught.embed import embed
    from selftaught.encoders import MLP, ConvNet, Dilated, HuggingFace, Own, ResNet, Timm, Transformer
    from selftaught.evaluate import evaluate
    from selftaught.export import export
    from selftaught.modalities import Audio, Image, Series, Table, Text
    from selftaught.pretexts import MAE, VIME, MaskedToken, NextToken, NextWindow, SimCLR, TS2Vec, VICReg
    from selftaught.pretrain import pretrain
    from selftaught.recipe import Optimiser, Recipe

__version__ = "0.1.0"

_PLACES = {
    "selftaught.api": ("SelfTaught", "demo", "load"),
    "selftaught.compare": ("compare",),
    "selftaught.embed": ("embed",),
    "selftaught.encoders": ("ConvNet", "Dilated", "HuggingFace", "MLP", "Own", "ResNet", "Timm", "Transformer"),
    "selftaught.evaluate": ("evaluate",),
    "selftaught.export": ("export",),
    "selftaught.modalities": ("Audio", "Image", "Series", "Table", "Text"),
    "selftaught.pretexts": ("MAE", "MaskedToken", "NextToken", "NextWindow", "SimCLR", "TS2Vec", "VICReg", "VIME"),
    "selftaught.pretrain": ("pretrain",),
    "selftaught.recipe": ("Optimiser", "Recipe"),
}

__all__ = [
    "MAE",
    "MLP",
    "VIME",
    "Audio",
    "ConvNet",
    "Dilated",
    "HuggingFace",
    "Image",
    "MaskedToken",
    "NextToken",
    "NextWindow",
    "Optimiser",
    "Own",
    "Recipe",
    "ResNet",
    "SelfTaught",
    "Series",
    "SimCLR",
    "TS2Vec",
    "Table",
    "Text",
    "Timm",
    "Transformer",
    "VICReg",
    "compare",
    "demo",
    "embed",
    "evaluate",
    "export",
    "load",
    "pretrain",
]


def __getattr__(name: str) -> Any:
    for place, names in _PLACES.items():
        if name in names:
            return getattr(importlib.import_module(place), name)
    raise AttributeError(f"module 'selftaught' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


class _Door(ModuleType):
    """The package itself: a stage's function stays in front of the folder of the same name.

    Importing `selftaught.evaluate` would otherwise put that folder in the place of `selftaught.evaluate()`.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType) and name in __all__:
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Door
