"""Column types over text: decided on the values, never guessed.

A column is text unless every value fits one format (`workbench.lake.formats`). A plan made from the first rows is used
for all rows, because its cast raises at the first value that does not fit; then the caller plans again over all rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb

from workbench.errors import InvalidError, NotFoundError
from workbench.lake import formats
from workbench.lake.formats import BITS, FORMATS, Format
from workbench.lake.mapping import literal, quote

FIRST_ROWS = 20_000
_MISFIT = "lh misfit: "
_EVERY = sum(BITS[name] for name in FORMATS)
_PLAIN = sum(BITS[name] for name in formats.PLAIN_NUMBERS)


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """How one text column is read. ``type`` is Arrow's name, ``format`` a name of `formats.FORMATS`, 'text' or 'any…'.

    ``null_tokens`` are the words read as no value, ``unit`` is '£', '$', '€', '%' or '', ``note`` tells what was
    assumed. ``firm``: values that were not looked at can change this plan only by failing its cast.
    """

    name: str
    type: str
    format: str
    null_tokens: tuple[str, ...] = ()
    unit: str = ""
    note: str = ""
    firm: bool = field(default=True, compare=False)


def settled(plans: Sequence[ColumnPlan]) -> bool:
    """Whether plans from the first rows hold for all rows if every value passes its cast."""
    return all(p.firm for p in plans)


# ── what a name says ─────────────────────────────────────────────────────────────────────────────────────────────────

_KEPT = {
    "zip", "zipcode", "zips", "postal", "postcode", "postcodes", "phone", "phones", "telephone", "mobile", "cell",
    "cellphone", "fax", "tel", "ssn", "ein",
}  # fmt: skip
_CODES = {"nbr", "no", "code", "codes", "reference", "ref", "account", "acct"}
_REGISTERS = {"mcc", "sic", "naics", "fips", "isbn", "ean", "upc", "gtin", "sku", "npi"}
_MEASURES = {
    "total", "average", "avg", "mean", "max", "min", "maximum", "minimum", "count", "calls", "cost", "costs", "pages",
    "homes", "units", "users", "amount", "minutes", "usage", "spend", "charge", "charges", "bill", "price", "size",
    "volume", "ratio", "rate", "share", "length", "sum",
}  # fmt: skip


def _words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W\d_]+", spaced.casefold())


def _stays_text(name: str) -> bool:
    words = _words(name)
    return bool(_KEPT.intersection(words)) and not _MEASURES.intersection(words)


def _is_id(name: str) -> bool:
    return bool(re.fullmatch(r"(?:.*[ _.-])?id", name.casefold())) or bool(re.fullmatch(r".*[a-z]I[dD]", name))


def _is_code(name: str) -> bool:
    words = _words(name)
    if not words or _MEASURES.intersection(words):
        return False
    last_of_several = len(words) > 1 and words[-1] in {"number", "num"}
    return words[-1] in _CODES or last_of_several or bool(_REGISTERS.intersection(words))


# ── what the values say ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Facts:
    """One column's values. ``fits``: bits of the formats they all fit; ``shows``: bits that some value has."""

    name: str
    fits: int
    shows: int
    tokens: Mapping[str, int]
    counts: bool
    seen: bool


def _scan(
    con: duckdb.DuckDBPyConnection, relation: str, alive: Mapping[str, int], *, rows: int | None
) -> tuple[dict[str, _Facts], int]:
    """Facts of columns over the first ``rows`` rows or over all of them, and the number of rows: one aggregate scan."""
    if not alive:
        return {}, 0
    inner, outer = [], ["count(*)"]
    for i, (name, bits) in enumerate(alive.items()):
        c, m = f"c{i}", f"m{i}"
        inner.append(f"{quote(name)} AS {c}, {formats.mask_sql(quote(name), bits)} AS {m}")
        counts = "false"
        if _is_code(name):
            inner.append(f"count({quote(name)}) OVER (ROWS UNBOUNDED PRECEDING) AS k{i}")
            counts = f"coalesce(bool_and({c} = CAST(k{i} AS VARCHAR)), false)"
        outer.append(f"bit_and({m}), bit_or({m}), histogram(CASE WHEN {m} IS NULL THEN {c} END), {counts}")
    columns = ", ".join(quote(name) for name in alive)
    limit = "" if rows is None else f" LIMIT {rows}"
    source = f"(SELECT {columns} FROM {relation}{limit})"
    row = con.execute(f"SELECT {', '.join(outer)} FROM (SELECT {', '.join(inner)} FROM {source})").fetchall()[0]
    facts = {}
    for i, (name, bits) in enumerate(alive.items()):
        fits, shows, tokens, counts_up = row[1 + 4 * i : 5 + 4 * i]
        seen = fits is not None
        held = _EVERY if fits is None else fits
        facts[name] = _Facts(name, held & bits & _EVERY, shows or 0, tokens or {}, bool(counts_up), seen)
    return facts, row[0]


