"""Views per second and core of one SimCLR view: ours, torchvision v2 and lightly, with the same operations.

    .venv/bin/python benchmarks/augmentation.py --peers /tmp/peers/bin/python

The peers need an environment of their own (pip install lightly==1.6.0 torchvision); the script starts itself there.
One thread; CPU seconds of the process, so that other work on the machine disturbs less; the best of several rounds.
Pictures are decoded beforehand for everyone (PIL pictures for lightly, uint8 tensors for the others). Writes
results/augmentation.csv; what could not be imported is written as "not measured".
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import torch

HERE = Path(__file__).resolve()
COLUMNS = ("task", "library", "views_per_core_second", "ratio_to_lightly", "hardware", "torch", "date", "commit")
SIDES = {32: 32, 96: 120}  # side of the view: side of the source, pixels
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LIBRARIES = ("selftaught", "torchvision v2 whole batch, one draw", "torchvision v2 per picture", "lightly")


def pictures(count: int, side: int) -> np.ndarray:
    """Smooth pictures with grain, (B, H, W, 3) uint8."""
    random = np.random.default_rng(0)
    coarse = torch.from_numpy(random.uniform(0, 255, (count, 3, 6, 6)))
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").permute(0, 2, 3, 1).numpy()
    return (smooth + random.normal(0, 8, smooth.shape)).clip(0, 255).astype(np.uint8)


def views_per_second(function: Callable[[int], int], seconds: float) -> float:
    """The best round of views per CPU second; `function(round)` makes some and returns how many."""
    function(0)
    best, spent, index = 0.0, 0.0, 1
    while spent < seconds or index < 4:
        start = time.process_time()
        count = function(index)
        used = time.process_time() - start
        best, spent, index = max(best, count / used), spent + used, index + 1
    return best


def ours(side: int, blur: float, seconds: float, batch: int = 256) -> float:
    """selftaught: Image.augment on a stored batch, tokens and positions included."""
    from selftaught.core.batch import View
    from selftaught.core.modality import Rows
    from selftaught.core.rng import Rng
    from selftaught.modalities import Image
    from selftaught.modalities.image import Augmentation

    how = Augmentation(crop=(0.08, 1.0), brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, blur=blur)
    source = SIDES[side]
    image = Image(size=side, patch=side // 8, canvas=source, channels=3, depth="uint8", augmentation=how)
    pixels = torch.from_numpy(pictures(batch, source)).permute(0, 3, 1, 2).contiguous()
    rows = Rows(
        fields={"pixels": pixels, "side": torch.full((batch, 2), source, dtype=torch.int32)}, record=torch.arange(batch)
    )
    stored = image.batch(rows, image.fit([rows]))

    def round_of(index: int) -> int:
        for view in range(4):
            image.augment(stored, View(kind="strong"), Rng(seed=index).fold(view))
        return 4 * batch

    return views_per_second(round_of, seconds)


def torchvision(side: int, blur: float, seconds: float, whole: bool) -> float:
    """torchvision v2 on uint8 tensors, picture by picture, or with one draw for the whole batch."""
    from torchvision.transforms import v2

    kernel = max(3, int(0.1 * side) // 2 * 2 + 1)
    transform = v2.Compose(
        [
            v2.RandomResizedCrop(side, scale=(0.08, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(0.8, 0.8, 0.8, 0.2)], 0.8),
            v2.RandomGrayscale(0.2),
            v2.RandomApply([v2.GaussianBlur(kernel, (0.1, 2.0))], blur),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
    pixels = torch.from_numpy(pictures(128, SIDES[side])).permute(0, 3, 1, 2).contiguous()

    def round_of(index: int) -> int:
        if whole:
            for _ in range(16):  # one draw decides for all; many are needed for a mean
                transform(pixels)
            return 16 * len(pixels)
        for picture in pixels:
            transform(picture)
        return len(pixels)

    return views_per_second(round_of, seconds)


def lightly(side: int, blur: float, seconds: float) -> float:
    """lightly's SimCLRTransform on PIL pictures, two views a call."""
    from lightly.transforms import SimCLRTransform
    from PIL import Image as Pillow

    transform = SimCLRTransform(input_size=side, gaussian_blur=blur)
    loaded = [Pillow.fromarray(picture) for picture in pictures(128, SIDES[side])]

    def round_of(index: int) -> int:
        return sum(len(transform(picture)) for picture in loaded)

    return views_per_second(round_of, seconds)


