"""A second epoch never decodes, and memory stays flat: 100,000 generated pictures beside 10,000. Linux only.

    .venv/bin/python benchmarks/bench_memory.py

Generated 32 px JPEG pictures in one zip go through `pretrain` for two epochs with a tiny network. Decode calls are
counted by a wrapper around Image.decode. Memory is the anonymous resident set of the process (MiB), sampled every
50 ms: the memory-mapped store is not part of it, for the kernel may drop those pages whenever it likes. "growth" is the
peak of a phase over what the process held before it; flat means that it hardly follows the number of pictures, whose
decoded size stands beside it.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import threading
import time
import zipfile
from pathlib import Path

import ledger

os.environ.update(ledger.environment())

SIDE = 32


class Gauge(threading.Thread):
    """Samples the anonymous resident set until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.samples: list[tuple[float, float]] = []
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.05):
            self.samples.append((time.perf_counter(), resident()))

    def peak(self, start: float, end: float) -> float:
        """The largest sample between two times, MiB."""
        return max((size for moment, size in self.samples if start <= moment <= end), default=float("nan"))


def resident() -> float:
    """The anonymous resident set of this process, MiB."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return float("nan")


def generate(path: Path, count: int) -> None:
    """A zip of JPEG pictures: noise of eight by eight, blown up, no two alike."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for index in range(count):
            coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
            file = io.BytesIO()
            coarse.resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(file, "JPEG", quality=90)
            archive.writestr(f"{index:06d}.jpg", file.getvalue())


def count_decodes() -> list[int]:
    """A one-element list that grows by one with every call of Image.decode, from any thread."""
    from selftaught.core.modality import Record, Stored
    from selftaught.modalities import Image

    calls, lock, decode = [0], threading.Lock(), Image.decode

    def counted(image: Image, record: Record) -> Stored:
        with lock:
            calls[0] += 1
        return decode(image, record)

    Image.decode = counted
    return calls


def measure(options: argparse.Namespace) -> None:
    """Store, then two epochs, with decode calls and memory of each."""
    import torch

    from selftaught.encoders import ConvNet
    from selftaught.engine.prepare import DataOptions, prepare
    from selftaught.modalities import Image
    from selftaught.pretexts import SimCLR
    from selftaught.pretrain import pretrain
    from selftaught.recipe import Recipe
    from selftaught.runs.folder import RunFolder, read_rows

    torch.set_num_threads(ledger.THREADS)
    calls = count_decodes()
    encoder = ConvNet(widths=(8, 8, 8, 8))
    recipe = Recipe(
        modality=Image(size=SIDE, patch=4, canvas=SIDE, channels=3, depth="uint8"),
        encoder=encoder,
        pretext=SimCLR(hidden=16, outputs=16),
        batch=256,
        epochs=2,
        precision="fp32",
        resolution=((1.0, 1.0),),
    )
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "pictures.zip"
        generate(data, options.pictures)
        gauge = Gauge()
        gauge.start()
        before, began = resident(), time.perf_counter()
        prepared = prepare(data, recipe.modality, Path(place) / "stores", DataOptions(), quiet=True)
        stored, decoded = time.perf_counter(), calls[0]
        held = resident()
        pretrain(data, out=Path(place) / "run", recipe=recipe, stores=Path(place) / "stores", quiet=True)
        ended, size = time.perf_counter(), prepared.store.size_bytes / 2**20
        seconds = read_rows(RunFolder(Path(place) / "run").losses)[-1]["seconds"]
        gauge.ended.set()
    half = ended - seconds / 2
    rows = [
        {"metric": "decode calls while the store is built", "value": decoded, "unit": "calls"},
        {"metric": "decode calls during two epochs", "value": calls[0] - decoded, "unit": "calls"},
        {"metric": "size of the store", "value": size, "unit": "MiB"},
        {"metric": "growth while the store is built, peak", "value": gauge.peak(began, stored) - before, "unit": "MiB"},
        {"metric": "growth once the store is built", "value": held - before, "unit": "MiB"},
        {"metric": "peak of the first epoch", "value": gauge.peak(ended - seconds, half), "unit": "MiB"},
        {"metric": "peak of the second epoch", "value": gauge.peak(half, ended), "unit": "MiB"},
        {"metric": "building the store", "value": stored - began, "unit": "s"},
    ]
    ledger.answer(rows, ("selftaught",))


def main() -> None:
    parser = ledger.options_for(__doc__ or "", "memory.csv")
    parser.add_argument("--sizes", default="10000,100000", help="numbers of pictures")
    parser.add_argument("--pictures", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        measure(options)
        return
    if not Path("/proc/self/status").exists():
        ledger.say("not measured: /proc/self/status is needed to read the resident set")
        return
    book = ledger.open_ledger(options)
    for size in options.sizes.split(","):
        systems = [ledger.System(ledger.OURS, ledger.ours(__file__, "--pictures", size))]
        ledger.take_turns(book, f"{int(size):,} generated JPEG pictures, {SIDE} px", systems, (1,), "median")


if __name__ == "__main__":
    main()
