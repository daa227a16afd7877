"""Where code, strings, quoted names and comments stand in a text, by DuckDB's rules, before the text is SQL.

The engine's own tokens come after: a text with ``{{x}}`` in it is none of its own, so this reads the few marks that
decide what is quoted: '…' with '' inside, E'…' with backslashes, "…", $tag$…$tag$, -- to the end of the line and
/* … */, which nest. (Tried on DuckDB 2.0.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

CODE, STRING, NAME, COMMENT = "code", "string", "name", "comment"
_STARTS = re.compile(
    r"""(?P<escape>(?<![\w$])[eE]')|(?P<string>')|(?P<name>")|(?P<line>--)|(?P<block>/\*)"""
    r"""|(?P<dollar>(?<![\w$])\$(?:[^\W\d]\w*)?\$)"""
)
_ENDS = {
    "escape": re.compile(r"(?:[^'\\]|\\.|'')*(?:'|\Z)", re.DOTALL),
    "string": re.compile(r"(?:[^']|'')*(?:'|\Z)"),
    "name": re.compile(r'(?:[^"]|"")*(?:"|\Z)'),
    "line": re.compile(r"[^\n\r]*"),
}
_KINDS = {"escape": STRING, "string": STRING, "dollar": STRING, "name": NAME, "line": COMMENT, "block": COMMENT}
_NESTED = re.compile(r"/\*|\*/")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Characters ``start`` to ``end`` are of one kind: CODE, STRING, NAME (quoted) or COMMENT."""

    kind: str
    start: int
    end: int


def stretches(text: str) -> Iterator[Stretch]:
    """The whole text in stretches; one that is not closed goes on to the end."""
    done = 0
    while found := _STARTS.search(text, done):
        if found.start() > done:
            yield Stretch(CODE, done, found.start())
        how = found.lastgroup or ""
        end = _end(text, how, found)
        yield Stretch(_KINDS[how], found.start(), end)
        done = end
    if done < len(text):
        yield Stretch(CODE, done, len(text))


def _end(text: str, how: str, start: re.Match[str]) -> int:
    if how == "dollar":
        place = text.find(start[0], start.end())
        return len(text) if place < 0 else place + len(start[0])
    if how == "block":
        return _end_of_block(text, start.end())
    found = _ENDS[how].match(text, start.end())
    return found.end() if found else len(text)


def _end_of_block(text: str, done: int) -> int:
    depth = 1
    while depth:
        mark = _NESTED.search(text, done)
        if mark is None:
            return len(text)
        depth += 1 if mark[0] == "/*" else -1
        done = mark.end()
    return done
