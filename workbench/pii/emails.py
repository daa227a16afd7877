"""E-mail addresses, plain and spelled out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from workbench.pii.kinds import Kind, Span

LONGEST_LOCAL = 320  # more than RFC 5321 allows: a longer one is no address

_LOCAL = re.compile(r"[\w.+'&%~=-]*[\w]")
# "logo@2x.png" is a file.
_DOMAIN = re.compile(
    r"@([\w-]++(?:\.[\w-]++)*?\.(?!(?:png|jpe?g|gif|svg|webp|ico)\b)[^\W\d_]{2,24}+)(?![\w-]|\.\w)", re.IGNORECASE
)
_SPELLED = re.compile(
    r"(?<![\w.])[\w.+-]{1,64}+(?: at [\w-]{1,63}+(?: dot [\w-]{1,63}+){0,3}?"
    r" dot (?:com|org|net|edu|gov|io|co|us|uk|info|biz)\b"
    r"| ?[(\[]at[)\]] ?[\w-]{1,63}+(?:(?: dot | ?[(\[]dot[)\]] ?|\.)[\w-]{2,63}+){1,4})",
    re.IGNORECASE,
)


def find_emails(plain: str, low: str) -> Iterator[Span]:
    """ann@acme.com; ann at acme dot com; ann [at] acme [dot] com."""
    if "@" in plain:
        yield from _find_addresses(plain)
    if " dot " in low or "(at)" in low or "[at]" in low:
        yield from (Span(*match.span(), Kind.EMAIL) for match in _SPELLED.finditer(plain))


def _find_addresses(plain: str) -> Iterator[Span]:
    for match in _DOMAIN.finditer(plain):
        before = plain[max(match.start() - LONGEST_LOCAL, 0) : match.start()]
        local = _LOCAL.match(before[::-1])
        if local:
            yield Span(match.start() - local.end(), match.end(), Kind.EMAIL)
