"""Column types over text: decided on the values, never guessed.

A column is text unless every value fits one format (`workbench.lake.loading.formats`). A plan made from the first rows
is used for all rows, because its cast raises at the first value that does not fit; then the caller plans again over all
rows.
"""

from __future__ import annotations

import functools
import operator
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb

from workbench.errors import InvalidError, NotFoundError
from workbench.lake.loading import formats
from workbench.lake.loading.formats import BITS, CURRENCIES, FORMATS, Format
from workbench.lake.loading.naming import is_code, is_id, stays_text
from workbench.lake.tables.mapping import literal, quote

FEW_ROWS, FIRST_ROWS = 256, 20_000
_ODD = "\x1f"  # stands for a value that does not fit, where null tokens are gathered
_EVERY = sum(BITS[name] for name in FORMATS)
_PLAIN = sum(BITS[name] for name in formats.PLAIN_NUMBERS)


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """How one text column is read. ``type`` is Arrow's name, ``format`` a name of `formats.FORMATS`, 'text' or 'any…'.

    ``null_tokens`` are the words (lower case) read as no value, ``unit`` is '£', '$', '€', '%' or '', ``note`` tells
    what was assumed. ``firm``: values that were not looked at can change this plan only by failing its cast.
    """

    name: str
    type: str
    format: str
    null_tokens: tuple[str, ...] = ()
    unit: str = ""
    note: str = ""
    firm: bool = field(default=True, compare=False)


def order_of(plan: ColumnPlan) -> str:
    """'dmy' or 'mdy' if the plan reads dates in that order, else ''."""
    return next((order for order in sorted(_ORDERS) if f" {order}" in plan.format), "")


def settled(plans: Sequence[ColumnPlan]) -> bool:
    """Whether plans from the first rows hold for all rows if every value passes its cast."""
    return all(p.firm for p in plans)


# ── what the values say ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Facts:
    """One column's values. ``fits``: bits of the formats they all fit; ``shows``: bits that some value has.

    ``tokens``: the null tokens among them. ``counter``: the values are 1, 2, … in some order.
    """

    name: str
    fits: int
    shows: int
    tokens: tuple[str, ...]
    counter: bool
    seen: bool


def _scan(
    con: duckdb.DuckDBPyConnection, relation: str, alive: Mapping[str, int], rows: int | None
) -> tuple[dict[str, _Facts], int]:
    """Facts of columns over the first ``rows`` rows or over all of them, and the number of rows."""
    if not alive:
        return {}, 0
    head, names = _head(relation, alive, rows), list(alive)
    counters = _counters(con, head, [n for n, bits in alive.items() if is_code(n) and bits & BITS["integer"]])
    # One column under the other: the engine compiles the many patterns once, not once for each column.
    mask = formats.mask_sql("v", functools.reduce(operator.or_, alive.values()))
    listed = ", ".join(map(quote, names))
    stacked = f"SELECT unnest(range({len(names)})) AS k, unnest([{listed}]) AS v FROM {head}"
    found = con.execute(
        f"SELECT k, count(*), bit_and(m), bit_or(m), histogram(CASE WHEN m IS NULL THEN lower(v) END) "
        f"FROM (SELECT k, v, {mask} AS m FROM ({stacked})) GROUP BY k"
    ).fetchall()
    by_name = {names[k]: rest for k, *rest in found}
    facts, count = {}, 0
    for name, bits in alive.items():
        count, fits, shows, tokens = by_name.get(name, (0, None, None, None))
        held = bits if fits is None else fits & bits
        facts[name] = _Facts(name, held, shows or 0, _told(tokens), counters.get(name, False), seen=fits is not None)
    return facts, count


def _head(relation: str, names: Iterable[str], rows: int | None) -> str:
    limit = "" if rows is None else f" LIMIT {rows}"
    return f"(SELECT {', '.join(map(quote, names))} FROM {relation}{limit})"


def _counters(con: duckdb.DuckDBPyConnection, relation: str, names: Sequence[str]) -> dict[str, bool]:
    if not names:
        return {}
    row = con.execute(f"SELECT {', '.join(_counter_sql(quote(n)) for n in names)} FROM {relation}").fetchall()[0]
    return dict(zip(names, row, strict=True))


