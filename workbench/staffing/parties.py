"""Parties: the clients, contacts and cities that an order's text names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from workbench.staffing.mention import Mention
from workbench.staffing.order_words import CITY_ALIASES
from workbench.staffing.places import Place

_TOKEN = re.compile(r"[^\W_]+")
_LEAST_LETTERS = 6
# "Circle" or "Prairie" alone is no name of a company.
_PLAIN = frozenset(
    """circle falls prairie silver summit harbor beacon granite bridge street northgate orchard gateway hilltop junction
    willow canal cardinal center american general national united quality safety valley southern northern""".split()  # noqa: SIM905
)
_SIGNS = r"(?i:(?:^|\n|[-|(@!.]|\b(?:vm|from|note\)|it'?s|thx|thanks|call\s+me)\b[^\n]{0,16}?)\s*)"
_ORGANISATION = r"[A-Z][\w'’]*(?:[ \t]+(?:&|[A-Z][\w'’]*)){0,4}"
_NEEDS = re.compile(
    rf"(?m)(?:^|[.!?:)][ \t]+)(?:\w+[ \t]+(?:at|@)[ \t]+)?({_ORGANISATION})[ \t]+(?:needs|wants|requires|is\s+short)\b"
)
_AT = re.compile(rf"(?<![\w])(?:[Aa]t|@|[Ff]or)[ \t]+({_ORGANISATION})(?=[ \t]*(?:[,.(;\n]|in\b|on\b|$))")


@dataclass(frozen=True, slots=True)
class KnownClient:
    """A client as the roster knows it; ``contacts`` are full names."""

    id: str
    name: str
    city: str = ""
    state: str = ""
    contacts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientBook:
    """Clients looked up by the words a text may call them: ``names`` by the first word of a name or of its short form,
    ``people`` by first and by last name, ``initials`` of those contacts whose initials are theirs alone.
    """

    clients: tuple[KnownClient, ...] = ()
    names: Mapping[str, tuple[tuple[tuple[str, ...], KnownClient, int], ...]] = field(default_factory=dict)
    people: Mapping[str, tuple[_Person, ...]] = field(default_factory=dict)
    initials: Mapping[str, KnownClient] = field(default_factory=dict)

    @classmethod
    def of(cls, clients: Iterable[KnownClient]) -> ClientBook:
        """The book of these clients."""
        known = tuple(clients)
        names: dict[str, list[tuple[tuple[str, ...], KnownClient, int]]] = {}
        for words, client, rank in _names(known):
            names.setdefault(words[0], []).append((tuple(words), client, rank))
        people = _people(known)
        by_name: dict[str, list[_Person]] = {}
        for person in people:
            for name in {person.first.casefold(), person.last.casefold()}:
                by_name.setdefault(name, []).append(person)
        letters = Counter(person.initials for person in people)
        initials = {one.initials: one.client for one in people if letters[one.initials] == 1 and len(one.initials) == 2}
        rows = {word: tuple(found) for word, found in names.items()}
        return cls(known, rows, {name: tuple(found) for name, found in by_name.items()}, initials)

    def find(self, text: str) -> list[Mention]:
        """``client`` mentions (a `KnownClient`): by name, by first words that no other client has, by a contact."""
        tokens = [(match[0].casefold(), match) for match in _TOKEN.finditer(text)]
        said = [word for word, _ in tokens]
        found: list[Mention] = []
        for at, word in enumerate(said):
            for words, client, rank in self.names.get(word, ()):
                if tuple(said[at : at + len(words)]) == words:
                    start, end = tokens[at][1].start(), tokens[at + len(words) - 1][1].end()
                    found.append(Mention("client", client, start, end, sure=min(1.0, 0.5 + 0.25 * rank), rank=rank))
        people = dict.fromkeys(person for word in said for person in self.people.get(word, ()))
        return [*found, *(mention for person in people for mention in _called(text, person)), *self._signed(text)]

    def _signed(self, text: str) -> Iterator[Mention]:
        """Initials as the last line's end: "DK", "D.K."."""
        sign = re.search(r"(?<![^\W_])([A-Z])\.?([A-Z])\.?\W*$", text)
        client = self.initials.get(sign[1] + sign[2]) if sign else None
        if sign and client:
            yield Mention("client", client, sign.start(), sign.end(2), sure=0.5)


@dataclass(frozen=True, slots=True)
class _Person:
    """A contact; ``alone``: no other contact has that first name."""

    first: str
    last: str
    client: KnownClient
    alone: bool

    @property
    def initials(self) -> str:
        return (self.first[0] + self.last[0]).upper()


