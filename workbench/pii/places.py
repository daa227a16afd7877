"""Street addresses and dates of birth in free text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from workbench.pii.kinds import COVER, Kind, Span

SUFFIXES = (
    "Street|Str|St|Avenue|Ave|Boulevard|Blvd|Road|Rd|Drive|Dr|Lane|Ln|Court|Ct|Circle|Cir|Place|Pl|Parkway|Pkwy|Highway|Hwy"
    "|Terrace|Ter|Trail|Trl|Square|Sq|Crescent|Close|Way|Alley|Plaza|Pike|Turnpike"
)
_HOUSE = re.compile(
    rf"[0-9](?<![0-9A-Za-z$£€.,:/#_{COVER}-][0-9])[0-9]{{0,5}}+[A-Za-z]?(?:-[0-9]{{1,5}})? {{1,2}}"
    r"(?:(?:[NSEW]|[NS][EW])\.? )?(?:[A-Z0-9][\w'.-]{0,20} ){1,4}?"
    rf"(?:{SUFFIXES}|{SUFFIXES.upper()})\b"
    r"(?!\.? (?:Louis|Paul|Petersburg|Joseph|Charles|Clair|Cloud|George|Augustine))"
    r"\.?(?: (?:[NS][EW]?|[EW])\b)?(?:,? (?:(?i:apt|apartment|unit|suite|ste|floor|fl)\b\.?|#) ?#?[\w-]{1,6})?"
)
_BOX = re.compile(r"p(?<![a-z]p)\.? ?o\.? ?box ?#? ?[0-9]{1,6}(?![0-9])")

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_DAY = r"[0-9]{1,2}(?:st|nd|rd|th)?"
_BIRTH = re.compile(
    rf"(?<![a-z])(?:d\.?o\.?b\b\.?|date of birth|birth[ _-]?da(?:te|y)|born)(?![a-z])[^0-9{COVER}]{{0,15}}?"
    rf"([0-9]{{1,2}}[-/. ][0-9]{{1,2}}[-/. ][0-9]{{2,4}}|[0-9]{{4}}[-/.][0-9]{{1,2}}[-/.][0-9]{{1,2}}"
    rf"|{_DAY} (?:of )?{_MONTH},? [0-9]{{2,4}}|(?<![a-z]){_MONTH} {_DAY},? [0-9]{{2,4}})(?![0-9])"
)


def find_addresses(plain: str, low: str) -> Iterator[Span]:
    """A house number, capitalised words and a word for a street, with the flat if it follows; a post box."""
    yield from (Span(*match.span(), Kind.ADDRESS) for match in _HOUSE.finditer(plain))
    if "box" in low:
        yield from (Span(*match.span(), Kind.ADDRESS) for match in _BOX.finditer(low))


def find_birth_dates(low: str) -> Iterator[Span]:
    """A date behind "born", "DOB", "date of birth"; other dates are nobody's."""
    if "dob" in low or "birth" in low or "born" in low or "o.b" in low:
        yield from (Span(*match.span(1), Kind.BIRTH_DATE) for match in _BIRTH.finditer(low))
