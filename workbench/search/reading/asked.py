"""Asked: what a person typed in the one box, read into what it means.

Operators: ``"exact phrase"``, ``+must``, ``-not``, ``-"not this phrase"``, ``role:forklift operator``,
``city:"South Bend, IN"``, ``near:Joliet,30mi``. Plain negation is read too: "no nights", "without a CDL", "but not
W-12". Every item keeps the characters it came from, so that a screen can show what was understood, and what was not.
A sign counts only before a letter or a quote: "24/7", "OSHA-30", "C++" and "-5" are words.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from workbench.search.reading.negation import negated

Kind = Literal["text", "phrase", "must", "not", "exclude", "role", "city", "near", "unread"]
Span = tuple[int, int]

DEFAULT_MILES = 25.0
MILES_PER_KM = 0.621371
KEYS = ("role", "city", "near")

_STATES = frozenset(
    re.findall(
        r"\S+",
        """
    AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK
    OR PA PR RI SC SD TN TX UT VT VA WA WV WI WY
        """,
    )
)
_ID = re.compile(r"(?i)w-?(\d{1,18})")
_SIGN = re.compile(r"[+-](?=[^\W\d_]|[\"“”])")
_KEY = re.compile(r"([^\W\d_]{2,12}):(?!//)")
_QUOTED = re.compile(r"[\"“”]([^\"“”]*)[\"“”]")
_WORD = re.compile(r"(?:[^\s\"“”,;()\[\]]|(?<=[^\W_])[\"“”]|,(?=\d))+")
_PLAIN_WORD = re.compile(r"[^\s\"“”,;()\[\]]+")
_GAP = re.compile(r"[\s,;()\[\]]+")
# "St." and "Ft." keep their dot; any other dot ends a value.
_VALUE_WORD = re.compile(r"[ \t]*([^\W\d_]{1,2}\.(?=[ \t]*[^\W\d_])|[^\W_](?:[\w/&.'’+#-]*[\w+#])?)")
_STATE = re.compile(r"[ \t]*(,?)[ \t]*([A-Za-z]{2})(?![\w:])")
_RADIUS = re.compile(r"(?i)[ \t]*(,?)[ \t]*(\d{1,5}(?:\.\d{1,6})?)[ \t]*(miles?|mi|kilomet(?:er|re)s?|km)?(?![\w.])")
_STOP = frozenset(
    re.findall(
        r"\S+",
        """
    a an and anyone are at available but by can certified except excluding experienced for from has have having in
    is must near need no not of on or please pls that the to who with within without w/ w/o
        """,
    )
)
_MOST_ROLE_WORDS = 4
_MOST_CITY_WORDS = 3


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was typed: its ``kind``, its ``value``, and ``span``, the characters [start, end) it came from.

    ``state`` (two letters, or empty) belongs to ``city`` and ``near``, ``miles`` to ``near``; ``hint`` says of
    something ``unread`` what to write instead. The value of ``exclude`` is a row's id as written (``W-12``).
    """

    kind: Kind
    value: str
    span: Span
    state: str = ""
    miles: float = 0.0
    hint: str = ""

    @property
    def place(self) -> str:
        """``"South Bend, IN"``, or the city alone when no state was typed."""
        return f"{self.value}, {self.state}" if self.state else self.value

    def to_text(self) -> str:
        """The item as an operator that reads back as the same item; empty for something unread."""
        if self.kind == "near":
            return f'near:"{self.place}",{_number(self.miles)}mi'
        if self.kind == "unread":
            return ""
        if self.kind in {"not", "exclude"}:
            return f'-"{self.value}"'
        forms = {"phrase": '"{}"', "must": '+"{}"', "role": 'role:"{}"', "city": 'city:"{}"', "text": "{}"}
        return forms[self.kind].format(self.place)


