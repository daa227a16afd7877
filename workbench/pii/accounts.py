"""Payment cards and bank accounts: by their check digits where they have them, else by the words before them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from workbench.pii.kinds import COVER, Kind, Span
from workbench.pii.stretches import Stretch

# First digits and length of each network's cards (ISO/IEC 7812 issuer ranges as the networks publish them): Visa,
# Mastercard, American Express, Diners, Discover, JCB, UnionPay.
_ISSUED = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"
    r"|3[47][0-9]{13}|3(?:0[0-5]|[689][0-9])[0-9]{11}|6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12,15}|35[0-9]{14}|62[0-9]{14,17}"
)
# A look ahead, so that a number that is none does not hide one that begins inside it.
_CARD = re.compile(
    r"[2-6](?<![0-9][2-6])"
    r"(?=([0-9]{3}(?:[0-9]{9,15}|([-. ])(?:[0-9]{4}\2[0-9]{4}\2[0-9]{4}|[0-9]{6}\2[0-9]{4,5}))(?![0-9])))"
)
# The same in the groups of a card with more between them: two blanks, " - ", the end of a line; or digit by digit.
_WIDE = r"(?: ?[-.] ?|[ \t]{1,3}|[ \t]?\r?\n[ \t>]{0,2})"
_CARD_APART = re.compile(
    r"[2-6](?<![0-9][2-6])"
    rf"(?=([0-9]{{3}}(?:{_WIDE}(?:[0-9]{{4}}{_WIDE}[0-9]{{4}}{_WIDE}[0-9]{{4}}|[0-9]{{6}}{_WIDE}[0-9]{{4,5}})"
    rf"|[0-9]{{4}}{_WIDE}[0-9]{{8}}|[0-9]{{2}}{_WIDE}[0-9]{{13}})(?![0-9])"
    rf"|(?:[ \t]{{1,2}}[0-9]){{13,18}}+(?![ \t]?[0-9])))"
)
_CARD_TOUCHES = re.compile(r"(?<![a-z])(?:card|visa|mastercard|amex|discover|cc|pan|no|nr|acct)\Z")
_FAR = re.compile(r"[0-9][ \t]{0,3}\Z")
_NEXT = re.compile(r"[ \t]{0,3}[0-9]")
# Country and length of each IBAN (SWIFT IBAN registry, release 99).
_IBAN_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
    "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 "
    "LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 "
    "PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 "
    "YE30"
)
IBAN_COUNTRIES = "|".join(each[:2] for each in _IBAN_LENGTHS.split())
_IBAN = re.compile(r"[A-Za-z]{2}[0-9]{2}(?=((?:[ -]?[A-Za-z0-9]){11,30}+))")
_LONG = re.compile(rf"[0-9](?<![0-9{COVER}][0-9])[0-9]{{7,16}}+(?![0-9{COVER}])")
_BANK_BEFORE = re.compile(
    r"(?<![a-z])(?:(?:bank|checking|savings|deposit)[ a-z]{0,12}(?:account|acct)|checking|routing|aba|rtn)(?![a-z])"
    rf"[^0-9\n{COVER}]{{0,15}}\Z"
)
_SORT_CODE = re.compile(rf"sort[ -]?code[^0-9\n{COVER}]{{0,10}}([0-9]{{2}}-[0-9]{{2}}-[0-9]{{2}})(?![0-9{COVER}])")


def find_accounts(stretch: Stretch) -> Iterator[Span]:
    """Cards with a right Luhn digit and issuer, IBANs with right check digits, bank numbers named as such."""
    for match in stretch.find(_CARD):
        start, end = match.start(), match.end(1)
        starts = stretch.starts_number(start) or stretch.said_before(_CARD_TOUCHES, start, reach=12)
        if starts and stretch.ends_number(end) and is_card(match[0] + match[1]):
            yield Span(start, end, Kind.CARD)
    for match in stretch.find(_CARD_APART):
        start, end = match.start(), match.end(1)
        if _stands_apart(stretch, start, end) and is_card(match[0] + match[1]):
            yield Span(start, end, Kind.CARD)
    for match in stretch.find(_IBAN):
        iban_end = _iban_end(match) if stretch.starts_number(match.start()) else None
        if iban_end:
            yield Span(match.start(), iban_end, Kind.ACCOUNT)
    for match in stretch.find(_LONG):
        if stretch.said_before(_BANK_BEFORE, match.start()):
            yield Span(*match.span(), Kind.ACCOUNT)


def _stands_apart(stretch: Stretch, start: int, end: int) -> bool:
    """Not in the middle of a row of numbers."""
    if not stretch.starts_number(start) or not stretch.ends_number(end):
        return False
    return not _FAR.search(stretch.plain, max(start - 4, 0), start) and not _NEXT.match(stretch.plain, end, end + 4)


def find_sort_codes(low: str) -> Iterator[Span]:
    """British sort codes: too short for a stretch, so only behind their name."""
    if "sort" in low:
        yield from (Span(*match.span(1), Kind.ACCOUNT) for match in _SORT_CODE.finditer(low))


def is_card(text: str) -> bool:
    """Issued by one of the card networks, and the last digit is right (Luhn, ISO/IEC 7812-1)."""
    digits = re.sub(r"[^0-9]", "", text)
    if not _ISSUED.fullmatch(digits):
        return False
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (doubled + sum(map(int, digits[-1::-2]))) % 10 == 0


def _iban_end(match: re.Match[str]) -> int | None:
    """Where the IBAN ends if the country has any, it is as long as the country's are, and mod 97 is 1 (ISO 13616)."""
    said = re.search(rf"{match[0][:2].upper()}(\d\d)", _IBAN_LENGTHS)
    length = int(said[1]) if said else 0
    text = match[0] + match[1]
    places = [place for place, char in enumerate(text) if char.isalnum()]
    if not 0 < length <= len(places):
        return None
    end = match.start() + places[length - 1] + 1
    if match.string[end : end + 1].isalnum():
        return None
    compact = "".join(text[place] for place in places[:length])
    number = "".join(str(int(char, 36)) for char in compact[4:] + compact[:4])
    return end if int(number) % 97 == 1 else None
