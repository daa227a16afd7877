"""Spelling: a query as typed, read into words that the corpus or the trade dictionary knows.

"hand paker" is read as "hand packer", "ord pkr" as "order picker", "FD agt" as "front desk agent". Only a word that
nobody knows is touched, and only when one reading is clearly better than leaving it and than every other; the words
beside it decide: of all that "pkr" may be short for, "order" stands before "picker". Every change is told.

Never touched: words in quotes and after operators, anything with a digit or a sign of its own (OSHA-30, CDL-A, C++),
known words, names that are passed in.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise

from workbench.search.lexical.words import EMPTY_WORDS, fold
from workbench.search.reading.asked import Asked, Item, Span, parse
from workbench.search.reading.vocabulary import Reading, Titles, Vocabulary, Why, usual_short_words, words_meant

__all__ = ["Change", "Read", "Spelling", "Titles", "Vocabulary"]

# A reading must be so much better than the word as typed, and than the best reading of another kind.
_SURE, _CLEAR = 0.6, 0.12
_KNOWN_CAPITALS, _CAPITALS, _ENGLISH, _NAME = 0.6, 0.6, 1.3, 0.4
_INITIALS = (2, 3)
_MOST_WORDS = 64  # of a query; who pastes a page means every word of it
_SHORT_CAPITALS = 5  # letters; longer words in capitals are words, not codes

_SCRAMBLED = frozenset("".join(sorted(word)) for word in EMPTY_WORDS)  # "teh" is no short form of anything

_CODE = re.compile(r"[\d@+#_&=:\\<>|*]|\w\.\w|//")
_LETTERS = re.compile(r"[A-Z](?:[/&][A-Z]){1,2}")
_PART = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_LINK = re.compile(r"[\s/&-]*")


@dataclass(frozen=True, slots=True)
class Change:
    """A word ``typed`` that was read as ``read``; ``span`` are its characters [start, end) in the text as typed."""

    typed: str
    read: str
    span: Span
    why: Why

    @property
    def says(self) -> str:
        """For the notes of a result: "read 'pkr' as picker"."""
        return f"read {self.typed!r} as {self.read}"


@dataclass(frozen=True, slots=True)
class Read:
    """``text`` as it was understood, and the ``changes`` made to what was typed, in order."""

    text: str
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class _Word:
    typed: str
    folded: str
    span: Span
    dotted: bool = False  # an abbreviation's dot follows
    letters: bool = False  # "S/R"
    named: bool = False  # has a capital where the words around have none
    shouted: bool = False
    loud: bool = False  # in capitals among nothing else

    @property
    def initials(self) -> bool:
        """Whether it may be the first letters of several words."""
        return self.letters or (self.shouted and len(self.folded) in _INITIALS)

    @property
    def end(self) -> int:
        """Where what it stands for ends, the dot with it."""
        return self.span[1] + self.dotted


@dataclass(frozen=True, slots=True)
class _Choice:
    first: str
    last: str
    fit: float
    reading: Reading | None = None  # None: as typed


class Spelling:
    """Reads what people type, for one corpus. ``names`` (cities, say) are never touched. Safe for threads."""

    def __init__(self, vocabulary: Vocabulary, names: Collection[str] = ()) -> None:
        self._vocabulary = vocabulary
        self._names = frozenset(word for name in names for word in fold(name).split())

    def read(self, text: str) -> Read:
        """``text`` with the words of its free part read; operators and quotes stay as typed. Never raises."""
        changes = self.asked(parse(text))[1]
        for change in reversed(changes):
            start, end = change.span
            text = text[:start] + change.read + text[end:]
        return Read(text, changes)

    def asked(self, asked: Asked) -> tuple[Asked, tuple[Change, ...]]:
        """``asked`` with its free words read. Items keep their spans, so a screen still shows what was typed where."""
        words = list(islice(_words(asked), _MOST_WORDS))
        if all(self._settled(word) for word in words):
            return asked, ()
        runs = [run for run in _runs(asked.text, words) if not all(self._settled(word) for word in run)]
        changes = tuple(change for run in runs for change in self._changes(run))
        if not changes:
            return asked, ()
        return replace(asked, items=tuple(_changed(item, changes) for item in asked.items)), changes

    def _settled(self, word: _Word) -> bool:
        """Whether there is nothing to read in it: the way out for almost every word."""
        if word.letters:
            return False
        if self._known(word.folded):
            return not (word.initials and self._vocabulary.roles.by_initials.get(word.folded))
        return len(word.folded) < 2

    def _known(self, folded: str) -> bool:
        """Whether it stays as it is. A usual short form stays only where the corpus itself has it."""
        if folded in EMPTY_WORDS or folded in self._names or self._vocabulary.says(folded):
            return True
        return folded not in usual_short_words() and (folded in words_meant() or self._vocabulary.knows(folded))

    def _changes(self, run: Sequence[_Word]) -> Iterator[Change]:
        alone = [[*self._as_typed(word), *map(_choice, self._readings(word))] for word in run]
        found: dict[int, Reading] = {}
        while True:  # what is settled may settle the words beside it
            choices = self._with_initials(run, alone, found)
            values = self._values(choices)
            clear = {place: _clear(own, values[place]) for place, own in enumerate(choices) if place not in found}
            fresh = {place: reading for place, reading in clear.items() if reading is not None}
            if not fresh:
                break
            found |= fresh
            for place, reading in fresh.items():
                alone[place] = [_choice(reading)]
        for place, reading in sorted(found.items()):
            yield _change(run[place], reading)

    def _with_initials(
        self, run: Sequence[_Word], alone: Sequence[list[_Choice]], found: Collection[int]
    ) -> list[list[_Choice]]:
        """What each word may mean, with the readings of first letters, which the words beside them decide."""
        return [
            own if place in found else [*own, *map(_choice, self._initials(alone, word, place))]
            for place, (word, own) in enumerate(zip(run, alone, strict=True))
        ]

    def _as_typed(self, word: _Word) -> Iterator[_Choice]:
        yield _Choice(word.folded, word.folded, 0.0)
        if self._known(word.folded):  # it stays, but "tech" may stand where titles have "technician"
            for means in usual_short_words().get(word.folded, ()):
                yield _Choice(means, means, -0.05)

    def _readings(self, word: _Word) -> Iterator[Reading]:
        vocabulary, folded = self._vocabulary, word.folded
        if self._known(folded):
            return
        usual = vocabulary.usual(word.typed) if word.shouted else []
        if not usual and not (word.shouted and len(folded) == 2):  # FT is, PT is not
            usual = vocabulary.usual(folded)
        yield from _less(usual, _ENGLISH * word.named)  # "Del Rio" is no delivery
        if usual or word.letters or len(folded) < 2 or "".join(sorted(folded)) in _SCRAMBLED:
            return
        off = _NAME * word.named + _ENGLISH * vocabulary.is_english(folded)
        coded = word.shouted and len(folded) < _SHORT_CAPITALS
        yield from _less(vocabulary.short(folded, dotted=word.dotted), off + _CAPITALS * coded * (len(folded) > 2))
        if not coded and len(folded) > 2:
            yield from _less(vocabulary.meant(folded), off)

    def _initials(self, choices: Sequence[Sequence[_Choice]], word: _Word, place: int) -> Iterator[Reading]:
        if not word.initials:
            return iter(())
        if self._known(word.folded) and not word.letters:
            return _less(self._vocabulary.initials(word.folded), _KNOWN_CAPITALS)
        before = {choice.last for choice in choices[place - 1]} if place else set()
        after = {choice.first for choice in choices[place + 1]} if place + 1 < len(choices) else set()
        return iter(self._vocabulary.initials(word.folded, before, after))

    def _values(self, choices: Sequence[Sequence[_Choice]]) -> list[list[float]]:
        """For each choice of each word the value of the best reading of the whole run that has it."""
        links = [
            [[self._vocabulary.together(one.last, other.first) for other in right] for one in left]
            for left, right in pairwise(choices)
        ]
        ahead = [[choice.fit for choice in choices[0]]]
        for link, own in zip(links, choices[1:], strict=True):
            best = [max(v + link[i][j] for i, v in enumerate(ahead[-1])) for j in range(len(own))]
            ahead.append([value + choice.fit for value, choice in zip(best, own, strict=True)])
        back = [[0.0] * len(choices[-1])]
        for link, own in zip(reversed(links), reversed(choices[1:]), strict=True):
            worth = [value + choice.fit for value, choice in zip(back[0], own, strict=True)]
            back.insert(0, [max(v + row[j] for j, v in enumerate(worth)) for row in link])
        return [[a + b for a, b in zip(one, other, strict=True)] for one, other in zip(ahead, back, strict=True)]


def _clear(choices: Sequence[_Choice], values: Sequence[float]) -> Reading | None:
    """The reading that is clearly the best; None when the word stays as typed."""
    best = max(range(len(choices)), key=lambda place: values[place])
    reading = choices[best].reading
    as_typed = max(value for choice, value in zip(choices, values, strict=True) if choice.reading is None)
    if reading is None or values[best] < as_typed + _SURE:
        return None
    rivals = [
        value
        for choice, value in zip(choices, values, strict=True)
        if choice.reading is not None and not _alike(choice.reading.text, reading.text)
    ]
    return reading if values[best] >= max(rivals, default=-1.0) + _CLEAR else None


def _choice(reading: Reading) -> _Choice:
    return _Choice(fold(reading.words[0]), fold(reading.words[-1]), reading.fit, reading)


def _change(word: _Word, reading: Reading) -> Change:
    read = reading.text
    if word.loud:
        read = read.upper()
    elif word.typed[0].isupper() and not word.shouted:
        read = read.capitalize()
    if reading.why == "typo" or not word.dotted:
        return Change(word.typed, read, word.span, reading.why)
    return Change(f"{word.typed}.", read, (word.span[0], word.end), reading.why)


def _alike(one: str, other: str) -> bool:
    """Whether two readings are about the same: "production" and "producer", "forklift" and "fork lift"."""
    one, other = one.replace(" ", ""), other.replace(" ", "")
    return one == other or (len(one) > 4 and one[:5] == other[:5])


def _less(readings: Sequence[Reading], off: float) -> Iterator[Reading]:
    return (replace(reading, fit=reading.fit - off) if off else reading for reading in readings)


def _words(asked: Asked) -> Iterator[_Word]:
    items = [item for item in asked.items if item.kind == "text"]
    small = any(item.value[:1].islower() for item in items)
    for item in items:
        value, start = item.value, item.span[0]
        if _LETTERS.fullmatch(value):
            yield _Word(value, re.sub("[/&]", "", value).lower(), item.span, letters=True, shouted=True, loud=not small)
            continue
        if _CODE.search(value) or asked.text[start : item.span[1]] != value:
            continue
        parts = list(_PART.finditer(value))
        if "-" in value and any(part.group()[:1].isupper() for part in parts):
            continue  # CDL-A
        for part in parts:
            typed, at = part.group(), start + part.start()
            upper = len(typed) > 1 and typed.isupper()
            shouted = upper and (small or len(typed) < _SHORT_CAPITALS)
            yield _Word(
                typed,
                fold(typed).replace("’", "'").removesuffix("'s"),
                (at, at + len(typed)),
                dotted=asked.text[at + len(typed) : at + len(typed) + 1] == ".",
                named=small and at > 0 and typed[:1].isupper() and not shouted,
                shouted=shouted,
                loud=upper and not small,
            )


def _runs(text: str, words: Sequence[_Word]) -> Iterator[list[_Word]]:
    """Words that stand next to each other, without a comma or anything else between."""
    run: list[_Word] = []
    for word in words:
        if run and not _LINK.fullmatch(text, run[-1].end, word.span[0]):
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _changed(item: Item, changes: Sequence[Change]) -> Item:
    value, start = item.value, item.span[0]
    for change in reversed(changes):
        low, high = change.span[0] - start, change.span[1] - start
        if item.kind == "text" and low >= 0 and high <= len(item.value):
            value = value[:low] + change.read + value[high:]
    return item if value == item.value else replace(item, value=value)