@dataclass(frozen=True, slots=True)
class Names:
    """Names that decide how far an unquoted ``role:`` or ``city:`` goes, in any case; without them it goes on until
    an operator, a comma or a small word such as "with".
    """

    roles: Collection[str] = ()
    cities: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A query as understood: ``text`` as typed and its ``items`` in order. All the rest is read from the items."""

    text: str
    items: tuple[Item, ...] = ()

    @property
    def free(self) -> str:
        """What is left for meaning: the words that are no operator, in order, one space between."""
        return " ".join(self._values("text"))

    @property
    def phrases(self) -> tuple[str, ...]:
        """Phrases that must stand in the text word for word."""
        return self._values("phrase")

    @property
    def must(self) -> tuple[str, ...]:
        """Words or phrases that must stand in the text."""
        return self._values("must")

    @property
    def must_not(self) -> tuple[str, ...]:
        """Words or phrases that must not stand in the text."""
        return self._values("not")

    @property
    def excluded(self) -> tuple[str, ...]:
        """Ids that must not be found, ``W-12`` as written by validators."""
        return self._values("exclude")

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles asked for by ``role:``; several mean any of them."""
        return self._values("role")

    @property
    def cities(self) -> tuple[Item, ...]:
        """Cities asked for by ``city:``; several mean any of them."""
        return tuple(item for item in self.items if item.kind == "city")

    @property
    def near(self) -> tuple[Item, ...]:
        """Circles asked for by ``near:``; several mean any of them."""
        return tuple(item for item in self.items if item.kind == "near")

    @property
    def unread(self) -> tuple[Item, ...]:
        """What was not understood, to be shown; it takes no part in the search."""
        return tuple(item for item in self.items if item.kind == "unread")

    @property
    def meaning(self) -> str:
        """The words to embed: free text, phrases and musts in the order typed, without what was negated."""
        return " ".join(item.value for item in self.items if item.kind in {"text", "phrase", "must"})

    def to_text(self) -> str:
        """A query that means the same, every operator written out; what was not understood is left out."""
        said = ""
        for item in reversed([item for item in self.items if item.kind != "unread"]):
            rest = f"{item.to_text()} {said}".rstrip()
            # "no" that stood before a phrase or before something unread must not begin to negate what follows it now.
            split = item.kind == "text" and negated(rest)
            said = f"{item.to_text()} ; {said}" if split else rest
        return said

    def _values(self, kind: Kind) -> tuple[str, ...]:
        return tuple(item.value for item in self.items if item.kind == kind)


def parse(text: str, names: Names | None = None) -> Asked:
    """Read a query; never raises. Spans count characters of ``text``."""
    return Asked(text, tuple(_items(text, _Lookup.of(names or Names()))))


@dataclass(frozen=True, slots=True)
class _Lookup:
    roles: frozenset[str]
    cities: frozenset[str]

    @classmethod
    def of(cls, names: Names) -> _Lookup:
        return cls(_all_folded(frozenset(names.roles)), _all_folded(frozenset(names.cities)))


def _items(text: str, known: _Lookup) -> Iterator[Item]:
    at = 0
    while at < len(text):
        if gap := _GAP.match(text, at):
            at = gap.end()
            continue
        found = _signed(text, at) or _keyed(text, at, known) or _phrase(text, at, "phrase", at) or _plain_not(text, at)
        if found is None:
            found = [_word(text, at)]
        yield from (item for item in found if item.value)
        at = max(item.span[1] for item in found)


def _signed(text: str, at: int) -> list[Item] | None:
    if not _SIGN.match(text, at):
        return None
    kind: Kind = "must" if text[at] == "+" else "not"
    phrase = _phrase(text, at + 1, kind, at)
    if phrase is not None:
        return [_as_id(item) for item in phrase]
    if (key := _KEY.match(text, at + 1)) and key[1].lower() in KEYS:
        # "-city:Gary" and "+role:welder": the sign in front of one of our keys is not a word of its own.
        return [_not_key(item, at, kind) for item in _keyed(text, at + 1, _Lookup(frozenset(), frozenset())) or []]
    word = _PLAIN_WORD.match(text, at + 1)
    value = _bare(word[0]) if word else ""
    return [_as_id(Item(kind, value, (at, at + 1 + len(value))))] if value else None


def _as_id(item: Item) -> Item:
    number = _ID.fullmatch(item.value)
    return Item("exclude", f"W-{number[1]}", item.span) if number and item.kind == "not" else item


def _not_key(item: Item, at: int, kind: Kind) -> Item:
    span = (at, item.span[1])
    if item.kind == "unread" or kind == "must":
        return Item(item.kind, item.value, span, item.state, item.miles, item.hint)
    if item.kind == "near":
        value = _typed(item)
        return Item("unread", value, span, hint="Only a place can be near; leave out a city with -city:.")
    return _as_id(Item("not", item.place, span))


def _typed(item: Item) -> str:
    """The item as a person would type it, for messages."""
    return f"{item.kind}:{item.place}" if item.kind in KEYS else item.value


def _phrase(text: str, at: int, kind: Kind, start: int) -> list[Item] | None:
    if at >= len(text) or text[at] not in '"“”':
        return None
    quoted = _QUOTED.match(text, at)
    if quoted is None:
        return [Item("unread", text[start : at + 1], (start, at + 1), hint='The quote is not closed: add a ".')]
    value = " ".join(quoted[1].split())
    if not re.search(r"\w", value):
        return [Item("unread", text[start : quoted.end()], (start, quoted.end()), hint="There is no word in quotes.")]
    return [Item(kind, value, (start, quoted.end()))]


def _keyed(text: str, at: int, known: _Lookup) -> list[Item] | None:
    key = _KEY.match(text, at)
    if key is None:
        return None
    name = key[1].lower()
    if name not in KEYS:
        near = get_close_matches(name, KEYS, n=1, cutoff=0.7)
        if not near:
            return None
        end = _value_end(text, key.end())
        return [Item("unread", text[at:end], (at, end), hint=f"Did you mean {near[0]}:?")]
    item = _role(text, at, key.end(), known.roles) if name == "role" else _placed(text, at, key.end(), name, known)
    if item is None:
        end = key.end()
        return [Item("unread", text[at:end], (at, end), hint=f"Write {_EXAMPLES[name]}.")]
    return [item]


