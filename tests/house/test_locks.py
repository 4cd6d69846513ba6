"""The lock files install the same bytes everywhere: hashed, from any index, tied to no machine."""

import re
import tomllib
from pathlib import Path

import pytest

LOCKS = ("requirements.lock", "requirements-dev.lock")
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)
TAMPERED = {
    ("lightning", "2.6.2"),
    ("lightning", "2.6.3"),
    ("pytorch-lightning", "2.6.2"),
    ("pytorch-lightning", "2.6.3"),
}


def _normal(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name, requirement
    return re.sub(r"[-_.]+", "-", name.group()).lower()


def _pins(root: Path, lock: str) -> set[tuple[str, str]]:
    return set(PIN.findall((root / lock).read_text(encoding="utf-8")))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(root: Path, lock: str):
    text = (root / lock).read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[a-z0-9])", text.strip())
    unpinned = [block.splitlines()[0] for block in blocks if not PIN.match(block)]
    bare = [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block]
    assert len(blocks) > 20
    assert not unpinned, f"not pinned to one version: {unpinned}"
    assert not bare, f"no hash: {bare}"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_no_path_and_no_local_build(root: Path, lock: str):
    lines = (root / lock).read_text(encoding="utf-8").splitlines()
    tied = [
        line
        for line in lines
        if "://" in line or " @ " in line or re.search(r"(?:^|\s)\.{0,2}/|--(?:index|find|extra)", line)
    ]
    local = [f"{name}=={version}" for name, version in _pins(root, lock) if "+" in version]
    assert not tied, f"tied to a machine or an index: {tied}"
    assert not local, f"builds that no index has: {local}"


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_holds_a_tampered_release(root: Path, lock: str):
    assert not _pins(root, lock) & TAMPERED


def test_tests_run_what_the_demo_runs(root: Path):
    only_runtime = _pins(root, "requirements.lock") - _pins(root, "requirements-dev.lock")
    assert not only_runtime, f"other versions in the dev lock: {sorted(only_runtime)}; run `make lock`"


def test_the_locks_know_every_dependency_of_pyproject(root: Path):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {
        "requirements.lock": project["dependencies"],
        "requirements-dev.lock": project["dependencies"] + project["optional-dependencies"]["dev"],
    }
    for lock, requirements in wanted.items():
        names = {_normal(requirement) for requirement in requirements} - {_normal(project["name"])}
        missing = names - {_normal(name) for name, _ in _pins(root, lock)}
        assert not missing, f"{lock} lacks {sorted(missing)}; run `make lock`"
