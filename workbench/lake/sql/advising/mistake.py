"""A statement that was refused, as the rules of `advice` look at it: its tokens, and what is known around it."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import duckdb
from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from workbench.lake.sql.typed.edited import Edit, Edited

_ENDS_FROM = frozenset(
    {"select", "where", "on", "using", "group", "having", "qualify", "window", "order", "limit", "union", "except",
     "intersect"}
)  # fmt: skip
CLOSE = 65  # of 100: below this, two names are not alike (fuzz.ratio, and a transposition counts as one letter)


@dataclass(frozen=True, slots=True)
class Known:
    """What a statement could have meant: columns of the tables it names, and the names of all tables."""

    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    tables: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Token:
    """One of the engine's tokens, by characters."""

    start: int
    end: int
    text: str
    kind: str  # identifier, keyword, operator, string_const, numeric_const

    @property
    def low(self) -> str:
        """As keywords are compared."""
        return self.text.lower()

    @property
    def name(self) -> str:
        """A name without its quotes."""
        return self.text[1:-1].replace('""', '"') if self.text.startswith('"') else self.text

    @property
    def is_name(self) -> bool:
        """Whether it can be a name: the engine calls many of them keywords."""
        return self.kind in {"identifier", "keyword"} and bool(re.match(r'["\w‘“]', self.text))


@dataclass(frozen=True, slots=True)
class Advice:
    """Where it is wrong (characters), what to do, and the edits that mend it; none when only a person can know."""

    start: int
    end: int
    hint: str
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class Mistake:
    """The text as typed, the engine's words, and the place that it names, if it does."""

    sql: str
    words: str
    at: int | None = None
    known: Known = field(default_factory=Known)

    @cached_property
    def tokens(self) -> list[Token]:
        """The tokens of the statement without comments."""
        raw = self.sql.encode()
        starts = [(start, str(kind).rpartition(".")[2]) for start, kind in duckdb.tokenize(self.sql)]
        found = []
        for (start, kind), (end, _) in zip(starts, [*starts[1:], (len(raw), "")], strict=False):
            text = raw[start:end].decode(errors="replace").rstrip()
            begins = len(raw[:start].decode(errors="replace"))
            if kind != "comment":
                found.append(Token(begins, begins + len(text), text, kind))
        return found

    def index_at(self, offset: int) -> int:
        """The token that begins at a place, or the last before it."""
        return max((i for i, token in enumerate(self.tokens) if token.start <= offset), default=0)

    def find(self, name: str, *, before: str = "", after: str = "") -> int | None:
        """The first token of a name, without case; ``before`` and ``after`` are what must stand beside it."""
        for i, token in enumerate(self.tokens):
            if not (token.is_name and token.name.casefold() == name.casefold()):
                continue
            if before and (i == 0 or self.tokens[i - 1].low != before):
                continue
            if after and (i + 1 == len(self.tokens) or self.tokens[i + 1].low != after):
                continue
            return i
        return None

    def word(self, *words: str, start: int = 0) -> int | None:
        """The first token that is one of these words, outside brackets."""
        depth = 0
        for i, token in enumerate(self.tokens):
            depth += (token.text == "(") - (token.text == ")")
            if i >= start and not depth and token.low in words:
                return i
        return None

    def sources(self) -> list[str]:
        """The names that stand where a table is named, in lower case."""
        found, open_from, before = [], [False], ""
        for token in self.tokens:
            if token.text == "(":
                open_from.append(False)
            elif token.text == ")" and len(open_from) > 1:
                open_from.pop()
            elif token.low in {"from", "join"}:
                open_from[-1] = True
            elif token.low in _ENDS_FROM:
                open_from[-1] = False
            elif open_from[-1] and token.is_name and before in {"from", "join", ","}:
                found.append(token.name.lower())
            before = token.low
        return found

    def columns(self) -> list[str]:
        """Every column of the tables that the statement names."""
        return list(dict.fromkeys(c for columns in self.known.columns.values() for c in columns))

    def advice(self, first: int, hint: str, *edits: Edit, last: int | None = None) -> Advice:
        """Advice at a token, or from one to another."""
        end = self.tokens[first if last is None else last].end
        return Advice(self.tokens[first].start, end, hint, edits)

    def instead(self, index: int, text: str, hint: str) -> Advice:
        """Advice to write something else for a token."""
        token = self.tokens[index]
        return self.advice(index, hint, Edit(token.start, token.end, text))

    def mended(self, advice: Advice) -> str:
        """The line or lines that the advice changes, as they should be."""
        if not advice.edits:
            return ""
        new = Edited.of(self.sql, advice.edits).text
        # Lines before and after what changed are the same; only those between are shown.
        old, lines = self.sql.splitlines(), new.splitlines()
        first = next((i for i, (a, b) in enumerate(zip(old, lines, strict=False)) if a != b), 0)
        last = next((i for i, (a, b) in enumerate(zip(old[::-1], lines[::-1], strict=False)) if a != b), 0)
        return "\n".join(lines[first : max(len(lines) - last, first + 1)]).strip()


def near(name: str, names: Iterable[str], *, most: int = 3) -> list[str]:
    """Names that look like this one, the likest first."""
    known = {n.casefold(): n for n in names}
    found = process.extract(name.casefold(), list(known), scorer=_alike, limit=most, score_cutoff=CLOSE)
    return [known[choice] for choice, _, _ in found]


def _alike(one: Sequence[Hashable], other: Sequence[Hashable], /, *, score_cutoff: float | None = None) -> float:
    a, b = str(one), str(other)
    swapped = 100 * (1 - OSA.distance(a, b) / max(len(a), len(b), 1))
    # "avail" for "availability": what is cut off is forgiven, not what is added.
    begins = 80.0 if len(a) >= 4 and b.startswith(a) else 0.0
    score = max(swapped, fuzz.ratio(a, b), begins)
    return score if score >= (score_cutoff or 0) else 0


def did_you_mean(names: Sequence[str]) -> str:
    """The question, or nothing."""
    return f"Did you mean {' or '.join(names)}?" if names else ""
