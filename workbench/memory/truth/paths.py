"""Dotted paths into the facts: ``context.city``, ``artifact.fills.name`` (of every fill), ``artifact.fills.0.name``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple

from workbench.pii.masks import WHOLE


class Missing(Enum):
    """The value where a path leads to nothing."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
Where = tuple[str | int, ...]
_OBJECT = (dict, Mapping)  # dict first: an abstract class is slow to ask, and so is a union made anew each time
_LIST = (list, tuple)


class Place(NamedTuple):
    """A value and where it stands: keys, and the numbers of items."""

    where: Where
    value: Any


@dataclass(frozen=True, slots=True)
class DottedPath:
    """A path. A list on the way is gone through item by item, unless the next part is a number: that one item."""

    text: str

    @property
    def parts(self) -> tuple[str, ...]:
        """Its names and numbers."""
        return tuple(self.text.split("."))

    @property
    def root(self) -> str:
        """The part of the facts that it looks at."""
        return self.text.partition(".")[0]

    def find(self, facts: Mapping[str, Any]) -> list[Place]:
        """Every place that it leads to; a way that ends too early is one place whose value is MISSING."""
        found: list[Place] = []
        _walk(facts, self.parts, (), found)
        return found

    def leads(self, facts: Mapping[str, Any]) -> bool:
        """Whether there is anything at its end."""
        return any(place.value is not MISSING for place in self.find(facts))

    def values(self, facts: Mapping[str, Any]) -> list[Place]:
        """What is known there, the items of lists one by one; nothing for what is missing or null."""
        found: list[Place] = []
        for place in self.find(facts):
            _add_items(place, found)
        return found


def _walk(value: Any, parts: tuple[str, ...], where: Where, found: list[Place]) -> None:
    if not parts:
        found.append(Place(where, value))
        return
    head, rest = parts[0], parts[1:]
    if isinstance(value, _OBJECT) and head in value:
        _walk(value[head], rest, (*where, head), found)
    elif isinstance(value, _LIST) and value and not _is_number(head):
        for n, item in enumerate(value):
            _walk(item, parts, (*where, n), found)
    elif isinstance(value, _LIST) and _is_number(head) and int(head) < len(value):
        _walk(value[int(head)], rest, (*where, int(head)), found)
    else:
        found.append(Place((*where, head), MISSING))


def _add_items(place: Place, found: list[Place]) -> None:
    if isinstance(place.value, _LIST):
        for n, item in enumerate(place.value):
            _add_items(Place((*place.where, n), item), found)
    elif place.value is not MISSING and place.value is not None:
        found.append(place)


def _is_number(part: str) -> bool:
    return part.isascii() and part.isdecimal() and len(part) < 10


def is_empty(value: Any) -> bool:
    """Missing, null, blank text, an empty list or object. Zero and false are values."""
    if isinstance(value, str):
        return not value.strip()
    return value is MISSING or value is None or (isinstance(value, Mapping | list | tuple) and not value)


def cover(value: Any, parts: tuple[str, ...]) -> Any:
    """The same value with what stands at ``parts`` covered; the same object where there is nothing to cover.

    What is empty stays: that something is not there is no secret. Covering twice changes nothing.
    """
    if not parts:
        return value if is_empty(value) or value == WHOLE else WHOLE
    head, rest = parts[0], parts[1:]
    if isinstance(value, Mapping) and head in value:
        new = cover(value[head], rest)
        return value if new is value[head] else {**value, head: new}
    if isinstance(value, list | tuple):
        here = int(head) if _is_number(head) else None
        items = [
            cover(item, parts) if here is None else cover(item, rest) if n == here else item
            for n, item in enumerate(value)
        ]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    return value


def shown(where: Where) -> str:
    """As findings write places: ``fills[3].name``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where)
    return text.removeprefix(".")


def at(facts: Mapping[str, Any], place: Place) -> Any:
    """What stands at a place now; MISSING when the way there is covered."""
    value: Any = facts
    for part in place.where:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return MISSING
    return value
