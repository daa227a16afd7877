"""Clients: the companies that order; the first twenty belong to the scenarios."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.staffing.synthetic.cast import Cast
from workbench.staffing.synthetic.days import Days
from workbench.staffing.synthetic.draws import Draws, Ints
from workbench.staffing.synthetic.people import homes, name_codes, wrong_states
from workbench.staffing.synthetic.phones import CLIENT_PEOPLE, phones
from workbench.staffing.synthetic.slots import CLIENTS
from workbench.staffing.synthetic.texts import where, words
from workbench.staffing.synthetic.vocabulary import Vocabulary, fold

# Every twenty clients in a row have these families of work, so that each trade has somebody who orders it.
_FAMILIES = (
    *("warehouse", "production", "clinical", "warehouse", "trades", "production", "hospitality"),
    *("warehouse", "office", "production", "warehouse", "driving", "production", "software"),
    *("warehouse", "clinical", "production", "trades", "warehouse", "production"),
)


# A worker is sent to one of these many at least (see ``Pools``).
LEAST_CHOICE = 4


@dataclass(frozen=True, slots=True)
class Pools:
    """By role: the codes of the clients that may order it."""

    values: Ints
    starts: Ints
    lengths: Ints

    def take(self, role: Ints, positions: Ints) -> Ints:
        """The client code at ``positions`` (0-based) of each role's pool."""
        codes: Ints = self.values[self.starts[role] + positions]
        return codes


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients by code 1 … n (position 0 is unused in the lists): what orders and messages need to know of them."""

    table: pa.Table
    names: tuple[str, ...]
    contacts: tuple[str, ...]
    emails: tuple[str, ...]
    phones: tuple[str, ...]
    eins: tuple[str, ...]
    place: Ints
    zips: tuple[str, ...]
    families: tuple[str, ...]

    def of_family(self, family: str) -> Ints:
        """The codes of the clients that order in one family of trades, int64."""
        return np.array([code for code, entry in enumerate(self.families) if entry == family], dtype=np.int64)

    def pools(self, vocabulary: Vocabulary) -> Pools:
        """For each role the clients of its family; where these are too few, the first others too."""
        everybody = np.arange(1, len(self.families))
        pools = []
        for role in vocabulary.roles:
            own = self.of_family(role.family)
            others = everybody[~np.isin(everybody, own)]
            pools.append(np.concatenate([own, others[: max(LEAST_CHOICE - len(own), 0)]]))
        lengths = np.array([len(pool) for pool in pools])
        return Pools(np.concatenate(pools), np.cumsum(lengths) - lengths, lengths)


def make_clients(draws: Draws, vocabulary: Vocabulary, days: Days, cast: Cast, count: int) -> Clients:
    """``clients``: client_id, name, industry, city, state, zip, contact_name, contact_email, contact_phone, ein,
    status, client_since date32.
    """
    codes = np.arange(1, count + 1)
    people = CLIENT_PEOPLE + codes
    known = len(cast.clients)
    first, last = name_codes(draws, vocabulary, people)
    contacts = [f"{vocabulary.first[f]} {vocabulary.last[n]}" for f, n in zip(first, last, strict=True)]
    contacts[:known] = [client.contact for client in cast.clients]
    families = [_FAMILIES[code % len(_FAMILIES)] for code in range(count)]
    families[:known] = [client.family for client in cast.clients]
    names = _names(vocabulary, families)
    names[:known] = [client.name for client in cast.clients]
    place = draws.weighted("client place", codes, [place.weight for place in vocabulary.places])
    place[:known] = [vocabulary.place_code(client.home) for client in cast.clients]
    cities, states, zips = homes(draws, vocabulary, place, people)
    eins = 7_100_000 + codes * 100 + draws.below("ein", codes, 100)
    eins = np.where(CLIENTS.at(codes, "same_ein"), np.roll(eins, 1), eins)
    mails = pa.array([contact_email(name) for name in contacts])
    numbers = phones(draws, people)
    ein_texts = pa.array([f"07-{ein:07d}" for ein in eins])
    table = pa.table(
        {
            "client_id": pa.array([f"CL-{code:04d}" for code in codes]),
            "name": pa.array(names),
            "industry": pa.array(families),
            "city": cities,
            "state": wrong_states(draws, CLIENTS.at(codes, "city_state_mismatch"), states, people),
            "zip": zips,
            "contact_name": pa.array(contacts),
            "contact_email": where(CLIENTS.at(codes, "email_without_at"), pc.replace_substring(mails, "@", "."), mails),
            "contact_phone": numbers,
            "ein": ein_texts,
            "status": words(
                ["active", "on hold"], (draws.chance("on hold", codes, 100) & (codes > known)).astype(np.int64)
            ),
            "client_since": days.dates(draws.between("client since", codes, -4000, -450)),
        }
    )
    listed: list[tuple[str, ...]] = [
        ("", *column) for column in (names, contacts, mails.to_pylist(), numbers.to_pylist())
    ]
    return Clients(
        table=table,
        names=listed[0],
        contacts=listed[1],
        emails=listed[2],
        phones=listed[3],
        eins=("", *ein_texts.to_pylist()),
        place=np.concatenate([[0], place]),
        zips=("", *zips.to_pylist()),
        families=("", *families),
    )


def contact_email(contact: str) -> str:
    """The address of a client's contact, under example.com."""
    return ".".join(fold(part) for part in contact.split(" ", 1)) + "@example.com"


def _names(vocabulary: Vocabulary, families: list[str]) -> list[str]:
    """A first and a second word, never the same pair twice: both walk at different speeds through their lists."""
    prefixes = vocabulary.phrases["clients"]["prefixes"]
    seen = dict.fromkeys(families, 0)
    names = []
    for family in families:
        suffixes = vocabulary.phrases["clients"]["suffixes"][family]
        k = seen[family]
        seen[family] += 1
        names.append(f"{prefixes[k * 37 % len(prefixes)]} {suffixes[(k + k // len(prefixes)) % len(suffixes)]}")
    return names
