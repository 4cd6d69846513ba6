"""What lies in the repository works on every machine."""

import ast
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

# Written in pieces, so that this file does not name what it forbids.
MACHINE_PATHS = re.compile(r"(?<![\w.}])/(?:" + "|".join(("wo" + "rk", "ro" + "ot", "ho" + "me/\\w+")) + r")/")
REGISTRIES = re.compile("|".join(("py" + r"pi\.org", "python" + r"hosted\.org")))
TEXT = {
    ".py",
    ".md",
    ".toml",
    ".yml",
    ".yaml",
    ".json",
    ".csv",
    ".tsv",
    ".txt",
    ".html",
    ".css",
    ".js",
    ".lock",
    ".cfg",
    "",
}
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def _matches(paths: list[Path], pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in paths:
        if path.suffix not in TEXT:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            if pattern.search(line):
                found.append(f"{path.name}:{number}: {line.strip()[:100]}")
    return found


def test_no_file_holds_a_path_of_one_machine(tracked: list[Path]):
    assert _matches(tracked, MACHINE_PATHS) == []


def test_no_file_names_the_host_of_a_registry(tracked: list[Path]):
    assert _matches(tracked, REGISTRIES) == []


@pytest.mark.parametrize("line", ["see /" + "work/x", "/" + "root/.cache", 'open("/' + 'home/ann/x")'])
def test_a_machine_path_is_recognised(line: str):
    assert MACHINE_PATHS.search(line)


def test_every_relative_link_of_the_docs_leads_somewhere(tracked: list[Path], root: Path):
    dead = []
    for page in (path for path in tracked if path.suffix == ".md"):
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        for target in LINK.findall(text):
            if re.match(r"[a-z][a-z0-9+.-]*:|#", target):
                continue
            place = unquote(target.split("#")[0])
            if not (page.parent / place).exists():
                dead.append(f"{page.relative_to(root)} -> {target}")
    assert not dead, f"dead links: {dead}"


def test_a_decision_record_has_at_most_40_lines(root: Path):
    records = sorted((root / "docs" / "why").glob("[0-9][0-9][0-9][0-9]-*.md"))
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in records}
    assert len(records) >= 5
    assert not {name: length for name, length in lengths.items() if length > 40}


def test_a_pretext_does_no_distributed_work_of_its_own(root: Path):
    guilty = []
    for path in sorted((root / "src" / "selftaught" / "pretexts").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("torch.distributed"):
                names = ["torch.distributed"]
            guilty += [f"{path.name}: {name}" for name in names if name.startswith("torch.distributed")]
    assert not guilty, f"gathering is the injected `gather`: {guilty}"
