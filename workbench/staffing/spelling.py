"""Spelling: typing errors set right word by word, with the way back to the characters as typed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_WORD = re.compile(r"(?<!['’])[^\W\d_]{4,}")
_SHORTEST, _LONG, _VERY_LONG, _LONGEST = 5, 8, 10, 24
# "loaded" is no "loader": a short word that English bends is left alone.
_INFLECTED = ("ed", "ing", "ly")
# English that is one letter from a word of the trade.
_ENGLISH = frozenset(
    re.findall(
        r"\S+",
        """
    about above after again agent along among asked aware based below black block board books bring broke build
    call came cards case cash cast chart check city class clean clear close coast come cook cooked cost could
    court cover crew cross date deal dealer does done door down draft dress drive drop early east even ever every
    extra fast feel field fill fine first flat flex floor force found four free from front full game gate gave
    give glass gone good great green group grow guard guest hand hard have head heat heavy help here hire hold
    home hope hour house human idea into item just keep kept kind know land large last late later laser lead
    leader learn least leave left less letter level life light like line list little live load local long look
    lord lose lost lot loud love made mail main make many mark match matter mean meet mind mine mode money month
    more most mouth move much must name near neat need never news next nice night none note novel number off offer
    often open order other otter over pack page paid paper part past path pays pick pilot place plan plane plant
    plate play please point post power press price print prior quick quiet quite rack rain range rate rather reach
    read ready real rear rent rest rice ride right road rock role room root rough round route rule safe said sale
    same sand save seal seat seem seen self sell send sent serve seven sever shape share sharp sheet shelf ship
    shirt shop short should show side sign since site size skill slot slow small smart snow sold some soon sort
    space speak speed spend spot stack staff stage stand star state stay steal step stick still stock stop store
    story strap stuck style such suit super sure table take talk tall tank task team tell temp test than that them
    then there these they thing think this those three time tire title today told tool took touch tough tower town
    track trade trail train trainee trainees truck trust turn twice type unit until upon used user vote wage wait
    walk wall want ware wash waste water wear week well went were west what wheel when where which while white
    whole wide wife will wind wire wish with woman word work world worth would write year yield young your yours
    forms former farmer father mother better butter mats mate rates dates pairs parts hosts costs posts loans
    leads loaded parks marks backs bakes hired fired wired
        """,
    )
) - {"sever"}


@dataclass(frozen=True, slots=True)
class Spelled:
    """``text`` with typing errors set right; ``starts`` and ``ends`` give, for each of its characters, the first and
    the end of what was typed there.
    """

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def typed(self, start: int, end: int) -> tuple[int, int]:
        """The span as typed of characters [start, end) of ``text``; they are at least one."""
        return self.starts[start], self.ends[end - 1]


@dataclass(frozen=True, slots=True)
class Speller:
    """Words that may be meant, found through their forms with one letter left out."""

    words: frozenset[str]
    forms: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, words: frozenset[str]) -> Speller:
        """A speller over lower-case words; those under five letters are known but never guessed."""
        forms: dict[str, list[str]] = {}
        for word in sorted(words):
            for form in (word, *_shorter(word)) if len(word) > 4 else ():
                forms.setdefault(form, []).append(word)
        return cls(words, {form: tuple(meant) for form, meant in forms.items()})

    def knowing(self, words: Iterable[str]) -> Speller:
        """The same speller, which leaves these further words (in lower case) as they are and never guesses them."""
        return Speller(self.words | frozenset(words), self.forms)

    def meant(self, word: str) -> str:
        """The known word that ``word`` is one typing error away from (two in long words), or ``word`` itself.

        In a short word only a missing, doubled or swapped letter counts: with another letter ("drill" and "grill") it
        is too often a word of its own. A plural is not taken for its singular.
        """
        said = word.casefold()
        if said in self.words or said in _ENGLISH or (said.endswith(_INFLECTED) and len(said) < _LONG):
            return word
        if not _SHORTEST <= len(said) <= _LONGEST:
            return word
        most = 2 if len(said) > _VERY_LONG else 1
        near = {meant for form in (said, *_shorter(said)) for meant in self.forms.get(form, ())}
        likely = [meant for meant in near if abs(len(meant) - len(said)) <= most and _is_slip(said, meant)]
        ranked = sorted((typing_errors(said, meant), meant) for meant in likely)
        return ranked[0][1] if ranked and ranked[0][0] <= most else word

    def spell(self, text: str) -> Spelled:
        """``text`` with each word of four letters or more set right."""
        parts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        for start, end, meant in self._parts(text):
            parts.append(meant)
            same = meant == text[start:end]
            starts += range(start, end) if same else [start] * len(meant)
            ends += range(start + 1, end + 1) if same else [end] * len(meant)
        return Spelled("".join(parts), tuple(starts), tuple(ends))

    def _parts(self, text: str) -> Iterator[tuple[int, int, str]]:
        at = 0
        for found in _WORD.finditer(text):
            if found.start() > at:
                yield at, found.start(), text[at : found.start()]
            yield found.start(), found.end(), self.meant(found[0])
            at = found.end()
        if at < len(text):
            yield at, len(text), text[at:]


def typing_errors(one: str, other: str) -> int:
    """Letters to leave out, put in, change or swap with the next to make ``other`` of ``one``."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            swapped = i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b
            row.append(min(cost, last[j - 2] + 1) if swapped else cost)
    return row[-1]


def _is_slip(said: str, meant: str) -> bool:
    if f"{said}s" == meant or f"{meant}s" == said:
        return False
    return len(said) >= _LONG or len(said) != len(meant) or sorted(said) == sorted(meant)


def _shorter(word: str) -> set[str]:
    return {word[:at] + word[at + 1 :] for at in range(len(word))}
