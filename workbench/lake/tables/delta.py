"""One Delta table as we use it: every commit is a compare-and-swap on the version it was decided against.

Delta's own retry rebases a write onto whatever came in between; here nothing is rebased. A commit either lands exactly
on the version that was checked, or it is lost and decided anew (LostRaceError), so "look, then write" is one atomic
step across processes, on a disk and on S3 alike.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from workbench.errors import InvalidError, LostRaceError, ProviderError
from workbench.lake.tables import s3
from workbench.lake.tables.manifest import About, Column, DataFile, Manifest, Note, Snapshot, Source
from workbench.lake.tables.mapping import split_types
from workbench.lake.tables.storage import Storage

FORMAT = 1  # of the "lh" record in a commit
_RECORD = "lh.dataset"
_READER_FEATURES = {"timestampNtz"}
_CONFIGURATION = {"delta.logRetentionDuration": "interval 36500 days"}  # history is the audit trail: keep it


def folder(name: str) -> str:
    """The key of a dataset's folder."""
    return f"datasets/{name}"


def log_key(name: str, version: int) -> str:
    """The key of the commit file that made ``version`` (ours count from 1, Delta's from 0)."""
    return f"{folder(name)}/_delta_log/{version - 1:020}.json"


def load(storage: Storage, name: str, version: int | None = None) -> Manifest:
    """The manifest of a dataset at its newest or a given version. Raises LookupError."""
    return _to_manifest(storage, name, _open(storage, name, version))


def history(storage: Storage, name: str) -> list[Snapshot]:
    """All snapshots, newest first. Raises LookupError."""
    with mapped(storage, name):
        return [_to_snapshot(entry) for entry in commits(storage, folder(name), _open(storage, name))]


def commits(storage: Storage, key: str, table: DeltaTable, limit: int | None = None) -> list[dict[str, Any]]:
    """What each commit of the table at ``key`` says of itself, newest first."""
    found: list[dict[str, Any]] = table.history(limit)
    if found:
        return found
    # deltalake 1.6 sees no history in a folder whose path holds '#' or '?'; everything else of it works there.
    newest, count = table.version(), limit or table.version() + 1
    return [_said(storage, key, version) for version in range(newest, max(newest - count, -1), -1)]


def _said(storage: Storage, key: str, version: int) -> dict[str, Any]:
    actions = [json.loads(line) for line in storage.get(f"{key}/_delta_log/{version:020}.json").splitlines()]
    return next((a["commitInfo"] for a in actions if "commitInfo" in a), {}) | {"version": version}


def ingested(storage: Storage, manifest: Manifest, key: str) -> int | None:
    """The version at which a source of this key went into the present content, or None."""
    table = _open(storage, manifest.name, manifest.version)
    version = table.transaction_version(f"source:{key}")
    reset = table.transaction_version("reset") or 0
    return version if version is not None and version >= reset else None


def create(
    storage: Storage, name: str, columns: Sequence[Column], files: Sequence[DataFile], note: Note, about: About
) -> None:
    """Version 1 of a new table, in one commit. Raises LostRaceError when somebody else created it first."""
    with mapped(storage, name):
        create_table_with_add_actions(
            storage.uri(folder(name)),
            Schema.from_arrow(to_schema(columns, about)),
            [_add(f) for f in files],
            name=name,
            configuration=dict(_CONFIGURATION),
            storage_options=storage.delta_options(),
            commit_properties=_properties(note, version=1, rows=sum(f.rows for f in files)),
        )


def append(storage: Storage, base: Manifest, files: Sequence[DataFile], note: Note) -> None:
    """Add files to exactly ``base``. Raises LostRaceError."""
    rows = base.row_count + sum(f.rows for f in files)
    _write(storage, base, "append", base.columns, files, note, rows)