def _told(tokens: Mapping[str, int] | None) -> tuple[str, ...]:
    return tuple(sorted(t for t in tokens or {} if t))


def _counter_sql(c: str) -> str:
    """SQL: 1 … n in any order, by bounds and the first two power sums (a list would have to be made to deceive)."""
    n, v = f"count({c})::HUGEINT", f"CASE WHEN strlen({c}) <= 9 THEN TRY_CAST({c} AS HUGEINT) END"
    sums = f"sum({v}) * 2 = {n} * ({n} + 1) AND sum(({v}) * ({v})) * 6 = {n} * ({n} + 1) * (2 * {n} + 1)"
    return f"coalesce(min({v}) = 1 AND max({v}) = {n} AND count({v}) = {n} AND {sums}, false)"


def _gather(
    con: duckdb.DuckDBPyConnection, relation: str, names: Sequence[str], sample_rows: int | None
) -> tuple[dict[str, _Facts], bool]:
    """Facts, and whether they are of all rows.

    A few rows name a candidate for each column, which a cheap scan over more rows verifies; only columns that it
    refutes, or that are open, are looked at in full.
    """
    facts, rows = _scan(con, relation, dict.fromkeys(names, _EVERY), FEW_ROWS)
    if not names or rows < FEW_ROWS:
        return facts, True
    for more in (FIRST_ROWS, None) if sample_rows is None else (sample_rows,):
        chosen = {n: c for n, f in facts.items() if (c := _candidate(f)) is not None}
        held = _verified(con, relation, facts, {n: c for n, c in chosen.items() if c is not formats.TEXT}, more)
        unsettled = {n: f.fits for n, f in facts.items() if n not in held and chosen.get(n) is not formats.TEXT}
        facts |= held | _scan(con, relation, unsettled, more)[0]
    return facts, sample_rows is None


def _verified(
    con: duckdb.DuckDBPyConnection,
    relation: str,
    facts: Mapping[str, _Facts],
    chosen: Mapping[str, Format],
    rows: int | None,
) -> dict[str, _Facts]:
    """Facts of the first or of all rows, for the columns whose every value fits the candidate or is a null token."""
    if not chosen:
        return {}
    odd = f"CASE WHEN {formats.is_null_token_sql('@')} THEN lower(@) ELSE {literal(_ODD)} END"
    seen = [
        formats.at(f"histogram(CASE WHEN @ IS NULL OR {f.fits} THEN NULL ELSE {odd} END)", quote(n))
        for n, f in chosen.items()
    ]
    row = con.execute(f"SELECT {', '.join(seen)} FROM {_head(relation, chosen, rows)}").fetchall()[0]
    return {
        n: replace(facts[n], tokens=_told(tokens))
        for n, tokens in zip(chosen, row, strict=True)
        if _ODD not in (tokens or {})
    }


# ── plans ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def plan_columns(
    con: duckdb.DuckDBPyConnection,
    relation: str,
    names: Sequence[str],
    *,
    sample_rows: int | None = None,
    text: bool = False,
    types: Mapping[str, str] | None = None,
) -> tuple[ColumnPlan, ...]:
    """One plan for each of ``names``, columns of ``relation`` (SQL for FROM; all VARCHAR, trimmed, empty = NULL).

    ``sample_rows`` None looks at all rows. ``types`` are words by column (`engine_word`), with 'dmy' or 'mdy' after a
    date; ``text`` keeps all others as they are. Raises NotFoundError for a column that is not there and InvalidError
    for an unknown word, and for values that are not of the type asked for.
    """
    asked = {name: _asked(word) for name, word in (types or {}).items()}
    for name in asked:
        if name not in names:
            raise NotFoundError.named("column", name, names)
    looked_at = [n for n in names if (asked[n][0] != "string" if n in asked else not text and not stays_text(n))]
    facts, whole = _gather(con, relation, looked_at, sample_rows)
    plans = {n: _asked_plan(f, *asked[n]) if n in asked else _plan(f) for n, f in facts.items()}
    done = [plans.get(n) or ColumnPlan(n, "string", "text") for n in names]
    if not whole:
        return tuple(done)
    _check_asked(con, relation, [p for p in done if p.name in asked])
    return tuple(replace(p, firm=True) for p in done)


