"""Where personal data stands in a free text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from workbench.pii.accounts import find_accounts, find_sort_codes
from workbench.pii.emails import find_emails
from workbench.pii.keys import find_keys
from workbench.pii.kinds import Kind, Span
from workbench.pii.phones import find_phones
from workbench.pii.places import find_addresses, find_birth_dates
from workbench.pii.plain import to_plain
from workbench.pii.sheets import find_in_sheets
from workbench.pii.ssn import find_scanned_ssns, find_ssns
from workbench.pii.stretches import stretches

_DIGIT = re.compile("[0-9]")
_RANK = {kind: rank for rank, kind in enumerate(Kind)}


def find(text: str) -> tuple[Span, ...]:
    """Personal data and secrets in a text, in order, not overlapping. Works on any string, in linear time.

    Found by shape and by the words beside it: e-mail addresses, phones, SSNs, street addresses, birth dates, cards,
    bank accounts, keys. Names are not: no list of names treats all people alike; a column of names is tagged instead.
    """
    plain, offsets = to_plain(text)
    spans = _settle(list(_find_plain(plain)))
    if offsets is None:
        return tuple(spans)
    return tuple(Span(offsets[span.start], offsets[span.end - 1] + 1, span.kind) for span in spans)


def _find_plain(plain: str) -> Iterator[Span]:
    # İ is the one letter that grows in lower case, and the places must stay the same.
    low = plain.replace("İ", "I").lower()
    yield from find_keys(plain, low)
    yield from find_emails(plain, low)
    if not _DIGIT.search(plain):
        return
    yield from find_addresses(plain, low)
    yield from find_birth_dates(low)
    yield from find_sort_codes(low)
    yield from find_scanned_ssns(low)
    yield from find_in_sheets(plain, low)
    for stretch in stretches(plain, low):
        yield from find_ssns(stretch, far=True)
        yield from find_phones(stretch)
        yield from find_accounts(stretch)


def _settle(spans: list[Span]) -> list[Span]:
    """Overlapping spans become one, of the longest one's kind."""
    settled: list[Span] = []
    widest = 0
    for span in sorted(spans, key=lambda each: (each.start, each.start - each.end, _RANK[each.kind])):
        if not settled or span.start >= settled[-1].end:
            settled.append(span)
            widest = span.end - span.start
            continue
        last = settled[-1]
        kind = last.kind if span.end - span.start <= widest else span.kind
        widest = max(widest, span.end - span.start)
        settled[-1] = Span(last.start, max(last.end, span.end), kind)
    return settled
