"""The size budgets of CONTRIBUTING.md, in code lines: no docstring, no comment, no blank line."""

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = ("core", "data", "engine", "recipe.py", "runs", "pretrain")
CORE_BUDGET = 4_500
MODALITY_BUDGET = 1_000
PRETEXT_BUDGET = 120
FUNCTION_BUDGET = 50
FILE_BUDGET = 400
FILE_KINDS = {".py", ".html", ".css", ".js", ".j2"}

WITHOUT_CODE = {
    tokenize.ENCODING, tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE,
    tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
}  # fmt: skip
SCOPES = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def code_lines(source: str) -> set[int]:
    """The numbers of the lines that hold code, counted from 1."""
    lines = source.splitlines()
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in WITHOUT_CODE:
            found.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, SCOPES) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            found.difference_update(range(docstring.lineno, docstring.end_lineno + 1))
    return {number for number in found if lines[number - 1].strip()}


def sizes(path: Path, kinds: type | tuple[type, ...]) -> Iterator[tuple[str, int]]:
    """The name and the code lines of every function or class of a file; decorators count."""
    source = path.read_text(encoding="utf-8")
    found = code_lines(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, kinds):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield node.name, len(found & set(range(first, node.end_lineno + 1)))


def total(folder: Path) -> int:
    """The code lines of one Python file, or of all that lie below a folder."""
    files = [folder] if folder.suffix == ".py" else sorted(folder.rglob("*.py"))
    return sum(len(code_lines(file.read_text(encoding="utf-8"))) for file in files if file.exists())


@pytest.fixture(scope="module")
def package(root: Path) -> Path:
    return root / "src" / "selftaught"


def test_docstrings_comments_and_blanks_are_not_counted_as_code():
    source = '"""Doc.\n\nMore."""\n\n# why\nTEXT = """a\n\nb"""\n\ndef f():\n    """Doc."""\n    return TEXT  # why\n'
    assert sorted(code_lines(source)) == [6, 8, 10, 12]


def test_the_core_stays_small_enough_to_read_in_a_day(package: Path):
    parts = {name: total(package / name) for name in CORE}
    assert sum(parts.values()) < CORE_BUDGET, f"{parts} make {sum(parts.values())} code lines of {CORE_BUDGET}"


def test_a_modality_keeps_within_its_budget(package: Path):
    folders = [path for path in (package / "modalities").glob("*") if path.is_dir() and path.name != "__pycache__"]
    over = {folder.name: total(folder) for folder in folders if total(folder) > MODALITY_BUDGET}
    assert not over, f"modalities over {MODALITY_BUDGET} code lines: {over}"


def test_a_pretext_keeps_within_its_budget(package: Path):
    over = {
        f"{path.name}:{name}": size
        for path in (package / "pretexts").rglob("*.py")
        for name, size in sizes(path, ast.ClassDef)
        if size > PRETEXT_BUDGET
    }
    assert not over, f"classes of pretexts over {PRETEXT_BUDGET} code lines: {over}"


def test_no_function_is_longer_than_a_screen(tracked: list[Path], root: Path):
    over = {
        f"{path.relative_to(root)}:{name}": size
        for path in tracked
        if path.suffix == ".py"
        for name, size in sizes(path, (ast.FunctionDef, ast.AsyncFunctionDef))
        if size > FUNCTION_BUDGET
    }
    assert not over, f"functions over {FUNCTION_BUDGET} code lines: {over}"


def test_no_source_file_is_longer_than_400_lines(tracked: list[Path], root: Path):
    lengths = {
        str(path.relative_to(root)): len(path.read_text(encoding="utf-8").splitlines())
        for path in tracked
        if path.suffix in FILE_KINDS
    }
    over = {name: length for name, length in lengths.items() if length > FILE_BUDGET}
    assert not over, f"files over {FILE_BUDGET} lines in all: {over}"
