"""What the docs tell people to type does run, with a smaller budget."""

import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.compare.quick import quicken
from tests.journeys.photos import call, write_labels, write_photos
from tests.modalities.audio.makers import write_sounds
from tests.modalities.text.samples import text_documents

from selftaught.modalities.text.pieces import learn_pieces

pytestmark = pytest.mark.slow

PAGES = ("tutorial.md", "how-to/audio.md", "how-to/compare.md", "how-to/evaluate.md", "how-to/hand-over.md",
         "how-to/images.md", "how-to/own-encoder.md", "how-to/resume.md", "how-to/text.md")  # fmt: skip
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BUDGET = re.compile(r" --(minutes|epochs) \d+")
TINY = " --steps 4 --batch 16 --precision fp32 --quiet"
RACE = " --minutes 0.06 --batch 16 --precision fp32 --size xs --quiet"
FIRST = shlex.split("pretrain pictures/ --out runs/first --size xs" + TINY)


def blocks(root: Path, page: str) -> list[tuple[str, str]]:
    return BLOCK.findall((root / "docs" / page).read_text())


def smaller(line: str) -> str:
    """The same command with a budget for a test."""
    line = BUDGET.sub("", line)
    if " compare " in line or "--pretext auto" in line:
        return line + RACE
    if " pretrain " in line:
        return line + TINY + ("" if "--size" in line else " --size xs")
    if " evaluate " in line:
        return line + " --budgets 5 --draws 2 --from-scratch none --quiet"
    return line


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that the docs speak of."""
    labels = write_photos(tmp_path / "pictures", 120)
    write_photos(tmp_path / "new_pictures", 6)
    write_labels(tmp_path / "labels.csv", labels)
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for name in labels:
            archive.write(tmp_path / "pictures" / name, name)
    rows = [f"pictures/{name},{index // 2}\n" for index, name in enumerate(labels)]
    parts = [f"{name},{('train', 'test', 'train', 'validation')[index % 4]}\n" for index, name in enumerate(labels)]
    (tmp_path / "split.csv").write_text("id,split\n" + "".join(parts))
    sites = [f"{name},{('north', 'south')[index % 3 == 0]}\n" for index, name in enumerate(labels)]
    (tmp_path / "sites.csv").write_text("id,site\n" + "".join(sites))
    write_labels(tmp_path / "prices.csv", [(name, index + 0.5) for index, name in enumerate(labels)])
    tags = [(name, ("scratch", "scratch|dent", "")[index % 3]) for index, name in enumerate(labels)]
    write_labels(tmp_path / "defects.csv", tags)
    write_photos(tmp_path / "other_site", 40, seed=3)
    (tmp_path / "table.csv").write_text("path,patient\n" + "".join(rows))
    zip_sounds(tmp_path)
    write_texts(tmp_path)
    monkeypatch.chdir(tmp_path)
    quicken(monkeypatch)
    return tmp_path


def zip_sounds(root: Path) -> None:
    """recordings.zip of three words by ten speakers, and their metadata.csv in it."""
    names = [path.name for path in sorted(write_sounds(root / "recordings", 120).iterdir())]
    rows = [f"{name},{'abc'[index % 3]},{index // 3 % 10}\n" for index, name in enumerate(names)]
    with zipfile.ZipFile(root / "recordings.zip", "w") as archive:
        for name in names:
            archive.write(root / "recordings" / name, name)
        archive.writestr("metadata.csv", "file,word,speaker\n" + "".join(rows))


def write_texts(root: Path) -> None:
    """messages.csv of 240 short texts of three intents, articles/, book.txt, and my-bert/ as transformers writes it."""
    texts, intents = text_documents(240, np.random.default_rng(0))
    rows = [f'"{text}",{"abc"[intent]}\n' for text, intent in zip(texts, intents, strict=True)]
    (root / "messages.csv").write_text("text,intent\n" + "".join(rows))
    (root / "articles").mkdir()
    for index in range(80):
        (root / "articles" / f"{index:02d}.txt").write_text(" ".join(map(str, texts[index : index + 40])))
    (root / "book.txt").write_text("\n".join(map(str, texts * 40)))
    write_bert(root / "my-bert", [str(text) for text in texts])


def write_bert(folder: Path, texts: list[str]) -> None:
    """A tiny BERT with pieces of its own."""
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=300, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    transformers.BertModel(config).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(learn_pieces(texts, 300, lowercase=False), encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_runs_as_it_is_typed(place: Path, root: Path, page: str) -> None:
    lines = [line for kind, text in blocks(root, page) if kind == "console" for line in text.splitlines()]
    made: set[str] = set()
    for line in lines:
        if not line.startswith("$ selftaught ") or "timm" in line:  # timm weights are the reader's own
            continue
        arguments = shlex.split(smaller(line.removeprefix("$ selftaught")))
        if arguments[0] != "pretrain" and "runs/first" in arguments and not Path("runs/first").exists():
            assert call(*FIRST).code == 0
        out = arguments[arguments.index("--out") + 1] if "--out" in arguments else ""
        if (
            out and out in made and "--epochs" not in line
        ):  # two examples that share a name; with --epochs the page resumes
            arguments[arguments.index("--out") + 1] = f"{out}-again"
        made.add(out)
        said = call(*arguments)
        assert said.code == 0, (line, said.err)


@pytest.mark.parametrize("page", ["tutorial.md", "how-to/hand-over.md", "how-to/own-encoder.md", "how-to/evaluate.md"])
def test_the_python_of_a_page_runs_as_it_is_written(place: Path, root: Path, page: str) -> None:
    assert call(*FIRST).code == 0
    assert call("embed", "runs/first", "new_pictures/", "--out", "vectors.parquet").code == 0
    script = ""
    for kind, text in blocks(root, page):
        if kind == "python" and text.startswith("# mynet.py"):
            (place / "mynet.py").write_text(text)
        elif kind == "python":
            script += text
    script = script.replace('out="runs/first"', 'out="runs/python"').replace("minutes=5", "steps=4, batch=16")
    script = script.replace("SelfTaught(minutes=2)", "SelfTaught(steps=4)")
    if "model.fit(pictures, labels)" in script:
        script = "from tests.journeys.photos import pictures as draw\npictures, labels = draw(60)\n" + script
    environment = {"PYTHONPATH": f"{place}:{root}", "PATH": "", "HOME": str(place), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=250, env=environment
    )
    assert done.returncode == 0, (script, done.stderr)
