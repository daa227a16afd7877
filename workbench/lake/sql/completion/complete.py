"""Completion: what can stand at the cursor of a statement that is still being typed.

Everything is worked out from the text and from facts of the catalog; nothing is run here, and no text raises. What
stands after the cursor counts: in ``SELECT w.ci| FROM workers w`` the FROM clause says whose columns are meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from workbench.lake.sql.completion.places import Place, Spot, spot
from workbench.lake.sql.completion.scope import Cte, Field, Scope, Source, every, is_column, one, resolve
from workbench.lake.sql.completion.tokens import Token, Typed, as_written, typed
from workbench.lake.sql.completion.unfinished import Arm, Query, Shape
from workbench.lake.sql.guard import FUNCTIONS
from workbench.lake.tables.mapping import engine_name, literal, quote, split_types

MOST = 400  # candidates of one call
MOST_SHOWN = 30  # values, where anything else may stand too
MOST_READ = 20_000  # characters around the cursor that are looked at
_CALLED = tuple(sorted(f for f in FUNCTIONS if re.fullmatch(r"[a-z_][a-z0-9_]*", f)))
_NO_BRACKETS = frozenset({"current_date", "current_localtime", "current_localtimestamp"})
_READ_FROM = ("range(", "generate_series(", "unnest(")
_EQUAL = frozenset({"=", "==", "<>", "!=", "like", "ilike"})
_QUALIFIED = frozenset({"name", "quoted"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """What can replace the text from ``start`` to the cursor.

    ``kind``: table, column, function, keyword, value, snapshot or variable; ``detail``: a type, or a commit's words.
    """

    text: str
    kind: str
    start: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """A snapshot to choose from: its number, its day (ISO, the reader's own zone), and a line about it."""

    number: int
    day: str
    line: str


class Known(Protocol):
    """The facts that completion stands on. What is not known in time is empty, never late."""

    def datasets(self) -> Sequence[str]:
        """Names of all datasets."""

    def fields(self, name: str, version: str) -> Sequence[Field] | None:
        """Columns of a dataset (``version`` as written, '' for the newest) or of a frame; None: no such name."""

    def frames(self) -> Sequence[str]:
        """Names of what else SQL may read: results and DataFrames of the notebook."""

    def matching(self, prefix: str) -> Sequence[Field]:
        """Columns of any dataset whose names begin like this (in lower case)."""

    def values(self, dataset: str, version: str, column: str) -> Sequence[str]:
        """The few distinct texts of a column, most common first; none when there are many or they are PII."""

    def versions(self, dataset: str) -> Sequence[Version]:
        """Snapshots, newest first."""

    def names(self) -> Sequence[str]:
        """Names that ``{{…}}`` can bind."""


def complete(sql: str, at: int, known: Known) -> tuple[Candidate, ...]:
    """What can stand at character ``at`` of ``sql``, best first; all candidates have one ``start``."""
    at = max(0, min(at, len(sql)))
    cut = _cut(sql, at)
    found = _Cursor(sql[cut : cut + MOST_READ], at - cut, known).candidates()
    unique = {c.text: c for c in reversed(list(found))}
    ordered = [unique.pop(c.text) for c in reversed(list(unique.values()))]
    return tuple(Candidate(c.text, c.kind, c.start + cut, c.detail) for c in ordered[:MOST])


def complete_condition(condition: str, at: int, dataset: str, known: Known) -> tuple[Candidate, ...]:
    """`complete` for a text that stands alone in a WHERE over a dataset: ``--where "city = 'Jo"``."""
    name, _, version = dataset.partition("@")
    before = f"SELECT 1 FROM {as_written(name)}{'@' * bool(version)}{version} WHERE "
    found = complete(before + condition, len(before) + at, known)
    return tuple(Candidate(c.text, c.kind, c.start - len(before), c.detail) for c in found if c.start >= len(before))


def _cut(sql: str, at: int) -> int:
    """Where to begin reading: texts are short; of one that is not, the part around the cursor."""
    return 0 if len(sql) <= MOST_READ else max(0, at - MOST_READ // 2)


class _Cursor:
    """One text with its cursor, and what it asks for."""

    def __init__(self, sql: str, at: int, known: Known) -> None:
        self.sql, self.end, self.known = sql, at, known
        self.typed: Typed = typed(sql, at)
        self.tokens = self.typed.tokens
        self.at = self.typed.at
        self.shape = Shape(self.tokens)
        self.scope = Scope(self.shape, known.fields)

    def candidates(self) -> Iterator[Candidate]:
        """By what is being typed: a string, a placeholder, a version, a column of a table, or any name."""
        current = self.typed.current
        if current is not None and current.kind in {"comment", "param"}:
            return
        if current is not None and current.kind == "place":
            yield from self._placeholder(current)
        elif self._before(1).text == "@" and self._before(1).glued and self.tokens[self.at].glued:
            yield from self._versions(current)
        elif current is not None and current.kind == "string":
            yield from self._values(current)
        elif current is None or current.kind != "number":
            yield from self._names()

    def _before(self, back: int) -> Token:
        """The token so many before the cursor; an empty one before the first."""
        return self.tokens[self.at - back] if self.at >= back else Token("", "", 0)

    def _names(self) -> Iterator[Candidate]:
        around = self.scope.around(self.at)
        if self._before(1).text == "." and self._before(2).kind in _QUALIFIED | {"sign"}:
            yield from self._members(around)
            return
        query, arm, ctes = around[0]
        here = spot(self.shape, self.at, query, arm)
        if here.place is Place.TABLE:
            yield from self._tables(ctes)
        elif here.place is Place.SHARED:
            yield from self._columns(self._shared(arm, ctes))
        elif here.place is Place.OPERAND:
            yield from self._operands(here, around)
        yield from self._keywords(here)

    # -- what a name can be -------------------------------------------------------------------------------------

    def _tables(self, ctes: Mapping[str, Cte]) -> Iterator[Candidate]:
        datasets = self.known.datasets()
        for names, detail in ((ctes, "CTE"), (datasets, "dataset"), (self.known.frames(), "frame")):
            yield from self._matching(((n, detail) for n in names), "table")
        if self._plain:
            yield from (self._one(f, "function", "") for f in _READ_FROM if f.startswith(self.prefix))

    def _operands(self, here: Spot, around: Sequence[tuple[Query, Arm, Mapping[str, Cte]]]) -> Iterator[Candidate]:
        sources = [self.scope.sources(arm, ctes) for _, arm, ctes in around]
        if here.clause not in {"select", "from", "on", ""}:
            _, arm, ctes = around[0]
            inside = {f.name.lower() for f in every(sources[0])}
            yield from self._columns(f for f in self.scope.selected(arm, ctes) if f.name.lower() not in inside)
        if not self.typed.fragment:
            yield from (self._one(literal(v), "value", "") for v in self._texts()[:MOST_SHOWN])
        if here.clause == "on" and self._before(1).word == "on":
            yield from self._equalities(around[0][1], around[0][2])
        for level in sources:
            yield from self._columns_of(level)
        yield from self._matching(((s.name, "") for level in sources for s in level if s.name), "table")
        if not any(sources) and self.prefix:
            yield from self._columns(self.known.matching(self.prefix))
        if self.prefix and self._plain:
            ready = self.sql[self.end : self.end + 1] == "("
            yield from (self._one(_call(f, ready=ready), "function", "") for f in _CALLED if f.startswith(self.prefix))

    def _columns_of(self, sources: Sequence[Source]) -> Iterator[Candidate]:
        """Columns by their names; those of several tables with the table's name, for alone they are ambiguous."""
        count: dict[str, int] = {}
        for source in sources:
            for field in source.fields:
                count[field.name.lower()] = count.get(field.name.lower(), 0) + (field.name.lower() not in source.shared)
        for source in sources:
            for field in source.fields:
                if count[field.name.lower()] < 2 or not source.name:
                    yield from self._columns([field])
                elif field.name.lower().startswith(self.prefix) and self._plain:
                    text = f"{as_written(source.name)}.{as_written(field.name)}"
                    yield self._one(text, "column", engine_name(field.type) if field.type else "")

    def _members(self, around: Sequence[tuple[Query, Arm, Mapping[str, Cte]]]) -> Iterator[Candidate]:
        """What follows ``w.``: columns of a table, or fields of a struct."""
        chain = self._chain()
        if not chain:
            return
        for _, arm, ctes in around:
            sources = self.scope.sources(arm, ctes)
            fields = one(sources, chain[0]) if len(chain) == 1 else ()
            fields = fields or _struct(chain, sources)
            if fields:
                yield from self._columns(fields)
                return
        if len(chain) == 1:  # the FROM clause is not written yet, or the table of an outer name
            yield from self._columns(self.known.fields(chain[0], "") or ())

    def _chain(self) -> list[str]:
        """The names before the cursor's dot: ``w.address.`` → ['w', 'address']."""
        names: list[str] = []
        i = self.at - 1
        while i >= 1 and self.tokens[i].text == "." and self.tokens[i - 1].kind in _QUALIFIED:
            names.insert(0, self.tokens[i - 1].named)
            i -= 2
        return names

    def _shared(self, arm: Arm, ctes: Mapping[str, Cte]) -> list[Field]:
        """Columns that the table joined by USING has with those before it; its own when there are none."""
        span = arm.clause("from")
        bracket = self.shape.bracket(self.at)
        sources = self.scope.upto(span.start, bracket, ctes) if span else []
        if not sources:
            return []
        left = {f.name.lower() for f in every(sources[:-1])}
        return [f for f in sources[-1].fields if f.name.lower() in left] or list(sources[-1].fields)

    def _equalities(self, arm: Arm, ctes: Mapping[str, Cte]) -> Iterator[Candidate]:
        """``w.worker_id = j.worker_id`` for the columns that the joined table shares with one before it."""
        span = arm.clause("from")
        *left, right = (self.scope.upto(span.start, self.at, ctes) if span else []) or [Source("", ())]
        for field in right.fields:
            name = as_written(field.name)
            owner = next((s for s in left if any(f.name.lower() == field.name.lower() for f in s.fields)), None)
            if owner is not None and owner.name and right.name:
                text = f"{as_written(owner.name)}.{name} = {as_written(right.name)}.{name}"
                if text.lower().startswith(self.prefix):
                    yield self._one(text, "column", "")

    def _keywords(self, here: Spot) -> Iterator[Candidate]:
        if not self._plain or self._before(1).text == ".":
            return
        lower = self._lower()
        for word in here.keywords:
            if word.lower().startswith(self.prefix):
                yield self._one(word.lower() if lower else word, "type" if here.place is Place.TYPE else "keyword", "")

    def _lower(self) -> bool:
        """Whether the writer writes keywords small: by what is being typed, else by the statement's first word."""
        said = self.typed.fragment or next((t.text for t in self.tokens if t.kind == "name"), "")
        return said.islower()

    # -- what stands in quotes, brackets, after @ ---------------------------------------------------------------

    def _placeholder(self, current: Token) -> Iterator[Candidate]:
        inside = self.sql[current.start + 2 : self.end]
        close = "" if current.closed or self.sql[self.end :].lstrip(" ").startswith("}}") else "}}"
        name, bang, kind = inside.partition("!")
        words = ["ident", "sql"] if bang else self.known.names()
        prefix = (kind if bang else name).lstrip()
        start = self.end - len(prefix)
        for word in words:
            if word.startswith(prefix):
                yield Candidate(word + close, "keyword" if bang else "variable", start)

    def _versions(self, current: Token | None) -> Iterator[Candidate]:
        fragment = self.typed.fragment
        versions = self.known.versions(self._before(2).named)
        if fragment.startswith("'"):
            days: dict[str, str] = {}
            for one_ in versions:
                days.setdefault(one_.day, one_.line)
            yield from self._in_string(((day, line) for day, line in days.items()), current, "snapshot")
            return
        for one_ in versions:
            if str(one_.number).startswith(fragment):
                yield self._one(str(one_.number), "snapshot", one_.line)
        for word in ("today", "yesterday"):
            if word.startswith(fragment.lower()):
                yield self._one(word, "snapshot", "as it was when that day was over")

    def _values(self, current: Token) -> Iterator[Candidate]:
        if current.text.startswith("'"):
            yield from self._in_string(((v, "") for v in self._texts()), current, "value")

    def _texts(self) -> Sequence[str]:
        """The texts that the column has with which the cursor's operand is compared, without those given already."""
        part, given = self._compared()
        for _, arm, ctes in self.scope.around(self.at) if part else ():
            field = resolve(part, self.scope.sources(arm, ctes))
            if field is not None:
                return [v for v in self.known.values(*field.origin) if v not in given] if field.origin else []
        return []

    def _compared(self) -> tuple[list[Token], set[str]]:
        """The column that the string is compared with, and the values that its list holds already."""
        i = self.at - 1
        given: set[str] = set()
        bracket = self.shape.bracket(self.at)
        if bracket > 0 and self.tokens[bracket - 1].word == "in":
            span = self.tokens[bracket + 1 : self.shape.closing(bracket)]
            given = {t.text[1:-1].replace("''", "'") for t in span if t.kind == "string"}
            i = bracket - 2
            i -= self.tokens[i].word == "not"
        elif i >= 0 and self.tokens[i].word in _EQUAL:
            i -= 1
            i -= i >= 0 and self.tokens[i].word == "not"
        elif i >= 1 and self.tokens[i].word == "from" and self.tokens[i - 1].word == "distinct":
            i -= 3 if self.tokens[i - 2].word == "not" else 2
            i -= 1 if i >= 0 and self.tokens[i].word == "is" else 0
        else:
            return [], given
        return self._column_at(i), given

    def _column_at(self, i: int) -> list[Token]:
        """The column whose last token is ``i``."""
        if i < 0:
            return []
        part = list(self.tokens[i - 2 : i + 1]) if i >= 2 and self.tokens[i - 1].text == "." else [self.tokens[i]]
        return part if is_column(part) else []

    def _in_string(self, found: Iterable[tuple[str, str]], current: Token | None, kind: str) -> Iterator[Candidate]:
        """Texts for a string: into its quotes when it has both, else with them."""
        closed = current is not None and current.closed
        prefix = self.typed.fragment[1:].replace("''", "'").lower()
        start = self.typed.start + closed
        for text, detail in found:
            if text.lower().startswith(prefix):
                inner = text.replace("'", "''")
                yield Candidate(inner if closed else f"'{inner}'", kind, start, detail)

    # -- matching -----------------------------------------------------------------------------------------------

    @property
    def _plain(self) -> bool:
        """Whether no quote was opened for the name."""
        return not self.typed.fragment.startswith('"')

    @property
    def prefix(self) -> str:
        """What is typed of a name, in lower case, without its quote."""
        return self.typed.fragment.removeprefix('"').replace('""', '"').lower()

    def _one(self, text: str, kind: str, detail: str) -> Candidate:
        return Candidate(text, kind, self.typed.start, detail)

    def _columns(self, fields: Iterable[Field]) -> Iterator[Candidate]:
        named = ((f.name, engine_name(f.type) if f.type else "") for f in fields)
        yield from self._matching(named, "column")

    def _matching(self, names: Iterable[tuple[str, str]], kind: str) -> Iterator[Candidate]:
        """Names that begin as typed, else those that hold it; quoted where they need it or a quote was opened."""
        found = list(names)
        chosen = [n for n in found if n[0].lower().startswith(self.prefix)]
        if not chosen and len(self.prefix) > 1:
            chosen = [n for n in found if self.prefix in n[0].lower()]
        current = self.typed.current
        shut = current is not None and current.quoted and current.closed
        for name, detail in chosen:
            text = as_written(name) if self._plain else quote(name)
            yield self._one(text[:-1] if shut and not self._plain else text, kind, detail)


def _call(name: str, *, ready: bool) -> str:
    return name if ready or name in _NO_BRACKETS else f"{name}("


def _struct(chain: Sequence[str], sources: Sequence[Source]) -> list[Field]:
    """The fields of the struct that a chain of names leads to."""
    fields = list(one(sources, chain[0])) if one(sources, chain[0]) else every(sources)
    rest = chain[1:] if one(sources, chain[0]) else chain
    for name in rest:
        found = next((f for f in fields if f.name.lower() == name.lower()), None)
        if found is None or not found.type.startswith("struct<"):
            return []
        parts = (part.partition(": ") for part in split_types(found.type[7:-1]))
        fields = [Field(n, kind) for n, _, kind in parts]
    return fields
