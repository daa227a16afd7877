"""Places: the cities in use, with coordinates for ``near:`` and the ZIP codes that belong to them.

Coordinates are public city-center figures (WGS 84, right to about 0.01°); ZIP codes are real ones of the city.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Place:
    """A city: ``latitude`` and ``longitude`` in degrees, ``weight`` its share of people, ``zips`` five-digit texts."""

    city: str
    state: str
    latitude: float
    longitude: float
    weight: int
    zips: tuple[str, ...]

    @property
    def label(self) -> str:
        """``"Joliet, IL"``: the key that is unique where the city alone is not (Aurora, Springfield, Newark …)."""
        return f"{self.city}, {self.state}"


def read_places() -> tuple[Place, ...]:
    """Every place in the packaged table, in its order."""
    table = tomllib.loads((files("workbench.staffing") / "data" / "places.toml").read_text(encoding="utf-8"))
    return tuple(
        Place(city, state, latitude, longitude, weight, tuple(zips))
        for city, state, latitude, longitude, weight, zips in table["place"]
    )
