"""What personal data is called here, and where it stands in a text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from workbench.errors import InvalidError, NotFoundError

COVER = "•"


class Kind(StrEnum):
    """A kind of personal data or secret. In a union of overlapping finds of one length the earlier kind names it."""

    KEY = "key"  # passwords, API keys, tokens, private keys
    CARD = "card"  # payment cards
    SSN = "ssn"  # social security numbers, and the ITIN of the same shape
    ACCOUNT = "account"  # IBAN, bank account, routing number, sort code
    PHONE = "phone"
    EMAIL = "email"
    BIRTH_DATE = "birth_date"
    ADDRESS = "address"  # a street address or post box; a city, state or ZIP alone is none
    NAME = "name"  # of a person


KINDS: tuple[str, ...] = tuple(kind.value for kind in Kind)


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``start`` to ``end`` (code points, end excluded) of a text hold a value of ``kind``."""

    start: int
    end: int
    kind: Kind


def check_kind(kind: str) -> None:
    """Raise InvalidError unless ``kind`` is one of `Kind` or '' (no tag)."""
    if kind in {"", *Kind}:
        return
    known = sorted(Kind)
    hint = NotFoundError.named("kind of PII", kind, known).hint
    raise InvalidError(f"{kind!r} is no kind of PII.", hint=f"{hint} All: {', '.join(known)}; '' for none.")