MEASURES: dict[str, tuple[str, Callable[[int, float, float], float]]] = {
    LIBRARIES[0]: ("selftaught", ours),
    LIBRARIES[1]: ("torchvision", lambda side, blur, seconds: torchvision(side, blur, seconds, whole=True)),
    LIBRARIES[2]: ("torchvision", lambda side, blur, seconds: torchvision(side, blur, seconds, whole=False)),
    LIBRARIES[3]: ("lightly", lightly),
}


def measure(seconds: float, wanted: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """One row per library, side and blur for what can be imported here."""
    for side in SIDES:
        for blur in (0.0, 0.5):
            for library in wanted:
                module, function = MEASURES[library]
                if importlib.util.find_spec(module) is None:
                    continue
                rate = function(side, blur, seconds)
                name = f"{library} {importlib.metadata.version(module)}"
                task = f"SimCLR view {side} px from {SIDES[side]} px, blur {blur}"
                yield {"task": task, "library": name, "views_per_core_second": f"{rate:.0f}", **surroundings()}


def surroundings() -> dict[str, str]:
    """Where and when this was measured."""
    models = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    capable = torch.cpu.get_capabilities() if "get_capabilities" in dir(torch.cpu) else {}
    extras = [name for name in ("avx512_bf16", "amx_bf16") if capable.get(name)]
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE.parent, capture_output=True, text=True)
    commit = git.stdout.strip() if git.returncode == 0 else "uncommitted"
    hardware = " ".join([models[0] if models else platform.machine(), f"1 of {os.cpu_count()} cores", *extras])
    return {"hardware": hardware, "torch": torch.__version__, "date": str(date.today()), "commit": commit}


def complete(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows in a fixed order, with ratios to lightly, and 'not measured' where a library is missing."""
    done = []
    for task in dict.fromkeys(row["task"] for row in rows):
        of_task = {row["library"].rsplit(" ", 1)[0]: row for row in rows if row["task"] == task}
        base = of_task.get("lightly")
        for library in LIBRARIES:
            row = of_task.get(library)
            if row is None:
                unknown = {"views_per_core_second": "not measured", "ratio_to_lightly": "not measured"}
                done.append({"task": task, "library": library, **unknown, **surroundings()})
                continue
            ratio = float(row["views_per_core_second"]) / float(base["views_per_core_second"]) if base else None
            done.append({**row, "ratio_to_lightly": "not measured" if ratio is None else f"{ratio:.1f}"})
    return done


def main() -> None:
    """Measures here, and what is missing here with the peers' interpreter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, help="Python of an environment with lightly and torchvision")
    parser.add_argument("--seconds", type=float, default=4.0, help="CPU seconds per measurement")
    parser.add_argument("--out", type=Path, default=HERE.parent / "results" / "augmentation.csv")
    parser.add_argument("--raw", action="store_true", help="print rows as JSON (used for the peers' environment)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.raw:
        sys.stdout.write(json.dumps(list(measure(options.seconds, LIBRARIES[3:]))))
        return
    rows = list(measure(options.seconds, LIBRARIES[:3] if options.peers else LIBRARIES))
    if options.peers:
        command = [str(options.peers), str(HERE), "--raw", "--seconds", str(options.seconds)]
        rows += json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        for row in complete(rows):
            writer.writerow(row)
            print(row["task"], "|", row["library"], "|", row["views_per_core_second"], "|", row["ratio_to_lightly"])


if __name__ == "__main__":
    main()
