"""What to do about an error of SQL: the place under a caret, "did you mean", and one line to copy.

The engine's words stay as they are; what it suggests of its own inside (``pg_namespace``) is left out, and its long
lists of candidates are cut. The advice comes from the text as typed and quotes nothing but what the
reader wrote and the names of the catalog.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from workbench.errors import InvalidError, NotFoundError, QueryCancelledError, QueryTimeoutError
from workbench.lake.sql import versions
from workbench.lake.sql.advising.mistake import Advice, Known, Mistake
from workbench.lake.sql.advising.names import RULES
from workbench.lake.sql.advising.syntax import syntax
from workbench.lake.sql.typed.placeholders import Filled
from workbench.lake.tables.catalog import Catalog
from workbench.lake.tables.manifest import Manifest

MOST_CANDIDATES = 3
MOST_TABLES = 50  # whose columns are looked at when the text names none
WIDTH = 110  # characters of a line that are shown
_INTERNAL = re.compile(
    r"\n(?:Did you mean|Candidate tables:) \"?(?:pg_|sqlite_|duckdb_|pragma_|information_schema)[^\n]*"
)
_CANDIDATES = re.compile(rf"((?:\n\t[^\n]*){{{MOST_CANDIDATES + 1}}})((?:\n\t[^\n]*)+)")

__all__ = ["Known", "advise", "explain"]


def advise(
    sql: str, error: InvalidError | NotFoundError, known: Known, *, place: Callable[[int], int] | None = None
) -> None:
    """Put the caret, the question and the line to copy into an error that ``sql`` (as typed) met.

    ``error.message`` grows by the line and its caret; ``hint`` becomes the advice where there is one; ``details`` gets
    ``position``, ``line``, ``column``, ``length`` (characters; line and column from 1) and ``fix``. An error without a
    place in the text stays as it is. ``place``: from a byte of the text that the parser saw to a character of ``sql``.
    """
    if isinstance(error, QueryTimeoutError | QueryCancelledError) or "length" in error.details:
        return
    byte = error.details.get("position")
    at = None
    if isinstance(byte, int):
        at = place(byte) if place else len(sql.encode()[:byte].decode(errors="ignore"))
    mistake = Mistake(sql, error.message, at, known)
    found = _advice(mistake)
    _tidy(error)
    if found is not None:
        _apply(mistake, error, found)


def explain(
    sql: str | Filled,
    error: InvalidError | NotFoundError,
    catalog: Catalog,
    frames: Mapping[str, Any],
    *,
    of: Manifest | None = None,
) -> None:
    """`advise` with what the catalog knows of the tables that the text names, and of ``frames``.

    ``of``: the dataset whose rows a condition is about.
    """
    text = sql.sql if isinstance(sql, Filled) else sql
    names = catalog.names()
    asked = {*names, *(key.partition("·")[0].lower() for key in frames)}
    # What stands behind FROM, else any word that is a table: of a statement that does not parse only some is known.
    words = [name for name in Mistake(text.encode(errors="replace").decode(), "").sources() if name in asked]
    words = words or [word.lower() for word in re.findall(r"\w+", text)]
    columns = {of.name: [c.name for c in of.columns]} if of else {}
    columns |= {n: _columns(f) for key, f in frames.items() if (n := key.partition("·")[0]).lower() in words}
    chosen = [name for name in dict.fromkeys(words) if name in names] or names[: 0 if columns else MOST_TABLES]
    columns |= {name: [c.name for c in m.columns] for name in chosen if (m := catalog.find(name))}
    known = Known(columns, [*columns, *(n for n in (*names, *(f for f in frames if "·" not in f)) if n not in columns)])
    seen = versions.rewrite_versions(text).sql

    def place(byte: int) -> int:
        at = _same_token(seen, text, len(seen.encode()[:byte].decode(errors="ignore")))
        return sql.origin(at) if isinstance(sql, Filled) else at

    advise(sql.typed if isinstance(sql, Filled) else sql, error, known, place=place)


def _same_token(seen: str, typed: str, at: int) -> int:
    """Where a token of the text with its versions rewritten stands in the text as typed."""
    if seen == typed:
        return at
    old, new = Mistake(seen, "").tokens, Mistake(typed, "").tokens
    token = next((t for t in old if t.end > at), old[-1])
    count = sum(t.text == token.text and t.start < token.start for t in old)
    same = [t.start for t in new if t.text == token.text]
    return same[min(count, len(same) - 1)] if same else 0


def _columns(frame: Any) -> list[str]:
    if isinstance(frame, list):
        return frame
    for attribute in ("column_names", "columns"):
        found = getattr(frame, attribute, None)
        if found is not None:
            return [str(name) for name in found]
    return []


def _advice(mistake: Mistake) -> Advice | None:
    if mistake.at is not None:
        return syntax(mistake)
    for pattern, rule in RULES:
        if told := pattern.search(mistake.words):
            return rule(mistake, told)
    return None


def _tidy(error: InvalidError | NotFoundError) -> None:
    words = _INTERNAL.sub("", error.message)

    def cut(found: re.Match[str]) -> str:
        more = found[2].count("\n\t")
        return f"{found[1]}\n\t… {more} more"

    error.message = _CANDIDATES.sub(cut, words)


def _apply(mistake: Mistake, error: InvalidError | NotFoundError, advice: Advice) -> None:
    sql, start = mistake.sql, advice.start
    begins = sql.rfind("\n", 0, start) + 1
    line, column = sql.count("\n", 0, start) + 1, start - begins + 1
    text = sql[begins:].split("\n", 1)[0].rstrip("\r")
    length = max(min(advice.end, begins + len(text)) - start, 1)
    fix = mistake.mended(advice)
    caret = _caret(text, column - 1, length, line, many=len(sql.strip().splitlines()) > 1)
    error.message = f"{error.message}\n\n{caret}"
    hint = advice.hint or (error.hint if not error.hint.startswith("At line") else "")
    error.hint = " ".join(part for part in (hint, fix and f"Write: {fix}") if part)
    error.details |= {"position": start, "line": line, "column": column, "length": length}
    error.details |= {"fix": fix} if fix else {}


def _caret(text: str, column: int, length: int, line: int, *, many: bool) -> str:
    """The line, cut around the place when it is long, and the caret under it."""
    text = text.replace("\t", " ")
    lead = f"{line}: " if many else ""
    if len(text) > WIDTH:
        first = max(min(column - WIDTH // 2, len(text) - WIDTH), 0)
        lead += "… " * (first > 0)
        text, column = text[first : first + WIDTH] + " …" * (first + WIDTH < len(text)), column - first
    return f"{lead}{text}\n{' ' * (len(lead) + column)}{'^' * min(length, max(len(text) - column, 1))}"
