"""Where a text that is to leave the machine holds something personal, and which value it is."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from workbench.pii import Kind, find
from workbench.pii.roster import Roster

PERSON, WORKER = "PERSON", "WORKER"
LABELS: Mapping[Kind, str] = {
    Kind.NAME: PERSON,
    Kind.PHONE: "PHONE",
    Kind.EMAIL: "EMAIL",
    Kind.SSN: "SSN",
    Kind.ADDRESS: "ADDRESS",
    Kind.BIRTH_DATE: "BIRTHDATE",
    Kind.CARD: "CARD",
    Kind.ACCOUNT: "ACCOUNT",
    Kind.KEY: "SECRET",
}
"""What a value of each kind is called when it is hidden."""
ALL_LABELS = (WORKER, *LABELS.values())

_DEPTH = 3  # JSON in a string in a string
_ESCAPE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[\"\\/bfnrt]")
# The id of a worker is no kind of personal data by itself, but it leads to the person: in any spelling that is read as
# one, in digits of any script. Without a hyphen or the word id it is a number of three digits and more.
_HYPHEN = "-_\u00ad\u2010-\u2015\u2212\uff0d"
_SAID = r"(?:worker|employee|candidate)"
_IDS = re.compile(
    rf"(?<![^\W_])(?P<id>[Ww\uff37\uff57](?:[{_HYPHEN}]\d{{1,18}}|[ #]?\d{{3,18}}))(?![^\W_])"
    rf"|(?i:{_SAID}(?:[ _-]?(?:id|no\.?|number)|[ ]?\#)[\"']?\s{{0,3}}[:=]?\s{{0,3}}[\"']?"
    r"(?P<number>\d{1,18})(?![^\W_]))"
    rf"|(?i:{_SAID}s?[ _-]?(?:ids|nos\.?|numbers)[\"']?\s{{0,3}}[:=]?\s{{0,3}}\[?\s{{0,3}}[\"']?"
    r"(?P<numbers>\d{1,18}(?:[\"']?\s{0,3}(?:,|;|&|and)\s{0,3}[\"']?\d{1,18})*)(?![^\W_]))"
    rf"|(?i:{_SAID}s?[ ](?P<bare>\d{{3,18}}(?:[ ]?(?:,|&|and)[ ]?\d{{3,18}})*)(?![^\W_]))"
)
_DIGITS = re.compile(r"\d+")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
# The key between two parts of a name: {"first": "Jane", "last": "Doe"}.
_KEY = re.compile(
    r"\\?['\"]?[ \t]*[,;|]?\s*\\?['\"]?(?:(?:first|middle|last|given|family) )?\w+\\?['\"]?[ \t]*[:=][ \t]*\\?['\"]?",
    re.IGNORECASE,
)
# What a JSON string cannot hold as it is never becomes part of a value that is put back.
_CUT = re.compile(r"\\+[\"\\/bfnrt]|\\(?!u[0-9a-fA-F]{4})|[\"\x00-\x1f]")
_CORE = re.compile(r"[(+]?\w(?:.*\w)?", re.DOTALL)
_LETTERS = re.compile(r"[^\W\d_]+")
_LEAST_ALONE = 3  # letters
# Names that are, far more often, another word; a date must stay one.
_ORDINARY = frozenset(
    "will may april june august january february march july september october november december the and van".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Characters ``start`` to ``end`` of a text (end excluded) hold what is called ``label``."""

    start: int
    end: int
    label: str


def places(texts: Sequence[str], roster: Roster) -> list[list[Place]]:
    """What is personal in each text, in order and apart: known people, what `pii.find` finds, ids of workers; and the
    words of a full name that stands in any of the texts, where they stand alone and with a capital.
    """
    found = [_settled(_found(text, roster)) for text in texts]
    alone = _words_of_names(texts, found)
    if not alone:
        return found
    return [_settled([*spots, *_alone(text, alone)]) for text, spots in zip(texts, found, strict=True)]


def parts(text: str, place: Place) -> Iterator[tuple[int, int]]:
    """The place without what is no part of a value: keys of a struct between two names, quotes, ends of lines."""
    start, end = _whole_words(text, place)
    seams = [match.span() for match in _KEY.finditer(text, start, end)] if place.label == PERSON else []
    for left, right in _between(start, end, seams):
        for begin, stop in _between(left, right, [match.span() for match in _CUT.finditer(text, left, right)]):
            if core := _CORE.search(text, begin, stop):
                yield core.span()


