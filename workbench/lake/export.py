"""Rows out of the lake into one file, in a stream, whole or not at all, PII masked unless asked for."""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from workbench.errors import ConflictError, InvalidError
from workbench.lake.sql.binding import Params
from workbench.lake.sql.engine import Progress
from workbench.lake.sql.parquet import unique_names
from workbench.lake.sql.query import Queries

Write = Callable[[pa.RecordBatch], None]


def write(
    queries: Queries, sql: str, path: Path, *, params: Params, show_pii: bool, progress: Progress, force: bool = False
) -> int:
    """Stream a SELECT into ``path``; its ending says how. Returns the rows.

    Raises InvalidError for another ending or a column that the format cannot hold, ConflictError for a file that is
    there already, unless ``force``. Columns of one name get suffixes, as in a dataset.
    """
    if path.is_dir():
        raise InvalidError(f"{path} is a folder.", hint=f"Name a file in it: {path / 'export.csv'}")
    how = _WRITERS.get(path.suffix.lower())
    if how is None:
        raise InvalidError(f"{path.name} has no ending that an export knows.", hint=f"One of: {', '.join(_WRITERS)}.")
    if not path.parent.is_dir():
        raise InvalidError(f"There is no folder {path.parent}.", hint=f"mkdir -p {shlex.quote(str(path.parent))}")
    if path.exists() and not force:
        raise _taken(path)
    schema, batches = queries.stream(sql, params, show_pii=show_pii)
    schema = pa.schema([f.with_name(n) for f, n in zip(schema, unique_names(schema.names), strict=True)])
    draft = path.with_name(f".{path.name[:60]}.{secrets.token_hex(4)}.tmp")
    rows = 0
    try:
        # Nobody else on this machine needs to read it before its owner has looked at it.
        with open(draft, "wb", opener=partial(os.open, mode=0o600)) as out, _held(path), how(out, schema) as put:
            for batch in batches:
                put(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
                rows += batch.num_rows
                progress("export", rows, 0)
        _publish(draft, path, force=force)
    except OSError as error:
        raise InvalidError(
            f"{path} cannot be written: {error.strerror or error}.", hint="Name another file."
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    return rows


def _publish(draft: Path, path: Path, *, force: bool) -> None:
    with draft.open("rb") as done:
        os.fsync(done.fileno())
    if force:
        draft.replace(path)
        return
    try:
        os.link(draft, path)  # unlike a rename, it fails when somebody made the file meanwhile
    except FileExistsError:
        raise _taken(path) from None
    except OSError:  # a filesystem without hard links
        if path.exists():
            raise _taken(path) from None
        draft.replace(path)


def _taken(path: Path) -> ConflictError:
    return ConflictError(f"{path} is there already.", hint="--force writes over it; or name another file.")


@contextmanager
def _held(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise InvalidError(
            f"{path.suffix} cannot hold these rows: {str(error).splitlines()[0][:200]}",
            hint=f"{path.with_suffix('.parquet').name} holds every type; or cast the column to text in a SELECT.",
        ) from error


@contextmanager
def _csv(out: BinaryIO, schema: pa.Schema, delimiter: str = ",") -> Iterator[Write]:
    with pacsv.CSVWriter(out, schema, write_options=pacsv.WriteOptions(delimiter=delimiter)) as writer:
        yield writer.write_batch


@contextmanager
def _parquet(out: BinaryIO, schema: pa.Schema) -> Iterator[Write]:
    with pq.ParquetWriter(out, schema) as writer:
        yield writer.write_batch


@contextmanager
def _ndjson(out: BinaryIO, _schema: pa.Schema) -> Iterator[Write]:
    def put(batch: pa.RecordBatch) -> None:
        out.writelines(_JSON.encode(row) + b"\n" for row in batch.to_pylist())

    yield put


@contextmanager
def _json(out: BinaryIO, _schema: pa.Schema) -> Iterator[Write]:
    between = b"[\n"

    def put(batch: pa.RecordBatch) -> None:
        nonlocal between
        for row in batch.to_pylist():
            out.write(between + _JSON.encode(row))
            between = b",\n"

    yield put
    out.write(b"\n]\n" if between == b",\n" else b"[]\n")


# Times as ISO 8601, decimals as numbers with every digit, bytes as base64, what is not a number as null.
_JSON = msgspec.json.Encoder(decimal_format="number", enc_hook=str)
_WRITERS: dict[str, Callable[[BinaryIO, pa.Schema], AbstractContextManager[Write]]] = {
    ".csv": _csv,
    ".tsv": partial(_csv, delimiter="\t"),
    ".parquet": _parquet,
    ".ndjson": _ndjson,
    ".jsonl": _ndjson,
    ".json": _json,
}
