"""Which names a statement that is still being typed can use at a place: its tables, their columns, its CTEs.

It reads tokens, not a tree: there is no tree before the statement is whole. What it cannot make out gives no names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from workbench.lake.sql.completion.tokens import RESERVED, Token, tokens
from workbench.lake.sql.completion.unfinished import JOINS, Arm, Query, Shape

DEEPEST = 12  # queries in queries whose columns are followed
_EXPANDED = {"exclude", "replace", "rename"}


@dataclass(frozen=True, slots=True)
class Field:
    """A column in scope. ``origin``: (dataset, version as written or '', column) of its values, None if computed."""

    name: str
    type: str = ""
    origin: tuple[str, str, str] | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A table of a FROM clause under the name that stands for it; ``shared``: columns of its USING."""

    name: str
    fields: tuple[Field, ...]
    shared: frozenset[str] = frozenset()


Tables = Callable[[str, str], Sequence[Field] | None]
"""(name, version as written or '') → the columns of the dataset or frame of that name; None: there is none."""


@dataclass(frozen=True, slots=True)
class Cte:
    """A common table expression: its columns' names if it gives them, and its body's tokens."""

    names: tuple[str, ...]
    start: int
    end: int
    above: Mapping[str, Cte] = field(default_factory=dict)


class Scope:
    """The names of one text. Everything is worked out when asked for."""

    def __init__(self, shape: Shape, tables: Tables) -> None:
        self.shape = shape
        self.tokens = shape.tokens
        self.tables = tables
        self._depth = 0
        self._ctes: dict[int, tuple[Field, ...]] = {}

    def around(self, at: int) -> list[tuple[Query, Arm, Mapping[str, Cte]]]:
        """The queries around a token, innermost first: each with the part that holds the token and its CTEs."""
        ctes: dict[str, Cte] = {}
        out: list[tuple[Query, Arm, Mapping[str, Cte]]] = []
        for start, end in self.shape.queries_around(at):
            query = self.shape.query(start, end)
            ctes = self._defined(query, ctes, at)
            out.append((query, query.arm(at), ctes))
        return out[::-1]

    def sources(self, arm: Arm, ctes: Mapping[str, Cte]) -> list[Source]:
        """The tables of a part's FROM clause, in their order."""
        span = arm.clause("from")
        return list(self._items(span.start, span.end, ctes)) if span else []

    def upto(self, start: int, end: int, ctes: Mapping[str, Cte]) -> list[Source]:
        """The tables between two tokens of a FROM clause."""
        return list(self._items(start, end, ctes))

    def outputs(self, query: Query, ctes: Mapping[str, Cte]) -> list[Field]:
        """The columns that a query gives, as far as they have plain names."""
        if self._depth >= DEEPEST:
            return []
        self._depth += 1
        try:
            seen = dict(self._defined(query, ctes, query.end))
            return self._selected(query.arms[0], seen) if query.arms else []
        finally:
            self._depth -= 1

    def selected(self, arm: Arm, ctes: Mapping[str, Cte]) -> list[Field]:
        """The columns of one part, with the names that its SELECT gives them."""
        return self._selected(arm, ctes)

    def _defined(self, query: Query, above: Mapping[str, Cte], at: int) -> dict[str, Cte]:
        """CTEs that a token of ``query`` sees: those above, its own before it, and with RECURSIVE the one around it."""
        seen = dict(above)
        for name, names, start, end in query.ctes:
            if end <= at or (query.recursive and start <= at):
                seen[name] = Cte(names, start, end, dict(seen))
        return seen

    def _cte(self, cte: Cte) -> tuple[Field, ...]:
        if cte.start not in self._ctes:
            self._ctes[cte.start] = _renamed((), cte.names)  # what a CTE that reads itself sees
            found = self.outputs(self.shape.query(cte.start, cte.end), cte.above)
            self._ctes[cte.start] = _renamed(found, cte.names)
        return self._ctes[cte.start]

    def _items(self, start: int, end: int, ctes: Mapping[str, Cte]) -> Iterator[Source]:
        """Tables between two tokens of a FROM clause; brackets around joins are looked into."""
        i, wanted = start, True
        while i < end:
            word = self.tokens[i].word
            if word == "," or word in JOINS:
                wanted = True
                i += 1
            elif not wanted or word in {"lateral", "cursor"} or self.tokens[i].kind == "cursor":
                i = self.shape.after(i, end)
            else:
                found, i = self._table(i, end, ctes)
                yield from found
                wanted = False

    def _table(self, i: int, end: int, ctes: Mapping[str, Cte]) -> tuple[list[Source], int]:
        token = self.tokens[i]
        after = self.shape.after(i, end)
        if token.text == "(":
            if not self.shape.is_query(i):
                return list(self._items(i + 1, self.shape.closing(i), ctes)), after
            fields = tuple(self.outputs(self.shape.query(i + 1, self.shape.closing(i)), ctes))
            return self._aliased("", fields, after, end)
        if token.kind not in {"name", "quoted"}:
            return [], after
        if after < end and self.tokens[after].text == "(" and not token.quoted:
            name = token.word
            return self._aliased(name, (Field(name),), self.shape.after(after, end), end)
        version, after = self._version(after, end)
        return self._aliased(token.named, self._base(token.named, version, ctes), after, end)

    def _base(self, name: str, version: str, ctes: Mapping[str, Cte]) -> tuple[Field, ...]:
        cte = None if version else ctes.get(name.lower())
        return self._cte(cte) if cte else tuple(self.tables(name, version) or ())

    def _version(self, i: int, end: int) -> tuple[str, int]:
        """``@2``, ``@'2026-11-01'``, ``AT (VERSION => 2)`` at ``i``: what it says, and the token after it."""
        words = [t.word for t in self.tokens[i : min(i + 7, end)]]
        if words[:1] == ["@"] and len(words) > 1 and self.tokens[i + 1].kind != "cursor":
            return self.tokens[i + 1].text.strip("'"), i + 2
        if words[:2] == ["at", "("]:
            said = self.tokens[i + 2 : self.shape.closing(i + 1)]
            return (said[-1].text.strip("'") if said else ""), self.shape.after(i + 1, end)
        return "", i

    def _aliased(self, name: str, fields: tuple[Field, ...], i: int, end: int) -> tuple[list[Source], int]:
        """The table under its alias, and its columns under theirs; then what joins it to the tables before."""
        explicit = i < end and self.tokens[i].word == "as"
        i += explicit
        if i < end and is_alias(self.tokens[i]):
            name, i = self.tokens[i].named, i + 1
            if i < end and self.tokens[i].text == "(":
                fields = _renamed(fields, tuple(self._names(i)))
                i = self.shape.after(i, end)
        shared = frozenset(n.lower() for n in self._names(i + 1)) if self._is_using(i, end) else frozenset()
        return [Source(name, fields, shared)], i

    def _is_using(self, i: int, end: int) -> bool:
        return i + 1 < end and self.tokens[i].word == "using" and self.tokens[i + 1].text == "("

    def _names(self, bracket: int) -> Iterator[str]:
        return (t.named for t in self.tokens[bracket + 1 : self.shape.closing(bracket)] if t.kind in {"name", "quoted"})

    def _selected(self, arm: Arm, ctes: Mapping[str, Cte]) -> list[Field]:
        sources = self.sources(arm, ctes)
        span = arm.clause("select")
        if span is None:
            return self._unselected(arm, ctes, sources)
        start = span.start + (span.start < span.end and self.tokens[span.start].word in {"distinct", "all"})
        if start < span.end and start > span.start and self.tokens[start].word == "on":
            start = self.shape.after(start + 1, span.end)
        found: dict[str, Field] = {}
        for a, b in self.shape.split(start, span.end):
            for one in self._item(a, b, sources):
                found.setdefault(one.name.lower(), one)
        return list(found.values())

    def _unselected(self, arm: Arm, ctes: Mapping[str, Cte], sources: Sequence[Source]) -> list[Field]:
        """The columns of a part without SELECT: ``VALUES …``, ``(SELECT …)``, ``FROM workers``."""
        values = arm.clause("values")
        if values:
            return _values(self.shape, values.start, values.end)
        if not arm.spans and arm.start < arm.end and self.shape.is_query(arm.start):
            return self.outputs(self.shape.query(arm.start + 1, self.shape.closing(arm.start)), ctes)
        return every(sources)

    def _item(self, a: int, b: int, sources: Sequence[Source]) -> list[Field]:
        """The columns of one item of a SELECT list."""
        part = [t for t in self.tokens[a:b] if t.kind != "cursor"]
        if not part:
            return []
        if part[0].text == "*":
            return self._starred(a, b, every(sources))
        if len(part) > 2 and part[1].text == "." and part[2].text == "*":
            return self._starred(a, b, list(one(sources, part[0].named)))
        if len(part) > 1 and part[1].text == ":" and is_alias(part[0]):
            return [_as(resolve(part[2:], sources), part[0].named)]
        if len(part) > 1 and part[-2].word == "as" and part[-1].kind in {"name", "quoted"}:
            return [_as(resolve(part[:-2], sources), part[-1].named)]
        whole = resolve(part, sources)
        if whole is not None:
            return [whole]
        if len(part) > 1 and is_alias(part[-1]) and ends_operand(part[-2]):
            return [_as(resolve(part[:-1], sources), part[-1].named)]
        return [Field(part[-1].named)] if is_column(part) else []

    def _starred(self, a: int, b: int, fields: list[Field]) -> list[Field]:
        """``* EXCLUDE (…) RENAME (a AS b)``."""
        gone: set[str] = set()
        for i in range(a, b - 1):
            if self.tokens[i].word == "exclude":
                more = self._names(i + 1) if self.tokens[i + 1].text == "(" else [self.tokens[i + 1].named]
                gone |= {n.lower() for n in more}
            elif self.tokens[i].word == "rename" and self.tokens[i + 1].text == "(":
                names = [n for n in self._names(i + 1) if n.lower() != "as"]
                renamed = dict(zip([n.lower() for n in names[::2]], names[1::2], strict=False))
                fields = [_as(f, renamed[f.name.lower()]) if f.name.lower() in renamed else f for f in fields]
        return [f for f in fields if f.name.lower() not in gone]


