"""Rows that were set aside: kept with their place, their reason and their raw text until somebody fixes them.

One Parquet object per ingest under ``_rejects/<dataset>/``, written before the commit that names it, so a crash leaves
either both or an object that nothing names.
"""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from workbench import pii
from workbench.errors import NotFoundError
from workbench.lake.files.rows import Reject
from workbench.lake.tables.manifest import Snapshot
from workbench.lake.tables.storage import Storage

HIDDEN = "raw"  # no kind of PII: such values are covered whole

SCHEMA = pa.schema(
    [
        pa.field("line", pa.int64()),
        pa.field("byte_offset", pa.int64()),
        pa.field("column", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("raw", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Rejected:
    """One ingest's rejects: the snapshot they belong to and their rows (`SCHEMA`)."""

    snapshot: Snapshot
    rows: pa.Table


def to_table(rejects: Iterable[Reject], *, header: Sequence[str] = (), delimiter: str = ",") -> pa.Table:
    """Rejects as a table of `SCHEMA`, in file order; header and delimiter of their file go along as metadata."""
    told = {"header": json.dumps(list(header)), "delimiter": delimiter}
    ordered = sorted(rejects, key=lambda r: (r.line, r.byte_offset))
    if not ordered:  # also spares the import that building an array from a list costs
        return pa.Table.from_batches([], SCHEMA.with_metadata(told))
    cells = zip(*((r.line, r.byte_offset, r.column, r.reason, r.raw) for r in ordered), strict=True)
    columns = [pa.array(column, f.type) for column, f in zip(cells, SCHEMA, strict=True)]
    return pa.table(columns, SCHEMA.with_metadata(told))


def covered(rows: pa.Table, tagged: Mapping[str, str]) -> pa.Table:
    """Rejects as they may be shown. A row that could not be cut into columns may hold a name anywhere, so the raw text
    of a dataset with personal data (``tagged``: column → kind) is covered whole; of others, what is found in it.
    """
    place = rows.schema.get_field_index("raw")
    raw = pii.mask_array(rows.column(place), HIDDEN if tagged else None)
    return rows.set_column(place, "raw", raw)


def save(storage: Storage, name: str, rejects: pa.Table) -> str:
    """Write the rejects of one ingest; returns their key ('' when there are none)."""
    if rejects.num_rows == 0:
        return ""
    body = io.BytesIO()
    pq.write_table(rejects, body)
    key = f"_rejects/{name}/{secrets.token_hex(12)}.parquet"
    storage.put(key, body.getvalue())
    return key


def load(storage: Storage, name: str, history: Sequence[Snapshot], version: int | None = None) -> list[Rejected]:
    """The rejects of every snapshot that has some, newest first, or of one version only.

    Raises NotFoundError for a version whose ingest set nothing aside.
    """
    chosen = [s for s in history if s.rejects_key and version in (None, s.version)]
    if version is not None and not chosen:
        having = ", ".join(str(s.version) for s in history if s.rejects_key)
        raise NotFoundError(
            f"Snapshot {version} of {name} set no rows aside.",
            hint=f"Snapshots with rejects: {having}." if having else f"No ingest of {name} ever did.",
        )
    return [Rejected(s, pq.read_table(io.BytesIO(storage.get(s.rejects_key)))) for s in chosen]


def write_fix(path: Path, rejected: Rejected) -> int:
    """The raw rows of one ingest under their file's header, to be mended by hand and replayed; returns how many."""
    told = {k.decode(): v.decode() for k, v in (rejected.rows.schema.metadata or {}).items()}
    delimiter = told.get("delimiter", ",")
    header = delimiter.join(_cell(name, delimiter) for name in json.loads(told.get("header", "[]")))
    lines = [header, *(raw or "" for raw in rejected.rows.column("raw").to_pylist())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(rejected.rows.num_rows)


def _cell(name: str, delimiter: str) -> str:
    return '"' + name.replace('"', '""') + '"' if delimiter in name or '"' in name or "\n" in name else name