def _gather(
    con: duckdb.DuckDBPyConnection, relation: str, names: Sequence[str], sample_rows: int | None
) -> tuple[dict[str, _Facts], bool]:
    """Facts, and whether they are of all rows. Over all rows, only the columns that the first rows leave open."""
    alive = {n: _EVERY for n in names}
    first = FIRST_ROWS if sample_rows is None else sample_rows
    facts, rows = _scan(con, relation, alive, rows=first)
    if sample_rows is not None or rows < first:
        return facts, rows < first
    living = {n: f.fits for n, f in facts.items() if f.fits}
    return facts | _scan(con, relation, living, rows=None)[0], True


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

    ``sample_rows`` None looks at all rows, in one aggregate scan. ``types`` are words by column (`engine_word`), Arrow
    type names too; ``text`` keeps all others as they are. Raises NotFoundError for a column that is not there and
    InvalidError for an unknown word.
    """
    asked = {name: _word(word) for name, word in (types or {}).items()}
    for name in asked:
        if name not in names:
            raise NotFoundError.named("column", name, names)
    looked_at = [n for n in names if asked.get(n, "" if text or _stays_text(n) else "?") not in {"", "string"}]
    facts, whole = _gather(con, relation, looked_at, sample_rows)
    plans = {n: _asked_plan(f, asked[n]) if n in asked else _plan(f) for n, f in facts.items()}
    orders = _decided_orders(plans.values(), asked.values())
    done = [_resolved(plans[n], orders) if n in plans else ColumnPlan(n, "string", "text") for n in names]
    return tuple(replace(p, firm=True) for p in done) if whole else tuple(done)


def _plan(facts: _Facts) -> ColumnPlan:
    name, fits = facts.name, facts.fits
    counter = _is_code(name) and facts.counts
    if _is_id(name):
        fits &= BITS["integer"]
    elif _is_code(name) and not counter:
        fits &= ~_PLAIN
    if not facts.seen:
        return ColumnPlan(name, "string", "text", firm=fits == 0)
    firm = True
    for f in FORMATS.values():
        if not fits & BITS[f.name]:
            continue
        if f.needs and not any(facts.shows & BITS[sign] for sign in f.needs):
            firm = False
            continue
        if _twin(f) and fits & BITS[_twin(f)]:
            return ColumnPlan(name, f.type, f"{f.name}?", tuple(sorted(facts.tokens)), firm=False, note=_note(facts, f))
        return _fill(facts, f, firm=firm and not counter)
    return ColumnPlan(name, "string", "text", firm=firm)


def _fill(facts: _Facts, f: Format, *, firm: bool) -> ColumnPlan:
    tokens = tuple(sorted(facts.tokens))
    # The note counts rows, so first rows are not enough.
    return ColumnPlan(facts.name, f.type, f.name, tokens, f.unit, _note(facts, f), firm and not tokens)


def _note(facts: _Facts, f: Format) -> str:
    said = [f.note] if f.note else []
    said += [
        f"{literal(token)} read as no value in {n:,} row{'s'[: n != 1]}" for token, n in sorted(facts.tokens.items())
    ]
    return f"{facts.name}: {'; '.join(said)}" if said else ""


def _twin(f: Format) -> str:
    """The format with day and month the other way round, or ''."""
    if " dmy " in f.name:
        return f.name.replace(" dmy ", " mdy ")
    return ""


def _decided_orders(plans: Sequence[ColumnPlan] | object, asked: Sequence[str] | object) -> dict[str, set[str]]:
    raise AssertionError