def every(sources: Sequence[Source]) -> list[Field]:
    """All columns of some tables, each name once."""
    found: dict[str, Field] = {}
    for source in sources:
        for one_ in source.fields:
            found.setdefault(one_.name.lower(), one_)
    return list(found.values())


def one(sources: Sequence[Source], name: str) -> Sequence[Field]:
    """The columns of the table of that name; none when there is none."""
    return next((s.fields for s in sources if s.name.lower() == name.lower()), ())


def resolve(part: Sequence[Token], sources: Sequence[Source]) -> Field | None:
    """The column that ``city``, ``w.city`` or ``"My city"`` names; None for any other text."""
    if not is_column(part):
        return None
    fields = one(sources, part[0].named) if len(part) > 1 else every(sources)
    name = part[-1].named.lower()
    return next((f for f in fields if f.name.lower() == name), None)


def is_column(part: Sequence[Token]) -> bool:
    """Whether tokens are a name, or two names with a dot."""
    names, dots = part[::2], part[1::2]
    return len(part) in {1, 3} and all(d.text == "." for d in dots) and all(_is_name(t) for t in names)


def is_alias(token: Token) -> bool:
    """Whether a token can be a name that somebody gives."""
    return token.quoted or (token.kind == "name" and token.word not in RESERVED and token.word not in JOINS)


