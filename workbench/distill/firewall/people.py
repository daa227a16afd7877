"""People in a row: known values become placeholders, the same one for the same value in every text of the row.

The roster is the dictionary (`workbench.pii.roster`); what `workbench.pii.find` knows by its shape is replaced too, so
that the phone of a client leaves as little as that of a worker. ``[WORKER_1]`` is an id, ``[NAME_1]`` a name. The
mapping lives as long as the call and is never written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workbench.llm.personal import ALL_LABELS, LABELS, PERSON, Place, parts, places, same
from workbench.pii import Kind, Span
from workbench.pii.roster import Roster, cover

NAME = "NAME"
NEVER = frozenset({LABELS[Kind.SSN], LABELS[Kind.CARD], LABELS[Kind.KEY]})
"""Labels that no placeholder makes harmless: a text that held one is no text to learn from."""

_TOLD = tuple(NAME if label == PERSON else label for label in ALL_LABELS)
_TOKEN = re.compile(rf"\[({'|'.join(_TOLD)})_([0-9]{{1,9}})\]")


@dataclass(frozen=True, slots=True)
class Replaced:
    """``texts`` as they may leave; ``count`` values were replaced; ``left`` says what could not be (then quarantine).

    A line of ``left`` names the label and which text, never the value: ``text 0: SSN at 14``.
    """

    texts: tuple[str, ...]
    count: int
    left: tuple[str, ...]


def replace_people(texts: Sequence[str], roster: Roster) -> Replaced:
    """The texts of one row with placeholders. Replacing again changes nothing. Linear in the texts."""
    found = places(texts, roster)
    if not any(found):
        return Replaced(tuple(texts), 0, ())
    never = [_line(number, place) for number, place in _numbered(found) if place.label in NEVER]
    numbers = _Numbers(texts)
    told = tuple(_told(text, spots, numbers) for text, spots in zip(texts, found, strict=True))
    left = [_line(number, place) for number, place in _numbered(_remaining(told, roster)) if place.label not in NEVER]
    return Replaced(told, numbers.count, (*never, *left))


def mask_people(text: str, roster: Roster) -> str:
    """The text with everything personal covered whole, placeholders left: for what is kept but not exported."""
    return cover(text, (Span(place.start, place.end, Kind.NAME) for place in _remaining([text], roster)[0]))


class _Numbers:
    """Which number a value has. Numbers that stand in the row already are never given to another value."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._taken = {(token[1], int(token[2])) for text in texts for token in _TOKEN.finditer(text)}
        self._numbers: dict[tuple[str, str], int] = {}
        self._last: dict[str, int] = {}

    @property
    def count(self) -> int:
        return len(self._numbers)

    def placeholder(self, label: str, value: str) -> str:
        told = NAME if label == PERSON else label
        key = told, same(label, value)
        if key not in self._numbers:
            number = self._last.get(told, 0) + 1
            while (told, number) in self._taken:
                number += 1
            self._last[told] = self._numbers[key] = number
        return f"[{told}_{self._numbers[key]}]"


def _told(text: str, spots: Sequence[Place], numbers: _Numbers) -> str:
    pieces, done = [], 0
    for place in spots:
        for left, right in parts(text, place):
            if right > done:
                pieces += [text[done:left], numbers.placeholder(place.label, text[left:right])]
                done = right
    return "".join([*pieces, text[done:]])


def _remaining(texts: Sequence[str], roster: Roster) -> list[list[Place]]:
    """What is still personal, but for the placeholders themselves."""
    return [
        [place for place in spots if not _is_token(text, place)]
        for text, spots in zip(texts, places(texts, roster), strict=True)
    ]


def _is_token(text: str, place: Place) -> bool:
    return any(
        token.start() <= place.start and place.end <= token.end()
        for token in _TOKEN.finditer(text, max(place.start - 24, 0), place.end + 24)
    )


def _numbered(found: Sequence[Sequence[Place]]) -> Iterator[tuple[int, Place]]:
    for number, spots in enumerate(found):
        for place in spots:
            yield number, place


def _line(number: int, place: Place) -> str:
    return f"text {number}: {place.label} at {place.start}"
