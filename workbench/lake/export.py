"""Rows out of the lake into one file, in a stream, whole or not at all, PII masked unless asked for."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from workbench.errors import InvalidError
from workbench.lake.engine import Progress
from workbench.lake.query import Params, Queries

Write = Callable[[pa.RecordBatch], None]


def write(queries: Queries, sql: str, path: Path, *, params: Params, show_pii: bool, progress: Progress) -> int:
    """Stream a SELECT into ``path``; its ending says how. Returns the rows. Raises InvalidError for another ending."""
    how = _WRITERS.get(path.suffix.lower())
    if how is None:
        raise InvalidError(f"{path.name} has no ending that an export knows.", hint=f"One of: {', '.join(_WRITERS)}.")
    if not path.parent.is_dir():
        raise InvalidError(f"There is no folder {path.parent}.", hint=f"mkdir -p {path.parent}")
    schema, batches = queries.stream(sql, params, show_pii=show_pii)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    rows = 0
    try:
        with draft.open("wb") as out, how(out, schema) as put:
            for batch in batches:
                put(batch)
                rows += batch.num_rows
                progress("export", rows, 0)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return rows


@contextmanager
def _csv(out: BinaryIO, schema: pa.Schema) -> Iterator[Write]:
    with pacsv.CSVWriter(out, schema) as writer:
        yield writer.write_batch


@contextmanager
def _parquet(out: BinaryIO, schema: pa.Schema) -> Iterator[Write]:
    with pq.ParquetWriter(out, schema) as writer:
        yield writer.write_batch


@contextmanager
def _ndjson(out: BinaryIO, _schema: pa.Schema) -> Iterator[Write]:
    def put(batch: pa.RecordBatch) -> None:
        for row in batch.to_pylist():
            out.write(json.dumps(row, ensure_ascii=False, default=str).encode() + b"\n")

    yield put


@contextmanager
def _json(out: BinaryIO, _schema: pa.Schema) -> Iterator[Write]:
    first: list[Any] = []

    def put(batch: pa.RecordBatch) -> None:
        for row in batch.to_pylist():
            out.write((b",\n" if first else b"[\n") + json.dumps(row, ensure_ascii=False, default=str).encode())
            first.append(1) if not first else None

    yield put
    out.write(b"\n]\n" if first else b"[]\n")


_WRITERS = {".csv": _csv, ".parquet": _parquet, ".ndjson": _ndjson, ".jsonl": _ndjson, ".json": _json}
