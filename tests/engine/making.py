"""Generated pictures of four kinds, and jobs on them that take a second or two."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from selftaught.data.labelling import Labelling
from selftaught.data.store import Store
from selftaught.encoders import Transformer
from selftaught.engine.job import Job, Observer
from selftaught.engine.prepare import DataOptions, fit_modality, prepare
from selftaught.modalities import Image
from selftaught.pretexts import SimCLR
from selftaught.recipe import Optimiser, Recipe, resolve
from selftaught.runs.folder import RunFolder, claim
from selftaught.trials.watch import watch

SIDE = 16
MODALITY = Image(size=SIDE, canvas=SIDE, patch=4, channels=3, depth="uint8")
TRUNK = Transformer(width=32, depth=2, heads=2)
HEAD = SimCLR(hidden=32, outputs=16, norm="layer")
ADAM = Optimiser(kind="adamw", lr=2e-3)


def draw(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (uint8, N x 16 x 16 x 3) of stripes in four directions and any colour, and their direction."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 4, count)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    angle = kind * np.pi / 4
    along = np.cos(angle)[:, None, None] * x + np.sin(angle)[:, None, None] * y
    phase, pitch = rng.uniform(0, 6, (count, 1, 1)), rng.uniform(8, 20, (count, 1, 1))
    stripes = 0.5 + 0.5 * np.sin(pitch * along + phase)
    colour = rng.uniform(0.3, 1, (count, 1, 1, 3))
    noise = rng.normal(0, 0.05, (count, SIDE, SIDE, 3))
    return (255 * np.clip(stripes[..., None] * colour + noise, 0, 1)).astype(np.uint8), kind


def recipe_of(**changes: object) -> Recipe:
    """A tiny recipe in fp32; by default SimCLR with a transformer for 12 steps of 16 records."""
    chosen: dict[str, object] = {
        "modality": MODALITY, "encoder": TRUNK, "pretext": HEAD, "optimiser": ADAM, "precision": "fp32", "batch": 16,
    }  # fmt: skip
    if not {"minutes", "epochs", "steps"} & changes.keys():
        chosen["steps"] = 12
    return Recipe(**(chosen | changes))  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Desk:
    """A store of generated pictures, on which runs are made beside it."""

    place: Path
    store: Store
    labelling: Labelling

    @classmethod
    def of(cls, place: Path, count: int = 96, labels: bool = False) -> "Desk":
        pictures, kinds = draw(count)
        options = DataOptions(labels=[str(kind) for kind in kinds] if labels else None)
        prepared = prepare(pictures, MODALITY, place / "stores", options, quiet=True)
        return cls(place, prepared.store, prepared.labelling)

    @property
    def train(self) -> np.ndarray:
        return np.arange(len(self.store) * 3 // 4)

    @property
    def held(self) -> np.ndarray:
        return np.arange(len(self.train), len(self.store))

    def observer(self) -> Observer:
        return watch(self.store, self.train, self.held, self.labelling)

    def job(self, name: str, recipe: Recipe | None = None, **changes: object) -> Job:
        """A job in the folder `name`; the same name and recipe again goes on."""
        resolved = resolve(recipe or recipe_of(), MODALITY, len(self.train))
        options: dict[str, object] = {"observations": 0, "quiet": True} | changes
        options.setdefault("folder", None)
        options["folder"] = options["folder"] or self.claim(name, resolved)
        return Job(
            recipe=resolved, store=self.store, train=self.train, labelling=self.labelling,
            fitted=fit_modality(MODALITY, self.store, self.train), **options,
        )  # type: ignore[arg-type]  # fmt: skip

    def claim(self, name: str, recipe: Recipe) -> RunFolder:
        return claim(self.place / name, recipe, {"records": len(self.store)})
