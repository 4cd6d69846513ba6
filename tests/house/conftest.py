"""The files that a commit would take."""

import subprocess
from pathlib import Path

import pytest

OUTPUTS = {"runs", "site", "dist", "build"}


@pytest.fixture(scope="session")
def tracked(root: Path) -> list[Path]:
    """Every file of the working tree that git does not ignore; without git, every file outside known outputs."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode == 0:
        paths = [root / name for name in listed.stdout.split("\0") if name]
    else:
        tops = [top for top in root.iterdir() if not top.name.startswith(".") and top.name not in OUTPUTS]
        paths = [path for top in tops for path in (top.rglob("*") if top.is_dir() else [top])]
        paths = [path for path in paths if "__pycache__" not in path.parts]
    return sorted(path for path in paths if path.is_file())
