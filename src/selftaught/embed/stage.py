"""embed: any source in, a Parquet or NPY file of vectors out, with flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from selftaught.core.errors import UsageError
from selftaught.data.store import Store
from selftaught.engine.embedding import embed_chunks, embed_tokens
from selftaught.engine.prepare import DataOptions, prepare, tell
from selftaught.reports.blocks import Facts, Section, Verdict
from selftaught.reports.report import Report
from selftaught.runs.encoder import Pretrained, load_pretrained
from selftaught.runs.files import write_atomically, write_text

SUFFIXES = (".parquet", ".npy")


@dataclass(frozen=True, kw_only=True)
class EmbedReport(Report):
    """What was written. shape: of the array; the first dimension counts records."""

    file: Path
    shape: tuple[int, ...]
    set_aside: int

    @property
    def title(self) -> str:
        """The heading."""
        return "Embedding"

    def verdict(self) -> Verdict:
        """Where the vectors are."""
        return Verdict(headline=f"{self.shape[0]} records are in {self.file}.", tone="good")

    def sections(self) -> tuple[Section, ...]:
        """Shape and file."""
        rows = (
            ("file", str(self.file), ""),
            ("shape", " x ".join(map(str, self.shape)), ""),
            ("set aside", self.set_aside, "records"),
        )
        return (Section(title="Vectors", blocks=(Facts(rows=rows),)),)


def embed(
    run: Annotated[Path | str, "run folder or encoder folder"],
    data: Annotated[Any, "folder, archive, table or array of records"],
    *,
    out: Annotated[Path | str, "file to write: .parquet (ids and vectors) or .npy (ids beside it in .ids.txt)"] = Path(
        "embedding.parquet"
    ),
    tokens: Annotated[bool, "one vector per token (patch) instead of one per record"] = False,
    column: Annotated[str | None, "column that holds the records"] = None,
    id_column: Annotated[str | None, "column that names the records"] = None,
    stores: Annotated[Path | str | None, "folder of decoded stores (default: beside the output)"] = None,
    quiet: Annotated[bool, "no progress bars"] = False,
) -> EmbedReport:
    """Writes one vector per record, or per token, float32, in the order of the source.

    Raises UsageError for another suffix or an encoder without tokens, DataError for data that cannot be used.
    """
    out = Path(out)
    if out.suffix not in SUFFIXES:
        raise UsageError(f"--out {out} must end in {' or '.join(SUFFIXES)}.")
    pretrained = load_pretrained(Path(run))
    options = DataOptions(column=column, id_column=id_column)
    place, say = Path(stores or out.parent / "stores"), None if quiet else tell
    prepared = prepare(data, pretrained.modality, place, options, quiet=quiet, say=say)
    store = prepared.store
    indices = np.arange(len(store))
    make = embed_tokens if tokens else embed_chunks
    chunks = make(pretrained, store, indices)
    shape = _write_npy(out, chunks, store) if out.suffix == ".npy" else _write_parquet(out, chunks, store)
    return EmbedReport(file=out, shape=shape, set_aside=int(store.facts["aside"]))


def embed_array(pretrained: Pretrained, store: Store) -> np.ndarray:
    """All vectors of a store as one array, (N, dim) float32."""
    return np.concatenate(list(embed_chunks(pretrained, store, np.arange(len(store)))))


def _write_npy(out: Path, chunks: Iterator[np.ndarray], store: Store) -> tuple[int, ...]:
    first = next(chunks)
    shape = (len(store), *first.shape[1:])

    def write(path: Path) -> None:
        with _whole(path), path.open("wb") as handle:
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(handle, header)
            handle.write(first.tobytes())
            for chunk in chunks:
                handle.write(chunk.tobytes())

    write_atomically(out, write)
    write_text(out.with_suffix(".ids.txt"), "\n".join(store.ids) + "\n")
    return shape


def _write_parquet(out: Path, chunks: Iterator[np.ndarray], store: Store) -> tuple[int, ...]:
    first = next(chunks)
    shape = (len(store), *first.shape[1:])
    width = int(np.prod(shape[1:]))
    schema = pa.schema(
        [("id", pa.string()), ("vector", pa.list_(pa.float32(), width))],
        metadata={"shape": ",".join(map(str, shape[1:]))},
    )

    def write(path: Path) -> None:
        start = 0
        with _whole(path), pq.ParquetWriter(path, schema) as writer:
            for chunk in _chain(first, chunks):
                ids = pa.array(store.ids[start : start + len(chunk)], pa.string())
                values = pa.FixedSizeListArray.from_arrays(pa.array(chunk.reshape(-1)), width)
                writer.write_table(pa.table([ids, values], schema=schema))
                start += len(chunk)

    write_atomically(out, write)
    return shape


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Leaves no file behind where writing ends early, for whatever reason: Ctrl-C is no fault of the disk."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _chain(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from rest
