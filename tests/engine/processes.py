"""What one of two processes runs, under torch.distributed.run: FOLDER NAME copies|shards; or alone."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from tests.engine.making import HEAD, Desk, recipe_of
from tests.toys.queue import QueueContrast

from selftaught.engine.device import close_fabric, open_fabric
from selftaught.engine.job import Job
from selftaught.engine.loop import train
from selftaught.pretexts import MAE, VICReg
from selftaught.recipe import Recipe
from selftaught.runs.folder import RunFolder

NAMES = ("simclr", "vicreg", "mae", "teacher")


def recipe(name: str) -> Recipe:
    pretexts = {
        "simclr": HEAD,
        "vicreg": VICReg(hidden=32, outputs=32, norm="layer"),
        "mae": MAE(width=16, depth=1, heads=2),
        "teacher": QueueContrast(size=32),
    }
    return recipe_of(steps=10, pretext=pretexts[name], ema=0.9 if name == "mae" else 0.0)


def job_of(place: Path, name: str, way: str, **options: object) -> Job:
    desk = Desk.of(place)
    return desk.job(way, recipe(name), observe=desk.observer(), observations=2, **options)


def run_alone(place: Path, module: str, *words: str, root: Path) -> str:
    """Runs `python -m module words`; what it printed."""
    return _run([sys.executable, "-W", "error", "-m", module, *words], root)


def run_in_two(place: Path, module: str, *words: str, root: Path, seconds: float = 150) -> str:
    """Runs `python -m module words` in two processes on this machine; what they printed."""
    command = [
        sys.executable, "-W", "error", "-m", "torch.distributed.run", "--nproc_per_node", "2",
        "--rdzv_backend", "c10d", "--rdzv_endpoint", "127.0.0.1:0", "--local_addr", "127.0.0.1", "-m", module, *words,
    ]  # fmt: skip
    return _run(command, root, seconds)


def _run(command: list[str], root: Path, seconds: float = 120) -> str:
    settings = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(root)}
    done = subprocess.run(
        command, cwd=root, env=settings, timeout=seconds, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("error", module="selftaught")
    torch.set_num_threads(1)
    place, name, way = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    fabric = open_fabric("fsdp" if way == "shards" else None)
    with fabric.rank_zero_first():
        # A toy cannot be read back from TOML, so the second process does not look whose run it is.
        made = {"folder": RunFolder(place / way)} if fabric.global_rank else {}
        job = job_of(place, name, way, fabric=fabric, **made)
    trained = train(job)
    close_fabric(fabric)
    assert trained.steps == 10, trained
    # Under FSDP the modules keep their process group, and gloo's threads, beyond its end; one that asks for the
    # interpreter while it shuts down aborts now and then (pytorch/pytorch pull 179291). So it is not shut down.
    sys.stdout.flush()
    os._exit(0)
