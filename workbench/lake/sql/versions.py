"""Older snapshots in SQL: ``workers@2``, ``workers@'2026-11-01'``, ``workers AT (VERSION => 2)``.

The text is rewritten by the positions of the engine's own tokens, never by a pattern over it: what stands in strings,
comments, dollar quotes and quoted identifiers is not touched. The rewritten statement is what the guard judges.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from workbench.errors import InvalidError
from workbench.lake.tables.mapping import quote

_WORDS = ("today", "yesterday")
NEWEST = frozenset({"latest", "newest", "current", "last", "head", "now"})  # what people try; the name alone says it
MOST_DIGITS = 18
_DAY = r"\d{4}-?\d\d-?\d\d"


@dataclass(frozen=True, slots=True)
class TableRef:
    """A version that a statement names: by number (``version``) or by time (``at``, as written). ``alias`` is the name
    that stands for it in the rewritten text.
    """

    name: str
    version: int | None
    at: str | None
    alias: str


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A statement whose version references are plain table names, and what those names stand for."""

    sql: str
    tables: tuple[TableRef, ...] = ()


@dataclass(frozen=True, slots=True)
class _Token:
    start: int
    text: str
    kind: str
    glued: bool  # nothing stands between it and the token before


def rewrite_versions(sql: str) -> Rewritten:
    """Replace every version reference by a quoted name of its own. A statement without one comes back as it is."""
    if "@" not in sql and not re.search(r"\bat\s*\(", sql, re.IGNORECASE):
        return Rewritten(sql)
    raw = sql.encode()
    tokens = _tokens(raw)
    refs: list[TableRef] = []
    out: list[bytes] = []
    done = i = 0
    while i < len(tokens):
        found = _short(tokens, i) or _long(tokens, i)
        if found is None:
            i += 1
            continue
        ref, after = found
        out += [raw[done : tokens[i].start], _named(ref, tokens, after).encode()]
        done = tokens[after - 1].start + len(tokens[after - 1].text.encode())
        refs.append(ref)
        i = after
    return Rewritten((b"".join(out) + raw[done:]).decode(), tuple(refs))


def _tokens(raw: bytes) -> list[_Token]:
    starts = [(start, str(kind).rpartition(".")[2]) for start, kind in duckdb.tokenize(raw.decode())]
    ends = [start for start, _ in starts[1:]] + [len(raw)]
    out: list[_Token] = []
    before = -1
    for (start, kind), end in zip(starts, ends, strict=True):
        text = raw[start:end].decode().rstrip()
        if kind == "comment":
            before = -1
            continue
        out.append(_Token(start, text, kind, glued=start == before))
        before = start + len(text.encode())
    return out


def _is_name(token: _Token) -> bool:
    return token.kind == "identifier" and bool(re.match(r'["\w]', token.text))


def _is_table(tokens: Sequence[_Token], i: int) -> bool:
    """A name that may be a table's. Of the engine's keywords (name, data, …) only one that stands where tables do."""
    before = tokens[i - 1].text.casefold() if i else ""
    if before == ".":
        return False
    return _is_name(tokens[i]) or (tokens[i].kind == "keyword" and before in {"from", "join"})


def _number(text: str) -> int | None:
    if not re.fullmatch("[0-9]+", text):
        return None
    if len(text) > MOST_DIGITS:
        raise InvalidError(f"No dataset has as many versions as {text[:20]}….", hint="lh snapshots NAME")
    return int(text)


def _short(tokens: Sequence[_Token], i: int) -> tuple[TableRef, int] | None:
    """``name@version`` with nothing between."""
    if i + 2 >= len(tokens) or not _is_table(tokens, i):
        return None
    at, value = tokens[i + 1], tokens[i + 2]
    if at.text != "@" or not at.glued or not value.glued:
        return None
    name = _plain(tokens[i].text)
    number = _number(value.text) if value.kind == "numeric_const" else None
    if number is not None:
        return TableRef(name, number, None, f"{name}@{number}"), i + 3
    text = _text(value)
    if text is None:
        return None
    return TableRef(name, None, text, f"{name}@{text}"), i + 3


