"""A statement with everything that it reads pinned, as one text: datasets by version, other relations as CTEs.

The places are those of the engine's own parse tree. Names that are put in (``workers@3``, ``hits·7``) hold a character
that a plain name cannot, so nothing that the reader writes meets them by chance.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from workbench.errors import QueryError
from workbench.lake.sql.frames import Captured
from workbench.lake.sql.guard import fold
from workbench.lake.sql.typed.edited import Edit, Edited
from workbench.lake.tables.manifest import Manifest
from workbench.lake.tables.mapping import quote

_NUMBERS = itertools.count(1)
_NOWHERE = 2**63


@dataclass(frozen=True, slots=True)
class Part:
    """One statement, ready to be a CTE of another; ``tables``, ``frames`` and ``reads`` are what its ``text`` names.

    ``params``: its values by names that no other part has. ``name``: its own, as a CTE.
    """

    name: str
    text: str
    params: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Manifest] = field(default_factory=dict)
    frames: Mapping[str, Captured] = field(default_factory=dict)
    reads: tuple[Part, ...] = ()

    def all(self) -> list[Part]:
        """It and the parts it reads, each once, what is read before what reads it."""
        found: dict[str, Part] = {}
        for part in self.reads:
            found |= {p.name: p for p in part.all()}
        return [*found.values(), self]


def unique(name: str) -> str:
    """A name like this one that nothing else in this process has, folded as the engine compares names."""
    return f"{fold(name)}·{next(_NUMBERS)}"


@dataclass(frozen=True, slots=True)
class Place:
    """A table reference in a text: characters ``start`` to ``end`` are its name."""

    name: str
    start: int
    end: int
    aliased: bool


def table_places(node: Mapping[str, Any], sql: str) -> list[Place]:
    """References to tables in a tree of ``sql``, without those to its own CTEs, in the order of the text."""
    raw = sql.encode()
    names = _Names(raw)
    found = []
    for ref in _tables(node, frozenset()):
        start = _at(ref)
        end = names.end(start)
        lengths = (len(raw[:start].decode()), len(raw[:end].decode()))
        found.append(Place(ref["table_name"], *lengths, bool(ref["alias"])))
    return sorted(found, key=lambda place: place.start)


def parameter_places(node: Mapping[str, Any], sql: str) -> list[Place]:
    """Parameters of a tree of ``sql``; those without a name are named by their number."""
    raw = sql.encode()
    found = []
    for ref in _walk(node):
        if ref.get("class") == "PARAMETER":
            start = _at(ref)
            end = start + ref["query_location_length"]
            found.append(Place(ref["identifier"], len(raw[:start].decode()), len(raw[:end].decode()), aliased=False))
    return found


def _at(ref: Mapping[str, Any]) -> int:
    if ref["query_location"] >= _NOWHERE:
        raise QueryError("The statement cannot be kept as a relation: a part has no place.", hint="Run it by itself.")
    return int(ref["query_location"])


class _Names:
    """Where the token that begins at a byte ends."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._starts = [start for start, _ in duckdb.tokenize(raw.decode())]

    def end(self, start: int) -> int:
        following = next((s for s in self._starts if s > start), len(self._raw))
        return start + len(self._raw[start:following].decode().rstrip().encode())


def _walk(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _walk(item)
    elif isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _walk(item)


def _tables(value: Any, scope: frozenset[str]) -> Iterator[Mapping[str, Any]]:
    """BASE_TABLE nodes that no CTE in scope stands for, by the engine's rule (see `guard`)."""
    if isinstance(value, list):
        for item in value:
            yield from _tables(item, scope)
    elif isinstance(value, dict):
        for entry in value["cte_map"]["map"] if "cte_map" in value else ():
            name, inner = fold(entry["key"]), entry["value"]["query_node"]
            yield from _tables(inner, scope | {name} if inner["type"] == "RECURSIVE_CTE_NODE" else scope)
            scope |= {name}
        if value.get("type") == "BASE_TABLE" and fold(value["table_name"]) not in scope:
            yield value
        for key, item in value.items():
            if key != "cte_map":
                yield from _tables(item, scope)


def renamed(sql: str, places: Sequence[Place], to: Callable[[Place], str], *, alias: bool = True) -> Iterator[Edit]:
    """Each reference under the name that ``to`` gives, still known in the statement by the name it had."""
    for place in places:
        written = sql[place.start : place.end]
        # A version's reference has its name already, where the statement needs one.
        known_as = f" AS {written}" if alias and not place.aliased and "@" not in place.name else ""
        yield Edit(place.start, place.end, to(place) + known_as)


def without_end(sql: str) -> Iterator[Edit]:
    """Takes out the semicolons of one statement."""
    raw = sql.encode()
    for start, kind in duckdb.tokenize(sql):
        if raw[start : start + 1] == b";" and str(kind).endswith("operator"):
            at = len(raw[:start].decode())
            yield Edit(at, at + 1, "")


def with_ctes(text: str, parts: Sequence[Part]) -> Edited:
    """``text`` with the parts as CTEs before its own."""
    if not parts:
        return Edited(text)
    ctes = ",\n".join(f"{quote(part.name)} AS (\n{part.text}\n)" for part in parts)
    raw = text.encode()
    words = [
        (start, raw[start : start + 9].lower()) for start, kind in duckdb.tokenize(text) if "comment" not in str(kind)
    ]
    first, word = words[0]
    if not (word.startswith(b"with") and not word[4:5].strip(b"\t\n\r /-")):
        at = len(raw[:first].decode())
        return Edited.of(text, [Edit(at, at, f"WITH {ctes}\n")])
    second, next_word = words[1]
    end = second + 9 if next_word == b"recursive" else first + 4
    at = len(raw[:end].decode())
    return Edited.of(text, [Edit(at, at, f" {ctes},\n")])