def replace(
    storage: Storage, base: Manifest, columns: Sequence[Column], files: Sequence[DataFile], note: Note, *, keep: bool
) -> None:
    """Put ``files`` and ``columns`` in the place of exactly ``base``.

    ``keep`` says that the content of base is still in there (upsert, evolve, compact), so the files it came from still
    count as ingested. Raises LostRaceError.
    """
    _write(storage, base, "overwrite", columns, files, note, sum(f.rows for f in files), reset=not keep)


def swap(storage: Storage, base: Manifest, files: Sequence[DataFile], note: Note) -> None:
    """Make ``files`` (of an older version with the same columns) the content of exactly ``base``.

    Raises LostRaceError.
    """
    now_ms = int(time.time() * 1000)
    old, new = {f.path for f in base.files}, {f.path for f in files}
    gone = [RemoveAction(f.path, True, now_ms, f.size_bytes, {}) for f in base.files if f.path not in new]  # noqa: FBT003
    table = _open(storage, base.name, base.version)
    with mapped(storage, base.name):
        table.create_write_transaction(
            [*gone, *(_add(f) for f in files if f.path not in old)],
            "append",
            Schema.from_arrow(to_schema(base.columns, base.about)),
            commit_properties=_properties(note, version=base.version + 1, rows=sum(f.rows for f in files), reset=True),
        )


def annotate(storage: Storage, base: Manifest, columns: Sequence[Column], note: Note, about: About) -> None:
    """Change what is said of the table and its columns (owner, tags, PII tags), not its data. Raises LostRaceError."""
    table = _open(storage, base.name, base.version)
    with mapped(storage, base.name):
        properties = _properties(note, version=base.version + 1, rows=base.row_count)
        # One commit: the first column carries the record of the whole table.
        table.alter.set_column_metadata(
            columns[0].name, {_RECORD: _record(about, columns)}, commit_properties=properties
        )


def to_schema(columns: Sequence[Column], about: About) -> pa.Schema:
    """The Delta schema of the columns, with what we say of them in their metadata.

    Delta has no place for facts about a table but ``delta.*`` settings, so the first column's metadata carries them.
    """
    fields: list[pa.Field] = []
    for c in columns:
        said = {"lh.unit": c.unit, "lh.order": c.order, "lh.restore": c.restore, "lh.type": c.type if c.restore else ""}
        said[_RECORD] = "" if fields else _record(about, columns)
        fields.append(
            pa.field(c.name, _stored_type(c), nullable=c.nullable, metadata={k: v for k, v in said.items() if v})
        )
    return pa.schema(fields)


def _record(about: About, columns: Sequence[Column]) -> str:
    pii = {c.name: c.pii for c in columns if c.pii}
    record: dict[str, Any] = {"owner": about.owner, "description": about.description, "tags": about.tags, "pii": pii}
    record |= {"expired_before": about.expired_before} if about.expired_before else {}
    record |= {"expectations": about.expectations} if about.expectations else {}
    return json.dumps(record, ensure_ascii=False, sort_keys=True)


def _stored_type(column: Column) -> pa.DataType:
    return parse_type(column.stored or column.type)


def parse_type(text: str) -> pa.DataType:
    """The Arrow type behind a canonical string; nested ones included."""
    simple = {
        "double": pa.float64(),
        "float": pa.float32(),
        "date32[day]": pa.date32(),
        "timestamp[us]": pa.timestamp("us"),
        "timestamp[us, tz=UTC]": pa.timestamp("us", tz="UTC"),
    }
    if text in simple:
        return simple[text]
    if text.startswith("decimal128("):
        width, scale = text[11:-1].split(",")
        return pa.decimal128(int(width), int(scale))
    if text.startswith("list<"):
        return pa.list_(pa.field("element", parse_type(text[5:-1].partition(": ")[2])))
    if text.startswith("struct<"):
        fields = (part.partition(": ") for part in split_types(text[7:-1]))
        return pa.struct([(name, parse_type(kind)) for name, _, kind in fields])
    if text.startswith("map<"):
        return pa.map_(*(parse_type(part) for part in split_types(text[4:-1])))
    return pa.type_for_alias(text)