def _long(tokens: Sequence[_Token], i: int) -> tuple[TableRef, int] | None:
    """``name AT (VERSION => 2)``, ``name AT (TIMESTAMP => '2026-11-01')``."""
    if i + 6 >= len(tokens) or not _is_table(tokens, i) or tokens[i + 1].text.casefold() != "at":
        return None
    words = [t.text.casefold() for t in tokens[i + 1 : i + 8]]
    arrow = "".join(words[3:5]) if words[3] == "=" else words[3]
    width = 5 if words[3] == "=" else 4
    if words[1] != "(" or arrow != "=>" or words[2] not in {"version", "timestamp"} or i + 2 + width >= len(tokens):
        return None
    value, close = tokens[i + 1 + width], tokens[i + 2 + width]
    if close.text != ")":
        return None
    name, after = _plain(tokens[i].text), i + 3 + width
    number = _number(value.text) if words[2] == "version" else None
    if number is not None:
        return TableRef(name, number, None, f"{name}@{number}"), after
    text = _text(value)
    return (TableRef(name, None, text, f"{name}@{text}"), after) if text and words[2] == "timestamp" else None


def _text(token: _Token) -> str | None:
    if token.kind == "string_const" and token.text.startswith("'") and token.text.endswith("'"):
        return token.text[1:-1].replace("''", "'")
    return token.text if token.text.casefold() in _WORDS else None


def _plain(text: str) -> str:
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


def _named(ref: TableRef, tokens: Sequence[_Token], after: int) -> str:
    """The quoted alias; where the statement says ``workers.city`` and gives no alias of its own, under the old name."""
    follows = tokens[after] if after < len(tokens) else None
    aliased = follows is not None and (follows.text.casefold() == "as" or _is_name(follows))
    wanted = any(
        _is_name(t) and _plain(t.text).casefold() == ref.name.casefold() and tokens[i + 1].text == "."
        for i, t in enumerate(tokens[:-1])
    )
    return f"{quote(ref.alias)} AS {quote(ref.name)}" if wanted and not aliased else quote(ref.alias)


def parse_ref(ref: str) -> tuple[str, int | None, dt.datetime | None]:
    """``workers``, ``workers@2``, ``workers@2026-11-01``, ``workers@yesterday`` → (name, version, moment)."""
    name, at, version = ref.strip().partition("@")
    if not at:
        return name, None, None
    number = _number(version)
    if number is not None:
        return name, number, None
    return name, None, moment(version.strip("'\""))


def ref_sql(ref: str) -> str:
    """A reference as it stands in SQL: ``workers@'2026-11-01'``."""
    name, at, version = ref.strip().partition("@")
    if not at or _number(version) is not None:
        return f"{quote(name)}{at}{version}"
    plain = version.strip("'\"")
    moment(plain)
    return f"{quote(name)}@'{plain}'"


def moment(text: str, *, now: dt.datetime | None = None) -> dt.datetime:
    """The moment that a version's time means, with a time zone.

    A day means its end, so ``@'2026-11-01'`` is how things stood when that day was over; a time without a zone is the
    reader's own. 'today' and 'yesterday' are such days. Raises InvalidError for anything else.
    """
    word = text.strip().casefold()
    try:
        if word in _WORDS:
            return _end_of((now or dt.datetime.now().astimezone()).date() - dt.timedelta(days=_WORDS.index(word)), now)
        if re.fullmatch(_DAY, word):
            return _end_of(dt.date.fromisoformat(word), now)
        if re.match(_DAY, word):  # a week is ISO too, and nobody means it
            return _placed(dt.datetime.fromisoformat(text.strip()), now)
    except (ValueError, OverflowError):
        pass  # 30 February: no version either
    raise InvalidError(
        f"{text[:80]!r} is no version: neither a number nor a time.",
        hint="The newest version is the name alone: workers"
        if word in NEWEST
        else "workers@2, workers@'2026-11-01', workers@'2026-11-01 14:30', workers@yesterday",
    )


def _end_of(day: dt.date, now: dt.datetime | None) -> dt.datetime:
    return _placed(dt.datetime.combine(day, dt.time.max), now)


def _placed(when: dt.datetime, now: dt.datetime | None) -> dt.datetime:
    """A time without a zone is in the reader's, by the rules of that day (summer time), not of today."""
    if when.tzinfo:
        return when
    return when.replace(tzinfo=now.tzinfo) if now else when.astimezone()
