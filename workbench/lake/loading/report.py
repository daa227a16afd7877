"""What an ingest was asked to do, and what it did: frozen values that every door formats in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.errors import InvalidError
from workbench.lake.files.sources import Reading
from workbench.lake.loading.drift import Change
from workbench.lake.loading.rejects import covered
from workbench.lake.tables.manifest import Column, Source, check_name, slug

MODES = ("append", "replace", "upsert")


@dataclass(frozen=True, slots=True)
class Request:
    """One file for one dataset.

    ``mode``: append | replace | upsert (which needs ``key``). ``evolve`` takes new columns and wider types,
    ``quarantine`` sets rows aside that do not fit. ``ignore`` leaves columns of the file out. ``rename``: file's
    column → dataset's. ``types``: a user's words
    by column. ``max_rejects``: refuse the file when more rows than this are set aside (None: 100, or 1 % if more).
    """

    path: Path
    name: str = ""
    mode: str = "append"
    key: tuple[str, ...] = ()
    message: str = ""
    by: str = ""
    evolve: bool = False
    quarantine: bool = False
    ignore: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    pii: Mapping[str, str] = field(default_factory=dict)
    max_rejects: int | None = None
    dry_run: bool = False
    lineage: tuple[str, ...] = ()
    how: Reading = field(default_factory=Reading)

    @property
    def reads_its_own_way(self) -> bool:
        """Whether the same bytes may mean other rows than the last time."""
        return bool(self.types or self.rename or self.ignore or self.how != Reading())

    def checked(self) -> Request:
        """Itself, with a name taken from the file when none was given. Raises InvalidError for what means nothing."""
        if self.mode not in MODES:
            raise InvalidError(f"{self.mode!r} is no way to ingest.", hint=f"One of: {', '.join(MODES)}.")
        if (self.mode == "upsert") != bool(self.key):
            raise InvalidError("An upsert needs a key, and a key means an upsert.", hint="--key worker_id")
        if self.evolve and self.quarantine:
            raise InvalidError("--evolve and --quarantine exclude each other.", hint="Choose one of them.")
        if self.how.text and self.types:
            raise InvalidError("--text keeps every column as text; --type cannot change one.", hint="Drop one.")
        name = self.name or slug(self.path.name.split(".")[0])
        return Request(**{f: getattr(self, f) for f in self.__slots__} | {"name": check_name(name)})


@dataclass(frozen=True, slots=True)
class Report:
    """What an ingest did (or, on a dry run, would do).

    ``outcome``: created | appended | replaced | upserted | unchanged. ``rows`` came from the file, ``total`` is the
    dataset after it. ``plan`` counts an upsert: inserted, updated, same. ``rejects`` has the columns of
    `rejects.SCHEMA`.
    """

    name: str
    version: int
    outcome: str
    rows: int
    total: int
    columns: tuple[Column, ...]
    source: Source
    parquet_bytes: int
    rejects: pa.Table
    findings: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    plan: Mapping[str, int] = field(default_factory=dict)
    dry_run: bool = False
    since: str = ""
    elapsed_s: float = 0.0

    @property
    def rejected(self) -> int:
        """Rows set aside."""
        return int(self.rejects.num_rows)

    @property
    def pii(self) -> dict[str, str]:
        """Tagged columns: name → kind."""
        return {c.name: c.pii for c in self.columns if c.pii}

    def to_dict(self) -> dict[str, Any]:
        """JSON form, personal data covered; of the rejects only the first hundred."""
        return {
            "name": self.name,
            "version": self.version,
            "outcome": self.outcome,
            "rows": self.rows,
            "total": self.total,
            "columns": [c.to_dict() for c in self.columns],
            "source": self.source.to_dict(),
            "parquet_bytes": self.parquet_bytes,
            "rejected": self.rejected,
            "rejects": covered(self.rejects.slice(0, 100), self.pii).to_pylist(),
            "findings": list(self.findings),
            "changes": [c.to_dict() for c in self.changes],
            "plan": dict(self.plan),
            "dry_run": self.dry_run,
            "since": self.since,
            "elapsed_s": round(self.elapsed_s, 3),
        }
