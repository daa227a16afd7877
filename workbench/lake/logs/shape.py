"""What a log writes: the columns of its dataset, which of them are covered, and how an entry becomes a row of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from workbench.errors import InvalidError
from workbench.lake.logs.spool import Row
from workbench.lake.tables.manifest import Column
from workbench.pii import mask_text


@dataclass(frozen=True, slots=True)
class Shape:
    """A log's dataset.

    ``identity``: the columns by which a row is known again. ``plain``: the columns of text that are kept as they are
    (ids, codes, names of ours); every other text is covered with ``cover`` before it reaches a disk. ``tags``: column →
    kind of personal data, for what is kept whole and hidden by SQL. ``title``: the message of its snapshots.

    ``schema`` has columns of text, lists of text, whole numbers, numbers, truths, and times in UTC.
    """

    dataset: str
    schema: pa.Schema
    identity: tuple[str, ...]
    plain: frozenset[str] = frozenset()
    tags: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    cover: Callable[[str], str] = mask_text

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns as the catalog records them."""
        return tuple(Column(f.name, str(f.type), pii=self.tags.get(f.name, "")) for f in self.schema)

    def row(self, values: Mapping[str, Any]) -> Row:
        """The row of these values, covered, ready for JSON; null where nothing is given; a time is seconds since 1970.

        Raises InvalidError for a name that is no column, ValueError or TypeError for a value that does not fit its one.
        """
        if unknown := values.keys() - set(self.schema.names):
            raise InvalidError(f"The log {self.dataset} has no column {', '.join(sorted(unknown))}.")
        return {f.name: self._value(f, values.get(f.name)) for f in self.schema}

    def key(self, row: Row) -> tuple[Any, ...]:
        """By what a row is known again."""
        return tuple(row.get(name) for name in self.identity)

    def table(self, rows: Iterable[Row], schema: pa.Schema) -> pa.Table:
        """Rows as an Arrow table of ``schema``, which may have other columns besides."""
        times = [f.name for f in self.schema if pa.types.is_timestamp(f.type)]
        return pa.Table.from_pylist([row | {name: _moment(row.get(name)) for name in times} for row in rows], schema)

    def _value(self, column: pa.Field, value: Any) -> Any:
        if value is None:
            return None
        kind = column.type
        if pa.types.is_list(kind):
            return [self._text(column.name, item) for item in value]
        if pa.types.is_timestamp(kind):
            return value.timestamp() if isinstance(value, dt.datetime) else float(value)
        if pa.types.is_string(kind):
            return self._text(column.name, value)
        if pa.types.is_boolean(kind):
            return bool(value)
        return int(value) if pa.types.is_integer(kind) else float(value)

    def _text(self, name: str, value: Any) -> str:
        return whole(value) if name in self.plain else self.cover(whole(value))


def whole(value: object) -> str:
    """Text that every format takes: half a character would hold up all that waits beside it."""
    text = str(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _moment(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)
