"""Near: the cities within so many miles of a city, by great-circle distance over places that are passed in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt
from typing import Protocol

import pyarrow as pa

from workbench.errors import InvalidError, NotFoundError

EARTH_RADIUS_MILES = 3958.7613
"""Mean radius of the Earth, 6371.0088 km (IUGG), in statute miles."""

_COLUMNS = ("city", "state", "latitude", "longitude")
_SPELLINGS = ((r"\bsaint\b", "st"), (r"\bft\b", "fort"), (r"\bmt\b", "mount"))


class Place(Protocol):
    """A city with its coordinates, degrees north and east (WGS 84)."""

    @property
    def city(self) -> str:
        """Name, ``"Joliet"``."""

    @property
    def state(self) -> str:
        """Two letters, ``"IL"``."""

    @property
    def latitude(self) -> float:
        """Degrees north."""

    @property
    def longitude(self) -> float:
        """Degrees east."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A row of a table of places."""

    city: str
    state: str
    latitude: float
    longitude: float


def spots(table: pa.Table) -> list[Spot]:
    """The rows of an Arrow table with the columns city, state (text), latitude and longitude (degrees).

    Rows with an empty field are left out. Raises InvalidError when a column is missing.
    """
    missing = [name for name in _COLUMNS if name not in table.column_names]
    if missing:
        raise InvalidError(
            f"The table of places has no column {' and no '.join(missing)}.",
            hint="It needs city, state, latitude and longitude.",
        )
    rows = zip(*(table[name].to_pylist() for name in _COLUMNS), strict=True)
    return [Spot(str(row[0]), str(row[1]), float(row[2]), float(row[3])) for row in rows if None not in row]


def within(places: Iterable[Place], city: str, state: str | None, miles: float) -> list[tuple[str, str, float]]:
    """``(city, state, miles away)`` of every place at most ``miles`` from ``city``, itself first, the nearest first.

    Names are compared without case and dots, "Saint" as "St", "Ft" as "Fort". Raises NotFoundError (with near matches)
    for a city that is not in ``places`` or not in that state, InvalidError for one that lies in several states when
    none is given, and for a radius that is no distance.
    """
    if not 0 <= miles < float("inf"):
        raise InvalidError(f"{miles} miles is no distance.", hint="Write near:Joliet,30mi.")
    known = list(places)
    center = find(known, city, state)
    found = [(place.city, place.state, round(distance_miles(center, place), 3)) for place in known]
    return sorted({row for row in found if row[2] <= miles}, key=lambda row: (row[2], row[0], row[1]))


def find(places: Sequence[Place], city: str, state: str | None = None) -> Place:
    """The one place of that name; raises as `within` does."""
    named = [place for place in places if _spelled(place.city) == _spelled(city)]
    if state:
        wanted = state.strip().casefold()
        there = [place for place in named if place.state.casefold() == wanted]
        if not there:
            raise _unknown(places, named, f"{city}, {state}")
        return there[0]
    if not named:
        raise _unknown(places, named, city)
    states = sorted({place.state for place in named})
    if len(states) > 1:
        labels = [f"{named[0].city}, {one}" for one in states]
        raise InvalidError(
            f"{named[0].city} lies in {' and '.join(states)}.",
            hint=f'Say which: {" or ".join(labels)}, as in near:"{labels[0]}".',
            details={"near": labels},
        )
    return named[0]


def distance_miles(one: Place, other: Place) -> float:
    """Great-circle distance in statute miles (haversine: right for short distances too)."""
    north, south = radians(one.latitude), radians(other.latitude)
    lift, turn = south - north, radians(other.longitude - one.longitude)
    half = sin(lift / 2) ** 2 + cos(north) * cos(south) * sin(turn / 2) ** 2
    return 2 * EARTH_RADIUS_MILES * asin(min(1.0, sqrt(half)))


def _unknown(places: Sequence[Place], named: Sequence[Place], asked: str) -> NotFoundError:
    if named:
        labels = sorted({f"{place.city}, {place.state}" for place in named})
        return NotFoundError(
            f"No place is named {asked!r}.",
            hint=f"Did you mean {' or '.join(labels)}?",
            details={"near": labels},
        )
    # Without case, as places are compared: "joilet" is as near to Joliet as "Joilet".
    wanted = " ".join(word[:1].upper() + word[1:].lower() for word in asked.partition(",")[0].split())
    error = NotFoundError.named("place", wanted, [place.city for place in places])
    error.message = f"No place is named {asked!r}."
    error.args = (error.message,)
    return error


def _spelled(city: str) -> str:
    said = " ".join(city.replace(".", " ").casefold().split())
    for pattern, word in _SPELLINGS:
        said = re.sub(pattern, word, said)
    return said