_EXAMPLES = {"role": 'role:welder or role:"forklift operator"', "city": "city:Joliet", "near": "near:Joliet,30mi"}


def _value_end(text: str, at: int) -> int:
    value = _QUOTED.match(text, at) or _WORD.match(text, at)
    return value.end() if value else at


def _role(text: str, start: int, at: int, roles: frozenset[str]) -> Item | None:
    at = _skip(text, at)
    if quoted := _phrase(text, at, "role", start):
        return quoted[0] if quoted[0].kind == "role" else None
    words = _run(text, at, _MOST_ROLE_WORDS)
    count = _known_words(words, roles) or len(words)
    return Item("role", " ".join(word for word, _ in words[:count]), (start, words[count - 1][1])) if words else None


def _placed(text: str, start: int, at: int, name: str, known: _Lookup) -> Item | None:
    at = _skip(text, at)
    kind: Kind = "near" if name == "near" else "city"
    if quoted := _phrase(text, at, kind, start):
        city, state = _split_state(quoted[0].value)
        end = quoted[0].span[1]
        if quoted[0].kind == "unread" or not re.search(r"\w", city):
            return None
    else:
        words = _city_words(_run(text, at, _MOST_CITY_WORDS), known.cities)
        if not words or not re.search(r"[^\W\d_]", words[0][0]):
            return None
        city, end = " ".join(word for word, _ in words), words[-1][1]
        state, end = _state_after(text, end)
    miles, end = _radius(text, end) if kind == "near" else (0.0, end)
    return Item(kind, city, (start, end), state, miles)


def _split_state(place: str) -> tuple[str, str]:
    city, comma, state = place.rpartition(",")
    if comma and state.strip().upper() in _STATES:
        return city.strip(" ,"), state.strip().upper()
    return place.strip(" ,"), ""


def _state_after(text: str, end: int) -> tuple[str, int]:
    found = _STATE.match(text, end)
    # "near:Joliet in a warehouse": two small letters are a state only after a comma.
    if found and found[2].upper() in _STATES and (found[1] or found[2].isupper()):
        return found[2].upper(), found.end()
    return "", end


def _radius(text: str, end: int) -> tuple[float, int]:
    found = _RADIUS.match(text, end)
    if found is None or not (found[1] or found[3]):
        return DEFAULT_MILES, end
    number = float(found[2])
    miles = round(number * MILES_PER_KM, 3) if (found[3] or "").lower().startswith("k") else number
    return miles, found.end()


def _city_words(words: list[tuple[str, int]], cities: frozenset[str]) -> list[tuple[str, int]]:
    if known := _known_words(words, cities):
        return words[:known]
    # Unknown: a name goes on as long as words are written as names ("South Bend Friday" needs quotes).
    count = 1
    while count < len(words) and words[0][0][:1].isupper() and re.fullmatch(r"[A-Z][a-z'’.]+", words[count][0]):
        count += 1
    return words[:count]


def _known_words(words: list[tuple[str, int]], known: frozenset[str]) -> int:
    """How many of the words, the most first, make a known name; 0: none."""
    lengths = range(len(words), 0, -1)
    return next((n for n in lengths if _folded(" ".join(word for word, _ in words[:n])) in known), 0)


def _run(text: str, at: int, most: int) -> list[tuple[str, int]]:
    words: list[tuple[str, int]] = []
    while len(words) < most and (found := _VALUE_WORD.match(text, at)):
        is_key = text[found.end() : found.end() + 1] == ":"
        if is_key or (words and found[1].lower() in _STOP) or (words and negated(text, found.start(1))):
            break
        words.append((found[1], found.end()))
        at = found.end()
    return words


def _plain_not(text: str, at: int) -> list[Item] | None:
    return [_as_id(Item("not", value, span)) for value, span in negated(text, at)] or None


def _word(text: str, at: int) -> Item:
    found = _WORD.match(text, at)
    if found is None:
        return Item("text", "", (at, at + 1))
    return Item("text", found[0] if re.search(r"\w", found[0]) else "", found.span())


def _bare(word: str) -> str:
    return re.sub(r"[.,;:!?'’]+$", "", word)


def _skip(text: str, at: int) -> int:
    spaces = re.compile(r"[ \t]*").match(text, at)
    return spaces.end() if spaces else at


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


@functools.lru_cache(maxsize=16)  # those of a dataset are the same from query to query
def _all_folded(names: frozenset[str]) -> frozenset[str]:
    return frozenset(map(_folded, names))


def _number(miles: float) -> str:
    return f"{miles:.3f}".rstrip("0").rstrip(".")
