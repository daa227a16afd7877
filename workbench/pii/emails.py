"""E-mail addresses, plain and spelled out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from workbench.pii.kinds import COVER, Kind, Span

LONGEST_LOCAL = 320  # more than RFC 5321 allows: a longer one is no address

_LOCAL = re.compile(r"[\w.+'&%~=-]*[\w]")
# "logo@2x.png" is a file.
_DOMAIN = re.compile(
    r"@(?:\r?\n[ \t>]{0,2}+)?"
    r"([\w-]++(?:\.[\w-]++)*?\.(?!(?:png|jpe?g|gif|svg|webp|ico)\b)[^\W\d_]{2,24}+)(?![\w-]|\.\w)",
    re.IGNORECASE,
)
_SPELLED = re.compile(
    r"(?<![\w.])[\w.+-]{1,64}+(?: at [\w-]{1,63}+(?:(?: dot |\.)[\w-]{1,63}+){0,3}?"
    r" dot (?:com|org|net|edu|gov|io|co|us|uk|info|biz)\b"
    r"| ?[(\[]at[)\]] ?[\w-]{1,63}+(?:(?: dot | ?[(\[]dot[)\]] ?|\.)[\w-]{2,63}+){1,4})",
    re.IGNORECASE,
)

# Set apart by a scanner: "ann.lee @ acme.com", but not "meet @ acme.com".
_APART = re.compile(
    r"(?<![\w.+-])(?=[\w+-]{0,64}+[.+])(?=[\w.+-]{0,64}?[a-z])[\w.+-]{1,64}+(?: @ ?|@ )"
    r"[\w-]{1,63}+(?:\.[\w-]{1,63}+){0,4}?\.[a-z]{2,24}+(?![\w-]|\.\w)",
    re.IGNORECASE,
)
_ENCODED = re.compile(r"(?<![\w.%+-])[\w.+-]{1,64}+%40[\w-]{1,63}+(?:\.[\w-]{1,63}+){1,5}+", re.IGNORECASE)
_LITERAL = re.compile(r"@\[(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|ipv6:[0-9a-f:.]{2,45})\]", re.IGNORECASE)
# What stands before the last "@" of ``scheme://user:password@host``.
_USER = re.compile(rf"://[^\s/@{COVER}]*:[^\s/@{COVER}]*\Z")
_QUOTED = re.compile(r"""(?<![\w"')\]])"\w[\w .+'-]{0,62}"\Z""")


def find_emails(plain: str, low: str) -> Iterator[Span]:
    """ann@acme.com; ann@[192.0.2.1]; ann%40acme.com; ann.lee @ acme.com; ann at acme dot com; ann [at] acme [dot] com.

    The password in ``scheme://user:password@host`` is none: `find_keys` finds it.
    """
    if "@" in plain:
        yield from _find_addresses(plain)
        if "@ " in plain or " @" in plain:
            yield from (Span(*match.span(), Kind.EMAIL) for match in _APART.finditer(plain))
    if "%40" in plain:
        yield from (Span(*match.span(), Kind.EMAIL) for match in _ENCODED.finditer(plain))
    if " dot " in low or "(at)" in low or "[at]" in low:
        yield from (Span(*match.span(), Kind.EMAIL) for match in _SPELLED.finditer(plain))


def _find_addresses(plain: str) -> Iterator[Span]:
    for pattern in (_DOMAIN, _LITERAL) if "@[" in plain else (_DOMAIN,):
        for match in pattern.finditer(plain):
            left = max(match.start() - LONGEST_LOCAL, 0)
            start = _local_start(plain, left, match.start())
            if start is not None and not _USER.search(plain, left, match.start()):
                yield Span(start, match.end(), Kind.EMAIL)


def _local_start(plain: str, left: int, at: int) -> int | None:
    if at and plain[at - 1] == '"':
        quoted = _QUOTED.search(plain, max(left, at - 66), at)
        return quoted.start() if quoted else None
    local = _LOCAL.match(plain[left:at][::-1])
    return at - local.end() if local else None
