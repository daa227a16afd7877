"""Saved searches: a query with all that narrows it, under a name; run again it is the very same search."""

from __future__ import annotations

import datetime as dt
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from workbench.errors import ConflictError, InvalidError, NotFoundError
from workbench.lake.lake import Lake
from workbench.search.searcher import MAX_K, MODES, Searcher
from workbench.staffing.book import Book, Form, Row

FORM = Form(
    "saved_searches",
    pa.schema(
        [
            ("name", pa.string()),
            ("step", pa.int64()),  # 1, 2, … for this name
            ("event", pa.string()),  # saved | dropped
            ("query", pa.string()),
            ("options", pa.string()),  # JSON
            ("happened_at", pa.timestamp("us", tz="UTC")),
            ("recorded_by", pa.string()),
        ]
    ),
    "saved searches",
)
_LONGEST_NAME = 80
_NOT_KEPT = {"self", "query", "show_pii", "on_progress"}
OPTIONS = tuple(name for name in inspect.signature(Searcher.search).parameters if name not in _NOT_KEPT)
"""What a search can be narrowed by and is kept: the options of `Searcher.search`, but who may see what is not saved."""


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """A query and its ``options``, as `Searcher.search` takes them; ``revision`` counts how often it was saved."""

    name: str
    query: str
    options: Mapping[str, Any]
    saved_at: dt.datetime
    saved_by: str = ""
    revision: int = 1

    def to_dict(self) -> dict[str, Any]:
        """JSON form; the time in UTC."""
        said = {name: getattr(self, name) for name in self.__slots__}
        return said | {"options": json.loads(_dumped(self.options)), "saved_at": self.saved_at.isoformat()}


@dataclass(slots=True)
class _Names:
    """Name without case → its rows."""

    rows: dict[str, list[Row]] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        if row["name"] is not None and row["step"] is not None:
            self.rows.setdefault(row["name"].casefold(), []).append(row)

    def last(self, name: str) -> Row | None:
        return max(self.rows.get(name.casefold(), ()), key=lambda row: int(row["step"]), default=None)

    def there(self) -> dict[str, Row]:
        found = {key: row for key in self.rows if (row := self.last(key))}
        return {key: row for key, row in sorted(found.items()) if row["event"] == "saved"}


@dataclass(frozen=True)
class SavedSearches:
    """The saved searches of a lake."""

    lake: Lake
    book: Book[Any]

    @classmethod
    def of(cls, lake: Lake) -> SavedSearches:
        """Those of a lake."""
        return cls(lake, Book(lake, FORM, _Names))

    def save(
        self, name: str, query: str, options: Mapping[str, Any] | None = None, *, replace: bool = False, by: str = ""
    ) -> SavedSearch:
        """Keep a search under a name of at most 80 characters, compared without case.

        Raises ConflictError when there is one of that name, unless ``replace``; InvalidError for an option that
        `Searcher.search` does not have or that could not be run, NotFoundError for a dataset that there is not.
        """
        title, who = _title(name), by or self.lake.by
        if not isinstance(query, str) or not query.strip():
            raise InvalidError("There is no query to save.", hint='"forklift operators with OSHA-30"')
        kept = self._checked(dict(options or {}))

        def decide(index: _Names) -> tuple[list[Row], SavedSearch]:
            last = index.last(title)
            if last and last["event"] == "saved" and not replace:
                raise ConflictError(
                    f"There is a saved search {last['name']!r} already: {last['query']!r}.",
                    hint=f'lh saved run "{last["name"]}" runs it; --replace (replace=True) puts this one in its place.',
                    details={"name": last["name"], "revision": last["step"]},
                )
            step = int(last["step"]) + 1 if last else 1
            row = {"name": title, "step": step, "event": "saved", "query": query, "options": _dumped(kept)}
            row |= {"happened_at": dt.datetime.now(dt.UTC), "recorded_by": who}
            return [row], _saved(row)

        made: SavedSearch = self.book.append(decide, by=who)
        return made

    def get(self, name: str) -> SavedSearch:
        """The search of that name. Raises NotFoundError naming near ones."""

        def at(_: Any, index: _Names) -> SavedSearch:
            last = index.last(name.strip())
            if last is None or last["event"] != "saved":
                raise _unknown(name, index)
            return _saved(last)

        found: SavedSearch = self.book.look(at)
        return found

    def drop(self, name: str, *, by: str = "") -> SavedSearch:
        """Forget the search of that name; the rows say that it was there. Raises NotFoundError."""
        who = by or self.lake.by

        def decide(index: _Names) -> tuple[list[Row], SavedSearch]:
            last = index.last(name.strip())
            if last is None or last["event"] != "saved":
                raise _unknown(name, index)
            row = dict(last) | {"step": int(last["step"]) + 1, "event": "dropped", "recorded_by": who}
            return [row | {"happened_at": dt.datetime.now(dt.UTC)}], _saved(last)

        dropped: SavedSearch = self.book.append(decide, by=who)
        return dropped

    def all(self) -> tuple[SavedSearch, ...]:
        """Every saved search, by name."""
        found: tuple[SavedSearch, ...] = self.book.look(lambda _, index: tuple(map(_saved, index.there().values())))
        return found

    def _checked(self, options: dict[str, Any]) -> dict[str, Any]:
        for name, value in options.items():
            if name not in OPTIONS:
                raise NotFoundError.named("option of a search", name, OPTIONS)
            if not _FITS[name](value):
                raise InvalidError(f"{name}={value!r} cannot be meant.", hint="The options are those of wb.search.")
        base = self.lake.get(options.get("dataset", "workers"))
        if options.get("where"):
            self.lake.queries.clauses(base, options["where"])
        return {name: value for name, value in options.items() if value not in ("", [], (), None)}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_ids(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, int | str) for one in value)


def _is_pairs(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(one, list | tuple) and len(one) == 2 and all(isinstance(part, str) for part in one) for one in value
    )


_FITS: Mapping[str, Callable[[Any], bool]] = {
    "dataset": _is_text,
    "where": _is_text,
    "k": lambda value: isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_K,
    "role": _is_text,
    "city": _is_text,
    "exclude": _is_ids,
    "conditions": _is_pairs,
    "mode": lambda value: value in MODES,
    "columns": lambda value: _is_ids(value) and all(map(_is_text, value)),
}


def _title(name: str) -> str:
    title = " ".join(str(name).split())
    if not title or len(title) > _LONGEST_NAME:
        raise InvalidError(f"{title[:40]!r} cannot name a search.", hint=f"1 to {_LONGEST_NAME} characters.")
    return title


def _dumped(options: Mapping[str, Any]) -> str:
    return json.dumps(options, sort_keys=True, ensure_ascii=False)


def _saved(row: Row) -> SavedSearch:
    options = json.loads(row["options"] or "{}")
    if "conditions" in options:
        options["conditions"] = [tuple(one) for one in options["conditions"]]
    return SavedSearch(
        row["name"], row["query"], options, row["happened_at"], row["recorded_by"] or "", int(row["step"])
    )


def _unknown(name: str, index: _Names) -> NotFoundError:
    names = [row["name"] for row in index.there().values()]
    return NotFoundError.named("saved search", name.strip(), names, hint="lh saved lists them.")
