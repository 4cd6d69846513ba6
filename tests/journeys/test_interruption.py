"""Ctrl-C at a stage: exit code 130, one line of advice, and nothing lost."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.journeys.photos import QUICK, Ready, pictures

pytestmark = pytest.mark.slow

PROGRAM = (sys.executable, "-m", "selftaught.cli")


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip


def interrupt_when(
    process: subprocess.Popen[str], folder: Path, pattern: str, sent: signal.Signals = signal.SIGINT
) -> str:
    """Send Ctrl-C or another signal once a file is there; return what was said."""
    for _ in range(1200):
        if any(folder.glob(pattern)) or process.poll() is not None:
            break
        time.sleep(0.05)
    os.kill(process.pid, sent)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert out == ""
    assert "Traceback" not in err
    assert "Repeat the same command" in err
    return err


def test_an_evaluation_that_is_interrupted_keeps_the_run_and_goes_on_with_its_control(
    ready: Ready, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(ready.run, tmp_path / "run"))
    losses = (run / "losses.csv").read_text()
    long = losses.splitlines()
    seconds = long[0].split(",").index("seconds")
    # Give the supervised control time, so that the signal meets it: it may train as long as the run did.
    rows = [row.split(",") for row in long[1:]]
    rows[-1][seconds] = "600.0"
    (run / "losses.csv").write_text("\n".join([long[0], *(",".join(row) for row in rows)]) + "\n")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    arguments = ("evaluate", run, "--labels", ready.file, "--budgets", "5", "--from-scratch", "5", "--quiet")
    control = run / "controls" / "supervised-5-0"
    interrupt_when(start(*arguments), control, "losses.csv")
    assert {path: path.read_bytes() for path in before} == before
    assert (control / "checkpoints" / "last.ckpt").exists()
    first = (control / "losses.csv").read_text()
    process = start(*arguments)
    out, err = process.communicate(timeout=250)
    assert process.returncode == 0, err
    assert "supervised from scratch" in out
    assert (control / "losses.csv").read_text().startswith(first)
    assert not list(run.rglob("*.part"))


def test_a_training_that_is_ended_while_it_decodes_says_so_and_goes_on(tmp_path: Path) -> None:
    np.save(tmp_path / "many.npy", pictures(3000)[0])
    arguments = ("pretrain", tmp_path / "many.npy", "--out", tmp_path / "run", *QUICK)
    said = interrupt_when(start(*arguments), tmp_path, "stores", signal.SIGTERM)
    assert "Interrupted (SIGTERM)" in said
    process = start(*arguments)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err


def test_an_embedding_that_is_interrupted_leaves_no_half_file(ready: Ready, tmp_path: Path) -> None:
    np.save(tmp_path / "many.npy", pictures(3000)[0])
    arguments = ("embed", ready.run, tmp_path / "many.npy", "--out", tmp_path / "out" / "v.npy", "--quiet")
    interrupt_when(start(*arguments), tmp_path / "out", ".v.npy.*.part")
    assert not list((tmp_path / "out").glob("*v.npy*"))