def _write(
    storage: Storage,
    base: Manifest,
    mode: str,
    columns: Sequence[Column],
    files: Sequence[DataFile],
    note: Note,
    rows: int,
    *,
    reset: bool = False,
) -> None:
    table = _open(storage, base.name, base.version)
    with mapped(storage, base.name):
        table.create_write_transaction(
            [_add(f) for f in files],
            mode,
            Schema.from_arrow(to_schema(columns, base.about)),
            commit_properties=_properties(note, version=base.version + 1, rows=rows, reset=reset),
        )


def _add(file: DataFile) -> AddAction:
    # Row counts only: minima and maxima of a phone column would be people's data in the log.
    stats = json.dumps({"numRecords": file.rows})
    return AddAction(file.path, file.size_bytes, {}, int(time.time() * 1000), data_change=True, stats=stats)


def _properties(note: Note, *, version: int, rows: int, reset: bool = False) -> CommitProperties:
    record = {
        "format": FORMAT,
        "operation": note.operation,
        "message": note.message,
        "by": note.by,
        "rows": rows,
        "added": note.added,
        "source": note.source.to_dict() if note.source else None,
        "rejected": note.rejected,
        "rejects_key": note.rejects_key,
        "lineage": list(note.lineage),
    }
    sources = (*note.restored, *([note.source.key] if note.source else []))
    marks = (["reset"] if reset else []) + [f"source:{key}" for key in dict.fromkeys(sources)]
    return CommitProperties(
        custom_metadata={"lh": json.dumps({k: v for k, v in record.items() if v}, ensure_ascii=False)},
        max_commit_retries=0,
        app_transactions=[Transaction(mark, version, int(time.time() * 1000)) for mark in marks],
    )


def _open(storage: Storage, name: str, version: int | None = None) -> DeltaTable:
    with mapped(storage, name):
        table = DeltaTable(
            storage.uri(folder(name)),
            version=None if version is None else version - 1,
            storage_options=storage.delta_options(),
        )
    features = set(table.protocol().reader_features or ()) - _READER_FEATURES
    if features:
        raise InvalidError(
            f"Dataset {name!r} was written with Delta features that this reader lacks: {', '.join(sorted(features))}.",
            hint="Rewrite it without them with the engine that wrote it.",
        )
    return table


def _to_manifest(storage: Storage, name: str, table: DeltaTable) -> Manifest:
    fields = pa.schema(table.schema().to_arrow())
    said = [{k.decode(): v.decode() for k, v in (f.metadata or {}).items()} for f in fields]
    about = json.loads(said[0].get(_RECORD, "{}")) if said else {}
    pii = about.get("pii", {})
    columns = tuple(
        Column(
            name=f.name,
            type=m.get("lh.type") or str(f.type),
            nullable=f.nullable,
            pii=pii.get(f.name, ""),
            unit=m.get("lh.unit", ""),
            order=m.get("lh.order", ""),
            stored=str(f.type) if "lh.type" in m else "",
            restore=m.get("lh.restore", ""),
        )
        for f, m in zip(fields, said, strict=True)
    )
    # Through its stream: pa.table() would import pandas to ask whether this is one of its frames.
    actions = pa.RecordBatchReader.from_stream(table.get_add_actions(flatten=True)).read_all().to_pylist()
    actions.sort(key=lambda a: (a["modification_time"], a["path"]))  # rows come back in the order they went in
    files = tuple(DataFile(a["path"], a["num_records"] or 0, a["size_bytes"]) for a in actions)
    with mapped(storage, name):
        newest = _to_snapshot(commits(storage, folder(name), table, 1)[0])
    return Manifest(
        name=name,
        columns=columns,
        version=table.version() + 1,
        created_at=_moment(table.metadata().created_time),
        snapshot=newest,
        files=files,
        about=About(
            owner=about.get("owner", ""),
            description=about.get("description", ""),
            tags=tuple(about.get("tags", ())),
            expired_before=about.get("expired_before", 0),
            expectations=tuple(about.get("expectations", ())),
        ),
    )


