"""Relations: statements that are pinned and not yet run.

A `Relation` reads the snapshots, values and DataFrames of the moment it was made, whenever it is fetched. Another
statement can read it by a name; it becomes a CTE there, so that the guard judges one whole tree and personal data is
followed through all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
import pyarrow as pa

from workbench import pii
from workbench.errors import InvalidError, NotFoundError, QueryError
from workbench.lake.sql import compose, guard, versions
from workbench.lake.sql.binding import Params, check_params
from workbench.lake.sql.compose import Part, Place
from workbench.lake.sql.engine import Watch
from workbench.lake.sql.frames import Captured, capture
from workbench.lake.sql.paging import table_of_every_row
from workbench.lake.sql.query import Access, Answer, Prepared, Queries, snapshots_of
from workbench.lake.sql.typed.edited import Edit, Edited
from workbench.lake.sql.typed.placeholders import Filled
from workbench.lake.tables.manifest import Manifest
from workbench.lake.tables.mapping import quote


@dataclass(frozen=True)
class Relation:
    """A statement with all that it reads pinned; nothing is read before `fetch`.

    ``sql``: as typed, with every dataset's version written out. ``params``: its values. ``snapshots``: dataset →
    version, those of the relations it reads included. ``notes``: what the reader should know, such as a name that two
    things have. ``show_pii``: whether values are shown as they are.
    """

    sql: str
    params: Params
    snapshots: Mapping[str, int]
    notes: tuple[str, ...] = ()
    show_pii: bool = False
    typed: str = ""
    _part: Part = field(default=Part("", ""), repr=False)
    _prepared: Prepared | None = field(default=None, repr=False)
    _queries: Queries | None = field(default=None, repr=False)
    _said: tuple[str | Filled, Mapping[str, Any]] = field(default=("", {}), repr=False)

    def fetch(self, limit: int | None = None, *, watch: Watch | None = None) -> Answer:
        """The first ``limit`` rows, or all; masked unless ``show_pii``. Raises QueryError in the engine's words."""
        if limit is not None and limit < 1:
            raise InvalidError(f"{limit} is no number of rows.", hint="--limit 100")
        queries, prepared = self._ready()
        access = Access(row_cap=limit, show_pii=self.show_pii)
        with queries.advised(*self._said):
            answer = queries.answer(
                prepared, self.typed, self._part_params(), access=access, watch=watch, show_errors=self.show_pii
            )
        return replace(answer, params=self.params, notes=self.notes)

    def count(self, *, watch: Watch | None = None) -> int:
        """How many rows there are; nothing is read where they are all the rows of a snapshot."""
        queries, prepared = self._ready()
        table = table_of_every_row(prepared.judged.tree)
        if table is not None and (manifest := prepared.tables.get(guard.fold(table))) is not None:
            return manifest.row_count
        counted = replace(prepared, sql=f"SELECT count(*) AS n FROM (\n{prepared.sql}\n)")
        access = Access(row_cap=None, show_pii=True)
        with queries.advised(*self._said):
            answer = queries.answer(
                counted, self.typed, self._part_params(), access=access, watch=watch, show_errors=self.show_pii
            )
        return int(answer.table.column(0)[0].as_py())

    def explain(self, *, analyze: bool = False, watch: Watch | None = None) -> str:
        """The engine's plan; with ``analyze`` the statement runs, and the plan has rows and times."""
        queries, prepared = self._ready()
        with queries.advised(*self._said):
            plan = queries.explain(
                prepared, self.typed, self._part_params(), analyze=analyze, show_pii=self.show_pii, watch=watch
            )
        return plan if self.show_pii else pii.mask_text(plan)

    def arrow(self) -> pa.Table:
        """All rows as an Arrow table."""
        return self.fetch().table

    def df(self) -> Any:
        """All rows as a pandas DataFrame."""
        return self.fetch().df()

    def pl(self) -> Any:
        """All rows as a polars DataFrame."""
        return self.fetch().pl()

    def stream(self) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """All rows in Arrow batches. Raises as `fetch` does, before the first batch."""
        queries, prepared = self._ready()
        with queries.advised(*self._said):
            return queries.batches(prepared, self.typed, self._part_params(), show_pii=self.show_pii)

    @property
    def part(self) -> Part:
        """What another statement takes in when it reads this one."""
        return self._part

    def belongs_to(self, queries: Queries) -> bool:
        """Whether it reads the lake of these queries, however often that was opened since."""
        return self._queries is not None and self._queries.catalog.storage.url == queries.catalog.storage.url

    def _ready(self) -> tuple[Queries, Prepared]:
        if self._queries is None or self._prepared is None:
            raise InvalidError("This relation belongs to no lake.", hint="wb.relation(sql) makes one.")
        return self._queries, self._prepared

    def _part_params(self) -> Mapping[str, Any]:
        return {name: value for part in self._part.all() for name, value in part.params.items()}


