"""Texts that a run of NextToken writes, from Python."""

from pathlib import Path

import numpy as np
import pytest
from tests.modalities.text.samples import text_documents

import selftaught
from selftaught import Recipe, pretrain
from selftaught.core.errors import DataError, RunError, UsageError
from selftaught.embed.generation import load_next_token
from selftaught.encoders import Transformer
from selftaught.modalities import Text
from selftaught.pretexts.tokens import MaskedToken, NextToken

pytestmark = pytest.mark.slow


def trained(place: Path, pretext: NextToken | MaskedToken, steps: int = 60) -> Path:
    """A small run on generated sentences."""
    texts, _ = text_documents(200, np.random.default_rng(0))
    (place / "texts.jsonl").write_text("".join(f'{{"text": "{each}"}}\n' for each in texts), encoding="utf-8")
    encoder = Transformer(width=32, depth=2, heads=2, causal=isinstance(pretext, NextToken))
    recipe = Recipe(
        modality=Text(length=24, size=300, ending=True), encoder=encoder, pretext=pretext, steps=steps, precision="fp32"
    )
    pretrain(place / "texts.jsonl", out=place / "run", recipe=recipe, column="text", quiet=True)
    return place / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("next"), NextToken())


def test_a_text_goes_on_from_its_prompt_and_a_seed_repeats_it(run: Path) -> None:
    loaded = selftaught.load(run)
    first, second = loaded.generate(["The river was", "The oven"], tokens=12, seed=1)
    assert first.startswith("The river was")
    assert second.startswith("The oven")
    assert len(first) > len("The river was")
    assert loaded.generate("The river was", tokens=12, seed=1) == [first]
    assert len({loaded.generate("The river was", tokens=12, seed=seed)[0] for seed in range(5)}) > 1
    assert len({loaded.generate("The", tokens=8, temperature=0.0, seed=seed)[0] for seed in range(3)}) == 1


def test_the_head_is_that_of_the_last_step_and_a_missing_checkpoint_is_an_error(run: Path, tmp_path: Path) -> None:
    loaded = selftaught.load(run)
    encoder, head = load_next_token(run, loaded.pretrained)
    assert head.weight.shape == (loaded.pretrained.fitted.facts["size"], encoder.dim)
    assert not encoder.training
    with pytest.raises(UsageError, match="needs a run folder"):
        selftaught.load(run / "encoder").generate("The")
    with pytest.raises(DataError):
        loaded.generate("   ")
    checkpoint = run / "checkpoints" / "last.ckpt"
    moved = checkpoint.rename(tmp_path / "last.ckpt")
    try:
        with pytest.raises(RunError, match="is missing"):
            loaded.generate("The")
    finally:
        moved.rename(checkpoint)


def test_a_run_of_another_pretext_is_refused(tmp_path: Path) -> None:
    run = trained(tmp_path, MaskedToken(), steps=2)
    with pytest.raises(UsageError, match="was trained with MaskedToken"):
        selftaught.load(run).generate("The")
