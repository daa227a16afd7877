"""Everything that stands in an order's text, found in turn so that no words are read twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date

from workbench.search.reading.negation import negated
from workbench.staffing.mention import Mention, cover
from workbench.staffing.order_dates import find_days
from workbench.staffing.order_fields import (
    SHIFT_WORDS,
    find_counts,
    find_noise,
    find_pay,
    find_shifts,
    shift_named,
)
from workbench.staffing.order_words import CLOSING, GREETING, HEADER, LAST_TIME, PROTECTED
from workbench.staffing.orders import Known
from workbench.staffing.parties import find_cities, find_strangers

_WORKER = re.compile(r"(?i)w-?(\d{1,18})")
_LABEL = re.compile(r"(?i)\b(not|exclude|without|except)\s*:(?=\s)")
_EXACT_RANK = 4
_AND = re.compile(r"(?i)\s*(?:and|&|\+)\s*")
_WISH_AFTER = re.compile(
    r"(?i)^[^.;\n]{0,30}?\b(?:a\s+plus|helpful|preferred|pref|nice\s+to\s+have|(?:not|isn'?t)\s+required|optional|desired|would\s+be"
    r"\s+(?:nice|great)|bonus)\b"
)
_MUST_BEFORE = re.compile(
    r"(?i)(?:\b(?:must|have\s+to|has\s+to|needs?\s+to|knows?|with|requir\w*(?:\s*:)?|rqd|real)|(?<!\w)w/)(?!\w)[^.;\n]{0,30}$"
    r"|\b(?:need|needs)\s+$"
)
_MUST_AFTER = re.compile(
    r"(?i)^[^.;,\n]{0,12}?\b(?:require[ds]?|rqd|req'?d|(?:a|is\s+a)\s+must|must|needed|necessary|experience|knowledge|exp|every\s+day"
    r"|daily|pls|please)\b"
)


def find_mentions(text: str, today: date, known: Known) -> list[Mention]:
    """All mentions of every kind; those of one kind do not overlap."""
    framed = [Mention("header", match[0], *match.span()) for match in HEADER.finditer(text)]
    body = cover(text, framed)
    # A ZIP code is noise to every other field, but says which Newark is meant.
    cities = find_cities(body, known.places)
    noise = _free(find_noise(body), [])
    clients = _free(known.book.find(cover(body, noise)), cities)
    body = cover(body, [*noise, *clients])
    refused = [Mention("refused", match[0], *match.span()) for match in PROTECTED.finditer(body)]
    last = [
        Mention("last_time", value=True, start=match.start(), end=match.end())
        for match in LAST_TIME.finditer(cover(body, refused))
    ]
    body = cover(body, [*refused, *last])
    barred = list(_negations(body, known))
    body = cover(body, barred)
    days = find_days(body, today)
    body = cover(body, [day for day in days if day.rank >= _EXACT_RANK or day.kind not in {"start"}])
    pay = find_pay(body)
    cities = _free(cities, [*noise, *barred])
    body = cover(body, [*pay, *cities])
    phrases = known.lexicon.find(body)
    shifts = _free(find_shifts(body), phrases)
    phrases = _joined(text, [_weighed(text, phrase) for phrase in phrases])
    strangers = _free(find_strangers(text), [*cities, *clients, *phrases, *days])
    found = [*framed, *noise, *clients, *refused, *last, *barred, *days, *pay, *cities, *phrases, *shifts, *strangers]
    found += find_counts(cover(text, [m for m in found if m.kind not in {"header"}] + framed))
    found += [Mention("greeting", m[0], *m.span()) for m in GREETING.finditer(text)]
    return [*found, *(Mention("closing", m[0], *m.span()) for m in CLOSING.finditer(text))]


def _free(mentions: Iterable[Mention], taken: Iterable[Mention]) -> list[Mention]:
    """Those that overlap none of ``taken``."""
    others = list(taken)
    return [m for m in mentions if all(m.end <= other.start or other.end <= m.start for other in others)]


def _negations(text: str, known: Known) -> Iterator[Mention]:
    plain = _LABEL.sub(lambda match: match[0][:-1] + " ", text)
    at = 0
    while at < len(plain):
        things = negated(plain, at) if plain[at].isalpha() and not plain[at - 1 : at].isalnum() else []
        for value, (start, end) in things:
            yield _barred(value, start, end, known)
        at = things[-1][1][1] if things else at + 1


def _barred(value: str, start: int, end: int, known: Known) -> Mention:
    """A must-not as a mention: its kind is ``not_`` and what it names."""
    if worker := _WORKER.fullmatch(value):
        return Mention("not_worker", f"W-{worker[1]}", start, end)
    if shift := shift_named(value):
        return Mention("not_shift", SHIFT_WORDS[shift], start, end)
    if known.lexicon.named(value, "role"):
        return Mention("not_role", known.lexicon.named(value, "role"), start, end)
    if paper := known.lexicon.named(value, "paper"):
        return Mention("not_paper", paper, start, end)
    name = re.fullmatch(r"[A-Z][a-z'’]+(?: [A-Z][a-z'’]*\.?)*|[a-z]+ [a-z]\.?", value)
    return Mention("not_name" if name else "not_thing", value, start, end, sure=0.8 if name else 0.6)


def _joined(text: str, phrases: list[Mention]) -> list[Mention]:
    """In "Excel and 10-key required" both are demanded: what is joined to something demanded is demanded too."""
    for at in range(len(phrases) - 2, -1, -1):
        one, following = phrases[at], phrases[at + 1]
        papers = "role" not in {one.kind, following.kind}
        if papers and one.rank < following.rank and _AND.fullmatch(text[one.end : following.start]):
            phrases[at] = replace(one, rank=following.rank, sure=following.sure)
    return phrases


def _weighed(text: str, phrase: Mention) -> Mention:
    """A paper or skill with its rank: 2 demanded, 1 a clause of its own or a paper as such, 0 mentioned or wished."""
    if phrase.kind == "role":
        return phrase
    before, after = text[: phrase.start], text[phrase.end :]
    if _WISH_AFTER.match(after):
        rank = 0
    elif _MUST_BEFORE.search(before) or _MUST_AFTER.match(after):
        rank = 2
    elif phrase.kind == "paper":
        rank = 1
    else:
        rank = int(bool(re.search(r",[ \t]*$", before) and re.match(r"[ \t]*,", after)))
    return Mention(phrase.kind, phrase.value, phrase.start, phrase.end, sure=(0.5, 0.8, 1.0)[rank], rank=rank)
