"""Words: how a text is cut into the terms of the lexical index, the same for texts, questions, phrases and highlights.

A text becomes *parts* in order (their numbers are the positions of phrases) and *joined* terms on the side:

- accents and case are folded (``Résumé`` → ``resume``), plurals, possessives, -ing and -ed lightly stemmed (``stem``);
- ``C++``, ``C#``, ``.NET``, ``1st``, ``1,000`` and ``C.D.L.`` (→ ``cdl``) stay one part;
- letters and digits part company, so ``OSHA-30``, ``OSHA 30`` and ``osha30`` are all ``osha`` ``30`` and joined
  ``osha30``; ``hi-lo`` is ``hi`` ``lo`` and joined ``hilo``, so that who writes ``hilo`` is found too.

Pure functions. Work is remembered per chunk of text, as a worker's résumé has few words that no other has: about 20 µs
for 45 words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

EMPTY_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    a about all also an and any anybody anyone are as at be been but by can could did do does each every find folks
    for from gal gals get give good guy guys had has have he her him his how i if in into is it its just like look
    looking may me might must my near need needed needs no not of on one or our people person please shall she
    should show so some somebody someone such than that the their them then there these they this those to us very
    want wanted wants was we were what when where which who whom whose will with within would you your
        """,
    )
)
"""Words of English grammar and of asking (folded, not stemmed). Texts keep them, for phrases; questions drop them."""

_LONGEST = 64  # characters of a term; a longer one is cut, the same on both sides
_CHUNKS_KEPT = 1 << 17
# Possessive (++): nothing in a word is worth a second try, and that is a tenth of the time.
_WORD = r"\w++[\w\u0300-\u036f]*+"
_RUN = rf"{_WORD}(?:(?:['’.\-\u2010\u2011]|,(?=\d)){_WORD})*+"
# What is looked up at once: a run of linked words, a number after one space along with it ("OSHA 30").
_CHUNK = re.compile(rf"\.?{_RUN}[+#]{{0,2}}(?:[ \u00a0](?=\d){_RUN})?")
_PART = re.compile(
    r"\.net(?![^\W_])"
    r"|(?<![^\W_])(?:[^\W\d_]\.)+[^\W\d_](?![^\W_])"  # C.D.L
    r"|\d+(?:st|nd|rd|th)(?![^\W_])"
    r"|\d+(?:[.,]\d+)*"
    r"|(?<![^\W_])[a-z]{1,2}[+#]{1,2}(?![^\W_])"  # C++, C#, A+
    r"|[^\W\d_]+(?:['’][^\W\d_]+)*"
)
_TIGHT = frozenset(("", "-", "\u2010"))
_SPACES = frozenset((" ", "\u00a0"))
_LONGEST_RUN = 4  # parts: end-of-the-line still has one joined form
# Letters that Unicode does not take apart.
_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
_PLURAL_CAPITALS = re.compile("[A-Z]{2,}s")  # RNs, CDLs
# Words that only look inflected, where cutting would make them another word; and plurals the rules would miss.
_KNOWN = {word: word for word in ("news", "evening", "goods", "always", "during", "series", "lens", "morning")}
_KNOWN |= {"buses": "bus", "gases": "gas", "lenses": "lens", "used": "use", "using": "use", "mice": "mouse"}
_VOWEL = re.compile("[aeiouy]")
_DOUBLED = re.compile(r"([bdgmnprt])\1$")
# After a cut -ing or -ed these endings had an e: operat-e, licens-e, handl-e, manag-e, danc-e.
_LOST_E = re.compile(r"(?:at|[bcdfgkptz]l|iz|[vc]|ns|[adr]g|su|[cst]ur|[^aeiou]ul|[^aeiou]u)$")
_SHORT = re.compile(r"^[^aeiou]*[aeiouy][^aeiouwxy]$")  # driv-e, wir-e, pip-e


@dataclass(frozen=True, slots=True)
class Token:
    """One term of a text: characters ``start`` to ``end`` of it, ``position`` of its first part.

    ``raw`` is the folded word before stemming; ``covers`` are the parts of a joined term, () for a part.
    """

    term: str
    raw: str
    start: int
    end: int
    position: int
    covers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Chunk:
    tokens: tuple[Token, ...]  # parts in order, then joined terms; places count from the chunk's first character
    parts: int
    terms: frozenset[str]


def tokens(text: str) -> tuple[Token, ...]:
    """All terms of ``text`` in the order they stand, a joined term after its first part."""
    return tuple(_tokens(text))


def find_terms(text: str, wanted: Collection[str]) -> Iterator[Token]:
    """The tokens of ``text`` whose term is one of ``wanted``, as ``tokens`` gives them, at a fraction of its cost."""
    position = 0
    for match in _CHUNK.finditer(text):
        chunk = _chunk(match.group())
        if not chunk.terms.isdisjoint(wanted):
            yield from (one for one in _placed(chunk, match.start(), position) if one.term in wanted)
        position += chunk.parts


