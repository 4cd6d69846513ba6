"""The model card: what the encoder is, what it was trained on, how well it did, how to load it."""

from __future__ import annotations

from selftaught.pretexts import Supervised
from selftaught.recipe import read_recipe
from selftaught.runs.encoder import Pretrained
from selftaught.runs.files import read_json
from selftaught.runs.folder import RunFolder

USE = """```python
from selftaught import load

encoder = load("this_folder")
vectors = encoder.embed("DATA")  # a folder, file or table of new records, an array, or a list of texts
```"""
ONNX_USE = "Input to encoder.onnx: float32 pictures (batch, channels, size, size), raw values (0..255 for 8 bits)."


def model_card(folder: RunFolder, pretrained: Pretrained, target: str) -> str:
    """Markdown for people; only what was measured is claimed."""
    recipe = read_recipe(folder.recipe)
    labels = "with" if isinstance(recipe.objective, Supervised) else "without"
    data = read_json(folder.data)
    manifest = read_json(folder.manifest)
    inputs = pretrained.modality.inputs
    parameters = sum(parameter.numel() for parameter in pretrained.encoder.parameters())
    lines = [
        f"# Encoder from {folder.path.name}",
        "",
        f"- Architecture: {type(pretrained.config).__name__}, {parameters:,} parameters, vectors of "
        f"{pretrained.encoder.dim} values",
        f"- Reads: {pretrained.modality.name}: {pretrained.modality.sentence}",
        *([f"- Columns that it reads by name: {', '.join(inputs)}"] if inputs else []),
        f"- Trained on: {data['kind']} ({data['records']:,} records, fingerprint {data['source']}), {labels} labels",
        f"- Health of the training: {manifest['health']}",
        f"- Recipe: {manifest['recipe']}, below",
        "",
        "## How good is it?",
        "",
        *_measured(folder),
        "",
        "## Use",
        "",
        ONNX_USE if target == "onnx" else USE,
        "",
        "## Recipe",
        "",
        f"```toml\n{recipe.to_toml().strip()}\n```",
        "",
    ]
    return "\n".join(lines)


def _measured(folder: RunFolder) -> list[str]:
    path = folder.reports / "report.json"
    if not path.exists():
        return ["Not measured yet: `selftaught evaluate` says."]
    verdict = read_json(path)["verdict"]
    return [verdict["headline"], "", *verdict["sentences"]]