def same(label: str, value: str) -> str:
    """Equal for two ways to write one value: ``Doe, Jane`` and ``JANE DOE``, ``W-12`` and ``12``."""
    low = _folded(value)
    if label == PERSON:
        last, comma, first = low.partition(",")
        return " ".join(_LETTERS.findall(f"{first} {last}" if comma else low))
    squeezed = "".join(sign for sign in low if sign.isalnum())
    if label == WORKER:
        return squeezed.removeprefix("w")
    if label == LABELS[Kind.PHONE]:
        return "".join(sign for sign in squeezed if sign.isdecimal())[-10:] or squeezed
    return low if label in {LABELS[Kind.KEY], LABELS[Kind.EMAIL]} else squeezed


def unescaped(text: str) -> tuple[str, list[int], list[int]]:
    """The text without the escapes of a JSON string, and where each of its characters begins and ends in ``text``."""
    return _resolved(text, _ESCAPE, lambda escape: str(json.loads(f'"{escape}"')))


def _without_entities(text: str) -> tuple[str, list[int], list[int]]:
    """The same for the entities of HTML, one character each."""
    return _resolved(text, _ENTITY, lambda entity: one if len(one := html.unescape(entity)) == 1 else entity)


def _resolved(text: str, pattern: re.Pattern[str], meant: Callable[[str], str]) -> tuple[str, list[int], list[int]]:
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for match in pattern.finditer(text):
        start, end = match.span()
        letters = meant(match[0])
        pieces += [text[done:start], letters]
        starts += range(done, start)
        ends += range(done + 1, start + 1)
        if letters == match[0]:
            starts += range(start, end)
            ends += range(start + 1, end + 1)
        else:
            starts += [start] * len(letters)
            ends += [end] * len(letters)
        done = end
    pieces.append(text[done:])
    starts += range(done, len(text))
    ends += range(done + 1, len(text) + 1)
    return "".join(pieces), starts, ends


def _found(text: str, roster: Roster, depth: int = 0) -> Iterator[Place]:
    for span in (*roster.find_names(text), *roster.find_values(text), *find(text)):
        yield Place(span.start, span.end, LABELS[span.kind])
    for start, end in _worker_ids(text):
        yield Place(start, end, WORKER)
    for sign, resolved in (("\\", unescaped), ("&", _without_entities)):
        if sign in text and depth < _DEPTH:
            plain, starts, ends = resolved(text)
            inner = _found(plain, roster, depth + 1) if plain != text else ()
            yield from (Place(starts[one.start], ends[one.end - 1], one.label) for one in inner)


def _worker_ids(text: str) -> Iterator[tuple[int, int]]:
    for match in _IDS.finditer(text):
        if match["id"]:
            yield match.span("id")
        else:
            yield from (one.span() for one in _DIGITS.finditer(text, *match.span(match.lastgroup or 0)))


def _settled(found: Iterable[Place]) -> list[Place]:
    """In order; those that overlap as one, called as the first. To the roster the id of a worker may be an account."""
    settled: list[Place] = []
    for place in sorted(found, key=lambda one: (one.start, -one.end, one.label != WORKER)):
        if settled and place.start < settled[-1].end:
            last = settled[-1]
            settled[-1] = Place(last.start, max(last.end, place.end), last.label)
        else:
            settled.append(place)
    return settled


def _words_of_names(texts: Sequence[str], found: Sequence[Sequence[Place]]) -> frozenset[str]:
    names = (
        unescaped(text[left:right])[0]
        for text, spots in zip(texts, found, strict=True)
        for place in spots
        if place.label == PERSON
        for left, right in parts(text, place)
    )
    words = (word for name in names for word in _LETTERS.findall(_folded(name)))
    return frozenset(word for word in words if len(word) >= _LEAST_ALONE and word not in _ORDINARY)


def _alone(text: str, words: Collection[str]) -> Iterator[Place]:
    plain, starts, ends = unescaped(text) if "\\" in text else (text, None, None)
    for match in _LETTERS.finditer(plain):
        if match[0][0].upper() == match[0][0] and _folded(match[0]) in words:
            start, end = match.span()
            yield Place(starts[start] if starts else start, ends[end - 1] if ends else end, PERSON)


def _whole_words(text: str, place: Place) -> tuple[int, int]:
    """With the letters and digits that touch it, which would touch its placeholder too and make it another one."""
    start, end = place.start, place.end
    while start and _touches(text[start - 1]):
        start -= 1
    if start < place.start and start and text[start - 1] == "\\":  # the end of an escape, no letter
        start = min(place.start, start + (5 if text[start] == "u" else 1))
    while end < len(text) and _touches(text[end]):
        end += 1
    return start, end


def _touches(sign: str) -> bool:
    return sign.isascii() and sign.isalnum()


def _between(start: int, end: int, seams: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for left, right in seams:
        yield start, left
        start = right
    yield start, end


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in apart if unicodedata.category(sign) not in {"Mn", "Cf"}).casefold()
