"""Social security numbers by shape and by the words beside them.

Three, two and four digits with a mark between them count whatever the area number is. By the rule of the Social
Security Administration (POMS RM 10201.035) no number begins with 000, 666 or 9xx, but 9xx are taxpayer numbers (ITIN)
of the same shape and just as private, and a mistyped number still says most of the true one.
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
_BARE = re.compile(rf"[0-9](?<![0-9{COVER}][0-9])[0-9]{{8}}(?![0-9{COVER}])")
_SAID = r"(?:ssns?|s\.s\.n|ss ?#|ss no\b|social[ _-]?security|soc(?:ial)?\.? ?sec)(?![a-z])"
_SAID_BEFORE = re.compile(rf"(?<![a-z]){_SAID}[^{COVER}]{{0,20}}\Z", re.DOTALL)
_SAID_AFTER = re.compile(rf"[^{COVER}]{{0,20}}?(?<![a-z]){_SAID}", re.DOTALL)
# "SSN missing, order 219099999" names the number otherwise, nearer to it.
_OTHER_NUMBER = re.compile(
    r"(?:order|invoice|po|worker|employee|candidate|client|badge|ticket|job|zip|ein|routing|aba|phone|cell|tel)s?"
    r"(?:[ _-]?(?:id|no\.?|number|#))?[ :#=-]{0,3}\Z"
)
_ID_LETTERS = re.compile(r"(?<![a-z])(?!ss)[a-z]{1,5}-?\Z")


def find_ssns(stretch: Stretch) -> Iterator[Span]:
    """Numbers of the shape 078-05-1120, and bare nine digits within 20 characters of "SSN" or the like."""
    for match in stretch.find(_SHAPE):
        if _stands_alone(stretch, match) or _is_said(stretch, *match.span()):
            yield Span(*match.span(), Kind.SSN)
    for match in stretch.find(_BARE):
        if _is_meant(stretch, *match.span()):
            yield Span(*match.span(), Kind.SSN)


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
    return " " not in flanked and not all("\n" in mark for mark in match.groups())


def _is_said(stretch: Stretch, start: int, end: int) -> bool:
    return bool(stretch.said_before(_SAID_BEFORE, start) or stretch.said_after(_SAID_AFTER, end))


def _is_meant(stretch: Stretch, start: int, end: int) -> bool:
    if stretch.said_before(_ID_LETTERS, start, reach=8):
        return False
    if stretch.said_after(_SAID_AFTER, end):
        return True
    return bool(stretch.said_before(_SAID_BEFORE, start)) and not stretch.said_before(_OTHER_NUMBER, start)
