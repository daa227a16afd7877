"""Books: append-only datasets in which each row is decided on all the rows before it.

The newest snapshot is read, the caller decides, and the rows are committed on exactly that snapshot; when somebody else
was first, all of it happens anew. So of two who decide the same at once one wins, and the other decides again, knowing.
A process that dies leaves its rows whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, Generic, Protocol, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import ConflictError, LostRaceError, WorkbenchError
from workbench.lake.lake import Lake
from workbench.lake.sql.parquet import Written, adopt
from workbench.lake.tables.delta import parse_type
from workbench.lake.tables.manifest import Column, DataFile, Manifest, Note
from workbench.lake.tables.mapping import quote
from workbench.lake.tables.stage import stage

Row = Mapping[str, Any]
_MANY_FILES = 64


class Index(Protocol):
    """What a book's rows are kept in while a process lives."""

    def add(self, row: Row) -> None:
        """Take in one row."""


I = TypeVar("I", bound=Index)  # noqa: E741 - one letter, as type variables have
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Form:
    """A book's dataset: its name, its columns, and the message of its snapshots.

    A column of type null takes the type of the roster's ids: whole numbers or text, by the first row.
    """

    dataset: str
    schema: pa.Schema
    title: str

    def typed(self, rows: Sequence[Row], base: Manifest | None) -> pa.Schema:
        """The schema with the open types closed: as the dataset has them, or as these rows need them."""
        return pa.schema([(f.name, self._type(f, rows, base)) for f in self.schema])

    def fits(self, base: Manifest) -> bool:
        """Whether a dataset has these columns; more do no harm."""
        there = {c.name: c.type for c in base.columns}
        open_types = {"int64", "string"}
        return all(
            there.get(f.name) in open_types if pa.types.is_null(f.type) else there.get(f.name) == str(f.type)
            for f in self.schema
        )

    def _type(self, column: pa.Field, rows: Sequence[Row], base: Manifest | None) -> pa.DataType:
        if not pa.types.is_null(column.type):
            return column.type
        if base is not None and (there := base.column(column.name)):
            return parse_type(there.type)
        return pa.int64() if all(isinstance(row[column.name], int) for row in rows) else pa.string()


@dataclass
class Book(Generic[I]):
    """One such dataset of a lake. ``fresh`` makes an empty index; threads may share a book."""

    lake: Lake
    form: Form
    fresh: Callable[[], I]
    _index: I | None = None
    _files: frozenset[str] = frozenset()
    _born: Any = None
    _lock: RLock = field(default_factory=RLock)

    def look(self, at: Callable[[Manifest | None, I], T]) -> T:
        """What ``at`` makes of the newest snapshot (None: nobody has written yet) and the rows in it.

        Only files that are new are read. Raises ConflictError for a dataset of this name with other columns.
        """
        with self._lock:
            return at(*self._read())

    def _read(self) -> tuple[Manifest | None, I]:
        base = self.lake.catalog.find(self.form.dataset)
        if base is not None and not self.form.fits(base):
            raise self._strange(base)
        return base, self._taken_in(base)

    def append(self, decide: Callable[[I], tuple[Sequence[Row], T]], *, by: str = "") -> T:
        """Commit the rows that ``decide`` returns for all rows so far; its second value is the answer.

        It is called again when another writer was first, so it may not do anything but decide. No rows: no commit.
        """
        with self._lock:
            answer = self.lake.catalog.decide(lambda: self._decided(decide, by))
            base = self.lake.catalog.find(self.form.dataset)
        if base is not None and len(base.files) > _MANY_FILES:
            with suppress(WorkbenchError):  # the rows are in; many files only make the next reader slow
                self.lake.compact(self.form.dataset)
        return answer

    def _decided(self, decide: Callable[[I], tuple[Sequence[Row], T]], by: str) -> T:
        base, index = self._read()
        try:
            rows, answer = decide(index)
        except WorkbenchError:
            # What the caller looked at besides, such as a validator's records, may be newer than what he decides on.
            if self.lake.catalog.find(self.form.dataset) != base:
                raise LostRaceError(f"Another writer changed {self.form.dataset!r} first.") from None
            raise
        if rows:
            self._commit(base, index, rows, by)
        return answer

    def _commit(self, base: Manifest | None, index: I, rows: Sequence[Row], by: str) -> None:
        catalog, schema = self.lake.catalog, self.form.typed(rows, base)
        columns = tuple(Column(f.name, str(f.type)) for f in schema)
        names = set(schema.names)
        if base is not None:  # a column that somebody else added is null in our rows
            columns = base.columns
            schema = pa.schema([schema.field(c.name) if c.name in names else (c.name, _stored(c)) for c in columns])
        note = Note("appended", message=self.form.title, by=by or self.lake.by, added=len(rows))
        file = self._written(schema, columns, rows)
        try:
            done = catalog.commit(base, self.form.dataset, columns, [file], note)
        except LostRaceError:
            with suppress(WorkbenchError, OSError):
                catalog.storage.delete(f"datasets/{self.form.dataset}/{file.path}")
            raise
        for row in rows:
            index.add(row)
        self._files, self._born = self._files | {file.path}, done.created_at

    def _written(self, schema: pa.Schema, columns: tuple[Column, ...], rows: Sequence[Row]) -> DataFile:
        try:
            table = pa.Table.from_pylist([_as_text(row, schema) for row in rows], schema)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as problem:
            raise ConflictError(
                f"This does not fit the dataset {self.form.dataset}: {problem}.",
                hint=f"Ids of another kind than before? lh describe {self.form.dataset}",
            ) from None
        with stage(self.lake.catalog.storage) as folder:
            path = folder / "rows.parquet"
            pq.write_table(table, path)
            written = Written(path, columns, len(rows), path.stat().st_size, {})
            return adopt(self.lake.catalog.storage, self.form.dataset, written)

    def _taken_in(self, base: Manifest | None) -> I:
        now = frozenset(f.path for f in base.files) if base else frozenset()
        born = base.created_at if base else None
        if self._index is None or born != self._born or not self._files <= now:
            # Made anew, compacted or restored: what was read may not be in there any more.
            self._index, self._files = self.fresh(), frozenset()
        if base is not None and (new := now - self._files):
            for row in self._rows(base, new):
                self._index.add(row)
        self._files, self._born = now, born
        return self._index

    def _rows(self, base: Manifest, files: Iterable[str]) -> Iterable[Row]:
        select = ", ".join(quote(name) for name in self.form.schema.names)
        for batch in self.lake.queries.read(base, select, files=frozenset(files)):
            yield from batch.to_pylist()

    def _strange(self, base: Manifest) -> ConflictError:
        name = self.form.dataset
        return ConflictError(
            f"The dataset {name} has other columns than {self.form.title}: somebody else made it.",
            hint=f"lh describe {name} shows them; such rows belong under another name.",
            details={"dataset": name, "version": base.version},
        )


def _stored(column: Column) -> pa.DataType:
    return parse_type(column.stored or column.type)


def _as_text(row: Row, schema: pa.Schema) -> dict[str, Any]:
    """A row as the schema takes it: an id that is a number is text where ids are text."""
    return {
        f.name: str(value) if isinstance(value := row.get(f.name), int) and pa.types.is_string(f.type) else value
        for f in schema
    }
