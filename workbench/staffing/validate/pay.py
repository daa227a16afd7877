"""Statements of pay: a word of pay within 40 characters of an amount.

"Please pay $1,250" is one too, by the letter of the contract: no pattern can tell what is owed to us from what somebody
earns, and a wrong refusal costs a word ("the invoice is $1,250", "payment of $1,250" pass), a leak the client.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

NEAR = 40
"""So many characters at most stand between the word and the amount (staffing.md, Validators)."""

_UNIT = (
    r"(?:/ ?(?:hr|hour|h|wk|week|yr|year|day|shift)|(?:an|per|a|each) (?:hr|hour|week|year|day|shift|annum)"
    r"|hourly|p/?h)"
)
_WORD = re.compile(
    r"(?<![a-z])(?:(?P<theirs>bill(?:ing)?[ -]?rates?|mark-?ups?|margins?)|salar(?:y|ies)|wages?"
    r"|rates? of pay|pay(?:ing|s)?|pay[ -]?rates?|rates?|paid|comp(?:ensation)?|ote|remuneration|earn(?:s|ing|ings)?"
    r"|take-?home|per diem|stipends?|bonus(?:es)?|hourly)(?![a-z])"
)
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?|\d+(?:\.\d{1,2})?"
_CURRENCY = r"(?:us ?\$|usd|\$|€|£|eur|gbp)"
_NO_PAY = r"am|pm|st|nd|rd|th|days?|weeks?|people|workers|hours?|hrs|min"
_AMOUNTS = (
    re.compile(rf"(?P<from>{_CURRENCY} ?)(?P<number>{_NUMBER})(?P<k> ?k(?![a-z]))?"),
    re.compile(rf"{_CURRENCY} ?(?:{_NUMBER}) ?(?:-|to) ?(?P<number>{_NUMBER})(?P<k> ?k(?![a-z]))?"),  # "$20-22"
    re.compile(
        rf"(?<![\w.,/:$-])(?P<number>{_NUMBER})(?P<k> ?k)? ?(?:dollars?|bucks|usd|eur|euros?|[$€£]|{_UNIT})(?![a-z\d])"
    ),
    # A plain decimal or thousands, that is no part of a phone, date, time or version.
    re.compile(r"(?<![\w.,/:-])(?P<number>\d{1,3}\.\d{2}|\d{1,3},\d{3}(?:\.\d{2})?)(?P<k>)(?![\d%]|[.,/:-]\d)"),
    re.compile(r"(?<![\w.,/:-])(?P<number>\d{2,3})(?P<k> ?k)(?![a-z])"),
    # A plain number right behind the word: "pay rate: 27".
    re.compile(
        r"(?<![a-z])(?:salary|wages?|pay(?:s|ing)?|paid|earn(?:s|ing)?|hourly|comp|rate)"
        r"(?: (?:is|was|of|at|will be))?(?: ?[:=])? ?"
        rf"(?P<number>\d{{2,6}}(?:\.\d{{1,2}})?)(?P<k>)(?![\d%]|[.,/:-]\d| ?(?:{_NO_PAY})(?![a-z]))"
    ),
)
_ONES = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
_ONES += " eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SPOKEN = re.compile(
    rf"(?<![a-z])(?:(?:{'|'.join(_TENS.split())})(?:[ -](?:{'|'.join(_ONES.split())}))?|{'|'.join(_ONES.split())})"
    rf"(?:[ -](?:hundred|thousand|fifty|twenty-five|seventy-five))?(?= ?(?:dollars|bucks|{_UNIT})(?![a-z]))"
)


# Money by the hour says what it is without another word: "$27.50/hr", "27 dollars an hour"; "40 an hour" may be boxes.
_BY_THE_HOUR = re.compile(rf"(?: ?k)? ?(?P<money>dollars?|bucks|usd|euros?|eur|[$€£])? ?{_UNIT}(?![a-z])")


@dataclass(frozen=True, slots=True)
class Statement:
    """An amount at ``start`` … ``end`` of a plain text in lower case. ``value`` is None for one in words; ``theirs``:
    what the client pays the agency, not what the worker gets.
    """

    start: int
    end: int
    value: Decimal | None
    theirs: bool


def find_statements(low: str) -> Iterator[Statement]:
    """Amounts near a word of pay, each once. ``low``: plain, in lower case."""
    words = [(match.start(), match.end(), bool(match["theirs"])) for match in _WORD.finditer(low)]
    firsts, lasts = [first for first, _, _ in words], [last for _, last, _ in words]
    told = 0
    for start, end, value, money in sorted(set(_amounts(low)), key=lambda one: (one[0], -one[1], not one[3])):
        if start < told:
            continue
        near = words[bisect_left(lasts, start - NEAR) : bisect_right(firsts, end + NEAR)]
        if near or _is_hourly(low, end, money=money):
            told = end
            yield Statement(start, end, value, any(theirs for _, _, theirs in near))


def _amounts(low: str) -> Iterator[tuple[int, int, Decimal | None, bool]]:
    """(start, end, value, whether it is money by its own form)."""
    for pattern in _AMOUNTS:
        for match in pattern.finditer(low):
            number = Decimal(match["number"].replace(",", ""))
            start = match.start("from" if "from" in pattern.groupindex else "number")
            money = pattern in _AMOUNTS[:2] or "." in match["number"]
            yield start, match.end("number"), number * 1000 if match["k"] else number, money
    for match in _SPOKEN.finditer(low):
        yield match.start(), match.end(), None, False


def _is_hourly(low: str, end: int, *, money: bool) -> bool:
    tail = _BY_THE_HOUR.match(low, end)
    return tail is not None and (money or tail["money"] is not None)