def index_terms(text: str) -> tuple[str, str]:
    """(parts, joined terms) of ``text``, each separated by one space: what the index keeps of it."""
    pairs = list(map(_chunk_terms, _CHUNK.findall(text)))
    return " ".join([words for words, _ in pairs if words]), " ".join([joined for _, joined in pairs if joined])


def fold(text: str) -> str:
    """Without case, accents and width; what is folded folds to itself."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(_LETTERS)
    return "".join(letter for letter in plain if unicodedata.category(letter) != "Mn")


def stem(word: str) -> str:
    """The term of a folded English word: its singular, without -ing and -ed.

    Lighter than Porter's algorithm on purpose, which makes one term of operator and operations, universe and
    university, manager and management, general and generic; those are different people here.
    """
    if not (word.isascii() and word.isalpha()) or len(word) <= 3:
        return word
    return _KNOWN.get(word) or _uninflected(_singular(word))


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _uninflected(word: str) -> str:
    if word in _KNOWN:
        return _KNOWN[word]
    if word.endswith("ied") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("ing"):
        base = word[:-3]
    elif word.endswith("ed") and not word.endswith("eed"):
        base = word[:-2]
    else:
        return word
    if len(base) < 3 or not _VOWEL.search(base):
        return word
    if _DOUBLED.search(base):
        return base[:-1]
    return base + "e" if _LOST_E.search(base) or _SHORT.search(base) else base


def _tokens(text: str) -> Iterator[Token]:
    position = 0
    for match in _CHUNK.finditer(text):
        chunk = _chunk(match.group())
        yield from _placed(chunk, match.start(), position)
        position += chunk.parts


def _placed(chunk: _Chunk, start: int, position: int) -> Iterator[Token]:
    for one in sorted(chunk.tokens, key=lambda token: (token.position, len(token.covers))):
        yield Token(one.term, one.raw, one.start + start, one.end + start, one.position + position, one.covers)


@lru_cache(_CHUNKS_KEPT)
def _chunk(text: str) -> _Chunk:
    folded, origin = _folded(text)
    parts: list[Token] = []
    places: list[tuple[int, int]] = []
    for match in _PART.finditer(folded):
        start, end = origin[match.start()], origin[match.end() - 1] + 1
        raw = _plain(match.group()[: -1 if _PLURAL_CAPITALS.fullmatch(text, start, end) else None])
        parts.append(Token(stem(raw), raw, start, end, len(parts)))
        places.append(match.span())
    gaps = [folded[left[1] : right[0]] for left, right in pairwise(places)]
    found = (*parts, *_joined(parts, gaps))
    return _Chunk(found, len(parts), frozenset(token.term for token in found))


@lru_cache(_CHUNKS_KEPT)
def _chunk_terms(text: str) -> tuple[str, str]:
    chunk = _chunk(text)
    terms = [token.term for token in chunk.tokens]
    return " ".join(terms[: chunk.parts]), " ".join(terms[chunk.parts :])


def _folded(text: str) -> tuple[str, list[int] | range]:
    """``text`` folded, and for each character of that the one of ``text`` it came from."""
    if text.isascii():
        return text.lower(), range(len(text))
    pieces = [fold(letter) for letter in text]
    return "".join(pieces), [place for place, piece in enumerate(pieces) for _ in piece]


def _plain(part: str) -> str:
    if part.startswith("."):
        return part
    if part.endswith(("'s", "’s")):
        part = part[:-2]
    drop = "'’.," if not part[0].isdigit() else ","
    return part.translate(str.maketrans("", "", drop))[:_LONGEST]


def _joined(parts: list[Token], gaps: list[str]) -> Iterator[Token]:
    run = 0  # where the parts linked without a space begin
    for place, gap in enumerate([*gaps, "|"]):
        if place < len(gaps) and _linked(parts[place], parts[place + 1], gap):
            yield _join(parts[place : place + 2])
        if gap in _TIGHT:
            continue
        if 2 < place + 1 - run <= _LONGEST_RUN and not all(part.raw.isdigit() for part in parts[run : place + 1]):
            yield _join(parts[run : place + 1])
        run = place + 1


def _linked(left: Token, right: Token, gap: str) -> bool:
    if left.raw.isdigit() and right.raw.isdigit():
        return False
    if gap in _TIGHT:
        return True
    return gap in _SPACES and right.raw[0].isdigit() and left.raw.isalpha() and left.raw not in EMPTY_WORDS


def _join(parts: list[Token]) -> Token:
    raw = "".join(part.raw for part in parts)[:_LONGEST]
    covers = tuple(part.term for part in parts)
    return Token(stem(raw), raw, parts[0].start, parts[-1].end, parts[0].position, covers)