def _to_snapshot(entry: dict[str, Any]) -> Snapshot:
    record = json.loads(entry.get("lh", "{}"))
    source = record.get("source")
    return Snapshot(
        version=entry["version"] + 1,
        created_at=_moment(entry["timestamp"]),
        operation=record.get("operation") or str(entry.get("operation", "")).lower(),
        rows=record.get("rows", 0) if record else None,
        added=record.get("added", 0),
        message=record.get("message", ""),
        by=record.get("by", ""),
        source=Source(**source) if source else None,
        rejected=record.get("rejected", 0),
        rejects_key=record.get("rejects_key", ""),
        lineage=tuple(record.get("lineage", ())),
    )


def _moment(epoch_ms: int | None) -> dt.datetime:
    return dt.datetime.fromtimestamp((epoch_ms or 0) / 1000, dt.UTC)


@contextmanager
def mapped(storage: Storage, name: str, *, noun: str = "dataset", key: str = "") -> Iterator[None]:
    """Delta's exceptions as ours, at this one place; ``noun`` and ``key`` for a table that is no dataset."""
    try:
        yield
    except TableNotFoundError:
        raise LookupError(name) from None
    except CommitFailedError:
        raise LostRaceError(f"Another writer changed {name!r} first.", hint="Run the command again.") from None
    except DeltaError as error:
        raise _told(storage, name, noun, str(error)) from None
    except OSError as error:
        raise _unreached(storage, f"{noun} {name!r}", key or folder(name), error) from None


def _told(storage: Storage, name: str, noun: str, text: str) -> Exception:
    """What has no class of its own in Delta, by its exact words (deltalake 1.6)."""
    if _CREATED.search(text):
        return LostRaceError(f"Another writer created {name!r} first.", hint="Run the command again.")
    if _NO_VERSION.search(text):
        return LookupError(name)
    if _NEWER.search(text):
        return InvalidError(
            f"{noun.capitalize()} {name!r} was written in a newer format of Delta than this reader knows.",
            hint="update the workbench: a newer one, or another engine, wrote it",
        )
    return _refused(storage, text) or ProviderError(
        f"The log of {noun} {name!r} cannot be read: {_plain(text)}", hint="lh doctor"
    )


def _unreached(storage: Storage, what: str, key: str, error: OSError) -> Exception:
    """What the storage said: a number of the operating system keeps it, the words of S3 become ours."""
    if _is_s3(storage):
        return _refused(storage, str(error)) or s3.unanswered(storage.url, key)
    native = _NATIVE.search(str(error))
    number = int(native[1]) if native else error.errno
    if number:
        return OSError(number, os.strerror(number), storage.uri(key))
    return ProviderError(f"The log of {what} cannot be reached: {_plain(str(error))}", hint="lh doctor")


def _refused(storage: Storage, text: str) -> ProviderError | None:
    if not _is_s3(storage):
        return None
    return s3.refusal(storage.url, storage.delta_options().get("AWS_ENDPOINT_URL", ""), text)


def _is_s3(storage: Storage) -> bool:
    return storage.url.startswith("s3://")


def _plain(text: str) -> str:
    """The first words of an error on one line, without colours, frames of a stack, addresses and answers of a server,
    which can hold keys.
    """
    words = _STYLING.sub("", text).partition("\n   0: ")[0].replace("↳", " ")
    return _ADDRESS.sub("‹address›", " ".join(words.partition("<?xml")[0].split()))[:200]


_CREATED = re.compile(r"table already exists at that location|version \d+ already exists|changed since last commit")
_NO_VERSION = re.compile(
    r"LogSegment end version \d+ not the same as the specified end version \d+|Invalid table version"
)
_NEWER = re.compile(r"Unsupported minimum reader version \d+")
_NATIVE = re.compile(r"\(os error (\d+)\)")
_STYLING = re.compile(r"\x1b\[[0-9;]*m")
_ADDRESS = re.compile(r"\w+://\S+")