def relation(
    queries: Queries,
    sql: str | Filled,
    params: Params = None,
    *,
    frames: Mapping[str, Any] | None = None,
    show_pii: bool = False,
) -> Relation:
    """A statement pinned to this moment. ``frames``: names that it may read beside datasets, which come first.

    Their values are DataFrames, Arrow tables or relations. Raises as `Queries.run` does, and InvalidError for a table
    that SQL cannot read; nothing runs.
    """
    with queries.advised(sql, frames):
        return _relation(queries, sql, params, frames or {}, show_pii=show_pii)


def _relation(
    queries: Queries, asked_for: str | Filled, params: Params, frames: Mapping[str, Any], *, show_pii: bool
) -> Relation:
    filled = asked_for if isinstance(asked_for, Filled) else Filled(asked_for, {}, typed=asked_for)
    sql = filled.sql
    if filled.params:
        params = {**filled.params, **(dict(params) if isinstance(params, Mapping) else {})}
    guard.check_text(sql)
    if not sql.strip():
        raise InvalidError("There is no SQL to run.", hint="SELECT * FROM workers LIMIT 5")
    rewritten = versions.rewrite_versions(sql)
    # What it is made of, judged; which tables there are is found out below.
    judged = guard.judge(queries.parser, rewritten.sql, known=lambda _name: True)
    tables = compose.table_places(judged.tree, rewritten.sql)
    asked = compose.parameter_places(judged.tree, rewritten.sql)
    _check_given(asked, params)
    sources = _Sources(queries, rewritten, frames)
    for place in tables:
        sources.find(place)
    part = _part(rewritten.sql, tables, asked, params, sources)
    everything = part.all()
    composed = compose.with_ctes(part.text, everything[:-1])
    manifests = {alias: m for p in everything for alias, m in p.tables.items()}
    memory = {name: captured.table for p in everything for name, captured in p.frames.items()}
    known = {*manifests, *memory}
    final = guard.judge(queries.parser, composed.text, known=lambda name: guard.fold(name) in known)
    return Relation(
        _shown(rewritten.sql, tables, sources),
        params,
        snapshots_of(manifests.values()),
        tuple(dict.fromkeys([*filled.notes, *sources.notes])),
        show_pii,
        filled.typed,
        part,
        Prepared(composed.text, manifests, final, memory),
        queries,
        (asked_for, {name: captured.table.column_names for name, captured in part.frames.items()}),
    )


def _part(sql: str, tables: Sequence[Place], asked: Sequence[Place], params: Params, sources: _Sources) -> Part:
    name = compose.unique("r")
    stem = "r" + name.partition("·")[2]
    given = dict(params) if isinstance(params, Mapping) else {str(i + 1): v for i, v in enumerate(params or ())}
    edits = [
        *compose.renamed(sql, tables, lambda place: quote(sources.names[guard.fold(place.name)])),
        *compose.renamed(sql, asked, lambda place: f"${stem}_{place.name}", alias=False),
        *compose.without_end(sql),
    ]
    text = Edited.of(sql, edits).text
    named = {f"{stem}_{key}": value for key, value in given.items()}
    reads = {part.name: part for part in sources.reads.values()}
    return Part(name, text, named, sources.tables, sources.frames, tuple(reads.values()))


