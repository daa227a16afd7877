"""What a column's name says of its values: which digits are no numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

_KEPT = {
    "zip", "zipcode", "zips", "postal", "postcode", "postcodes", "phone", "phones", "telephone", "mobile", "cell",
    "cellphone", "fax", "tel", "ssn", "ein", "msisdn", "iban", "nino", "passport",
}  # fmt: skip
_CODES = {"nbr", "no", "code", "codes", "reference", "ref", "account", "acct"}
_REGISTERS = {"mcc", "sic", "naics", "fips", "isbn", "ean", "upc", "gtin", "sku", "npi", "duns", "cusip", "isin"}
_COUNTING = {"number", "num", "no", "nr", "count", "total", "sum", "average", "avg", "mean", "max", "min"}
_MEASURES = {
    "total", "average", "avg", "mean", "max", "min", "maximum", "minimum", "count", "calls", "cost", "costs", "pages",
    "homes", "units", "users", "amount", "minutes", "usage", "spend", "charge", "charges", "bill", "price", "size",
    "volume", "ratio", "rate", "share", "length", "sum",
}  # fmt: skip


def _words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W\d_]+", spaced.casefold())


def _counts_things(words: Sequence[str]) -> bool:
    """'Number of accounts', 'total codes': a quantity whatever it counts."""
    return len(words) > 1 and (words[0] in _COUNTING or "of" in words[1:2])


def stays_text(name: str) -> bool:
    """Phones, ZIP codes and the like: digits that are no number."""
    words = _words(name)
    return bool(_KEPT.intersection(words)) and not _MEASURES.intersection(words) and not _counts_things(words)


def is_id(name: str) -> bool:
    """``id``, ``worker_id``, ``workerId``."""
    return bool(re.fullmatch(r"(?:.*[ _.-])?id", name.casefold())) or bool(re.fullmatch(r".*[a-z]I[dD]", name))


def is_code(name: str) -> bool:
    """``account``, ``doc nbr``, ``transaction number``, ``MCC``: digits that nobody adds up."""
    words = _words(name)
    if not words or _counts_things(words):
        return False
    last_of_several = len(words) > 1 and words[-1] in {"number", "num"} and not _MEASURES.intersection(words)
    return words[-1] in _CODES or last_of_several or bool(_REGISTERS.intersection(words))
