"""The plain form of a text: look-alikes become ASCII and invisible characters go, so that one set of patterns fits all.

A social security number written with full-width digits, en dashes or a zero-width space in the middle is still one.
"""

from __future__ import annotations

import re

# The zero of every run of decimal digits outside ASCII (general category Nd, Unicode 14), in hexadecimal.
_ZEROS = (
    "660 6F0 7C0 966 9E6 A66 AE6 B66 BE6 C66 CE6 D66 DE6 E50 ED0 F20 1040 1090 17E0 1810 1946  19D0 1A80 1A90 1B50 "
    "1BB0 1C40 1C50 A620 A8D0 A900 A9D0 A9F0 AA50 ABF0 FF10 104A0 10D30 11066 110F0 11136 111D0  112F0 11450 114D0 "
    "11650 116C0 11730 118E0 11950 11C50 11D50 11DA0 16A60 16AC0 16B50 1D7CE 1D7D8 1D7E2 1D7EC 1D7F6 1E140 1E2F0 "
    "1E950 1FBF0"
)
_LOOKS_LIKE = {
    "-": "\u00ad\u058a\u05be\u1806\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2e3a\u2e3b\u30fc\ufe31\ufe58\ufe63",
    " ": "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    ".": "\u00b7\u0387\u2024\u2027\u2219\u22c5\u3002\u30fb\uff61\uff65\ufe52",
    "@": "\ufe6b",
    "+": "\ufe62",
    "'": "\u2018\u2019\u02bc",
    "\n": "\u0085\u2028\u2029",
}
_INVISIBLE = re.compile(
    "[\u0300-\u036f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u20e3\u3164"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e01ef]"
)


def _likeness() -> dict[str, str]:
    table = {odd: char for char, odds in _LOOKS_LIKE.items() for odd in odds}
    table |= {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    return table | {chr(int(zero, 16) + n): str(n) for zero in _ZEROS.split() for n in range(10)}


_ASCII = _likeness()
# All characters beyond the basic plane are looked up: thirty ranges of digits would make the class slow.
_ODD = re.compile(
    f"[{re.escape(''.join(sorted(char for char in _ASCII if char < chr(0x10000))))}\U00010000-\U0010ffff]"
)
_STRANGE = re.compile(_INVISIBLE.pattern[:-1] + _ODD.pattern[1:])
_VISIBLE = re.compile(f"[^{_INVISIBLE.pattern[1:]}+")


def to_plain(text: str) -> tuple[str, list[int] | None]:
    """The plain form, and where each of its characters stands in ``text`` (None: at the same place)."""
    if text.isascii() or not _STRANGE.search(text):
        return text, None
    offsets = None
    if _INVISIBLE.search(text):
        kept = [match.span() for match in _VISIBLE.finditer(text)]
        offsets = [place for start, end in kept for place in range(start, end)]
        text = "".join(text[start:end] for start, end in kept)
    return _ODD.sub(lambda match: _ASCII.get(match[0], match[0]), text), offsets
