"""Shifts, pay and head counts in an order's text, and the numbers that are none of these (phones, PO, EIN, times)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from workbench.staffing.mention import Mention

SHIFT_WORDS = {"1st": "1st shift", "2nd": "2nd shift", "3rd": "3rd shift", "weekend": "weekends"}

_LOWEST_PAY, _HIGHEST_PAY = 7.0, 250.0
_MOST_PEOPLE = 500

_NOISE = re.compile(
    r"""(?ix)
      [\w.+-]+@[\w-]+(?:\.[\w-]+)+
    | https?://\S+
    | (?<![\w$])(?:\+?1[\s.-]?)?\(?\d{3}\)?[\s.-]\d{3}[\s.-]\d{4}(?!\d)
    | (?<!\d)\d{3}-\d{2}-\d{4}(?!\d)
    | \b(?:po|p\.o\.|ein|order|req|request|invoice|job|ref|bldg|building|suite|ste|dock|gate|door|unit|line)
      \s*(?:\#|no\.?|number|to\s+po)?\s*[:\#]?\s*(?!20\d\d-)\d[\d-]*\b
    | (?<![\w$.,-])\d{5}(?:-\d{4})?(?![\w.])
    | \b\d{6,}\b
    | (?<!\w)\d{1,6}\s+[NSEW]?\s*[A-Z]\w+\s+(?:st|street|ave|avenue|rd|road|blvd|dr|drive|hwy|pkwy|way)\b\.?
    """
)
_LIST_NUMBER = re.compile(r"(?m)^[ \t]*(?:\d{1,2}[).](?=\s)|[-*•](?=\s))")

_HOUR = r"(?:[01]?\d|2[0-3])(?::[0-5]\d)?"
_HOURS = re.compile(
    rf"""(?ix) (?<![\w/$.:-]) (?P<from>{_HOUR}) (?:\s*(?P<a>[ap]\.?m?\.?))? (?: \s*(?:-|–|to|until|til)\s*
        (?P<to>{_HOUR}) (?:\s*(?P<b>[ap]\.?m?\.?))? )? (?![\w/:-]|\.\d)"""
)
_SHIFTS = (
    ("1st", 3, r"(?:1st|first|day|morning|early)[\s-]+shifts?"),
    ("2nd", 3, r"(?:2nd|second|afternoon|evening|swing|late)[\s-]+shifts?"),
    ("3rd", 3, r"(?:3rd|third|night|overnight|graveyard|midnight)[\s-]+shifts?"),
    ("weekend", 3, r"week-?end[\s-]+(?:shifts?|crew)"),
    ("1st", 2, r"(?:on\s+|for\s+)?(?:1st|first)(?!\s+(?:day|thing|aid|article|week|time|of|line)\b|-)"),
    ("2nd", 2, r"(?:on\s+|for\s+)?(?:2nd|second)(?!\s+(?:day|week|time|floor|of\b|look))"),
    ("3rd", 2, r"(?:on\s+|for\s+)?(?:3rd|third)(?!\s+(?:day|week|time|party|floor|of\b))"),
    ("3rd", 2, r"graveyards?|overnight?s?|overnites?|third"),
    ("3rd", 1, r"nights?|nites?|tonight|tonite|midnights"),
    ("2nd", 1, r"evenings?|afternoons?|swings?"),
    ("1st", 1, r"mornings?|daytime|normal\s+hours"),
    ("1st", 1, r"(?<!first\s)(?<!last\s)(?<!\d\s)(?<!\d-)(?<!business\s)(?<!few\s)(?<!two\s)(?<!ninety\s)days"),
    ("weekend", 1, r"week-?ends?|sat(?:urday)?s?\s*(?:/|&|\+|and|-|,)\s*sun(?:day)?s?"),
)
_SHIFT_PATTERNS = tuple((s, rank, re.compile(rf"(?i)(?<![\w'’-])(?:{p})(?![\w'’])")) for s, rank, p in _SHIFTS)

_AMOUNT = r"\d{1,3}(?:\.\d{1,2})?"
_PER = r"(?:\s*(?:/|per\s+|an\s+|a\s+)?\s*(?:hours?|hrs?|h)\b)"
_PAY = re.compile(
    rf"""(?ix) (?<![\w.]) (?:
        \$\s*(?P<a>{_AMOUNT}) (?:\s*(?:-|–|to)\s*\$?\s*(?P<b>{_AMOUNT}))? (?:{_PER}|\s*ph\b)?
      | (?P<c>{_AMOUNT}) (?:\s*(?:-|–|to)\s*(?P<d>{_AMOUNT}))? \s*(?:/|per\s+|an\s+|a\s+|p)\s*(?:hour|hr|h)\b
      | (?P<f>\d{{1,3}}\.\d\d) \s* (?:hour|hr|h)\b
      | (?:rate|pay|paying|pays)\b[^.\n$\d]{{0,30}}? (?P<e>{_AMOUNT}) (?!\d|\s*(?:%|/|people|ppl))
    ) (?!\d|\.\d|/\d|\s*(?:/|a|per)\s*(?:day|week|wk|month|year|yr))"""
)

_COUNT_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "couple": 2, "dozen": 12, "half": 6,
}  # fmt: skip
_COUNT = re.compile(
    rf"""(?ix) (?<![\w$.:/+#-]) (?:
        (?P<half>half\s+a\s+dozen) | (?:a\s+)?(?P<dozen>couple|dozen)(?:\s+of)?
      | (?:(?P<word>{"|".join(list(_COUNT_WORDS)[:15])})(?:\s*\(\s*\d+\s*\))?)
      | \(?(?P<low>\d{{1,3}})(?:\s*(?:-|–|to|or)\s*(?P<high>\d{{1,3}}))?\)?(?:\s?x\b)?
      | x\s?(?P<times>\d{{1,3}})
    ) (?![\w$%/]|[.:,-]\d)"""
)
_UNIT = re.compile(
    r"""(?ix) \s*-?\s*(?:ft|foot|feet|hours?|hrs?|boxes|weeks?|wks?|months?|years?|yrs?|days?|lbs?|pounds?|%
    |am|pm|a\.m|p\.m|min(?:ute)?s?|sharp|wpm|tons?|miles?|mi|inch(?:es)?|degrees|people\s+showed|from\s+last|ends?\b
    |of\s+(?:the|our|them)|more\s+than|contract)\b"""
)


@dataclass(frozen=True, slots=True)
class Pay:
    """Dollars an hour; ``low`` equals ``high`` when one amount is named."""

    low: float
    high: float


def find_noise(text: str) -> list[Mention]:
    """Numbers and addresses that no field is read from: mail addresses, phones, SSN shapes, PO and EIN, ZIP, lists."""
    found = [*_NOISE.finditer(text), *_LIST_NUMBER.finditer(text)]
    return [Mention("noise", m[0], *m.span()) for m in found]


def find_pay(text: str) -> list[Mention]:
    """``pay`` mentions with a `Pay`; amounts that no hour can pay are left alone."""
    return [pay for match in _PAY.finditer(text) if (pay := _pay(match))]


def _pay(match: re.Match[str]) -> Mention | None:
    amounts = [float(match[name]) for name in "abcdef" if match[name]]
    if not amounts or not all(_LOWEST_PAY <= amount <= _HIGHEST_PAY for amount in amounts):
        return None
    start = match.start("e") if match["e"] else match.start()
    sure = 0.7 if match["e"] else 1.0
    return Mention("pay", Pay(min(amounts), max(amounts)), start, match.end(), sure=sure)


def find_shifts(text: str) -> list[Mention]:
    """``shift`` mentions: 1st, 2nd, 3rd or weekend, named or by the hour that work begins."""
    found = [
        Mention("shift", shift, *match.span(), sure=0.7 + 0.1 * rank, rank=2 * rank)
        for shift, rank, pattern in _SHIFT_PATTERNS
        for match in pattern.finditer(text)
    ]
    return _apart([*found, *_by_hours(text)])


def shift_named(words: str) -> str | None:
    """``"night shift"`` → ``"3rd"``: the shift that these words name, or None. For a query's ``-"night shift"``."""
    found = find_shifts(words.strip())
    whole = [mention for mention in found if mention.end - mention.start == len(words.strip())]
    return str(whole[0].value) if whole else None


def _by_hours(text: str) -> Iterator[Mention]:
    for match in _HOURS.finditer(text):
        timed = match["a"] or match["b"] or ":" in match["from"]
        # "9-5" is a working day; "2-3" and "11/30" are not hours.
        office = match["to"] and match["from"] in {"8", "9"} and match["to"] in {"4", "5", "6"}
        if not (timed or office):
            continue
        hour = int(match["from"].partition(":")[0])
        half = (match["a"] or "").lower()[:1]
        if half:
            hour = hour % 12 + (12 if half == "p" else 0)
        whole = bool(match["to"])
        yield Mention("shift", _shift_at(hour), *match.span(), sure=0.8 if whole else 0.5, rank=3 if whole else 0)


def _shift_at(hour: int) -> str:
    if 4 <= hour < 12:
        return "1st"
    return "2nd" if 12 <= hour < 18 else "3rd"


def _apart(mentions: list[Mention]) -> list[Mention]:
    """Those that do not overlap, the longest first."""
    kept: list[Mention] = []
    for mention in sorted(mentions, key=lambda m: (m.start - m.end, -m.rank, m.start)):
        if all(mention.end <= other.start or other.end <= mention.start for other in kept):
            kept.append(mention)
    return sorted(kept, key=lambda mention: mention.start)


def find_counts(text: str) -> list[Mention]:
    """``count`` mentions: every small number that may count people; ``rank`` 1 when it says so ("x2", "3 people")."""
    return [count for match in _COUNT.finditer(text) if (count := _count(text, match))]


def _count(text: str, match: re.Match[str]) -> Mention | None:
    if _UNIT.match(text, match.end()):
        return None
    if match["half"]:
        number = 6
    elif word := match["dozen"] or match["word"]:
        number = _COUNT_WORDS[word.lower()]
    else:
        number = int(match["high"] or match["low"] or match["times"])
    if not 0 < number <= _MOST_PEOPLE or re.search(r"(?i)\b(?:no|nr|#)\.?\s*$", text[: match.start()]):
        return None
    people = re.match(
        r"(?i)\s*(?:more|people|ppl|guys|folks|persons?|bodies|temps|hands|additional|extra)\b", text[match.end() :]
    )
    labelled = re.search(r"(?i)(?:qty|quantity|count|headcount|how\s+many|need|number)\s*:?\s*$", text[: match.start()])
    sure = 0.6 if match["high"] else 1.0
    return Mention("count", number, *match.span(), sure=sure, rank=int(bool(people or labelled or match["times"])))
