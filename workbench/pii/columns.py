"""Which columns hold personal data throughout: by their header, if the values do not speak against it, and by values.

Headers are read as words: ``clientContactName``, ``client_contact_name`` and "Client contact name" are the same. A
column of free text gets no tag, it is masked where `find` finds something. Who a name belongs to is not asked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from workbench.pii.kinds import Kind
from workbench.pii.plain import to_plain
from workbench.pii.spans import find

LOOKED_AT = 100  # values of a column, spread evenly over the sample: the judgement is about one half, not one percent
ENOUGH = 0.5  # share of values that are wholly one find
LONGEST = 120  # characters: a longer value is free text


def _bag(words: str) -> frozenset[str]:
    return frozenset(words.split())


_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W\d_]+")

# Headers that speak of a phone and hold something else: phone_type, email_count, password_changed_at.
_ABOUT = _bag(
    "count type status flag notes note comment comments subject body verified sent opened opt optin consent "
    "preference provider domain required valid changed updated expires expiry reset at"
)
_HEADERS: tuple[tuple[Kind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(rf"\b(?:{words})\b"))
    for kind, words in (
        (Kind.SSN, r"ssns?|social security|social sec|soc sec|itin|nino|national insurance"),
        (Kind.EMAIL, r"e ?mails?|email address(?:es)?|e ?mail ?addr"),
        (Kind.PHONE, r"phones?|telephone|tel|mobile|cell|cellphone|cellular|fax|whatsapp|contact (?:number|no|num)"),
        (Kind.PHONE, r"(?:work|home|day|evening|emergency) (?:number|no)"),
        (Kind.BIRTH_DATE, r"dob|date of birth|birth ?(?:date|day|dt|year)|birthdate|year of birth|born|\Abirth\Z"),
        (Kind.CARD, r"(?:credit|debit|payment|bank) card|card (?:number|no|num)|cc (?:number|no|num)|pan"),
        (Kind.ACCOUNT, r"iban|routing|aba|acct|account (?:number|no|num)|(?:bank|checking|savings) account|sort code"),
        (Kind.ACCOUNT, r"\Aaccount\Z|direct deposit"),
        (Kind.KEY, r"passwords?|passwd|pwd|passphrase|(?:api|secret|access|private|auth) ?(?:key|token)|apikey|secret"),
        (Kind.KEY, r"(?:bearer|refresh|auth|session)? ?token|credentials? secret"),
        (Kind.ADDRESS, r"street|addr|address(?:es)?|po box|addressline"),
    )
)
_NO_STREET = re.compile(r"\b(?:ip|mac|web|url|site|wallet|host|network|memory|to|from|reply) addr")

_NAME_ALONE = _bag("firstname lastname middlename fullname surname surnames forename forenames fname lname")
_OWN = _bag("first last middle given family maiden preferred fore sur nick")
_PEOPLE = _bag(
    "person worker employee candidate contact applicant manager recruiter supervisor coordinator staff patient "
    "student author spouse reference referee driver member guest tenant beneficiary dependent associate interviewer "
    "recipient sender nurse physician doctor caller signer signatory interviewee talent consultant contractor lead "
    "foreman people coworker colleague customer user owner holder"
)
_NEUTRAL = _bag("full legal display short the of a s primary secondary emergency main current")
_THINGS = _bag(
    "company client organisation organization org employer business vendor supplier merchant firm agency entity "
    "brand product item event file role job position title city town state county country region district borough "
    "place site location facility building branch office department dept team unit group dataset table column field "
    "model project program programme campaign list tag category class type skill course school university college "
    "degree certification certificate license credential shift service system server host domain path folder sheet "
    "database db schema index street account bank plan package task status stage step metric key variable parameter "
    "code template report source channel store warehouse plant account industry sector trade family"
)
# A table with one of these describes companies; its bare "name" is a company's.
_OF_COMPANIES = _bag("ein industry naics sic duns vat")
_COMPANY = re.compile(
    r"\b(?:llc|inc|ltd|limited|corp|corporation|co|company|companies|plc|llp|gmbh|ag|sa|group|holdings?|bank|partners"
    r"|services?|solutions?|systems?|technologies|logistics|staffing|industries|industrial|manufacturing|distribution"
    r"|transport|trucking|freight|hospital|clinic|university|college|school|council|department|ministry|agency|board"
    r"|authority|trust|foundation|association|institute|center|centre|hotel|restaurant|foods|supply|storage|insurance"
    r"|properties|software|data|packaging|plastics|steel|electric|mechanical|builders|construction|fabrication|labs"
    r"|commission|house|office|warehouse|care|living|catering|delivery|carriers|events)\b|&|\.com\b",
    re.IGNORECASE,
)
_PERSON = re.compile(r"[^\W\d_][^\W\d_.'’-]*(?:[ .,'’-]{1,2}[^\W\d_]+){0,5}\.?")
_TITLED = re.compile(r"[^\W\d_a-z][^\W\d_]*(?:[ .,'’-]{1,2}[^\W\d_]+){1,4}\.?")


def tag_column(name: str, values: Sequence[str | None] | pa.Array | pa.ChunkedArray) -> str:
    """The kind that a column holds, by its header and a sample of its values; '' for none.

    Values: half of them or more are wholly one find of a kind. Header: it names the kind and no more than half of the
    values are out of the question for it; a column without values is taken by its word.
    """
    texts = _spread(values)
    return _by_values(texts) or _by_header(_words(name), texts)


def tag_table(table: pa.Table) -> dict[str, str]:
    """Column → kind for a sample of rows; columns that hold none are left out."""
    headers = {name: _words(name) for name in table.column_names}
    companies = any(_OF_COMPANIES & set(words) for words in headers.values())
    found = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = "" if _is_nested(column.type) else tag_column(name, column)
        if kind and not (companies and headers[name] == ["name"] and kind == Kind.NAME):
            found[name] = kind
    return found


def _is_nested(kind: pa.DataType) -> bool:
    return bool(pa.types.is_nested(kind) or pa.types.is_boolean(kind))


def _words(header: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(_HUMP.sub(" ", to_plain(header)[0]))]


def _spread(values: Sequence[str | None] | pa.Array | pa.ChunkedArray) -> list[str]:
    """Up to `LOOKED_AT` values that are not blank, evenly from the first to the last."""
    if not isinstance(values, pa.Array | pa.ChunkedArray):
        known = [value.strip() for value in values if value and value.strip()]
        return known[:: max(-(-len(known) // LOOKED_AT), 1)]
    known = values.drop_null()
    step = max(-(-len(known) // LOOKED_AT), 1)
    # One by one: an array of places would import pandas on the way.
    taken = (known[place].as_py() for place in range(0, len(known), step))
    return [text for value in taken if (text := _text(value).strip())]


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _by_values(texts: list[str]) -> str:
    kinds = Counter(kind for text in texts if (kind := _whole(text)))
    if not kinds:
        return ""
    kind, count = kinds.most_common(1)[0]
    return str(kind) if count >= ENOUGH * len(texts) else ""


def _whole(text: str) -> Kind | None:
    """The kind of the find that is the whole value, but for a mark at its ends."""
    if len(text) > LONGEST:
        return None
    spans = find(text)
    if len(spans) != 1 or text[: spans[0].start].strip("<( ") or text[spans[0].end :].strip(">).,; "):
        return None
    return spans[0].kind


def _by_header(words: list[str], texts: list[str]) -> str:
    if _is_name_of_person(words, texts):
        return str(Kind.NAME)
    header = " ".join(words)
    if _ABOUT & set(words):
        return ""
    for kind, pattern in _HEADERS:
        if not pattern.search(header) or (kind == Kind.ADDRESS and _NO_STREET.search(header)):
            continue
        if _share(texts, _FITS[kind]) >= ENOUGH:
            return str(kind)
    return ""


def _share(texts: list[str], fits: Callable[[str], bool]) -> float:
    return sum(map(fits, texts)) / len(texts) if texts else 1.0


def _digits(text: str) -> int:
    return sum(char.isdecimal() for char in text)


def _is_secret(text: str) -> bool:
    return len(text) >= 4 and " " not in text and text.casefold() not in {"true", "false", "none", "null"}


def _is_street(text: str) -> bool:
    """Two words or more, with a number, a comma or nothing but capitals: "Yes" and "see notes" are none."""
    words = text.split()
    return len(words) > 1 and len(text) <= LONGEST and (_digits(text) > 0 or "," in text or text.istitle())


_FITS: Mapping[Kind, Callable[[str], bool]] = {
    Kind.SSN: lambda text: _digits(text) >= 4 and len(text) <= 24,
    Kind.EMAIL: lambda text: "@" in text and " " not in text,
    Kind.PHONE: lambda text: 7 <= _digits(text) <= 20 and len(text) <= 40,
    Kind.BIRTH_DATE: lambda text: _digits(text) >= 2 and len(text) <= 32,
    Kind.CARD: lambda text: _digits(text) >= 12 and len(text) <= 30,
    Kind.ACCOUNT: lambda text: _digits(text) >= 6 and len(text) <= 42,
    Kind.KEY: _is_secret,
    Kind.ADDRESS: _is_street,
}


def _is_name_of_person(words: list[str], texts: list[str]) -> bool:
    if any(word in _NAME_ALONE for word in words):
        return True
    if "name" not in words and "names" not in words:
        return bool(words) and words[-1].removesuffix("s") in _PEOPLE and bool(texts) and _are_titled(texts)
    return _belongs_to_person([word if word in _THINGS else word.removesuffix("s") for word in words], texts)


def _belongs_to_person(words: list[str], texts: list[str]) -> bool:
    """By the word nearest to "name" that says whose it is: "client contact name" is a contact's."""
    place = words.index("name")
    nearest = [*reversed(words[:place]), *words[place + 1 :]]
    whose = next((word for word in nearest if word not in _NEUTRAL), "")
    if whose in _OWN:
        return not _THINGS & set(nearest[1:]) or bool(_PEOPLE & set(nearest))
    if whose in _THINGS:
        return False
    return _are_people(texts) if not whose or whose in _PEOPLE else bool(texts) and _are_titled(texts)


def _are_people(texts: list[str]) -> bool:
    """Nothing speaks against names of people: few companies, mostly words of letters, short."""
    return _share(texts, _is_company) < 0.15 + (not texts) and _share(texts, _is_person) >= ENOUGH


def _are_titled(texts: list[str]) -> bool:
    """Much speaks for names of people: two to five words, the first with a capital, hardly a company."""
    return _share(texts, _is_company) < 0.05 and _share(texts, lambda text: bool(_TITLED.fullmatch(text))) >= 0.6


def _is_company(text: str) -> bool:
    return _COMPANY.search(text) is not None


def _is_person(text: str) -> bool:
    return len(text) <= 60 and _PERSON.fullmatch(text) is not None
