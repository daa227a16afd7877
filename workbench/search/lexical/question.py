"""Question: what is asked of the lexical index, as a value; and the words of a question that stand in a text.

``ask`` makes it from plain text without any syntax of its own: nothing a user types can be an error. Its *terms* rank;
its *needles* (``must``, ``must_not``, ``phrases``) are conditions that hold exactly or do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from workbench.search.lexical.words import EMPTY_WORDS, Token, find_terms, stem, tokens


@dataclass(frozen=True, slots=True)
class Term:
    """One term to rank by: ``term`` as indexed, ``word`` as it was typed.

    ``covers`` is () for a part. A joined term (``osha30`` of OSHA-30) covers its parts and counts only where the index
    has it. ``guessed``: nobody linked the parts (``fork lift``); it counts when the joined spelling is the usual one.
    """

    term: str
    word: str
    covers: tuple[str, ...] = ()
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class Needle:
    """A condition: the parts ``words`` stand in a row, or the joined term ``joined`` stands there ("" for none)."""

    words: tuple[str, ...]
    joined: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """``terms`` each once; every one of ``must`` and ``phrases`` has to hold and none of ``must_not``."""

    terms: tuple[Term, ...]
    must: tuple[Needle, ...] = ()
    must_not: tuple[Needle, ...] = ()
    phrases: tuple[Needle, ...] = ()


@dataclass(frozen=True, slots=True)
class Matched:
    """A word of a text that the question asks for: characters ``start`` to ``end``, ``word`` as it stands there."""

    word: str
    start: int
    end: int
    term: str


def ask(text: str, *, must: Iterable[str] = (), must_not: Iterable[str] = (), phrases: Iterable[str] = ()) -> Question:
    """The question ``text``, any string, with conditions already taken out of it.

    Words of grammar and asking are dropped, but not when they are written in capitals among others that are not ("IT
    support", "OR nurse"). Words of ``must`` and ``phrases`` rank too. A condition without any word says nothing and is
    left out.
    """
    must, phrases = tuple(must), tuple(phrases)
    terms: dict[str, Term] = {}
    for piece in (text, *phrases, *must):
        for term in _terms(piece):
            terms.setdefault(term.term, term)
    return Question(tuple(terms.values()), _needles(must), _needles(must_not), _needles(phrases))


def content(text: str) -> str:
    """``text`` without its words of grammar and asking; empty when there are no others."""
    shouted = text.isupper()
    kept = [token for token in tokens(text) if not token.covers and not _empty(text, token, shouted=shouted)]
    return " ".join(text[token.start : token.end] for token in kept)


def matched(question: Question, text: str) -> tuple[Matched, ...]:
    """The words of ``text`` that ``question`` asks for, in order, none overlapping, a joined form before its parts."""
    wanted = {term.term for term in question.terms}
    found: list[Matched] = []
    for token in sorted(find_terms(text, wanted), key=lambda token: (token.start, -token.end)):
        if not found or token.start >= found[-1].end:
            found.append(Matched(text[token.start : token.end], token.start, token.end, token.term))
    return tuple(found)


def _terms(text: str) -> Iterator[Term]:
    all_tokens = tokens(text)
    shouted = text.isupper()
    parts = [token for token in all_tokens if not token.covers and not _empty(text, token, shouted=shouted)]
    for token in parts:
        yield Term(token.term, text[token.start : token.end])
    for token in all_tokens:
        if token.covers:
            yield Term(token.term, text[token.start : token.end], token.covers)
    for left, right in pairwise(parts):
        word = text[left.start : right.end]
        if (
            right.position == left.position + 1
            and text[left.end : right.start] == " "
            and not _both_numbers(left, right)
        ):
            yield Term(stem(left.raw + right.raw), word, (left.term, right.term), guessed=True)


def _empty(text: str, token: Token, *, shouted: bool) -> bool:
    if token.raw not in EMPTY_WORDS:
        return False
    word = text[token.start : token.end]
    return shouted or len(word) < 2 or not word.isupper()


def _both_numbers(left: Token, right: Token) -> bool:
    return left.raw[0].isdigit() and right.raw[0].isdigit()


def _needles(texts: Iterable[str]) -> tuple[Needle, ...]:
    return tuple(needle for needle in map(_needle, texts) if needle.words)


def _needle(text: str) -> Needle:
    found = tokens(text)
    words = tuple(token.term for token in found if not token.covers)
    whole = [token.term for token in found if len(token.covers) == len(words) > 1]
    return Needle(words, whole[0] if whole else "")
