"""The shape of a statement that is still being typed: brackets, queries in brackets, and the clauses of each query.

A bracket that nobody has closed yet ends where the next clause begins, so ``SELECT count( FROM workers`` reads from
workers. A whole statement has the shape that the engine sees.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from workbench.lake.sql.completion.tokens import Token

JOINS = frozenset(
    {"join", "inner", "left", "right", "full", "outer", "cross", "natural", "semi", "anti", "asof", "positional"}
)
CLAUSES = ("select", "from", "where", "group", "having", "window", "qualify", "order", "limit", "offset", "values")
SETS = frozenset({"union", "intersect", "except"})
_OPENING, _CLOSING = {"(": ")", "[": "]", "{": "}"}, {")", "]", "}"}
_ENDS_BRACKET = frozenset({"from", "where", "group", "having", "limit", "qualify", "union", "intersect", "except"})
_FROM_INSIDE = frozenset({"extract", "trim", "substring", "overlay", "position"})
_STARTS_QUERY = frozenset({"select", "with", "values", "from"})


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens ``start`` to ``end`` of one clause, without the word that begins it."""

    word: str
    start: int
    end: int


@dataclass(slots=True)
class Arm:
    """One SELECT of a query: its clauses in the order written."""

    start: int
    end: int
    spans: list[Span] = field(default_factory=list)

    def clause(self, word: str) -> Span | None:
        """The clause that begins with ``word``."""
        return next((s for s in self.spans if s.word == word), None)

    def holding(self, at: int) -> Span | None:
        """The clause that a token stands in."""
        return next((s for s in reversed(self.spans) if s.start <= at <= s.end), None)


@dataclass(slots=True)
class Query:
    """A query: its CTEs as (name in lower case, names of its columns, body's start, end), and its SELECTs."""

    start: int
    end: int
    ctes: list[tuple[str, tuple[str, ...], int, int]] = field(default_factory=list)
    recursive: bool = False
    ctes_open: bool = False  # it begins with WITH
    body: int = 0  # where it goes on after its CTEs
    arms: list[Arm] = field(default_factory=list)

    def arm(self, at: int) -> Arm:
        """The SELECT that a token stands in."""
        return next((a for a in reversed(self.arms) if a.start <= at <= a.end), self.arms[-1])


