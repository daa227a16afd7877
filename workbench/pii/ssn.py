"""Social security numbers by shape and by the words beside them.

Three, two and four digits with a mark between them count whatever the area number is. By the rule of the Social
Security Administration (POMS RM 10201.035) no number begins with 000, 666 or 9xx, but 9xx are taxpayer numbers (ITIN)
of the same shape and just as private, and a mistyped number still says most of the true one. Behind "SSN" any grouping
counts, also digits that a scanner set apart or took for letters. In a sheet about pay or taxes the header of a column
says it, also when it only says "number".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from workbench.pii.kinds import COVER, Kind, Span
from workbench.pii.stretches import Stretch

_MARK = r"(?:[ \t]?[-.][ \t]?(?:\r?\n[ \t>]{0,2})?|[ \t]{1,2}(?:\r?\n[ \t>]{0,2})?|\r?\n[ \t>]{0,2})"
_SHAPE = re.compile(
    rf"[0-9](?<![0-9{COVER}][0-9])[0-9]{{2}}({_MARK})[0-9]{{2}}({_MARK})[0-9]{{4}}(?![0-9{COVER}])",
)
# Three, two and four digits with whatever between them, or nothing; or each digit apart, as scanners write them.
_GAP = r"(?:&(?:nbsp|#160|ndash|#8211);|[ \t]{0,2}+(?:[-._/][ \t]{0,2}+)?+(?:\r?\n[ \t>]{0,2}+)?+)"
_APART = r"[ \t]{1,2}+(?:[-.][ \t]{1,2}+)?+"
_LOOSE = re.compile(
    rf"[0-9](?<![0-9{COVER}][0-9])(?:[0-9]{{2}}{_GAP}[0-9]{{2}}{_GAP}[0-9]{{4}}|(?:{_APART}[0-9]){{8}})(?![0-9{COVER}])"
)
_SAID = r"(?:ssns?|s\.s\.n|ss ?#|ss no\b|social[ _-]?security|soc(?:ial)?\.? ?sec|segur(?:o|idad)[ _-]social)(?![a-z])"
_SAID_BEFORE = re.compile(rf"(?<![a-z]){_SAID}[^{COVER}]{{0,20}}\Z", re.DOTALL)
# Further off only words stand between: "the SSN of the new forklift driver from Joliet is 078051120".
_SAID_FAR = re.compile(rf"(?<![a-z]){_SAID}[^0-9{COVER}\n]{{0,60}}\Z")
_REACH = 84
# What scanners read for 0, 1, 5 and 8; in lower case.
_SCANNED = re.compile(
    rf"(?<![a-z]){_SAID}[^{COVER}\n]{{0,60}}?(?<![a-z0-9{COVER}-])"
    r"([0-9olisb]{3}[-. ][0-9olisb]{2}[-. ][0-9olisb]{4})(?![a-z0-9-])"
)
_LEAST_SCANNED = 5  # digits
_SAID_AFTER = re.compile(rf"[^{COVER}]{{0,20}}?(?<![a-z]){_SAID}", re.DOTALL)
# "SSN missing, order 219099999" names the number otherwise, nearer to it.
_OTHER_NUMBER = re.compile(
    r"(?:order|invoice|po|worker|employee|candidate|client|badge|ticket|job|zip|ein|routing|aba|phone|cell|tel)s?"
    r"(?:[ _-]?(?:id|no\.?|number|#))?[ :#=-]{0,3}\Z"
)
# 000 and 666 are no area: behind such a word they begin another number.
_NO_AREA = frozenset(["000", "666"])
_THING_BEFORE = re.compile(
    r"(?<![a-z])(?:part|lot|sku|item|model|serial|bin|batch)s?[ _-]?(?:no\.?|number|#)?[ :#]{0,2}\Z"
)
# A line of a column of numbers.
_LINE = 40
_NUMBER_ABOVE = re.compile(r"(?:\A|\n)[ \t>]*[$]?[0-9][0-9.,:/-]*[ \t]*\r?\n[ \t>\r\n]*\Z")
_NUMBER_BELOW = re.compile(r"[ \t\r\n>]*[$]?[0-9][0-9.,:/-]*[ \t]*(?:\r?\n|\Z)")
_ID_LETTERS = re.compile(r"(?<![a-z])(?!ss)[a-z]{1,5}-?\Z")


def find_ssns(stretch: Stretch, *, far: bool = False) -> Iterator[Span]:
    """Numbers of the shape 078-05-1120, and nine digits in any grouping within 20 characters of "SSN" or the like.

    ``far``: also within 60 characters behind it when there is no other number between.
    """
    starts = set()
    for match in stretch.find(_SHAPE):
        if _is_said(stretch, *match.span()) or (_stands_alone(stretch, match) and not _is_thing(stretch, match)):
            starts.add(match.start())
            yield Span(*match.span(), Kind.SSN)
    for match in stretch.find(_LOOSE):
        if match.start() not in starts and _is_meant(stretch, *match.span(), far=far):
            yield Span(*match.span(), Kind.SSN)


def find_scanned_ssns(low: str) -> Iterator[Span]:
    """Behind "SSN", numbers of the shape in which a scanner took digits for letters: ``O78-O5-ll20``."""
    if "ss" not in low and "soc" not in low and "s.s" not in low:
        return
    for match in _SCANNED.finditer(low):
        digits = sum(map(str.isdigit, match[1]))
        if _LEAST_SCANNED <= digits < 9:
            yield Span(*match.span(1), Kind.SSN)


def _is_thing(stretch: Stretch, match: re.Match[str]) -> bool:
    return match[0][:3] in _NO_AREA and bool(stretch.said_before(_THING_BEFORE, match.start()))


def _stands_alone(stretch: Stretch, match: re.Match[str]) -> bool:
    """Not a part of a longer number, and not three cells of a table of numbers."""
    start, end = match.span()
    digits = f"0123456789{COVER}"
    around = (stretch.plain[max(start - 2, 0) : start], stretch.plain[end : end + 2][::-1])
    flanked = {each[1] for each in around if len(each) == 2 and each[0] in digits}
    if flanked & {"-", "."}:
        return False
    marks = "".join(match.groups())
    if "-" in marks or "." in marks:
        return True
    if all("\n" in mark for mark in match.groups()):
        return not _in_column(stretch.plain, start, end)
    return " " not in flanked


def _in_column(plain: str, start: int, end: int) -> bool:
    """Whether a line before or after holds a number and nothing else, or more stands on the lines of this one."""
    before, after = plain[max(start - _LINE, 0) : start], plain[end : end + _LINE]
    if before.rpartition("\n")[2].strip() or after.partition("\n")[0].strip():
        return True
    return bool(_NUMBER_ABOVE.search(before) or _NUMBER_BELOW.match(after))


def _is_said(stretch: Stretch, start: int, end: int) -> bool:
    return bool(stretch.said_before(_SAID_BEFORE, start) or stretch.said_after(_SAID_AFTER, end))


def _is_meant(stretch: Stretch, start: int, end: int, *, far: bool) -> bool:
    if stretch.said_before(_ID_LETTERS, start, reach=8):
        return False
    if stretch.said_after(_SAID_AFTER, end):
        return True
    said = stretch.said_before(_SAID_BEFORE, start) or (far and stretch.said_before(_SAID_FAR, start, _REACH))
    return bool(said) and not stretch.said_before(_OTHER_NUMBER, start)
