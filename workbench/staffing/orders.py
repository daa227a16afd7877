"""Orders: what a coordinator's text asks for, each field with the characters it came from and how sure it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Generic, TypeVar

from workbench.staffing.lexicon import Lexicon
from workbench.staffing.order_fields import SHIFT_WORDS, Pay
from workbench.staffing.order_words import CITY_ALIASES, GLUE
from workbench.staffing.parties import ClientBook, KnownClient
from workbench.staffing.places import Place, read_places
from workbench.staffing.roles import read_trades
from workbench.staffing.spelling import Speller

T = TypeVar("T")
Span = tuple[int, int]
Normalise = Callable[[str], str | None]

STATED = 0.5
"""A field at least this sure is said by the text; below it is a guess from what else is known."""

_NAME = re.compile(r"[^\W\d_]+")
_CALENDAR = """monday tuesday wednesday thursday friday saturday sunday january february march april august september
    october november december tomorrow tonight today shift first second third night nights evening evenings afternoon
    afternoons morning mornings graveyard overnight weekend weekends starting start please required must hour hours
    three seven eight eleven twelve twenty thirty couple dozen half need needs needed required experience certified
    license certificate contract exception exceptions boost return account director"""


@dataclass(frozen=True, slots=True)
class Said(Generic[T]):
    """A value, the characters [start, end) it was read from, and how ``sure`` (0 … 1). ``kind`` tells of a must
    whether it is a ``paper`` or a ``skill``, of a must-not ``worker``, ``name``, ``shift``, ``paper`` or ``thing``.
    """

    value: T
    span: Span
    sure: float = 1.0
    kind: str = ""


@dataclass(frozen=True, slots=True)
class OrderSearch:
    """The search that an order means. ``text`` are the words to rank by; ``shifts_not`` holds 1st, 2nd, 3rd, weekend;
    ``excluded`` worker ids (``W-12``), ``names_not`` names as written, ``must_not`` other words; an empty field is no
    condition. ``last_time``: leave out whom this client had before.
    """

    text: str
    role: str = ""
    city: str = ""
    state: str = ""
    shift: str = ""
    count: int = 1
    start: date | None = None
    must: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    shifts_not: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    names_not: tuple[str, ...] = ()
    client_id: str = ""
    last_time: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """One order. A field that the text does not give is None or empty; ``unparsed`` is what was not understood or not
    used (``kind``: greeting, signature, header, number, refused or empty), ``doubts`` are questions to ask back.

    ``shift`` is 1st, 2nd, 3rd or weekend; ``must`` holds papers and skills by their names in the roster, without the
    paper that the role itself requires; ``wishes`` are those mentioned but not demanded. ``client`` is its name.
    """

    text: str
    role: Said[str] | None = None
    count: Said[int] | None = None
    city: Said[str] | None = None
    state: Said[str] | None = None
    shift: Said[str] | None = None
    start: Said[date] | None = None
    end: Said[date] | None = None
    pay: Said[Pay] | None = None
    must: tuple[Said[str], ...] = ()
    wishes: tuple[Said[str], ...] = ()
    must_not: tuple[Said[str], ...] = ()
    exclude_last_time: Said[bool] | None = None
    client: Said[str] | None = None
    client_id: str = ""
    unparsed: tuple[Said[str], ...] = ()
    doubts: tuple[str, ...] = ()

    def to_search(self) -> OrderSearch:
        """The search this order means: conditions from what is stated, words to rank by from role, papers, skills.

        A client or state that is only a guess bars nobody, so it is left out.
        """
        role = self.role.value if self.role else ""
        musts, wishes = (tuple(said.value for said in field) for field in (self.must, self.wishes))
        shift = SHIFT_WORDS[self.shift.value] if self.shift else ""
        words = {word: shift for shift, word in SHIFT_WORDS.items()}
        stated = self.client is not None and self.client.sure >= STATED
        return OrderSearch(
            text=" ".join(filter(None, [role, *musts, *wishes, shift])),
            role=role,
            city=_value(self.city),
            state=_value(self.state) if self.state and self.state.sure >= STATED else "",
            shift=_value(self.shift),
            count=self.count.value if self.count else 1,
            start=self.start.value if self.start else None,
            must=musts,
            must_not=self._barred("thing", "paper"),
            shifts_not=tuple(words[word] for word in self._barred("shift")),
            excluded=self._barred("worker"),
            names_not=self._barred("name"),
            client_id=self.client_id if stated else "",
            last_time=self.exclude_last_time is not None,
        )

    def _barred(self, *kinds: str) -> tuple[str, ...]:
        return tuple(said.value for said in self.must_not if said.kind in kinds)


def _value(said: Said[str] | None) -> str:
    return said.value if said else ""


@dataclass(frozen=True, slots=True)
class Known:
    """What a reader of orders knows: phrases, places, clients, the paper that each role requires.

    ``normalise`` turns words that are no known phrase ("powered industrial truck driver") into a role, or None.
    """

    lexicon: Lexicon
    speller: Speller
    places: tuple[Place, ...]
    book: ClientBook = field(default_factory=ClientBook)
    required: Mapping[str, str] | None = None
    normalise: Normalise | None = None

    @classmethod
    def packaged(cls, clients: Iterable[KnownClient] = (), normalise: Normalise | None = None) -> Known:
        """The packaged roles, papers and places, with the caller's clients."""
        lexicon, speller, places, required = _packaged()
        book = ClientBook.of(clients)
        names = {
            word.casefold()
            for one in book.clients
            for name in (one.name, *one.contacts)
            for word in _NAME.findall(name)
        }
        return cls(lexicon, speller.knowing(names), places, book, required, normalise)


@cache
def _packaged() -> tuple[Lexicon, Speller, tuple[Place, ...], Mapping[str, str]]:
    trades, places = read_trades(), read_places()
    lexicon = Lexicon.of(trades)
    cities = {word for place in places for word in place.city.casefold().replace(".", "").split()}
    aliases = {word for names in CITY_ALIASES.values() for name in names for word in name.split()}
    speller = Speller.of(frozenset({*lexicon.words, *cities, *aliases, *_CALENDAR.split(), *GLUE}))
    return lexicon, speller, places, {role.name: role.required for role in trades.roles}
