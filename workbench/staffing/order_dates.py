"""Days in an order: "from Monday", "11/30", "Dec 1", "tmrw", "ASAP", "next week", "for two weeks", from a given today.

A weekday is the next one after today, "next week" its Monday. A date without a year is the nearest one to come; one
that passed less than 30 days ago stays in the past, for an order may be entered late.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

from workbench.staffing.mention import Mention, cover

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "eight": 8, "ten": 10,
    "twelve": 12,
}  # fmt: skip
_MOST_MONTHS = 36
_LATE_DAYS = 30

_WEEKDAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_EXACT = rf"""
    (?P<iso>20\d\d-\d\d?-\d\d?)
  | (?P<us>(?<![\d/$.])\d\d?(?:/\d\d?(?:/(?:20)?\d\d)?|-\d\d?-(?:20)?\d\d)(?![\d/]|\.\d))
  | (?P<month>{_MONTH}\s+\d\d?(?:st|nd|rd|th)?(?:,?\s+20\d\d)?(?!\d|:))
  | (?P<day_month>\d\d?(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}(?:\s+20\d\d)?)(?![a-z])
  | (?P<nth>the\s+\d\d?(?:st|nd|rd|th)(?!\s*shift))
  | (?P<holiday>christmas(?:\s+day)?|new\s+year(?:'?s)?(?:\s+day)?)
"""
_LOOSE = rf"""
    (?P<after>an?\s+week\s+(?:from|after)\s+{_WEEKDAY})
  | (?P<ahead>in\s+(?:a|one|two|three|four|\d\d?)\s+(?:days?|weeks?))
  | (?P<next>(?:this\s+coming|this|next|coming)\s+(?:week|{_WEEKDAY}))
  | (?P<today>today|tonight|tonite|asap|a\.s\.a\.p\.?|immediate(?:ly)?|right\s+away)
  | (?P<tomorrow>tomorrow|tommorow|tomorow|tmrw|tmw|tomm?or?ow|2morrow)
  | (?P<weekend>(?:this|the)\s+weekend)
  | (?P<weekday>{_WEEKDAY})
"""
_DAY = re.compile(rf"(?ix)(?<![\w'’]) (?:{_EXACT}|{_LOOSE}) (?![a-z'’])")
_RANGE = re.compile(
    rf"(?i)(?<![\w/-]){_WEEKDAY}\s*(?:-|–|to|thru|through)\s*{_WEEKDAY}(?!\w)|(?<![\w-])m\s*-\s*f(?![\w-])"
)
_CUE = re.compile(
    r"(?i)\b(?:start(?:s|ing)?|from|begin(?:s|ning)?|first\s+day|effective|starting\s+on|when)\W*(?:\w+\W+){0,3}$"
)
_UNTIL = re.compile(r"(?i)\b(?:until|til|till|thru|through|to|ends?|ending)\s*(?:on\s+)?$")
_DASH = re.compile(r"\s*[-–]\s*")
_START_AFTER = re.compile(r"(?i)\s*start\b")
_LENGTH = re.compile(
    r"(?i)\b(?:for\s+)?(a|an|one|two|three|four|five|six|eight|ten|twelve|\d{1,2})[\s-]+(day|week|month)s?\b(?!\s+(?:from|ago|notice))"
)
_LENGTH_CUE = re.compile(r"(?i)\b(?:contract|assignment|project|gig|shutdown|work|job)\b")
_PAST = re.compile(r"(?i)\b(?:last|past|previous)\s+(?:time|week|month|year|night|summer)\b|\byesterday\b")


def find_days(text: str, today: date) -> list[Mention]:
    """``start`` and ``end`` (dates), ``length`` (days or months), ``pattern`` (Mon-Fri) and ``past`` (last week)."""
    found = [Mention("past", None, *m.span()) for m in _PAST.finditer(text)]
    found += [Mention("pattern", None, *m.span()) for m in _RANGE.finditer(cover(text, found))]
    days = list(_days(cover(text, found), today))
    found += days
    rest = cover(text, found)
    return found + [length for m in _LENGTH.finditer(rest) if (length := _length(rest, m))]


def end_after(start: date, length: tuple[int, str]) -> date:
    """The last day of ``length`` (a number of days or months, and which) that begins on ``start``."""
    number, unit = length
    if unit == "day":
        return start + timedelta(days=number - 1)
    months = start.year * 12 + start.month - 1 + number
    year, month = divmod(months, 12)
    first_of_next = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    last = (first_of_next - timedelta(days=1)).day
    return date(year, month + 1, min(start.day, last)) - timedelta(days=1)


def _days(text: str, today: date) -> Iterator[Mention]:
    before = -1
    for match in _DAY.finditer(text):
        kind = match.lastgroup or ""
        day = _read(kind, match[0], today)
        if day is None:
            continue
        until = _UNTIL.search(text[: match.start()]) or (before >= 0 and _DASH.fullmatch(text, before, match.start()))
        before = match.end()
        if until and kind != "today":
            yield Mention("end", day, *match.span(), sure=0.9)
            continue
        exact = kind in {"iso", "us", "month", "day_month", "nth"}
        cued = bool(
            _CUE.search(text[max(0, match.start() - 40) : match.start()]) or _START_AFTER.match(text, match.end())
        )
        soon = match[0].lower()[:4] in {"asap", "a.s.", "imme", "righ"}
        sure = 1.0 if exact else 0.6 if soon else 0.9
        rank = 4 * exact + 2 * cued - 2 * (kind == "today" and not cued)
        yield Mention("start", day, *match.span(), sure=sure, rank=rank)


def _read(kind: str, said: str, today: date) -> date | None:
    if kind in {"iso", "us", "month", "day_month", "nth", "holiday"}:
        return _exact(kind, said.lower(), today)
    words = said.lower().split()
    monday = today + timedelta(days=7 - today.weekday())
    if kind == "ahead":
        number = _NUMBERS.get(words[1]) or int(words[1])
        return today + timedelta(days=number * (7 if words[2].startswith("w") else 1))
    if kind == "today":
        return today
    if kind == "tomorrow":
        return today + timedelta(days=1)
    if kind == "weekend":
        return today + timedelta(days=(5 - today.weekday()) % 7)
    if words[-1] == "week":
        return monday if words[0] != "this" else today
    return _weekday(words[-1], today) + timedelta(days=7 if kind == "after" else 0)


def _weekday(word: str, today: date) -> date:
    ahead = (_WEEKDAYS.index(word[:3]) - today.weekday() - 1) % 7 + 1
    return today + timedelta(days=ahead)


def _exact(kind: str, said: str, today: date) -> date | None:
    numbers = [int(number) for number in re.findall(r"\d+", said)]
    if kind == "holiday":
        month, day, *rest = (12, 25) if said.startswith("c") else (1, 1)
    elif kind == "iso":
        year, month, day = numbers
        rest = [year]
    elif kind == "us":
        month, day, *rest = numbers
    elif kind == "nth":
        return _nth(numbers[0], today)
    else:
        month = next(n for n, name in enumerate(_MONTHS, 1) if re.search(rf"\b{name}", said))
        day, *rest = numbers
    year = rest[0] + (2000 if rest[0] < 100 else 0) if rest else 0
    return _date(year, month, day) if year else _nearest(month, day, today)


def _nearest(month: int, day: int, today: date) -> date | None:
    this = _date(today.year, month, day)
    if this is None or this >= today - timedelta(days=_LATE_DAYS):
        return this
    return _date(today.year + 1, month, day)


def _nth(day: int, today: date) -> date | None:
    year, month = today.year, today.month
    if day < today.day:
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return _date(year, month, day)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _length(text: str, match: re.Match[str]) -> Mention | None:
    number = _NUMBERS.get(match[1].lower()) or int(match[1])
    unit = match[2].lower()
    spoken = match[0].lower().startswith("for") or _LENGTH_CUE.search(
        text[max(0, match.start() - 25) : match.end() + 20]
    )
    alone = re.search(r"(?:^|[,.;(])\s*$", text[: match.start()]) and re.match(r"\s*(?:[,.;)]|$)", text[match.end() :])
    if not (spoken or alone) or not number or (unit == "month" and number > _MOST_MONTHS):
        return None
    value = (number, "month") if unit == "month" else (number * (7 if unit == "week" else 1), "day")
    return Mention("length", value, *match.span(), sure=0.8)
