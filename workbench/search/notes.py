"""Notes beside an answer: what was made of the query, in words a person can act on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from difflib import get_close_matches

from workbench.trades.roles import RoleMatch

_NAMED = 3


def of_roles(roles: Iterable[str], meaning: Callable[[str], RoleMatch]) -> list[str]:
    """What trade each role asked for was taken as."""
    matches = [(name, meaning(name)) for name in roles]
    return [
        match.says if match.ranked else f"{name} is no occupation we know: compared by its name alone."
        for name, match in matches
    ]


def of_excluded(strangers: Sequence[int | str], dataset: str) -> list[str]:
    """That ids to leave out are none of the dataset's: a typing error there would bring somebody back."""
    if not strangers:
        return []
    names = ", ".join(map(str, strangers[:_NAMED])) + (" …" if len(strangers) > _NAMED else "")
    return [f"{dataset} has no row {names}: nobody was left out for it."]


def of_cities(asked: Iterable[str], known: Collection[str]) -> list[str]:
    """That nobody is in the cities asked for, and which known cities are written alike."""
    cities = list(dict.fromkeys(asked))
    folded = {city.casefold(): city for city in known}
    near = [
        folded[found]
        for city in cities
        if city.casefold() not in folded
        for found in get_close_matches(city.partition(",")[0].strip().casefold(), folded, n=_NAMED, cutoff=0.75)
    ]
    hint = f" Did you mean {' or '.join(dict.fromkeys(near))}?" if near else ""
    return [f"Nobody is in {' or '.join(cities)}.{hint}"] if cities else []