def _people(clients: Sequence[KnownClient]) -> list[_Person]:
    named = [(name.split(), client) for client in clients for name in client.contacts if len(name.split()) > 1]
    firsts = Counter(name[0].casefold() for name, _ in named)
    return [_Person(name[0], name[-1], client, firsts[name[0].casefold()] == 1) for name, client in named]


def _called(text: str, person: _Person) -> Iterator[Mention]:
    first, last = re.escape(person.first), re.escape(person.last)
    for match in re.finditer(rf"(?i)(?<!\w)(?:{first}\s+{last}|{first[0]}\.\s*{last})(?!\w)", text):
        yield Mention("client", person.client, *match.span(), sure=0.8, rank=2)
    if not person.alone:
        return
    # A first name alone counts where people sign or say who they are, in capitals unless nothing is.
    surname = r"|[ \t]+(?!at\b|@|here\b|\w?\.)[A-Z]"
    cue = rf"{_SIGNS}{first}(?!\w{surname})" if person.first in text else rf"{_SIGNS}(?i:{first})(?!\w)"
    for match in re.finditer(cue, text):
        yield Mention("client", person.client, match.end() - len(person.first), match.end(), sure=0.6)


def _names(clients: Sequence[KnownClient]) -> Iterator[tuple[list[str], KnownClient, int]]:
    words = {client.id: [word.casefold() for word in _TOKEN.findall(client.name)] for client in clients}
    pairs = Counter(tuple(said[:2]) for said in words.values())
    firsts = Counter(said[0] for said in words.values() if said)
    short = Counter(filter(None, (_short(client.name) for client in clients)))
    for client in clients:
        said = words[client.id]
        if said:
            yield said, client, 3
        if len(said) > 2 and pairs[tuple(said[:2])] == 1:
            yield said[:2], client, 2
        if len(said) > 1 and firsts[said[0]] == 1 and len(said[0]) >= _LEAST_LETTERS and said[0] not in _PLAIN:
            yield said[:1], client, 1
        letters = _short(client.name)
        if letters and short[letters] == 1:
            yield list(letters), client, 1


def _short(name: str) -> str:
    """``"Hollis & Vane Distribution"`` → ``"hv"`` (written H&V)."""
    found = re.match(r"(\w)\w*\s*&\s*(\w)", name)
    return (found[1] + found[2]).casefold() if found else ""


def find_strangers(text: str) -> list[Mention]:
    """``stranger`` mentions: a client that nobody knows, named where orders name one ("X needs 3 …", "at X, …")."""
    found = [Mention("stranger", match[1], *match.span(1), sure=0.5, rank=1) for match in _NEEDS.finditer(text)]
    found += [
        Mention("stranger", match[1], *match.span(1), sure=0.4) for match in _AT.finditer(text) if " " in match[1]
    ]
    return found


def find_cities(text: str, places: Iterable[Place]) -> list[Mention]:
    """``city`` mentions; the value is a tuple of the places it may be, one when a state or a ZIP code says which."""
    named: dict[str, list[Place]] = {}
    zips: dict[str, Place] = {}
    for place in places:
        for name in (place.city.casefold(), *CITY_ALIASES.get(place.city, ())):
            named.setdefault(name, []).append(place)
        zips |= dict.fromkeys(place.zips, place)
    if not named:
        return []
    longest = sorted(named, key=len, reverse=True)
    pattern = re.compile(r"(?i)(?<![\w'’-])(" + "|".join(map(re.escape, longest)) + r")(?![\w'’]|-\w)")
    coded = [(code, zips[code[0]]) for code in re.finditer(r"(?<![\d-])\d{5}(?!\d)", text) if code[0] in zips]
    found = []
    for match in pattern.finditer(text):
        among = tuple(named[match[1].casefold()])
        chosen, end = _in_state(text, match.end(), among)
        by_zip = tuple(place for code, place in coded if place in among)
        found.append(Mention("city", chosen if len(chosen) == 1 else by_zip[:1] or among, match.start(), end))
    return found


def _in_state(text: str, end: int, among: tuple[Place, ...]) -> tuple[tuple[Place, ...], int]:
    found = re.compile(r"([ \t]*[,(]?[ \t]*)([A-Za-z]{2})(?!\w)").match(text, end)
    if not found:
        return among, end
    state = found[2].upper()
    chosen = tuple(place for place in among if place.state == state)
    # "Gary in the morning": a small "in" or "oh" without a comma is a word.
    word = found[2].islower() and found[2] in {"in", "oh", "me", "or"} and "," not in found[1]
    return (chosen, found.end()) if chosen and not word else (among, end)
