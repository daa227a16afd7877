"""What may stand at the cursor of a statement: a table, a value to compute with, a new name, or the next keyword."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from workbench.lake.sql.completion.scope import ends_operand
from workbench.lake.sql.completion.tokens import Token
from workbench.lake.sql.completion.unfinished import JOINS, Arm, Query, Shape, Span


class Place(Enum):
    """What a cursor waits for."""

    START = "start"  # of a statement or of a query in brackets
    TABLE = "table"
    OPERAND = "operand"
    AFTER = "after"  # an operand, a table, a CTE: only keywords go on
    SHARED = "shared"  # a column of USING (…)
    NAME = "name"  # a name that the writer makes up
    TYPE = "type"


@dataclass(frozen=True, slots=True)
class Spot:
    """A place, the keywords that may stand there, and the clause it is in ('' for none)."""

    place: Place
    keywords: tuple[str, ...] = ()
    clause: str = ""


START = ("SELECT", "FROM", "WITH", "VALUES (")
TYPES = ("BIGINT", "BLOB", "BOOLEAN", "DATE", "DECIMAL(18, 2)", "DOUBLE", "FLOAT", "HUGEINT", "INTEGER", "INTERVAL",
         "JSON", "SMALLINT", "TIME", "TIMESTAMP", "TIMESTAMPTZ", "TINYINT", "UUID", "VARCHAR")  # fmt: skip
_OPERAND = ("CASE WHEN", "NOT", "NULL", "TRUE", "FALSE", "EXISTS (", "CAST(", "TRY_CAST(", "DATE '", "INTERVAL")
_COMPARED = ("AND", "OR", "IN (", "NOT IN (", "IS NULL", "IS NOT NULL", "IS DISTINCT FROM", "IS NOT DISTINCT FROM",
             "BETWEEN", "NOT BETWEEN", "LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE", "SIMILAR TO", "COLLATE")  # fmt: skip
_JOINED = ("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN", "SEMI JOIN", "ANTI JOIN", "ASOF JOIN")
_NEXT = (("from", "FROM"), ("where", "WHERE"), ("group", "GROUP BY"), ("having", "HAVING"), ("qualify", "QUALIFY"),
         ("window", "WINDOW"), ("order", "ORDER BY"), ("limit", "LIMIT"), ("offset", "OFFSET"))  # fmt: skip
_SETS = ("UNION ALL", "UNION", "UNION BY NAME", "UNION ALL BY NAME", "EXCEPT", "INTERSECT")
_FRAME = ("PARTITION BY", "ORDER BY", "ROWS BETWEEN", "RANGE BETWEEN")
# The word before the cursor → what goes on; for those words nothing else does.
_GOES_ON: dict[str, tuple[str, ...]] = {
    "group": ("BY",),
    "order": ("BY",),
    "partition": ("BY",),
    "is": ("NULL", "NOT NULL", "DISTINCT FROM", "NOT DISTINCT FROM", "TRUE", "FALSE"),
    "nulls": ("FIRST", "LAST"),
    "inner": ("JOIN",),
    "cross": ("JOIN",),
    "natural": ("JOIN",),
    "semi": ("JOIN",),
    "anti": ("JOIN",),
    "asof": ("JOIN",),
    "outer": ("JOIN",),
    "positional": ("JOIN",),
    "left": ("JOIN", "OUTER JOIN"),
    "right": ("JOIN", "OUTER JOIN"),
    "full": ("JOIN", "OUTER JOIN"),
    "over": ("(",),
    "similar": ("TO",),
}
_STARTS_BRACKET = {"exclude", "replace", "rename", "in", "exists", "any", "all"}


def spot(shape: Shape, at: int, query: Query, arm: Arm) -> Spot:
    """What the cursor, token ``at``, waits for in its query."""
    before = _before(shape, at)
    if before is not None and before.word in _GOES_ON and not _called(shape, at):
        return Spot(Place.AFTER, _GOES_ON[before.word])
    if at <= query.body and query.ctes_open:
        return _with(before)
    span = arm.holding(at)
    if span is None or at < span.start:
        return _started(query, arm, before)
    bracket = shape.bracket(at)
    if bracket >= query.start:
        return _bracketed(shape, at, span, bracket, before)
    if span.word == "from":
        return _from(shape, at, span.start, arm, before)
    return _expression(shape, at, span, arm, before)


def _before(shape: Shape, at: int) -> Token | None:
    return shape.tokens[at - 1] if at else None


def _called(shape: Shape, at: int) -> bool:
    """``left(`` and ``right(`` are functions; ``w.group`` is a column."""
    return at > 1 and shape.tokens[at - 2].text == "."


def _with(before: Token | None) -> Spot:
    if before is None or before.word in {"with", ","}:
        return Spot(Place.NAME, ("RECURSIVE",) if before and before.word == "with" else ())
    if before.word in {"as", "materialized"}:
        return Spot(Place.AFTER, ("(", "MATERIALIZED (", "NOT MATERIALIZED (") if before.word == "as" else ("(",))
    if before.text == ")":
        return Spot(Place.AFTER, ("SELECT", "FROM", "AS"))
    return Spot(Place.AFTER, ("AS",) if before.word != "recursive" else ())


def _started(query: Query, arm: Arm, before: Token | None) -> Spot:
    if arm is not query.arms[0] and before is not None and before.word in {"union", "except", "intersect"}:
        return Spot(Place.START, ("SELECT", "FROM", "ALL", "BY NAME", "ALL BY NAME"))
    if before is not None and before.text == ")" and arm.start < arm.end and not arm.spans:
        return Spot(Place.AFTER, ("SELECT", "FROM", *_SETS, "ORDER BY", "LIMIT"))
    return Spot(Place.START, START)


def _bracketed(shape: Shape, at: int, span: Span, bracket: int, before: Token | None) -> Spot:
    """Inside brackets that are no query: arguments, a window, a list, USING, a joined table."""
    owner = shape.tokens[bracket - 1].word if bracket else ""
    first = at == bracket + 1
    if owner == "using":
        return Spot(Place.SHARED, (), span.word)
    if owner == "over":
        after = before is not None and ends_operand(before)
        more = ("ASC", "DESC", "NULLS LAST", "NULLS FIRST") if after else ()
        place = Place.AFTER if first or after else Place.OPERAND
        return Spot(place, _FRAME + more if place is Place.AFTER else (), span.word)
    if owner in {"cast", "try_cast"} and before is not None and before.word == "as":
        return Spot(Place.TYPE, TYPES, span.word)
    if span.word == "from" and shape.bracket(bracket) < span.start and owner in {"from", ",", "(", "lateral", *JOINS}:
        return _from(shape, at, bracket + 1, None, before)
    if before is not None and ends_operand(before):
        own = ("ORDER BY", "AS") if owner in {"cast", "try_cast"} or shape.tokens[bracket].glued else ()
        return Spot(Place.AFTER, (*_case(shape, at, bracket + 1), *_COMPARED, *own), span.word)
    distinct = ("DISTINCT",) if first and shape.tokens[bracket].glued else ()
    selected = ("SELECT",) if first and not shape.tokens[bracket].glued else ()
    where = ("WHERE",) if first and owner == "filter" else ()
    return Spot(Place.OPERAND, (*where, *distinct, *_OPERAND, *selected), span.word)


def _from(shape: Shape, at: int, start: int, arm: Arm | None, before: Token | None) -> Spot:
    """In a FROM clause: by the last word of its own that stands before the cursor."""
    last, place = start - 1, "from"
    i = start
    while i < at:
        word = shape.tokens[i].word
        if word in {",", "on", "using", "as"} or word in JOINS:
            last, place = i, word
        i = shape.after(i, at) if shape.after(i, at) <= at else at
    if place == "on":
        return _expression(shape, at, Span("on", last + 1, at), arm, before)
    if last == at - 1:
        if place == "as":
            return Spot(Place.NAME, (), "from")
        if place == "using":
            return Spot(Place.AFTER, ("(",), "from")
        selected = "SELECT" if before is not None and before.text == "(" else "(SELECT"
        return Spot(Place.TABLE, (selected, "LATERAL ("), "from")
    joined = ("ON", "USING (") if place in JOINS else ()
    return Spot(Place.AFTER, (*joined, "AS", *_JOINED, *_following("from", arm)), "from")


def _expression(shape: Shape, at: int, span: Span, arm: Arm | None, before: Token | None) -> Spot:
    listed = before is not None and before.text == ")" and shape.owner(at - 1) == "on" and span.word == "select"
    if before is None or at <= span.start or listed:  # what follows DISTINCT ON (…) is as after SELECT
        return Spot(Place.OPERAND, (*_first(span.word), *_OPERAND), span.word)
    if before.text == "::":
        return Spot(Place.TYPE, TYPES, span.word)
    if before.word == "as" and span.word in {"select", "window"}:
        return Spot(Place.NAME, (), span.word)
    if ends_operand(before) or _is_star(shape, at - 1):
        if span.word in {"limit", "offset"}:
            return Spot(Place.AFTER, _following(span.word, arm), span.word)
        own = (*_case(shape, at, span.start), *_after(span.word, shape, at), *_COMPARED)
        return Spot(Place.AFTER, (*own, *_joined(span), *_following(span.word, arm)), span.word)
    if before.word in {"asc", "desc", "first", "last", "all"}:
        more = ("NULLS LAST", "NULLS FIRST") if before.word in {"asc", "desc"} else ()
        return Spot(Place.AFTER, (*more, *_following(span.word, arm)), span.word)
    if before.word == "not":
        return Spot(Place.OPERAND, ("IN (", "LIKE", "ILIKE", "BETWEEN", "NULL", "EXISTS ("), span.word)
    return Spot(Place.OPERAND, _OPERAND, span.word)


def _first(word: str) -> tuple[str, ...]:
    return {"select": ("DISTINCT", "*"), "group": ("ALL", "ROLLUP (", "CUBE ("), "order": ("ALL",)}.get(word, ())


def _after(word: str, shape: Shape, at: int) -> tuple[str, ...]:
    before = shape.tokens[at - 1]
    if before.text == "*":
        return ("EXCLUDE (", "REPLACE (", "RENAME (")
    own: tuple[str, ...] = {"select": ("AS",), "order": ("ASC", "DESC", "NULLS LAST", "NULLS FIRST")}.get(word, ())
    return (*own, "OVER (", "FILTER (WHERE") if before.text == ")" else own


def _joined(span: Span) -> tuple[str, ...]:
    return _JOINED if span.word == "on" else ()


def _case(shape: Shape, at: int, start: int) -> tuple[str, ...]:
    """The words of a CASE that is open at the cursor."""
    words = [t.word for t in shape.tokens[start:at]]
    if words.count("case") <= words.count("end"):
        return ()
    last = next((w for w in reversed(words) if w in {"case", "when", "then", "else"}), "")
    return {"case": ("WHEN",), "when": ("THEN",), "then": ("WHEN", "ELSE", "END"), "else": ("END",)}.get(last, ())


def _following(word: str, arm: Arm | None) -> tuple[str, ...]:
    """Clauses that can come next: later than this one and not there yet."""
    if arm is None:
        return ()
    there: Sequence[str] = [s.word for s in arm.spans]
    order = [w for w, _ in _NEXT]
    reached = order.index("from" if word == "on" else word) if word in {*order, "on"} else -1
    return tuple(text for i, (w, text) in enumerate(_NEXT) if i > reached and w not in there) + _SETS


def _is_star(shape: Shape, i: int) -> bool:
    """Whether a token is the star of ``SELECT *`` or ``w.*``, not of a product."""
    return shape.tokens[i].text == "*" and (i == 0 or not ends_operand(shape.tokens[i - 1]))
