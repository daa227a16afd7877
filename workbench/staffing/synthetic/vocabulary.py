"""Vocabulary: the packaged words, laid out once so that whole columns can be taken from them."""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from workbench.staffing.places import Place, read_places
from workbench.staffing.roles import Role, Trades, read_trades
from workbench.staffing.synthetic.draws import Ints
from workbench.staffing.synthetic.texts import Ragged

MOST_YEARS = 30
SKILL_COUNTS = (3, 4, 5)
# Steps through a role's list of skills: each meets every skill of a list of ten before it comes back.
SKILL_STEPS = (1, 3, 7, 9)

# How many people take which shifts; bit 0 is the 1st shift, bit 3 the weekend. The second row is for the trades of
# office hours, those with nine in ten of their orders by day.
_SHIFT_WEIGHTS = (
    (0, 25, 13, 16, 11, 2, 8, 9, 2, 4, 2, 2, 2, 0, 1, 3),
    (0, 76, 3, 12, 0, 0, 0, 0, 0, 6, 0, 3, 0, 0, 0, 0),
)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Roles, places, names and phrases; a role, place or name is known by its position (its code)."""

    trades: Trades
    places: tuple[Place, ...]
    first: tuple[str, ...]
    last: tuple[str, ...]
    phrases: Mapping[str, Any]
    titles: Ragged
    """By role: each title twice, as it begins a sentence and as it stands inside one."""
    duties: Ragged
    skills: Ragged
    skill_lists: Ragged
    """By role: 3, 4 or 5 skills from each starting point in each step, joined by ``"; "``."""
    settings: Ragged
    closers: Ragged
    """By role: the last line of a résumé."""
    certifications: Ragged
    """By role: one text for each set of credentials held (bit j = the role's credential j); null for none."""
    credentials: Ragged
    credential_rates: Ints
    """int64[roles, most credentials of a role]: per mille."""
    zips: Ragged
    states: Ints
    """int64[places]: equal for places in one state."""
    order_shifts: Ints
    """int64[roles, 4]: weights of the shifts that orders name."""
    worker_shifts: Ints
    """int64[roles, 16]: weights of the sets of shifts that workers take (bit 0 = the 1st)."""

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles, by code."""
        return self.trades.roles

    def role_code(self, name: str) -> int:
        """Raises ``ValueError`` for an unknown role."""
        return [role.name for role in self.roles].index(name)

    def place_code(self, label: str) -> int:
        """``"Joliet, IL"`` → its code; raises ``ValueError``."""
        return [place.label for place in self.places].index(label)

    @classmethod
    def read(cls) -> Vocabulary:
        """Read the packaged tables (tens of milliseconds; read once, pass it on)."""
        trades, places = read_trades(), read_places()
        names, phrases = _read("names.toml"), _read("phrases.toml")
        roles = trades.roles
        return cls(
            trades=trades,
            places=places,
            first=_names(names["first"]),
            last=_names(names["last"]),
            phrases=phrases,
            titles=Ragged.of([[word for title in role.titles for word in (title, inside(title))] for role in roles]),
            duties=Ragged.of([role.duties for role in roles]),
            skills=Ragged.of([role.skills for role in roles]),
            skill_lists=Ragged.of([_skill_lists(role) for role in roles]),
            closers=Ragged.of([_closers(phrases["resume"]["closers"], role) for role in roles]),
            settings=Ragged.of([role.settings for role in roles]),
            certifications=Ragged.of([_certifications(role) for role in roles]),
            credentials=Ragged.of([list(role.credentials) for role in roles]),
            credential_rates=_rates(roles),
            zips=Ragged.of([place.zips for place in places]),
            states=np.unique([place.state for place in places], return_inverse=True)[1].astype(np.int64),
            order_shifts=np.array([trades.order_shifts[role.family] for role in roles]),
            worker_shifts=np.array([_SHIFT_WEIGHTS[trades.order_shifts[role.family][0] >= 90] for role in roles]),
        )


def inside(title: str) -> str:
    """A title as it stands inside a sentence: "Hi-lo driver" → "hi-lo driver", but "CNC operator" stays."""
    head = title.split(" ", 1)[0].split(",", 1)[0].split("-", 1)[0]
    return title if not head[1:].islower() or head in {"Java", "React"} else title[0].lower() + title[1:]


def fold(name: str) -> str:
    """A name as it stands in an e-mail address: "José O'Brien" → "joseobrien"."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(c for c in plain.lower() if c.isalnum())


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files("workbench.staffing") / "data" / name).read_text(encoding="utf-8"))


def _names(block: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.replace("_", " ") for name in block.split()))


def _skill_lists(role: Role) -> list[str]:
    n = len(role.skills)
    return [
        "; ".join(role.skills[(start + at * step) % n] for at in range(count))
        for start in range(n)
        for step in SKILL_STEPS
        for count in SKILL_COUNTS
    ]


def _closers(closers: Mapping[str, list[str]], role: Role) -> list[str]:
    return [*closers["any"], *(closers["floor"] if role.family in closers["floor_families"] else ())]


def _certifications(role: Role) -> list[str | None]:
    held = list(role.credentials)
    return ["; ".join(name for j, name in enumerate(held) if mask >> j & 1) or None for mask in range(1 << len(held))]


def _rates(roles: Sequence[Role]) -> Ints:
    rates = np.zeros((len(roles), max(len(role.credentials) for role in roles)), dtype=np.int64)
    for code, role in enumerate(roles):
        rates[code, : len(role.credentials)] = list(role.credentials.values())
    return rates
