"""SQL that is still being typed, as tokens: nothing raises, whatever the text, and ``{{x}}`` is one token.

The engine's own tokenizer is for whole statements: it gives byte positions, takes ``w.`` for a number and hides whether
a string was closed. Here a token knows its place in characters and whether it is finished.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from workbench.lake.tables.mapping import quote

_LETTER = r"(?:[A-Za-z_]|(?!\s)[\u0080-\U0010ffff])"
_TOKEN = re.compile(
    rf"""
      (?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))
    | (?P<place>\{{\{{(?:[^{{}}\n]*\}}\}}|\s*\w*\s*(?:!\s*\w*)?))
    | (?P<string>[eE]'(?:\\.|''|[^'\\])*(?:'|\Z)|'(?:''|[^'])*(?:'|\Z)|\$(?P<tag>[A-Za-z_]*)\$.*?(?:\$(?P=tag)\$|\Z))
    | (?P<quoted>"(?:""|[^"])*(?:"|\Z))
    | (?P<name>{_LETTER}(?:{_LETTER}|[0-9$])*)
    | (?P<number>[0-9][0-9_]*(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)
    | (?P<param>\$\w+|\?[0-9]*)
    | (?P<sign>::|->>|->|=>|<=|>=|<>|!=|==|\|\||\S)
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# DuckDB 2.0, duckdb_keywords(): the words that no name can be without quotes, and those that no column or table can.
_RESERVED = """
with where variadic unpivot union true using trailing to then table symmetric summarize create as into do initially
for describe desc window except offset in default column false collate returning constraint all case placing cast
analyse intersect asc analyze check having fetch when and only asymmetric on any array both group pivot_longer
primary lambda foreign lateral unique leading null distinct limit not from or order some pivot end pivot_wider
qualify else references deferrable select show
anti asof authorization binary by collation concurrently cross freeze full generated glob ilike inner is isnull join
left like map natural notnull outer overlaps positional right semi similar struct tablesample try_cast verbose at
columns tuple unpack
"""
RESERVED = frozenset(_RESERVED.split())


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of SQL: ``kind`` is a group of the pattern, or 'cursor' for what is being typed.

    ``word`` is what the engine compares: names in lower case, all else as written. ``glued``: nothing stands before it.
    """

    kind: str
    text: str
    start: int
    glued: bool = False
    word: str = ""

    @property
    def end(self) -> int:
        """The position after its last character."""
        return self.start + len(self.text)

    @property
    def closed(self) -> bool:
        """Whether a string, a quoted name, a block comment or a ``{{x}}`` has its end."""
        if self.kind == "comment":
            return self.text.startswith("/*") and self.text.endswith("*/") and len(self.text) > 3
        if self.kind == "place":
            return self.text.endswith("}}")
        if self.kind == "quoted":
            return len(self.text) > 1 and self.text.count('"') % 2 == 0
        if self.kind == "string" and self.text.startswith("'"):
            return len(self.text) > 1 and self.text.count("'") % 2 == 0
        return self.kind != "string" or (len(self.text) > 2 and self.text.endswith(("'", "$")))

    @property
    def named(self) -> str:
        """The name that a name or a quoted name says."""
        return self.text[1:].removesuffix('"' if self.closed else "").replace('""', '"') if self.quoted else self.text

    @property
    def quoted(self) -> bool:
        """Whether it is a name in double quotes."""
        return self.kind == "quoted"


def tokens(sql: str) -> list[Token]:
    """Every token of a text, comments included."""
    out: list[Token] = []
    end = -1
    for found in _TOKEN.finditer(sql):
        kind, text = found.lastgroup or "sign", found[0]
        if kind == "tag":  # a group inside the string's
            kind = "string"
        out.append(Token(kind, text, found.start(), found.start() == end, _word(kind, text)))
        end = found.end()
    return out


def _word(kind: str, text: str) -> str:
    return text.lower() if kind == "name" else text


@dataclass(frozen=True, slots=True)
class Typed:
    """A text around its cursor. ``tokens``: without comments, what is being typed replaced by a token 'cursor' (at
    index ``at``); ``current``: what is being typed, None between two tokens; ``start``: where it begins.
    """

    tokens: Sequence[Token]
    at: int
    current: Token | None
    start: int
    fragment: str


def typed(sql: str, at: int) -> Typed:
    """The tokens of ``sql`` around the cursor at character ``at``."""
    found = _repaired(sql, at)
    current = next((t for t in found if _holds(t, at)), None)
    start = current.start if current else at
    before = [t for t in found if t.end <= at and t is not current and t.kind != "comment"]
    after = [t for t in found if t.start >= at and t is not current and t.kind != "comment"]
    cursor = Token("cursor", "", start, glued=bool(before) and before[-1].end == start)
    return Typed([*before, cursor, *after], len(before), current, start, sql[start:at])


def _holds(token: Token, at: int) -> bool:
    """Whether the cursor is in a token, or at the end of one that may go on."""
    if not token.start < at <= token.end:
        return False
    if at < token.end:
        return token.kind != "sign"
    if token.kind == "comment":
        return not token.closed
    return token.kind in {"name", "number"} or (token.kind in {"string", "quoted", "place"} and not token.closed)


def _repaired(sql: str, at: int) -> list[Token]:
    """The tokens; what is quoted from before the cursor and never ends is taken to end at the cursor."""
    found = tokens(sql)
    quotes = {"string", "quoted"}
    inside = next((t for t in found if t.start < at <= t.end and t.kind in quotes), None)
    if inside is None or found[-1].closed or found[-1].kind not in quotes:
        return found
    cut = tokens(sql[:at])
    later = [replace(t, start=t.start + at) for t in tokens(sql[at:])]
    return cut + (later if not later or later[-1].closed else [])


def as_written(name: str) -> str:
    """A name as SQL takes it: quoted when it has to be."""
    return name if _PLAIN.fullmatch(name) and name.lower() not in RESERVED else quote(name)
