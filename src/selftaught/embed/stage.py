"""embed: any source in, a Parquet or NPY file of vectors out, with flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from selftaught.core.errors import UsageError
from selftaught.data.store import Store
from selftaught.engine.embedding import embed_chunks, embed_records, embed_tokens
from selftaught.engine.prepare import DataOptions, prepare, tell
from selftaught.probes.sliding import causal_chunks, is_ragged, ragged_chunks
from selftaught.reports.blocks import Cell, Facts, Finding, Findings, Section, Verdict
from selftaught.reports.findings import shown_findings
from selftaught.reports.report import Report
from selftaught.runs.encoder import Pretrained, load_pretrained
from selftaught.runs.files import write_atomically, write_text

SUFFIXES = (".parquet", ".npy")
EVEN = 64
"""Rows of a table in one batch."""


@dataclass(frozen=True, kw_only=True)
class EmbedReport(Report):
    """What was written. shape: of the array; the first dimension counts records. vectors: how many there are in all,
    where records have different numbers of them; shape is then (records, width). findings: what was odd about them."""

    file: Path
    shape: tuple[int, ...]
    set_aside: int
    vectors: int | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def title(self) -> str:
        """The heading."""
        return "Embedding"

    def verdict(self) -> Verdict:
        """Where the vectors are."""
        return Verdict(headline=f"{self.shape[0]} records are in {self.file}.", tone="good")

    def sections(self) -> tuple[Section, ...]:
        """Shape, file and findings."""
        rows: tuple[tuple[str, Cell, str], ...] = (
            ("file", str(self.file), ""),
            ("shape", " x ".join(map(str, self.shape)), ""),
            ("set aside", self.set_aside, "records"),
        )
        if self.vectors is not None:
            rows = (*rows, ("vectors in all", self.vectors, ""))
        odd = (Findings(items=self.findings),) if self.findings else ()
        return (Section(title="Vectors", blocks=(Facts(rows=rows), *odd)),)


def embed(
    run: Annotated[Path | str, "run folder or encoder folder"],
    data: Annotated[Any, "folder, archive, table or array of records"],
    *,
    out: Annotated[Path | str, "file to write: .parquet (ids and vectors) or .npy (ids beside it in .ids.txt)"] = Path(
        "embedding.parquet"
    ),
    tokens: Annotated[bool, "one vector per token (patch, time step, piece) instead of one per record"] = False,
    causal: Annotated[int | None, "one vector per time step, from so many steps that end with it"] = None,
    column: Annotated[str | None, "column that holds the records"] = None,
    id_column: Annotated[str | None, "column that names the records"] = None,
    stores: Annotated[Path | str | None, "folder of decoded stores (default: beside the output)"] = None,
    quiet: Annotated[bool, "no progress bars"] = False,
) -> EmbedReport:
    """Writes one vector per record, per token or per time step, float32, in the order of the source.

    Where records have different numbers of vectors, the file is Parquet with a list of them a record.

    Raises UsageError for another suffix or an encoder without tokens, DataError for data that cannot be used.
    """
    out = Path(out)
    if out.suffix not in SUFFIXES:
        raise UsageError(f"--out {out} must end in {' or '.join(SUFFIXES)}.")
    pretrained = load_pretrained(Path(run))
    _check_causal(pretrained, causal)
    options = DataOptions(column=column, id_column=id_column)
    place, say = Path(stores or out.parent / "stores"), None if quiet else tell
    prepared = prepare(data, pretrained.modality, place, options, quiet=quiet, say=say)
    store, found = prepared.store, shown_findings(prepared.findings)
    indices, aside = np.arange(len(store)), int(store.facts["aside"])
    if causal is not None or (tokens and is_ragged(pretrained, store)):
        lists = ragged_chunks(pretrained, store) if causal is None else causal_chunks(pretrained, store, causal)
        count, width = _write_lists(out, lists, store)
        return EmbedReport(file=out, shape=(len(store), width), set_aside=aside, vectors=count, findings=found)
    make = embed_tokens if tokens else embed_chunks
    chunks = make(pretrained, store, indices)
    shape = _write_npy(out, chunks, store) if out.suffix == ".npy" else _write_parquet(out, chunks, store)
    return EmbedReport(file=out, shape=shape, set_aside=aside, findings=found)


def embed_array(pretrained: Pretrained, store: Store) -> np.ndarray:
    """All vectors of a store as one array, (N, dim) float32.

    Rows of a table go through in batches of one size, so that no digit of a vector hangs on the rows beside it.
    """
    if pretrained.modality.layout == "columns":
        places = np.minimum(np.arange(-(-len(store) // EVEN) * EVEN), len(store) - 1)
        return embed_records(pretrained, store, places, EVEN)[: len(store)]
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
            for chunk in chain([first], chunks):
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


def _check_causal(pretrained: Pretrained, causal: int | None) -> None:
    """Raises UsageError for a context without a step, and for data without time."""
    if causal is not None and causal < 1:
        raise UsageError(f"--causal takes a number of time steps, 1 or more; got {causal}.")
    if causal is not None and "time" not in pretrained.modality.offers:
        raise UsageError(f"--causal is for records with time steps; {pretrained.modality.name} has none. Leave it out.")


def _write_lists(out: Path, chunks: Iterator[list[np.ndarray]], store: Store) -> tuple[int, int]:
    """Writes ids and a list of vectors of each record; returns how many vectors there are in all, and their width."""
    if out.suffix != ".parquet":
        raise UsageError(
            f"--out {out}: the records have different numbers of vectors, which one array cannot hold. Use .parquet."
        )
    first = next(chunks)
    width = int(first[0].shape[1])
    kind = pa.list_(pa.list_(pa.float32(), width))
    schema = pa.schema([("id", pa.string()), ("vectors", kind)], metadata={"shape": f"*,{width}"})
    count = 0

    def write(path: Path) -> None:
        nonlocal count
        start = 0
        with _whole(path), pq.ParquetWriter(path, schema) as writer:
            for chunk in chain([first], chunks):
                ids = pa.array(store.ids[start : start + len(chunk)], pa.string())
                flat = pa.array(np.concatenate(chunk).astype(np.float32, copy=False).reshape(-1))
                ends = pa.array(np.cumsum([0, *map(len, chunk)]), pa.int32())
                lists = pa.ListArray.from_arrays(ends, pa.FixedSizeListArray.from_arrays(flat, width))
                writer.write_table(pa.table([ids, lists], schema=schema))
                start += len(chunk)
                count += sum(map(len, chunk))

    write_atomically(out, write)
    return count, width