def _shown(sql: str, tables: Sequence[Place], sources: _Sources) -> str:
    """The statement as its reader could write it, with every version as a number."""
    pinned = [place for place in tables if guard.fold(place.name) in sources.pins]
    edits: list[Edit] = []
    for place in pinned:
        times = len(re.findall(rf"(?<!\w){re.escape(place.name)}(?!\w)", sql, re.IGNORECASE))
        used = times > sum(guard.fold(p.name) == guard.fold(place.name) for p in pinned)
        edits += compose.renamed(sql, [place], lambda p: sources.pins[guard.fold(p.name)], alias=used)
    return Edited.of(sql, edits).text


def _check_given(asked: Sequence[Place], params: Params) -> None:
    try:
        check_params(list(dict.fromkeys(place.name for place in asked)), params or ())
    except QueryError as error:
        if missing := error.details.get("missing"):
            first = next((name for name in missing if not name.isdecimal()), "x")
            error.hint = f'In a cell {{{{{first}}}}} binds the variable {first}; in Python params={{"{first}": …}}.'
        raise


@dataclass
class _Sources:
    """What the tables of one statement are: datasets of a version, captured frames, relations."""

    queries: Queries
    rewritten: versions.Rewritten
    given: Mapping[str, Any]
    names: dict[str, str] = field(default_factory=dict)  # folded name in the text → name in the part's text
    pins: dict[str, str] = field(default_factory=dict)  # folded name in the text → the same with its version
    tables: dict[str, Manifest] = field(default_factory=dict)
    frames: dict[str, Captured] = field(default_factory=dict)
    reads: dict[str, Part] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def find(self, place: Place) -> None:
        """Settle what a name stands for. Raises NotFoundError for one that nothing has."""
        name = guard.fold(place.name)
        if name in self.names:
            return
        manifest = self._manifest(name)
        value = self._given(place.name)
        if manifest is not None:
            self._pin(name, manifest)
            if value is not None:
                kind = type(value).__name__
                self.notes.append(f"{manifest.name}: the dataset was read, not the {kind} of that name")
        elif value is not None:
            self._take(name, place.name, value)
        else:
            raise self._unknown(place.name)

    def _manifest(self, name: str) -> Manifest | None:
        ref = next((r for r in self.rewritten.tables if guard.fold(r.alias) == name), None)
        catalog = self.queries.catalog
        if ref is None:
            return catalog.find(name)
        if ref.version is not None:
            return catalog.get(guard.fold(ref.name), ref.version)
        return catalog.at(guard.fold(ref.name), versions.moment(ref.at or ""))

    def _given(self, name: str) -> Any:
        if name in self.given:
            return self.given[name]
        same = [key for key in self.given if guard.fold(key) == guard.fold(name)]
        return self.given[same[0]] if len(same) == 1 else None

    def _pin(self, name: str, manifest: Manifest) -> None:
        alias = f"{guard.fold(manifest.name)}@{manifest.version}"
        self.names[name] = alias
        self.tables[alias] = manifest
        plain = str(duckdb.tokenize(manifest.name)[0][1]).endswith("identifier")
        self.pins[name] = f"{manifest.name if plain else quote(manifest.name)}@{manifest.version}"

    def _take(self, name: str, written: str, value: Any) -> None:
        if isinstance(value, Relation):
            if not value.belongs_to(self.queries):
                raise InvalidError(
                    f"{written} is a relation of another lake.", hint=f"Read its rows: {written}.arrow()"
                )
            self.names[name] = value.part.name
            self.reads[name] = value.part
            self.notes += value.notes
            return
        captured = capture(written, value)
        own = compose.unique(written)
        self.names[name] = own
        self.frames[own] = captured
        self.notes += captured.notes

    def _unknown(self, name: str) -> NotFoundError:
        known = [*self.queries.catalog.names(), *self.given]
        return NotFoundError.named("dataset or table", name[:80], known, hint="`lh ls` lists the datasets.")
