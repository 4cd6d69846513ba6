"""The first seconds: importing the package and asking for help must not wait for torch."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HEAVY = ("torch", "torchvision", "lightning_fabric", "sklearn", "scipy", "pyarrow", "openTSNE", "pandas")
LIST_HEAVY = f"print([name for name in {HEAVY!r} if name in sys.modules])"
HELP_BUDGET_SECONDS = 0.5


def _environment() -> dict[str, str]:
    # Without byte code every start compiles the package anew; no user runs like that.
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _python(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], env=_environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_imports_nothing_heavy():
    assert _python(f"import sys, selftaught; {LIST_HEAVY}").strip() == "[]"


def test_listing_the_public_names_imports_nothing_heavy():
    assert _python(f"import sys, selftaught; dir(selftaught); {LIST_HEAVY}").strip() == "[]"


def test_help_imports_nothing_heavy():
    script = f"""
import sys
from selftaught.cli import main
sys.argv = ["selftaught", "--help"]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
{LIST_HEAVY}
"""
    *text, heavy = _python(script).strip().splitlines()
    assert heavy == "[]"
    assert any("pretrain" in line for line in text), "--help names no verb"


def test_help_answers_within_half_a_second():
    command = [str(Path(sys.executable).parent / "selftaught"), "--help"]
    seconds = []
    for _ in range(6):
        start = time.perf_counter()
        subprocess.run(command, env=_environment(), capture_output=True, check=True, timeout=60)
        seconds.append(time.perf_counter() - start)
    warm = statistics.median(seconds[1:])
    assert warm < HELP_BUDGET_SECONDS, (
        f"selftaught --help takes {warm:.2f} s, median of 5; {HELP_BUDGET_SECONDS} s is the limit"
    )