def ends_operand(token: Token) -> bool:
    """Whether an expression can end with this token."""
    if token.kind == "name":
        return token.word not in RESERVED or token.word in {"null", "true", "false", "end"}
    return token.kind in {"quoted", "string", "number", "place", "param"} or token.text in {")", "]", "}"}


def _is_name(token: Token) -> bool:
    return token.quoted or (token.kind == "name" and token.word not in RESERVED)


def _as(found: Field | None, name: str) -> Field:
    return Field(name, found.type if found else "", found.origin if found else None)


def _renamed(fields: Sequence[Field], names: Sequence[str]) -> tuple[Field, ...]:
    kept = list(fields[: len(names)]) + [None] * (len(names) - len(fields))
    return (*(_as(f, n) for f, n in zip(kept, names, strict=True)), *fields[len(names) :])


def _values(shape: Shape, start: int, end: int) -> list[Field]:
    if start >= end or shape.tokens[start].text != "(":
        return []
    width = sum(1 for _ in shape.split(start + 1, shape.closing(start)))
    return [Field(f"col{i}") for i in range(width)]


def output_fields(sql: str, tables: Tables) -> list[Field]:
    """The columns that a whole statement gives, as far as they have plain names."""
    shape = Shape([t for t in tokens(sql) if t.kind != "comment"])
    return Scope(shape, tables).outputs(shape.query(0, len(shape.tokens)), {})