def _choose(facts: _Facts) -> tuple[Format, bool]:
    """The format of these values (text if none), and whether later values can only refute it."""
    fits, name = facts.fits, facts.name
    counter = is_code(name) and facts.counter
    if is_id(name):
        fits &= BITS["integer"]
    elif is_code(name) and not counter:
        fits &= ~_PLAIN
    if not facts.seen:
        return formats.TEXT, fits == 0
    firm = not counter
    for f in FORMATS.values():
        if fits & BITS[f.name] and f.needs and not any(facts.shows & BITS[sign] for sign in f.needs):
            firm = False
        elif fits & BITS[f.name]:
            return f, firm
    return formats.TEXT, firm


def _candidate(facts: _Facts) -> Format | None:
    """The format that a look at the other rows can only confirm or refute; None when they must choose."""
    f, firm = _choose(facts)
    return f if firm and not _either_order(facts, f) else None


def _either_order(facts: _Facts, f: Format) -> bool:
    return bool(facts.fits & BITS.get(formats.twin(f.name), 0))


def _plan(facts: _Facts) -> ColumnPlan:
    f, firm = _choose(facts)
    if f is formats.TEXT:
        return ColumnPlan(facts.name, "string", "text", firm=firm)
    if _either_order(facts, f):
        return ColumnPlan(facts.name, "string", "text", note=_doubt(facts.name, f), firm=False)
    header = next((c for c in CURRENCIES if c in facts.name), "")  # 'Salary (£)'
    unit = f.unit or (header if f.type in {"int64", "double"} else "")
    return ColumnPlan(facts.name, f.type, f.name, facts.tokens, unit, _note(facts, f), firm)


def _note(facts: _Facts, f: Format) -> str:
    said = [f.note] if f.note else []
    if facts.tokens:
        said.append(f"{', '.join(map(literal, facts.tokens))} read as no value")
    return f"{facts.name}: {'; '.join(said)}" if said else ""


def _doubt(name: str, f: Format) -> str:
    kind = "timestamp" if f.type.startswith("timestamp") else "date"
    ways = " or ".join(f"--type {shlex.quote(f'{name}={kind} {order}')}" for order in ("dmy", "mdy"))
    return f"{name}: every {kind} can be read as day/month and as month/day, so it is kept as text; {ways} decides"


# ── types that are asked for ─────────────────────────────────────────────────────────────────────────────────────────

_WORDS = {
    "text": "string", "str": "string", "varchar": "string", "int": "int64", "integer": "int64", "bigint": "int64",
    "long": "int64", "number": "double", "real": "double", "float64": "double", "float32": "float",
    "boolean": "bool", "date": "date32[day]", "date32": "date32[day]", "timestamp": "timestamp[us]",
    "datetime": "timestamp[us]", "timestamptz": "timestamp[us, tz=UTC]", "time": "time64[us]",
}  # fmt: skip
_ORDERS = {"dmy", "mdy"}


def _asked(word: str) -> tuple[str, str]:
    """A user's word as Arrow type and order of day and month ('' when not said)."""
    if word in formats.ENGINES:
        return word, ""
    said = " ".join(word.casefold().split())
    kind, _, order = said.rpartition(" ")
    if order in _ORDERS and kind in {"", "date", "timestamp", "datetime"}:
        return _WORDS[kind or "date"], order
    if found := re.fullmatch(r"(?:decimal|decimal128|numeric)\((\d+), ?(\d+)\)", said):
        width, scale = int(found[1]), int(found[2])
        if 1 <= width <= 38 and scale <= width:
            return f"decimal128({width}, {scale})", ""
    kind = _WORDS.get(said, said)
    if kind not in formats.ENGINES:
        raise InvalidError(
            f"{word!r} is no type.",
            hint="One of: text, int, double, decimal(18,2), bool, date, date dmy, date mdy, timestamp, timestamptz.",
        )
    return kind, ""


