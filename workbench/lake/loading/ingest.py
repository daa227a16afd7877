"""A file becomes a snapshot: survey, fit, write, commit, in bounded memory and all or nothing.

Plain text files go straight through the engine's own reader, with every value checked by the cast that types it; a
file with anything unusual in it is read carefully instead. Both give the same rows (a property test says so).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import duckdb

from workbench import pii
from workbench.errors import InvalidError, WorkbenchError
from workbench.lake.files.dialect import reader_rejected
from workbench.lake.files.sources import Opened, identify, open_source, without
from workbench.lake.loading import fitting, infer, rejects
from workbench.lake.loading.drift import Change, drift_error, find_renames
from workbench.lake.loading.fitting import SAMPLE_ROWS, Fit
from workbench.lake.loading.loaded import Loaded, located, set_aside
from workbench.lake.loading.report import Report, Request
from workbench.lake.loading.upsert import upsert
from workbench.lake.sql import parquet
from workbench.lake.sql.engine import NO_LIMITS, Limits, Progress, Watch, connect
from workbench.lake.sql.relation import engine_type, select_sql
from workbench.lake.tables.catalog import Catalog
from workbench.lake.tables.manifest import Column, DataFile, Manifest, Note, Source
from workbench.lake.tables.mapping import literal, quote
from workbench.lake.tables.stage import stage

PII_SAMPLE_ROWS = 2_000
REJECTS_FLOOR, REJECTS_SHARE = 100, 0.01


def quiet(stage_name: str, done: float, total: float) -> None:
    """The progress that nobody watches."""


def ingest(catalog: Catalog, request: Request, *, limits: Limits = NO_LIMITS, progress: Progress = quiet) -> Report:
    """Load one file. Raises SchemaDriftError with the ways out, InvalidError for a file or option that means nothing.

    Safe to kill at any time, to run twice, and to run in several processes at once.
    """
    started = time.perf_counter()
    report = _load(catalog, request.checked(), limits, progress)
    return replace(report, elapsed_s=time.perf_counter() - started)


def _load(catalog: Catalog, asked: Request, limits: Limits, progress: Progress) -> Report:
    source, base = None, catalog.find(asked.name)
    if base and asked.path.is_file():
        _check_named(asked, base)
        source = identify(asked.path, progress, asked.how.sheet)
        if done := _already(catalog, asked, source, base):
            return done
    with stage(catalog.storage) as folder:
        con = connect(catalog.storage, replace(limits, spill=folder))
        opened = None
        try:
            opened = without(open_source(asked.path, con, folder, asked.how, progress, source), asked.ignore)
            job = _Job(catalog, asked, con, folder, progress)
            return catalog.decide(partial(job.run, opened))
        finally:
            if opened:
                opened.stop()
            con.close()


def _check_named(asked: Request, base: Manifest) -> None:
    """Columns that the request names must be there, also when there will be nothing to load."""
    names = [c.name for c in base.columns]
    fitting.check_columns(asked.rename.values(), names)
    if not asked.evolve:
        fitting.check_columns([name for name in asked.pii if name not in asked.rename], names)


def _already(catalog: Catalog, asked: Request, source: Source, base: Manifest) -> Report | None:
    """What is said of a file whose bytes the dataset has; None when there is something to do."""
    version = catalog.ingested(base, source.key)
    if version is None or asked.mode == "upsert":
        return None
    snapshot = next((s for s in catalog.history(base.name) if s.version == version), base.snapshot)
    if asked.mode == "replace" and (asked.reads_its_own_way or base.row_count != snapshot.added):
        return None
    return Report(
        base.name, version, "unchanged", 0, base.row_count, base.columns, source, base.size_bytes,
        rejects.to_table([]), since=snapshot.created_at.isoformat(), dry_run=asked.dry_run,
    )  # fmt: skip


class _Job:
    """One ingest. What was loaded is kept while only the commit has to be tried again."""

    def __init__(
        self, catalog: Catalog, request: Request, con: duckdb.DuckDBPyConnection, folder: Path, progress: Progress
    ) -> None:
        self.catalog, self.request, self.con, self.folder, self.progress = catalog, request, con, folder, progress
        self._loaded: Loaded | None = None
        self._against: str | None = None
        self._files: Sequence[DataFile] | None = None
        self._rejects_key: str | None = None

    def run(self, opened: Opened) -> Report:
        base = self.catalog.find(self.request.name)
        if base and opened.settle and not opened.source.sha256:  # somebody else made the dataset since
            opened = opened.settle()
        if base and (done := _already(self.catalog, self.request, opened.source, base)):
            return done
        against = base.fingerprint if base else ""
        if self._loaded is None or self._against != against:
            self._loaded, self._against = self.load(opened, base), against
            self._files = self._rejects_key = None
        self._check_rejects(self._loaded)
        if self.request.mode == "upsert" and base:
            return upsert(self.catalog, self.con, self.folder, self.request, base, self._loaded)
        return self._dry(base, self._loaded) if self.request.dry_run else self._commit(base, self._loaded)

    def load(self, opened: Opened, base: Manifest | None) -> Loaded:
        """The file as a finished Parquet file that fits ``base``, and what was set aside."""
        if opened.settle is None or self.request.quarantine:
            return self._load_settled(opened.settle() if opened.settle else opened, base)
        try:
            loaded = self._write(opened, base)
        except (duckdb.Error, WorkbenchError):
            return self._load_settled(opened.settle(), base)
        final = opened.settle()
        if final.relation != opened.relation:  # the head promised more than the file holds
            return self._load_settled(final, base)
        if final.careful and not self._is_whole(final, loaded):
            return self._write_carefully(final.careful(), base)
        said = (*final.findings, *loaded.findings[len(opened.findings) :])
        return replace(loaded, source=final.source, findings=said)

    def _load_settled(self, opened: Opened, base: Manifest | None) -> Loaded:
        careful = opened.careful
        if careful is None or self.request.quarantine:  # what is set aside is told with its line
            return self._write_carefully(careful() if careful else opened, base)
        try:
            loaded = self._write(opened, base)
        except duckdb.Error:
            return self._write_carefully(careful(), base)
        return loaded if self._is_whole(opened, loaded) else self._write_carefully(careful(), base)

    def _write_carefully(self, opened: Opened, base: Manifest | None) -> Loaded:
        try:
            return self._write(opened, base)
        except duckdb.OutOfMemoryException as error:
            raise InvalidError(
                f"{opened.source.file} needs more memory than the engine may use while it loads a file.",
                hint="Allow it more megabytes, for example LH_INGEST_MEMORY_MB=1000; `lh config` shows what is set.",
            ) from error
        except duckdb.Error as error:
            raise InvalidError(
                f"{opened.source.file} cannot be read: {str(error).splitlines()[0][:300]}",
                hint="Check the export that made it.",
            ) from error

    def _is_whole(self, opened: Opened, loaded: Loaded) -> bool:
        """Whether the engine's reader saw all that is in the file: it drops some rows without a word."""
        told = opened.rows in {None, loaded.written.rows}
        return told and not reader_rejected(self.con) and not self._has_lonely_rows(loaded.written)

    def _has_lonely_rows(self, written: parquet.Written) -> bool:
        """Whether a row has one value or none: blank rows, notes and labels, which only the careful reader knows."""
        names = [c.name for c in written.columns]
        most = 1 if len(names) > 2 else 0
        if sum(1 for name in names if not written.nulls.get(name)) > most:
            return False
        held = " + ".join(f"({quote(name)} IS NOT NULL)::INTEGER" for name in names)
        file = literal(str(written.path))
        return bool(self.con.execute(f"SELECT 1 FROM read_parquet({file}) WHERE {held} <= {most} LIMIT 1").fetchall())

    def _write(self, opened: Opened, base: Manifest | None) -> Loaded:
        loaded = self._onto(opened, base) if base else self._fresh(opened)
        return self._tag(loaded, base)

    def _fresh(self, opened: Opened) -> Loaded:
        asked = self.request
        make = partial(fitting.fresh, self.con, opened, types=asked.types, text=asked.how.text)
        fit, final = make(sample_rows=SAMPLE_ROWS)
        if final and not (loaded := self._copy(opened, fit)).written.misfits:
            return loaded
        return self._sound(self._copy(opened, make(sample_rows=None)[0]))

    @staticmethod
    def _sound(loaded: Loaded) -> Loaded:
        """The same, if every value fitted; a misfit here is one that all rows were asked about before."""
        if loaded.written.misfits:
            raise InvalidError(
                f"{loaded.source.file}: {loaded.written.misfits:,} rows hold values that do not fit their columns.",
                hint="Ask for no type, or for text: --type column=text",
            )
        return loaded

    def _onto(self, opened: Opened, base: Manifest) -> Loaded:
        asked = self.request
        if asked.types and asked.mode == "replace":  # what is said of the types holds for a table made anew
            return replace(self._fresh(opened), evolved=True)
        self._check_types(base)
        found = fitting.match(self.con, opened, base, asked.rename)
        odd = tuple(c.column for c in found.changes if c.kind == "retyped")
        fit = fitting.onto(opened, base, found)
        if found.changes and not (asked.evolve or asked.quarantine):
            raise self._drift(opened, base, (*found.changes, *self._misfits(fit)))
        if asked.quarantine:
            return self._copy(opened, fit, changes=found.changes)
        if not odd and not found.unknown:
            loaded = self._copy(opened, fit, changes=found.changes)
            if not loaded.written.misfits:
                return loaded
        misfits = self._misfits(fit)
        if misfits and not asked.evolve:
            raise self._drift(opened, base, (*found.changes, *misfits))
        odd = tuple(dict.fromkeys((*odd, *(c.column for c in misfits))))
        wide = fitting.widened(self.con, opened, base, found, odd)
        return self._sound(self._copy(opened, wide, changes=(*found.changes, *misfits), evolved=True))

    def _check_types(self, base: Manifest) -> None:
        for name, word in self.request.types.items():
            column = base.column(name)
            if column and engine_type(column) != infer.engine_word(word):
                raise InvalidError(
                    f"Column {name} of {base.name} is {column.type} already; --type {name}={word} cannot change it.",
                    hint="Drop --type, or make the dataset anew from this file: --replace.",
                )

    def _misfits(self, fit: Fit) -> tuple[Change, ...]:
        sources = {c.column.name: c for c in fit.cells if c.fits != "true"}
        counts = ", ".join(f"count(*) FILTER (NOT ({c.fits}))" for c in sources.values())
        if not counts:
            return ()
        row = self.con.execute(f"SELECT {counts} FROM {fit.relation}").fetchall()[0]
        return tuple(
            Change("retyped", name, was=cell.column.type, now="string", note=f"{n:,} value{'s'[: n != 1]} do not fit")
            for (name, cell), n in zip(sources.items(), row, strict=True)
            if n
        )

    def _drift(self, opened: Opened, base: Manifest, changes: tuple[Change, ...]) -> InvalidError | Exception:
        held = f"({select_sql(self.catalog.storage, base)})"
        told = find_renames(self.con, changes, held, opened.relation)
        return drift_error(base.name, str(self.request.path), told)

    def _copy(self, opened: Opened, fit: Fit, *, changes: tuple[Change, ...] = (), evolved: bool = False) -> Loaded:
        target = self.folder / "part.parquet"
        watch = Watch(on_progress=self.progress, stage="write")
        group = parquet.group_rows(opened.row_bytes)
        make = partial(parquet.write, self.con, path=target, columns=fit.columns, watch=watch, row_group=group)
        quarantined = self.request.quarantine
        written = make(fit.query(only_fitting=quarantined))
        findings = [*opened.findings, *fit.findings, *written.notes]
        if written.rows and all(written.nulls.get(c.name) for c in written.columns):
            blank = self._blank_rows(written)
            if blank:
                written = make(fit.query(only_fitting=quarantined, not_blank=True))
                findings.append(f"{blank:,} blank row{'s'[: blank != 1]} left out")
        aside = located(opened, [*opened.rejects, *(set_aside(self.con, opened, fit) if quarantined else [])])
        return Loaded(
            opened.source,
            written,
            tuple(findings),
            rejects.to_table(aside, header=opened.header, delimiter=opened.delimiter),
            changes,
            evolved=evolved,
        )

    def _blank_rows(self, written: parquet.Written) -> int:
        file = literal(str(written.path))
        empty = " AND ".join(f"{quote(column.name)} IS NULL" for column in written.columns)
        count = f"SELECT count(*) FROM read_parquet({file}) WHERE {empty}"
        return int(self.con.execute(count).fetchall()[0][0])

    def _tag(self, loaded: Loaded, base: Manifest | None) -> Loaded:
        """PII tags: those the dataset has, those asked for, and for other columns what name and content say."""
        asked, held = self.request.pii, base.pii if base else {}
        known = {c.name for c in base.columns} if base else set()
        guesses = pii.tag_table(parquet.sample(self.con, loaded.written, PII_SAMPLE_ROWS))
        columns = tuple(
            replace(c, pii=asked.get(c.name, held.get(c.name, "" if c.name in known else guesses.get(c.name, ""))))
            for c in loaded.written.columns
        )
        fitting.check_columns(asked, [c.name for c in columns])
        return replace(loaded, written=replace(loaded.written, columns=columns))

    def _check_rejects(self, loaded: Loaded) -> None:
        n, rows = loaded.rejects.num_rows, loaded.written.rows
        allowed = self.request.max_rejects
        if allowed is None:
            allowed = max(REJECTS_FLOOR, int(REJECTS_SHARE * (rows + n)))
        if n <= allowed or self.request.dry_run:
            return
        first = loaded.rejects.slice(0, 3).to_pylist()
        told = "; ".join(f"line {r['line']}: {r['reason']}" for r in first)
        raise InvalidError(
            f"{loaded.source.file}: {n:,} of {rows + n:,} rows cannot be loaded, more than the {allowed:,} allowed "
            f"({told}). Nothing was written.",
            hint=f"--dry-run shows them; --max-errors {n} loads the rest and keeps these aside.",
            details={"rejected": n, "rows": rows, "first": first},
        )

    def _dry(self, base: Manifest | None, loaded: Loaded) -> Report:
        replaced = self.request.mode == "replace" or base is None
        total = loaded.written.rows + (0 if replaced or base is None else base.row_count)
        return loaded.report(
            self.request, base.version + 1 if base else 1, total, loaded.written.columns, outcome(self.request, base)
        )

    def _commit(self, base: Manifest | None, loaded: Loaded) -> Report:
        asked, catalog = self.request, self.catalog
        columns: tuple[Column, ...] = loaded.written.columns
        if base and loaded.evolved and asked.mode == "append":
            # The old rows move under the new columns, so this file belongs to this base only.
            files: Sequence[DataFile] = self._with_old_rows(base, loaded)
            mode = "rewrite"
        else:
            if self._files is None:
                self._files = loaded.adopted(catalog.storage, asked.name)
            files, mode = self._files, asked.mode
        if self._rejects_key is None:
            self._rejects_key = rejects.save(catalog.storage, asked.name, loaded.rejects)
        note = Note(
            operation=outcome(asked, base),
            message=asked.message,
            by=asked.by,
            added=loaded.written.rows,
            source=loaded.source,
            rejected=loaded.rejects.num_rows,
            rejects_key=self._rejects_key,
            lineage=asked.lineage,
        )
        manifest = catalog.commit(base, asked.name, columns, files, note, mode=mode)
        return loaded.report(asked, manifest.version, manifest.row_count, manifest.columns, note.operation)

    def _with_old_rows(self, base: Manifest, loaded: Loaded) -> list[DataFile]:
        new = f"SELECT * FROM read_parquet({literal(str(loaded.written.path))})"
        old = fitting.old_rows_sql(base, loaded.written.columns, select_sql(self.catalog.storage, base))
        target = self.folder / "whole.parquet"
        whole = parquet.write(self.con, f"{old} UNION ALL BY NAME {new}", target, columns=loaded.written.columns)
        return [parquet.adopt(self.catalog.storage, base.name, whole)]


def outcome(request: Request, base: Manifest | None) -> str:
    """The word for what an ingest does: created, appended or replaced."""
    if base is None:
        return "created"
    return "replaced" if request.mode == "replace" else "appended"
