"""The lake: one noun that owns what is open, with a verb for everything that can be done to datasets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench import pii
from workbench.errors import InvalidError, NotFoundError
from workbench.lake import export, findings, health, shown, snapshots, suggestions
from workbench.lake.expectations import Expectation, parse_all, without_values
from workbench.lake.findings import Finding
from workbench.lake.health import Check
from workbench.lake.loading import rejects
from workbench.lake.loading.ingest import ingest, quiet
from workbench.lake.loading.rejects import Rejected
from workbench.lake.loading.report import Report, Request
from workbench.lake.profile import ColumnProfile, profile
from workbench.lake.saving import Saved, save
from workbench.lake.shown import Shown
from workbench.lake.snapshots import Diff
from workbench.lake.sql import versions
from workbench.lake.sql.binding import Params
from workbench.lake.sql.engine import NO_LIMITS, Limits, Progress, Watch
from workbench.lake.sql.lazy import Relation, relation
from workbench.lake.sql.query import Access, Answer, Queries
from workbench.lake.sql.typed.placeholders import Filled
from workbench.lake.tables.catalog import Catalog
from workbench.lake.tables.manifest import About, Manifest, Note, Snapshot
from workbench.lake.tables.storage import Storage


@dataclass(frozen=True, slots=True)
class Expired:
    """What an expiry gave back."""

    files: int
    size_bytes: int


class Lake:
    """Datasets in one storage. ``by`` is who writes; ``loading`` and ``asking`` limit the engine for each.

    ``noting`` is told of each verb that shows personal data as it is or writes it out, but for `sql`: the product's own
    statements run there, and who shows an answer to a person notes it.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        by: str = "",
        loading: Limits = NO_LIMITS,
        asking: Limits = NO_LIMITS,
        noting: shown.Noting = shown.nobody,
    ) -> None:
        self.storage = storage
        self.by = by
        self.loading = loading
        self._noting = noting
        self.catalog = Catalog(storage)
        self.queries = Queries(self.catalog, asking)

    @property
    def url(self) -> str:
        """Where the lake is; holds no secret."""
        return self.storage.url

    def datasets(self) -> list[Manifest]:
        """Every dataset's newest manifest, by name."""
        return self.catalog.all()

    def get(self, ref: str) -> Manifest:
        """A dataset's manifest: ``workers``, ``workers@2``, ``workers@2026-11-01``, ``workers@yesterday``.

        Raises NotFoundError naming near matches, InvalidError for a version that means nothing.
        """
        name, version, moment = versions.parse_ref(ref)
        if moment is not None:
            return self.catalog.at(name, moment)
        return self.catalog.get(name, version)

    def ingest(self, request: Request, progress: Progress = quiet) -> Report:
        """Load one file; see `Request` for what can be asked. Raises SchemaDriftError with the ways out."""
        return ingest(self.catalog, replace(request, by=request.by or self.by), limits=self.loading, progress=progress)

    def sql(
        self, sql: str, params: Params = None, *, access: Access | None = None, watch: Watch | None = None
    ) -> Answer:
        """One SELECT over the datasets, read-only by construction, PII masked unless ``access`` says otherwise."""
        return self.queries.run(sql, params, access=access, watch=watch)

    def relation(
        self,
        sql: str | Filled,
        params: Params = None,
        *,
        frames: Mapping[str, Any] | None = None,
        show_pii: bool = False,
    ) -> Relation:
        """A SELECT pinned to the snapshots, values and DataFrames of this moment; nothing runs. See `lazy.relation`."""
        made = relation(self.queries, sql, params, frames=frames, show_pii=show_pii)
        if show_pii:
            read = [self.get(f"{name.partition('@')[0]}@{version}") for name, version in made.snapshots.items()]
            self._noting(shown.of("sql", read, statement=made.sql))
        return made

    def save(
        self, rows: Relation, name: str, *, message: str = "", mode: str = "new", watch: Watch | None = None
    ) -> Saved:
        """All rows of a relation as a dataset (``mode`` new) or its next version (replace, append).

        See `saving.save`.
        """
        note = Note("save", message=message, by=self.by)
        saved = save(self.queries, rows, name, note=note, mode=mode, limits=self.loading, watch=watch)
        if saved.pii:
            said = Shown("save", (f"{name}@{saved.version}",), tuple(saved.pii), rows.sql, message, saved.rows)
            self._noting(said)
        return saved

    def snapshots(self, name: str) -> list[Snapshot]:
        """All versions of a dataset, newest first. Raises NotFoundError."""
        return self.catalog.history(name)

    def diff(
        self, old: str, new: str, *, key: Sequence[str] = (), show_pii: bool = False, watch: Watch | None = None
    ) -> Diff:
        """What changed between two versions of one dataset, given as ``workers@1`` and ``workers@2``.

        Values in the sample are masked unless ``show_pii``.
        """
        a, b = self.get(old), self.get(new)
        if a.name != b.name:
            raise InvalidError(
                f"{a.name} and {b.name} are two datasets; a diff compares versions of one.",
                hint=f"lh diff {b.name}@{max(b.version - 1, 1)} {b.name}",
            )
        found = snapshots.diff(self.catalog, a, b, key=key, watch=watch)
        if show_pii:
            self._noting(shown.of("diff", [a, b]))
            return found
        kinds = a.pii | b.pii
        arrays = [
            pii.mask_array(found.sample.column(i), kinds.get(snapshots.sampled_column(name)))
            for i, name in enumerate(found.sample.column_names)
        ]
        return replace(found, sample=pa.table(arrays, names=found.sample.column_names))

    def restore(self, ref: str, message: str = "") -> Manifest:
        """Make an older version the newest, as a new snapshot: ``restore("workers@1")``."""
        target = self.get(ref)
        note = Note("restore", message=message, by=self.by)
        return snapshots.restore(self.catalog, target.name, target.version, note, limits=self.loading)

    def compact(self, name: str, *, watch: Watch | None = None) -> Manifest:
        """Rewrite a dataset's many files as one; rows and order stay."""
        return snapshots.compact(self.catalog, name, Note("compact", by=self.by), limits=self.loading, watch=watch)

    def expire(self, name: str, *, keep: int) -> Expired:
        """Give up all but the newest ``keep`` versions and remove the files that only they named."""
        files, size = snapshots.expire(self.catalog, name, keep=keep, note=Note("expire", by=self.by))
        return Expired(files, size)

    def annotate(
        self,
        name: str,
        *,
        owner: str | None = None,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        pii_tags: Mapping[str, str] | None = None,
    ) -> Manifest:
        """Say who owns a dataset, what it is, its tags, its PII columns (kind, or '' for none); None leaves as is.

        An expectation that lists the values of a column which is tagged now is kept no longer: everybody reads it.
        """
        tagged = {column.casefold() for column, kind in (pii_tags or {}).items() if kind}

        def said(about: About) -> About:
            return replace(
                about,
                owner=about.owner if owner is None else owner,
                description=about.description if description is None else description,
                tags=about.tags if tags is None else tuple(tags),
                expectations=without_values(about.expectations, tagged),
            )

        for kind in (pii_tags or {}).values():
            pii.check_kind(kind)
        return self.catalog.annotate(name, about=said, pii=dict(pii_tags or {}), note=Note("annotate", by=self.by))

    def check(
        self,
        ref: str,
        expectations: Sequence[Expectation | str] = (),
        *,
        show_pii: bool = False,
        watch: Watch | None = None,
    ) -> tuple[Finding, ...]:
        """What holds of a version of a dataset: of these expectations, or of those kept with it.

        Raises NotFoundError when neither are there, and for those that are given as `findings.check` does. One that is
        kept and cannot be checked any more is a finding that failed.
        """
        manifest = self.get(ref)
        wanted = parse_all(expectations or manifest.about.expectations)
        if not wanted:
            raise NotFoundError(
                f"Nothing is expected of {manifest.name} yet.",
                hint=f"lh check {manifest.name} --suggest proposes what holds now; --expect says something else.",
            )
        if show_pii:
            self._noting(shown.of("check", [manifest], statement="; ".join(one.text for one in wanted)))
        ask = findings.check if expectations else findings.check_kept
        return ask(self.queries, manifest, wanted, show_pii=show_pii, watch=watch)

    def expect(self, name: str, expectations: Sequence[Expectation | str], *, drop: bool = False) -> Manifest:
        """Keep expectations with a dataset, beside those it has; ``drop``: no longer. A new version says so.

        Raises NotFoundError for a column or dataset that is not there, or an expectation to drop that is not kept.
        """
        wanted = [e.text for e in parse_all(expectations)]
        kept = self.get(name).about.expectations
        if drop and (unknown := next((text for text in wanted if text not in kept), "")):
            raise NotFoundError.named("expectation kept with " + name, unknown, kept)
        if not drop:
            findings.check_columns(self.catalog, self.get(name), parse_all(wanted))

        def said(about: About) -> About:
            left = [text for text in about.expectations if text not in wanted]
            return replace(about, expectations=tuple(left) if drop else tuple(dict.fromkeys([*left, *wanted])))

        return self.catalog.annotate(name, about=said, note=Note("annotate", by=self.by))

    def suggest(self, ref: str, *, watch: Watch | None = None) -> tuple[Expectation, ...]:
        """Expectations that hold of a version now, for a person to choose from; see `suggestions.suggest`."""
        return suggestions.suggest(self.queries, self.get(ref), watch=watch)

    def profile(self, ref: str, *, show_pii: bool = False, watch: Watch | None = None) -> list[ColumnProfile]:
        """Facts of every column of a version."""
        manifest = self.get(ref)
        if show_pii:
            self._noting(shown.of("profile", [manifest]))
        return profile(self.storage, manifest, show_pii=show_pii, watch=watch)

    def rejects(self, name: str, version: int | None = None) -> list[Rejected]:
        """Rows that ingests set aside, newest first."""
        return rejects.load(self.storage, name, self.catalog.history(name), version)

    def rejects_to_fix(self, name: str, path: Path, version: int | None = None) -> int:
        """Write rejected rows as a file to mend by hand, under their header; returns how many."""
        chosen = self.rejects(name, version)
        if not chosen:
            raise InvalidError(f"No ingest of {name} set rows aside.", hint=f"lh snapshots {name}")
        rows = rejects.write_fix(path, chosen[0])
        self._noting(shown.of("rejects", [self.get(name)], statement=f"to {path.name}", rows=rows))
        return rows

    def replay(self, name: str, path: Path, progress: Progress = quiet) -> Report:
        """Append a mended file of rejects (see `rejects_to_fix`)."""
        old = self.rejects(name)
        lineage = (f"rejects:{name}@{old[0].snapshot.version}",) if old else ()
        request = Request(path, name, message=f"replay of {path.name}", lineage=lineage)
        return self.ingest(request, progress)

    def export(
        self,
        source: str,
        path: Path,
        *,
        show_pii: bool = False,
        force: bool = False,
        params: Params = None,
        progress: Progress = quiet,
    ) -> int:
        """Write a dataset (``workers@2``) or a SELECT to .csv, .tsv, .parquet, .ndjson or .json; returns the rows.

        Whole or not at all; PII masked unless asked for. Raises InvalidError for another ending, ConflictError for a
        file that is there, unless ``force``.
        """
        sql = source if " " in source.strip() else f"SELECT * FROM {versions.ref_sql(source)}"
        rows = export.write(self.queries, sql, path, params=params, show_pii=show_pii, progress=progress, force=force)
        if show_pii:
            read = self.queries.prepare(sql).tables.values()
            self._noting(shown.of("export", read, statement=f"{sql} -- to {path.name}", rows=rows))
        return rows

    def checks(self) -> list[Check]:
        """What `lh doctor` says of this lake."""
        return health.checks(self.catalog, dt.datetime.now(dt.UTC))

    def close(self) -> None:
        """Close the engines. The lake itself is files; nothing of it is held open."""
        self.queries.close()
