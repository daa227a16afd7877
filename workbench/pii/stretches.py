"""Stretches of a text that may hold a long number: the only places where the patterns of numbers are tried."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from workbench.pii.kinds import COVER

# Every phone, SSN, card and account has seven digits or more, with little between two of them. An ISO date has eight
# and is the commonest number in a log of calls: it is passed over.
_GAP = 8
_NUMBERS = re.compile(
    r"[0-9](?:(?<![+0-9-][0-9])[0-9]{3}-[0-9]{2}-[0-9]{2}(?![0-9-])"
    rf"|(?P<digits>(?:[^0-9]{{0,{_GAP}}}+[0-9]){{6,}}+))"
)
_BEFORE = 3  # what can belong to a number before its first digit: "(", "+", the country of an IBAN
_DIGITS = frozenset("0123456789") | {COVER}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Characters ``start`` to ``end`` of a plain text; no digit follows within a few characters.

    ``low`` is the text in lower case, character by character.
    """

    plain: str
    low: str
    start: int
    end: int

    def find(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Matches inside the stretch."""
        return pattern.finditer(self.plain, self.start, self.end)

    def starts_number(self, place: int) -> bool:
        """No letter, digit or cover stands before ``place``, nor a digit with a dash or dot: ``2024-078-05-1120``."""
        before = self.plain[max(place - 2, 0) : place]
        if not before:
            return True
        if before[-1].isalnum() or before[-1] in f"_{COVER}":
            return False
        return not (len(before) == 2 and before[1] in "-." and before[0] in _DIGITS)

    def ends_number(self, place: int) -> bool:
        """Neither a digit or cover follows, nor a dash or dot with one."""
        after = self.plain[place : place + 2]
        if not after or after[0] in _DIGITS:
            return not after
        return not (len(after) == 2 and after[0] in "-." and after[1] in _DIGITS)

    def said_before(self, cue: re.Pattern[str], place: int, reach: int = 48) -> re.Match[str] | None:
        r"""The cue, a pattern that ends in ``\Z``, in the characters (lower case) before ``place``."""
        return cue.search(self.low, max(place - reach, 0), place)

    def said_after(self, cue: re.Pattern[str], place: int, reach: int = 48) -> re.Match[str] | None:
        """The cue in the characters (lower case) from ``place`` on, at its start."""
        return cue.match(self.low, place, place + reach)


def stretches(plain: str, low: str) -> Iterator[Stretch]:
    """All stretches with seven digits or more, no two of them further apart than eight characters."""
    for match in _NUMBERS.finditer(plain):
        if match["digits"]:
            yield Stretch(plain, low, max(match.start() - _BEFORE, 0), match.end() + _GAP)
