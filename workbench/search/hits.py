"""Hits: the rows a search found, and why.

The score of a hit is the cosine between query and text, cut at 0: 1 means the same, 0 unrelated. It does not depend on
the other hits, so a caller can tell "nothing close" from "ten good ones".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

FARTHEST = 2.0
"""Cosine distance of opposite vectors; also given to rows without a text."""

_SNIPPET_CHARS = 160
_LEAD_CHARS = 40
_WORD = re.compile(r"[^\W_]+[+#]*")
# Words of English grammar and of asking; a match on them explains nothing.
_EMPTY_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    a about all an and any anyone are as at be but by can could do does find for from get give good has have he her his
    i in is it its just like look looking me near need needs no not of on one or our people person please she should
    show so some somebody someone than that the their them then there they this to us want we were what when where
    which who whom with within would you your
        """,
    )
)

Id = int | str


@dataclass(frozen=True, slots=True)
class Why:
    """Why a row was found: ``matched``, the query's words that stand in its text, and the ``cosine`` (−1 … 1)."""

    matched: tuple[str, ...]
    cosine: float

    def __str__(self) -> str:
        words = f"has {', '.join(self.matched)}" if self.matched else "shares no word"
        return f"{words} · cosine {self.cosine:.2f}"


@dataclass(frozen=True, slots=True)
class Hit:
    """One row: its ``id``, ``score`` 0 … 1 (higher is nearer), cosine ``distance`` 0 … 2; ``snippet`` and ``why`` when
    the caller gave the texts (``explain``).
    """

    id: Id
    score: float
    distance: float
    snippet: str = ""
    why: Why | None = None

    @classmethod
    def at(cls, key: Id, distance: float) -> Hit:
        """The hit for row ``key`` at cosine ``distance``."""
        return cls(key, min(max(1.0 - distance, 0.0), 1.0), distance)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: ``hits`` nearest first, out of ``matching`` rows; ``unknown`` allowed ids were not in the
    corpus (rows newer than it, or ids that do not exist).
    """

    hits: tuple[Hit, ...]
    matching: int
    unknown: int = 0


def explain(found: Found, query: str, texts: Mapping[Any, str]) -> Found:
    """``found`` with snippet and why for every hit whose id has a text in ``texts`` (id → text as embedded)."""
    return replace(found, hits=tuple(_explained(hit, query, texts.get(hit.id) or "") for hit in found.hits))


def why(query: str, text: str, cosine: float) -> Why:
    """The words of ``query`` found in ``text`` (without case, singular and plural alike, grammar words left out)."""
    present = {_stem(word) for word in _WORD.findall(text)}
    words: dict[str, str] = {}
    for word in _WORD.findall(query):
        if word.casefold() not in _EMPTY_WORDS:
            words.setdefault(_stem(word), word)
    return Why(tuple(word for stem, word in words.items() if stem in present), cosine)


def snippet(query: str, text: str) -> str:
    """At most 160 characters of ``text`` around the first word of ``query`` in it, else its beginning; on one line."""
    flat = " ".join(text.split())
    if len(flat) <= _SNIPPET_CHARS:
        return flat
    wanted = {_stem(word) for word in why(query, flat, 0.0).matched}
    first = next((word.start() for word in _WORD.finditer(flat) if _stem(word.group()) in wanted), 0)
    start = 0 if first <= _LEAD_CHARS else flat.rfind(" ", 0, first - _LEAD_CHARS // 2) + 1
    end = start + _SNIPPET_CHARS - 2
    return ("…" if start else "") + flat[start:end].rstrip() + ("…" if end < len(flat) else "")


def _stem(word: str) -> str:
    folded = word.casefold()
    return folded[:-1] if len(folded) > 3 and folded.endswith("s") and not folded.endswith("ss") else folded


def _explained(hit: Hit, query: str, text: str) -> Hit:
    if not text.strip():
        return hit
    return replace(hit, snippet=snippet(query, text), why=why(query, text, 1.0 - hit.distance))