def engine_word(word: str) -> str:
    """DuckDB's type for a user's word ('text', 'int', 'date dmy', 'decimal(18,2)', any Arrow name).

    Raises InvalidError for a word that is no type.
    """
    return formats.engine_name(_asked(word)[0])


def _asked_plan(facts: _Facts, kind: str, order: str) -> ColumnPlan:
    """A format of that type which the values fit, else all that a dataset's column of that type takes."""
    fitting = [
        f
        for f in FORMATS.values()
        if f.type == kind and facts.seen and facts.fits & BITS[f.name] and (not order or f" {order} " in f.name)
    ]
    if fitting and (order or not _either_order(facts, fitting[0])):
        f = fitting[0]
        return ColumnPlan(facts.name, kind, f.name, facts.tokens, f.unit, _note(facts, f), firm=False)
    return replace(plan_for(facts.name, kind, order=order), firm=False)


def _check_asked(con: duckdb.DuckDBPyConnection, relation: str, plans: Sequence[ColumnPlan]) -> None:
    if not plans:
        return
    counts = ", ".join(f"count(*) FILTER (NOT {fits_sql(p, quote(p.name))})" for p in plans)
    for plan, n in zip(plans, con.execute(f"SELECT {counts} FROM {relation}").fetchall()[0], strict=True):
        if n:
            day = plan.type in {"date32[day]", "timestamp[us]"} and plan.format == "any"
            kind = "date" if plan.type == "date32[day]" else "timestamp"
            order = f" If day and month are in doubt: '{plan.name}={kind} dmy' or '… {kind} mdy'." if day else ""
            raise InvalidError(
                f"Column {plan.name}: {n:,} value{'s'[: n != 1]} cannot be read as {plan.type}.",
                hint=f"Mend them, or keep the column as it is by not asking for a type.{order}",
                details={"column": plan.name, "type": plan.type, "misfits": n},
            )


# ── plans as SQL ─────────────────────────────────────────────────────────────────────────────────────────────────────


def plan_for(name: str, kind: str, *, unit: str = "", order: str = "") -> ColumnPlan:
    """The plan that reads text onto a dataset's column of an Arrow type, in every way of writing that is not in doubt.

    ``unit`` narrows amounts to one sign; ``order`` ('dmy', 'mdy') settles dates such as 03/04/2017, which otherwise do
    not fit. Null tokens are read as no value.
    """
    if formats.engine_name(kind) == "VARCHAR":
        return ColumnPlan(name, kind, "text")
    return ColumnPlan(name, kind, f"any {order}".strip(), formats.NULL_TOKENS, unit)


def _format(plan: ColumnPlan) -> Format:
    if plan.format.startswith("any"):
        return formats.any_format(plan.type, unit=plan.unit, order=plan.format[4:])
    return FORMATS.get(plan.format, formats.TEXT)


def _absent(plan: ColumnPlan) -> str:
    return f"(@ IS NULL OR {formats.is_null_token_sql('@', ('', *plan.null_tokens))})"


def fits_sql(plan: ColumnPlan, quoted: str) -> str:
    """SQL, never null: the value is one that the plan reads, or no value."""
    f = _format(plan)
    return "true" if f is formats.TEXT else formats.at(f"(coalesce({f.fits}, false) OR {_absent(plan)})", quoted)


def value_sql(plan: ColumnPlan, quoted: str) -> str:
    """SQL of the typed value; null where there is none and where the value does not fit (`odd_sql` tells which)."""
    f = _format(plan)
    return quoted if f is formats.TEXT else formats.at(f"CASE WHEN {f.fits} THEN {f.value} END", quoted)


def can_misfit(plan: ColumnPlan) -> bool:
    """Whether there are texts that the plan does not read."""
    return _format(plan) is not formats.TEXT


def odd_sql(plan: ColumnPlan, quoted: str, value: str) -> str:
    """SQL that is true where ``value``, which is `value_sql`'s of the column, is null because the text does not fit."""
    return f"({value} IS NULL AND {quoted} IS NOT NULL AND NOT {formats.at(_absent(plan), quoted)})"
