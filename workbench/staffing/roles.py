"""Roles: the trades that orders ask for, with how people call them, what they earn and which papers they carry."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import msgspec


@dataclass(frozen=True, slots=True)
class Role:
    """One trade.

    ``weight`` is per mille of all workers, ``pay_cents`` the lowest and highest hourly pay, ``titles`` how workers name
    it and ``plurals`` how clients order it. ``required`` is the credential without which nobody works in it (or empty);
    ``credentials`` maps each credential, the required one first, to the share of people who hold it, per mille.
    ``settings`` are the kinds of sites where the trade works ("a cold-storage warehouse").
    """

    name: str
    family: str
    weight: int
    pay_cents: tuple[int, int]
    titles: tuple[str, ...]
    plurals: tuple[str, ...]
    required: str
    credentials: Mapping[str, int]
    skills: tuple[str, ...]
    duties: tuple[str, ...]
    settings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trades:
    """The table of roles, with how long each credential lasts (years) and when each family of trades works.

    ``order_shifts`` is the share of its orders on the 1st, 2nd and 3rd shift and on weekends, per cent.
    """

    roles: tuple[Role, ...]
    credential_years: Mapping[str, int]
    order_shifts: Mapping[str, tuple[int, int, int, int]]

    def role(self, name: str) -> Role:
        """The role of that exact name; raises ``KeyError``."""
        return {role.name: role for role in self.roles}[name]


def read_trades() -> Trades:
    """Every role in the packaged table, in its order."""
    table = tomllib.loads((files("workbench.staffing") / "data" / "roles.toml").read_text(encoding="utf-8"))
    roles = [
        {"settings": table["settings"][entry["family"]]}
        | entry
        | {"credentials": ({entry["required"]: 1000} if entry["required"] else {}) | entry["credentials"]}
        for entry in table["role"]
    ]
    return msgspec.convert(
        {"roles": roles, "credential_years": table["credential_years"], "order_shifts": table["order_shifts"]}, Trades
    )
