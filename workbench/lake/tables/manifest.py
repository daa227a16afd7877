"""What the catalog says of a dataset: frozen values, and the pure functions that derive identity from them."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from workbench.errors import InvalidError

NAMESPACE = uuid.UUID("a8f3c1d2-4e5b-5a6c-9d8e-7f0a1b2c3d4e")  # substrate.md, Catalog: a wire promise
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``type`` is Arrow's canonical string; ``restore`` is the SQL type that a stored value is cast back
    to ('' when Delta holds the type itself); ``pii`` is a kind of `workbench.pii` or ''; ``unit`` is '£', '%' or '';
    ``order`` is 'dmy' or 'mdy' where dates came as such text, so that the next file is read alike.
    """

    name: str
    type: str
    nullable: bool = True
    pii: str = ""
    unit: str = ""
    order: str = ""
    stored: str = ""
    restore: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON form: name, type, nullable, pii, unit."""
        out: dict[str, Any] = {"name": self.name, "type": self.type, "nullable": self.nullable, "pii": self.pii or None}
        return out | ({"unit": self.unit} if self.unit else {})


@dataclass(frozen=True, slots=True)
class Source:
    """The file a snapshot came from: its name (never its folder), the SHA-256 of its bytes and their number, and the
    ``sheet`` of a workbook if it was asked for.
    """

    file: str
    sha256: str
    size_bytes: int
    sheet: str = ""

    @property
    def key(self) -> str:
        """What tells it from all other sources."""
        return f"{self.sha256}#{self.sheet}" if self.sheet else self.sha256

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        said: dict[str, Any] = {"file": self.file, "sha256": self.sha256, "size_bytes": self.size_bytes}
        return said | ({"sheet": self.sheet} if self.sheet else {})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of a dataset, as its commit recorded it. Versions count from 1; ``rows`` is the total after it."""

    version: int
    created_at: dt.datetime
    operation: str
    rows: int | None = None
    added: int = 0
    message: str = ""
    by: str = ""
    source: Source | None = None
    rejected: int = 0
    rejects_key: str = ""
    lineage: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON form; times are ISO 8601 in UTC."""
        return {
            "version": self.version,
            "created_at": self.created_at.isoformat(),
            "operation": self.operation,
            "rows": self.rows,
            "added": self.added,
            "rejected": self.rejected,
            "message": self.message,
            "by": self.by,
            "source": self.source.to_dict() if self.source else None,
            "lineage": list(self.lineage),
        }


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of a snapshot: its path inside the dataset's folder, its rows and its size."""

    path: str
    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class About:
    """What people say of a dataset, and the first version whose files are still kept (0: all of them).

    ``expectations``: lines as `workbench.lake.expectations` reads them.
    """

    owner: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    expired_before: int = 0
    expectations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """The catalog's record of one dataset at one version. ``snapshot`` is the commit that made this version."""

    name: str
    columns: tuple[Column, ...]
    version: int
    created_at: dt.datetime
    snapshot: Snapshot
    files: tuple[DataFile, ...] = ()
    about: About = About()

    @property
    def dataset_id(self) -> str:
        """UUIDv5 of the name, so the same dataset has the same id on every machine."""
        return dataset_id(self.name)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the schema, hex; see `fingerprint`."""
        return fingerprint((c.name, c.type) for c in self.columns)

    @property
    def row_count(self) -> int:
        """Rows in this version."""
        return sum(f.rows for f in self.files)

    @property
    def size_bytes(self) -> int:
        """Bytes of Parquet in this version."""
        return sum(f.size_bytes for f in self.files)

    @property
    def pii(self) -> dict[str, str]:
        """Tagged columns only: name → kind."""
        return {c.name: c.pii for c in self.columns if c.pii}

    def column(self, name: str) -> Column | None:
        """The column of that name, compared as SQL does (without case), or None."""
        return next((c for c in self.columns if c.name.casefold() == name.casefold()), None)

    def to_dict(self) -> dict[str, Any]:
        """JSON form: what ``lh describe --json`` prints."""
        return {
            "name": self.name,
            "dataset_id": self.dataset_id,
            "fingerprint": self.fingerprint,
            "version": self.version,
            "row_count": self.row_count,
            "size_bytes": self.size_bytes,
            "files": len(self.files),
            "created_at": self.created_at.isoformat(),
            "updated_at": self.snapshot.created_at.isoformat(),
            "owner": self.about.owner,
            "description": self.about.description,
            "tags": list(self.about.tags),
            "expectations": list(self.about.expectations),
            "columns": [c.to_dict() for c in self.columns],
            "snapshot": self.snapshot.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Note:
    """What a writer says of a commit: operation, message, who, where from, what was set aside.

    ``restored`` are the SHA-256 of the files whose rows a restore brought back.
    """

    operation: str
    message: str = ""
    by: str = ""
    added: int = 0
    source: Source | None = None
    rejected: int = 0
    rejects_key: str = ""
    lineage: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()


def dataset_id(name: str) -> str:
    """UUIDv5 of ``name`` in the product's namespace."""
    return str(uuid.uuid5(NAMESPACE, name))


def fingerprint(columns: Iterable[tuple[str, str]]) -> str:
    """SHA-256 (hex) over (name, type) in column order.

    A name and its type are joined by 0x1f, columns by 0x1e; nullability is left out (substrate.md, Catalog: fixed).
    """
    return hashlib.sha256("\x1e".join(f"{n}\x1f{t}" for n, t in columns).encode()).hexdigest()


def check_name(name: str) -> str:
    """``name`` itself when it can name a dataset, else InvalidError with the nearest name that can."""
    if _NAME.fullmatch(name):
        return name
    if not name:
        raise InvalidError("A dataset needs a name.", hint="Add --name, for example --name workers.")
    raise InvalidError(
        f"{name!r} cannot name a dataset: lower-case letters, digits and _ only, a letter first, at most 63.",
        hint=f"Use --name {slug(name)}.",
    )


def slug(text: str) -> str:
    """The nearest dataset name to any text: 'Job Orders (2).csv' → 'job_orders_2'."""
    words = re.sub(r"[^a-z0-9]+", "_", text.casefold().removesuffix(".csv")).strip("_")
    return (words if words[:1].isalpha() else f"t_{words}".rstrip("_"))[:63]
