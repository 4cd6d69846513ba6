"""Records of unequal length through the embed stage: a list of vectors each, and causal vectors of every step."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from tests.embed.test_sliding import CONFIGS, pretrained
from tests.modalities.series.makers import curves
from tests.modalities.text.samples import prepared as prepared_text
from tests.modalities.text.samples import text_documents

import selftaught
from selftaught.core.errors import UsageError
from selftaught.encoders import Transformer
from selftaught.probes.sliding import embed_causal, embed_each
from selftaught.runs.encoder import Pretrained, save_pretrained


def values_of(count: int = 5) -> list[np.ndarray]:
    return [np.asarray(each) for each in curves(count, np.random.default_rng(3))[0]]


def vectors_of(path: Path) -> list[np.ndarray]:
    return [np.array(each, np.float32) for each in pq.read_table(path)["vectors"].to_pylist()]


@pytest.fixture
def encoder(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Pretrained, Path]:
    """An encoder with fresh weights, in memory and in a folder."""
    made = pretrained(request.param)
    save_pretrained(made, tmp_path / "encoder")
    return made, tmp_path / "encoder"


@pytest.mark.parametrize("encoder", CONFIGS, indirect=True)
def test_tokens_of_records_of_unequal_length_are_a_list_each(encoder: tuple[Pretrained, Path], tmp_path: Path) -> None:
    made, folder = encoder
    values = values_of()
    report = selftaught.embed(folder, values, out=tmp_path / "v.parquet", tokens=True, quiet=True)
    found = vectors_of(report.file)
    each = 1 if "Dilated" in type(made.config).__name__ else 4
    assert [len(part) for part in found] == [-(-len(value) // each) for value in values]
    assert report.shape == (5, made.encoder.dim)
    assert report.vectors == sum(map(len, found))
    assert all(part.shape[1] == made.encoder.dim for part in found)


@pytest.mark.parametrize("encoder", ["dilated"], indirect=True)
def test_causal_vectors_are_those_of_the_sliding_mode(encoder: tuple[Pretrained, Path], tmp_path: Path) -> None:
    made, folder = encoder
    values = values_of(3)
    report = selftaught.embed(folder, values, out=tmp_path / "v.parquet", causal=8, quiet=True)
    for found, value in zip(vectors_of(report.file), values, strict=True):
        recording = torch.from_numpy(value.astype(np.float32))
        wanted = embed_causal(made, recording, np.arange(len(value)), 8)
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    assert "vectors in all" in report.text()


@pytest.mark.parametrize("encoder", ["dilated"], indirect=True)
def test_what_one_array_cannot_hold_and_contexts_without_a_step_are_refused(
    encoder: tuple[Pretrained, Path], tmp_path: Path
) -> None:
    _, folder = encoder
    with pytest.raises(UsageError, match=r"Use \.parquet"):
        selftaught.embed(folder, values_of(), out=tmp_path / "v.npy", tokens=True, quiet=True)
    with pytest.raises(UsageError, match="1 or more; got 0"):
        selftaught.embed(folder, values_of(), out=tmp_path / "v.parquet", causal=0, quiet=True)
    assert not (tmp_path / "v.npy").exists()
    assert not (tmp_path / "v.parquet").exists()


@pytest.mark.parametrize("encoder", ["transformer"], indirect=True)
def test_records_of_one_length_keep_one_array(encoder: tuple[Pretrained, Path], tmp_path: Path) -> None:
    _, folder = encoder
    values = [np.random.default_rng(place).normal(size=(24, 2)) for place in range(3)]
    report = selftaught.embed(folder, values, out=tmp_path / "v.npy", tokens=True, quiet=True)
    assert np.load(report.file).shape == report.shape
    assert report.shape[:2] == (3, 6)
    assert report.vectors is None


def test_pieces_of_texts_come_without_padding_and_text_has_no_time_steps(tmp_path: Path) -> None:
    text, fitted, rows = prepared_text(6)
    torch.manual_seed(0)
    config = Transformer(width=8, depth=1, heads=2)
    made = Pretrained(encoder=config.build(text, fitted).eval(), config=config, modality=text, fitted=fitted)
    found = embed_each(made, rows)
    whole = made.batch(rows)
    assert [len(part) for part in found] == whole.valid.sum(1).tolist()
    alone = embed_each(made, type(rows)(fields={"text": rows.fields["text"][:1]}, record=rows.record[:1]))
    np.testing.assert_allclose(alone[0], found[0], rtol=1e-4, atol=1e-5)
    save_pretrained(made, tmp_path / "encoder")
    texts = [str(each) for each in text_documents(4, np.random.default_rng(1))[0]]
    vectors = selftaught.load(tmp_path / "encoder").embed(texts)
    assert vectors.shape == (4, 8)
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(f'{{"text": "{each}"}}\n' for each in texts), encoding="utf-8")
    with pytest.raises(UsageError, match="text has none"):
        selftaught.embed(tmp_path / "encoder", path, column="text", out=tmp_path / "v.parquet", causal=4, quiet=True)
