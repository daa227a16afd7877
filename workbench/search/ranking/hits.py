"""Hits: the rows a search found, each with what its score is made of and the words that speak for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from workbench.search.lexical.question import Matched, Question, matched
from workbench.search.ranking.fusion import Part

_SNIPPET_CHARS = 160
_LEAD_CHARS = 40

Id = int | str


@dataclass(frozen=True)
class Hit:
    """One row: its ``id`` and ``score`` 0 … 1, which is Σ weight × value over its ``parts`` and nothing else.

    ``question`` and ``text`` (as it may be shown, on one line) are what its reasons are read from, when somebody asks
    for them; ``trade``: what occupation it shares with the query, in words, or "".
    """

    id: Id
    score: float
    parts: tuple[Part, ...]
    question: Question
    text: str = ""
    trade: str = ""

    @cached_property
    def _found(self) -> tuple[Matched, ...]:
        return matched(self.question, self.text)

    @property
    def matched(self) -> tuple[str, ...]:
        """The query's words that stand in its text, as they were typed."""
        return _said(self.question, self._found)

    @property
    def snippet(self) -> str:
        """Its text around the first of these words."""
        return _snippet(self.text, self._found)

    @property
    def why(self) -> str:
        """The reasons in one line."""
        words = f"has {', '.join(self.matched)}" if self.matched else "shares no word"
        values = [f"{part.name} {part.value:.2f} × {part.weight:.2f}" for part in self.parts if part.weight]
        return " · ".join([words, *([self.trade] if self.trade else []), " + ".join(values)])

    def to_dict(self) -> dict[str, Any]:
        """JSON form, without the row's own columns."""
        return {
            "id": self.id,
            "score": self.score,
            "parts": [part.to_dict() for part in self.parts],
            "matched": list(self.matched),
            "trade": self.trade,
            "snippet": self.snippet,
            "why": self.why,
        }


def hit(key: Id, score: float, parts: tuple[Part, ...], question: Question, text: str, trade: str = "") -> Hit:
    """The hit for row ``key`` with its ``text`` as it may be shown (masked or not)."""
    return Hit(key, score, parts, question, " ".join(text.split()), trade)


def _said(question: Question, found: tuple[Matched, ...]) -> tuple[str, ...]:
    """The words of ``question``, as they were typed, that were ``found``, in the order of the question."""
    present = {one.term for one in found}
    terms = [term for term in question.terms if term.term in present]
    covered = {part for term in terms for part in term.covers}
    return tuple(dict.fromkeys(term.word for term in terms if term.term not in covered))


def _snippet(flat: str, found: tuple[Matched, ...]) -> str:
    """At most 160 characters of ``flat`` around the first word that was ``found`` in it, else its beginning."""
    if len(flat) <= _SNIPPET_CHARS:
        return flat
    first = found[0].start if found else 0
    start = 0 if first <= _LEAD_CHARS else flat.rfind(" ", 0, first - _LEAD_CHARS // 2) + 1
    end = start + _SNIPPET_CHARS - 2
    return ("…" if start else "") + flat[start:end].rstrip() + ("…" if end < len(flat) else "")
