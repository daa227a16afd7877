"""Telephone numbers: North American, international with + or 00, British, and anything that the text calls a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from workbench.pii.kinds import COVER, Kind, Span
from workbench.pii.stretches import Stretch

MOST_DIGITS = 15  # ITU-T E.164

_MARK = r"(?:[ \t]?[-./][ \t]?(?:\r?\n[ \t>]{0,2})?|[ \t]{1,2})"
# Area code and exchange never begin with 0 or 1 (North American Numbering Plan).
_AMERICAN = re.compile(
    rf"[2-9][0-9]{{2}}(?: ?\)(?:{_MARK}| ?\r?\n[ \t>]{{0,2}})?|{_MARK})[2-9][0-9]{{2}}{_MARK}[0-9]{{4}}"
)
_LONG_DISTANCE = re.compile(rf"(?:\+?1{_MARK}?)?(?:\( ?)?\Z")
_PLUS = re.compile(rf"\+(?<![\w{COVER}+]\+)[1-9](?:[-. ()/\t]{{0,3}}[0-9]){{6,24}}+")
_ZEROS = re.compile(rf"00(?<![\w{COVER}+]00)[1-9](?:[-. ()/\t]{{0,3}}[0-9]){{8,24}}+")
# North America dials 011 for abroad.
_EXIT = re.compile(rf"0(?<![\w{COVER}+]0)11[-. ]{{0,2}}[1-9](?:[-. ()/\t]{{0,3}}[0-9]){{8,24}}+")
_BRITISH = re.compile(
    r"0[1-9][0-9]{1,3}(?:\) ?|[ -])(?:[0-9]{4}[ -][0-9]{4}|[0-9]{3}[ -][0-9]{3,4}|[0-9]{6})",
)
# A look ahead, so that a number that is none does not hide one that begins inside it.
_LOOSE = re.compile(
    rf"[0-9](?<![0-9{COVER}][0-9])(?=([0-9]{{2}}(?:\)?[-. ]{{0,2}}[0-9]{{3}}[-. ]?[0-9]{{4}}[0-9]?|[-. ][0-9]{{4}})))"
)
_SAID = re.compile(
    r"(?<![a-z])(?:phones?|telephone|tel|mobile|mob|cell|cellular|call(?:ed|s|ing)?|text(?:ed)?|txt|sms|whatsapp|fax|ring"
    r"|dial|voicemail|reach(?:ed)?|contact|number is|ph|tel[eé]fono|celular|m[oó]vil|ll[aá]mame)(?![a-z])"
    rf"([^0-9{COVER}]{{0,20}})\Z"
)
# The line of a signature: "T 312 5550142"
_SIGNED = re.compile(r"(?:\A|\n)[ \t]*[tmcp][.:]?[ \t]{1,3}\Z")
_SAID_AFTER = re.compile(r"[ \t]{0,2}[(\[]?(?:cell|mobile|phone|tel|fax|home|work)\b")
_OTHER_NUMBER = re.compile(r"\b(?:order|invoice|po|worker|employee|candidate|client|badge|ticket|job|zip|ein|id|ids)\b")
_DESK = re.compile(r"[ ,;]{0,3}(?:x|ext|extn|extension)\.?[ :]{0,2}[0-9]{1,6}(?![0-9])")
# "Cell312-555-0142"
_TOUCHING = re.compile(r"(?<![a-z0-9])(?:cell|phone|ph|tel|mobile|mob|fax|call|text|c|p|t|m)\Z")
# Four digits and a mark: the middle of a card or of a tracking number.
_GROUP_BEFORE = re.compile(r"[0-9](?: {1,2}|-| - )\Z")
_MONEY = frozenset("$£€")
_DIGITS = re.compile("[0-9]+")


def find_phones(stretch: Stretch) -> Iterator[Span]:
    """Numbers that are phones by shape, and looser ones within 20 characters behind "call", "phone", "cell" …"""
    for match in stretch.find(_AMERICAN):
        yield from _phone(stretch, _american_start(stretch, match.start()), match.end())
    if "+" in stretch.plain:
        yield from _find_abroad(stretch, _PLUS)
    yield from _find_abroad(stretch, _ZEROS)
    yield from _find_abroad(stretch, _EXIT)
    for match in stretch.find(_BRITISH):
        if 10 <= sum(map(str.isdigit, match[0])) <= 11 and not _GROUP_BEFORE.search(stretch.plain, *_near(match)):
            yield from _phone(
                stretch, match.start() - (stretch.plain[match.start() - 1 : match.start()] == "("), match.end()
            )
    yield from _find_loose(stretch)


def _near(match: re.Match[str]) -> tuple[int, int]:
    return max(match.start() - 4, 0), match.start()


def _phone(stretch: Stretch, start: int, end: int) -> Iterator[Span]:
    starts = stretch.starts_number(start) or stretch.said_before(_TOUCHING, start, reach=10)
    if not starts or stretch.plain[start - 1 : start] in _MONEY or not stretch.ends_number(end):
        return
    desk = _DESK.match(stretch.low, end)
    yield Span(start, desk.end() if desk else end, Kind.PHONE)


def _american_start(stretch: Stretch, start: int) -> int:
    """Where the number starts, with the 1 of long distance if that is not the end of another number."""
    ahead = _LONG_DISTANCE.search(stretch.plain, max(start - 8, 0), start)
    if ahead and stretch.starts_number(ahead.start()):
        return ahead.start()
    return start - (stretch.plain[start - 1 : start] == "(")


def _find_abroad(stretch: Stretch, pattern: re.Pattern[str]) -> Iterator[Span]:
    for match in stretch.find(pattern):
        end = _end_abroad(match)
        if end and (match[0][0] == "+" or not _GROUP_BEFORE.search(stretch.plain, *_near(match))):
            yield Span(match.start(), end, Kind.PHONE)


def _end_abroad(match: re.Match[str]) -> int | None:
    """Whole groups of digits, as many as one number can have; what follows is another number."""
    groups = [group.span() for group in _DIGITS.finditer(match[0])]
    american, zeros = match[0].startswith("+1"), match[0].startswith("0")
    most = 11 if american else MOST_DIGITS + 3 * zeros
    least = 11 if american else 8
    if zeros and len(groups) == 1:
        return None
    count, end = 0, None
    for group_start, group_end in groups:
        count += group_end - group_start
        if count > most:
            break
        if count >= least:
            end = group_end
    continues = end == len(match[0]) and match.string[match.end() : match.end() + 1].isdigit()
    return None if end is None or continues else match.start() + end


def _find_loose(stretch: Stretch) -> Iterator[Span]:
    for match in stretch.find(_LOOSE):
        start, end = match.start(), match.end(1)
        if sum(map(str.isdigit, match[1])) == 10 and match[0] not in "01":
            continue
        said = stretch.said_before(_SAID, start)
        if (
            (said and not _OTHER_NUMBER.search(said[1]))
            or stretch.said_after(_SAID_AFTER, end)
            or _SIGNED.search(stretch.low, max(start - 8, 0), start)
        ):
            yield from _phone(stretch, start, end)