class Shape:
    """Brackets and clauses of some tokens (without comments)."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self._close: dict[int, int] = {}
        self._around: list[int] = []  # the innermost bracket around each token, -1 outside all
        self._inner = self._past_brackets()
        self._match()
        self.query = functools.cache(self._query)

    def closing(self, bracket: int) -> int:
        """Where the bracket's content ends: its closing bracket, or the token before which it has to end."""
        return self._close.get(bracket, len(self.tokens))

    def owner(self, closing: int) -> str:
        """The word before the bracket that a closing bracket ends: '' where there is none."""
        opened = next((b for b, close in self._close.items() if close == closing), 0)
        return self.tokens[opened - 1].word if opened else ""

    def after(self, i: int, end: int) -> int:
        """The next token at the same depth."""
        if i not in self._close:
            return i + 1
        close = self._close[i]
        return min(close + (close < len(self.tokens) and self.tokens[close].text in _CLOSING), end)

    def bracket(self, i: int) -> int:
        """The innermost bracket around a token, -1 for none."""
        return self._around[i]

    def is_query(self, bracket: int) -> bool:
        """Whether a bracket holds a query."""
        return self.tokens[bracket].text == "(" and self._starts(bracket)

    def queries_around(self, at: int) -> list[tuple[int, int]]:
        """Spans of the queries around a token, outermost first."""
        spans = []
        i = self.bracket(at)
        while i >= 0:
            if self.is_query(i):
                spans.append((i + 1, self.closing(i)))
            i = self.bracket(i)
        return [self._statement(at), *spans[::-1]]

    def split(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The parts between the commas of this depth."""
        i = begun = start
        while i < end:
            if self.tokens[i].text == ",":
                yield begun, i
                begun = i + 1
            i = self.after(i, end)
        if begun < end:
            yield begun, end

    def _statement(self, at: int) -> tuple[int, int]:
        marks = [i for i, t in enumerate(self.tokens) if t.text == ";" and self.bracket(i) < 0]
        return max((m + 1 for m in marks if m < at), default=0), min(
            (m for m in marks if m >= at), default=len(self.tokens)
        )

    def _match(self) -> None:
        stack: list[int] = []
        for i, token in enumerate(self.tokens):
            if (
                token.kind == "name"
                and token.word in _ENDS_BRACKET
                and not (i and self.tokens[i - 1].text == "." and token.glued)
            ):
                self._cut(stack, i)
            self._around.append(stack[-1] if stack else -1)
            if token.kind != "sign":
                continue
            if token.text in _OPENING:
                stack.append(i)
                self._close[i] = len(self.tokens)
            elif token.text in _CLOSING:
                self._shut(stack, i)

    def _past_brackets(self) -> list[int]:
        """For each token the next that is no opening bracket, itself included."""
        inner = [len(self.tokens)] * (len(self.tokens) + 1)
        for i in range(len(self.tokens) - 1, -1, -1):
            inner[i] = inner[i + 1] if self.tokens[i].text == "(" else i
        return inner

    def _shut(self, stack: list[int], i: int) -> None:
        """A closing bracket closes the last one of its kind; one that nobody opened closes nothing."""
        kinds = [_OPENING[self.tokens[b].text] for b in stack]
        if self.tokens[i].text not in kinds:
            return
        while stack:
            opened = stack.pop()
            self._close[opened] = i
            if _OPENING[self.tokens[opened].text] == self.tokens[i].text:
                self._around[i] = stack[-1] if stack else -1
                return

    def _cut(self, stack: list[int], i: int) -> None:
        """A clause begins: brackets that cannot hold one are ended."""
        while stack and not self._may_hold(stack[-1], i):
            self._close[stack.pop()] = i

    def _may_hold(self, bracket: int, i: int) -> bool:
        word, before = self.tokens[i].word, self.tokens[i - 1].word
        owner = self.tokens[bracket - 1].word if bracket else ""
        if word == "from":
            distinct = before == "distinct" and i > 1 and self.tokens[i - 2].word in {"is", "not"}
            if distinct or owner in _FROM_INSIDE:
                return True
        if (word == "where" and owner == "filter") or (word == "group" and before == "within"):
            return True
        return owner == "pivot" or (self._starts(bracket) and self.tokens[bracket].text == "(")

    def _starts(self, bracket: int) -> bool:
        """Whether what follows a bracket begins a query: SELECT, WITH, VALUES, FROM, or a bracket that does."""
        i = self._inner[bracket + 1]
        if i < len(self.tokens) and self.tokens[i].kind == "cursor":
            return bracket > 0 and self._is_body(bracket - 1)
        if i >= len(self.tokens) or self.tokens[i].kind != "name" or self.tokens[i].word not in _STARTS_QUERY:
            return False
        called = bracket > 0 and self.tokens[bracket - 1].kind == "name" and self.tokens[bracket].glued
        return self.tokens[i].word != "from" or not called

    def _is_body(self, i: int) -> bool:
        """Whether the word before a bracket makes it the body of a CTE: ``AS (``, not ``CAST(x AS (``."""
        outer = self._around[i]
        cast = outer > 0 and self.tokens[outer - 1].word in {"cast", "try_cast"}
        return self.tokens[i].word in {"as", "materialized"} and not cast

    def _query(self, start: int, end: int) -> Query:
        query = Query(start, end)
        i = start
        while i < end and self.tokens[i].text == "(" and self.closing(i) >= end - 1:  # ((SELECT …))
            i, end = i + 1, min(self.closing(i), end)
        if i < end and self.tokens[i].word == "with":
            query.ctes_open = True
            i = self._ctes(query, i + 1, end)
        query.body = i
        self._arms(query, i, end)
        return query

    def _ctes(self, query: Query, i: int, end: int) -> int:
        """``name [(columns)] AS [NOT MATERIALIZED] (body), …`` up to the query proper."""
        name = ""
        names: tuple[str, ...] = ()
        while i < end:
            token = self.tokens[i]
            if token.word in {"select", "from", "values"} and token.kind == "name":
                break
            if token.word == "recursive":
                query.recursive = True
            elif token.text == "(" and not name:
                break
            elif token.text == "(" and self.tokens[i - 1].word in {"as", "materialized"}:
                query.ctes.append((name.lower(), names, i + 1, self.closing(i)))
                name, names = "", ()
            elif token.text == "(":
                inside = self.tokens[i + 1 : self.closing(i)]
                names = tuple(t.named for t in inside if t.kind in {"name", "quoted"})
            elif token.kind == "quoted" or (token.kind == "name" and token.word not in {"as", "not", "materialized"}):
                name = token.named
            i = self.after(i, end)
        return i

    def _arms(self, query: Query, i: int, end: int) -> None:
        arm = Arm(i, end)
        query.arms.append(arm)
        word, begun = "", i
        while i < end:
            token = self.tokens[i]
            if token.kind == "name" and token.word in SETS:
                self._close_span(arm, word, begun, i)
                arm.end = i
                arm = Arm(i + 1, end)
                query.arms.append(arm)
                word, begun = "", i + 1
            elif self._begins(i):
                self._close_span(arm, word, begun, i)
                two = token.word in {"group", "order"} and i + 1 < end and self.tokens[i + 1].word == "by"
                word, begun = token.word, i + 1 + two
                i += two
            i = self.after(i, end)
        self._close_span(arm, word, begun, end)

    def _begins(self, i: int) -> bool:
        token = self.tokens[i]
        if token.kind != "name" or token.word not in CLAUSES:
            return False
        before = self.tokens[i - 1] if i else None
        if before is None:
            return True
        if before.text == "." and token.glued and before.glued:
            return False
        if token.word == "from":
            return not (before.word == "distinct" and i > 1 and self.tokens[i - 2].word in {"is", "not"})
        return before.word != "within"

    @staticmethod
    def _close_span(arm: Arm, word: str, start: int, end: int) -> None:
        if word:
            arm.spans.append(Span(word, start, end))
