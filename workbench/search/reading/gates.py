"""Gates: the conditions of a search, one by one, as rows that pass. What a funnel counts and a why-not goes through."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from workbench.errors import InvalidError
from workbench.lake.tables.manifest import Manifest
from workbench.lake.tables.mapping import literal, quote
from workbench.search.lexical.question import Question, ask
from workbench.search.ranking.ranker import Ranker
from workbench.search.reading.asked import Asked, Item
from workbench.search.reading.near import Place, within
from workbench.search.texts.corpus import Corpus, Mask

Matching = Callable[[str], Any]
"""A SQL condition → the ids of the rows that match, as an Arrow array."""
Offers = Callable[[str, Manifest], str]
"""Words such as "night shift" → the SQL condition on a dataset that a row offers it, "" when they mean none."""
Kept = dict[str, tuple[Mask, int]]
"""SQL → the rows (n,) of one version that match, and how many more its corpus does not know."""
RoleGate = Callable[[str, Sequence[str]], Sequence[bool]]
"""A role as asked and the role texts of a dataset → which of these pass."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a funnel: what was asked and how many rows were left after it."""

    name: str
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"name": self.name, "rows": self.rows}


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition as people read it (``name``), its ``kind`` (where, city, shift, near, role, words, named,
    exclude), the rows (n,) that pass it, and the SQL behind it if there is any. ``drop`` says what to leave out of the
    query to open it.
    """

    kind: str
    name: str
    rows: Mask
    sql: str = ""
    drop: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a caller asks beside the text: a SQL condition, a role, a city, ids to leave out, and ``conditions``: (name,
    SQL) pairs, each a step of the funnel by that name.
    """

    where: str = ""
    role: str = ""
    city: str = ""
    exclude: tuple[int | str, ...] = ()
    conditions: tuple[tuple[str, str], ...] = ()


NO_LIMITS = Limits()
_OWN = frozenset({"city", "shift", "near"})
_KEPT = 32


@dataclass(frozen=True, slots=True)
class Gatekeeper:
    """Makes the gates of a query over one version of a dataset. ``kept``: its gates of before; masks never change."""

    manifest: Manifest
    ranker: Ranker
    matching: Matching
    places: Callable[[], Sequence[Place]]
    role_gate: RoleGate | None
    offers: Offers | None = None
    kept: Kept = field(default_factory=dict)

    @property
    def corpus(self) -> Corpus:
        """The rows that are judged."""
        return self.ranker.corpus

    def gates(self, asked: Asked, limits: Limits) -> tuple[tuple[Gate, ...], int]:
        """The gates in the order of the funnel, and how many rows matched that this corpus does not know.

        Raises QueryError for a condition that the guard refuses, InvalidError for a city, place or role in a dataset
        that has none, NotFoundError for a place that nobody knows.
        """
        unknown = 0
        made: list[Gate] = []
        for kind, name, sql, drop in self._sql_gates(asked, limits):
            rows, strangers = self._known(sql) if kind in _OWN else self.corpus.mask_of(self.matching(sql))
            unknown = max(unknown, strangers)
            made.append(Gate(kind, name, rows, sql, drop))
        made += self._role_gates(asked, limits)
        made += self._word_gates(asked)
        for name, sql in limits.conditions:
            rows, strangers = self.corpus.mask_of(self.matching(sql))
            unknown = max(unknown, strangers)
            made.append(Gate("named", name, rows, sql, f"the condition {name!r}"))
        if excluded := (*asked.excluded, *limits.exclude):
            made.append(self._exclude(excluded))
        return tuple(made), unknown

    def _known(self, sql: str) -> tuple[Mask, int]:
        """The rows that match a condition of ours: it reads the row alone, so one version gives one answer."""
        found = self.kept.get(sql)
        if found is None:
            if len(self.kept) >= _KEPT:
                self.kept.clear()
            found = self.kept[sql] = self.corpus.mask_of(self.matching(sql))
        return found

    def _sql_gates(self, asked: Asked, limits: Limits) -> Iterator[tuple[str, str, str, str]]:
        if limits.where.strip():
            yield "where", limits.where.strip(), limits.where, "the condition"
        cities = asked.cities
        if limits.city:
            cities = (*cities, _city_item(limits.city))
        if cities:
            self._need("city")
            sql = " OR ".join(self._city_sql(item) for item in cities)
            places = [item.place for item in cities]
            yield "city", f"in {_or(places)}", sql, " ".join(f"city:{place}" for place in places)
        for refused in asked.must_not:
            if sql := self._offered(refused):
                yield "shift", f"not {refused}", f"NOT coalesce({sql}, false)", f'-"{refused}"'
        if asked.near:
            self._need("city")
            sql = " OR ".join(self._near_sql(item) for item in asked.near)
            names = _or(f"{item.miles:g} mi of {item.place}" for item in asked.near)
            yield "near", f"within {names}", sql, " ".join(f"near:{item.place}" for item in asked.near)

    def _role_gates(self, asked: Asked, limits: Limits) -> Iterator[Gate]:
        roles = (*asked.roles, limits.role) if limits.role else asked.roles
        if not roles:
            return
        self._need("role")
        known = self.corpus.rows.roles
        passing = np.zeros(len(known) + 1, np.bool_)
        for role in roles:
            passing[:-1] |= np.asarray(self.role_gate(role, known) if self.role_gate else _same(role, known), np.bool_)
        rows = self.corpus.rows_of(passing[self.corpus.rows.role_of], textless=False)
        yield Gate("role", f"role {_or(roles)}", rows, drop=" ".join(f"role:{role}" for role in roles))

    def _word_gates(self, asked: Asked) -> Iterator[Gate]:
        """One gate for each phrase, must and must-not with a word in it; refused shifts have gates of their own."""
        for phrase in asked.phrases:
            yield from self._word_gate(f'"{phrase}"', ask("", phrases=[phrase]), f'the quotes of "{phrase}"')
        for must in asked.must:
            yield from self._word_gate(f'"{must}"', ask("", must=[must]), f'the + of "{must}"')
        for words in asked.must_not:
            if not self._offered(words):
                yield from self._word_gate(f'not "{words}"', ask("", must_not=[words]), f'-"{words}"')

    def _word_gate(self, name: str, condition: Question, drop: str) -> Iterator[Gate]:
        if not (condition.must or condition.must_not or condition.phrases):
            return
        # A row without text has none of the words: it keeps to every "must not" and to no "must".
        rows = self.corpus.rows_of(self.ranker.having(condition), textless=bool(condition.must_not))
        yield Gate("words", name, rows, drop=drop)

    def _offered(self, words: str) -> str:
        return self.offers(words, self.manifest) if self.offers else ""

    def _exclude(self, excluded: Sequence[int | str]) -> Gate:
        rows = np.ones(len(self.corpus), np.bool_)
        rows[self.corpus.mask_of(self.ids_of(excluded))[0]] = False
        names = ", ".join(map(str, excluded[:3])) + (f" and {len(excluded) - 3} more" if len(excluded) > 3 else "")
        return Gate("exclude", f"not {names}", rows, drop=" ".join(f'-"{name}"' for name in excluded))

    def ids_of(self, names: Sequence[int | str]) -> list[Any]:
        """Ids as this corpus has them: ``W-12`` is 12 where ids are whole numbers. What cannot be one is left out."""
        if not pa.types.is_int64(self.corpus.ids.type):
            return [str(name) for name in names]
        digits = (str(name).upper().removeprefix("W-") for name in names)
        return [int(text) for text in digits if re.fullmatch(r"-?\d{1,19}", text)]

    def _city_sql(self, item: Item) -> str:
        city = f"lower({self._column('city')}) = {literal(item.value.casefold())}"
        state = self.manifest.column("state")
        if item.state and state is None:
            raise InvalidError(f"Dataset {self.manifest.name} has no column state.", hint=f"city:{item.value}")
        return (
            f"({city} AND upper({quote(state.name)}) = {literal(item.state)})" if item.state and state else f"({city})"
        )

    def _near_sql(self, item: Item) -> str:
        around = within(self.places(), item.value, item.state or None, item.miles)
        cities = (Item("city", city, item.span, state) for city, state, _ in around)
        return f"({' OR '.join(map(self._city_sql, cities))})"

    def _column(self, name: str) -> str:
        self._need(name)
        return quote(next(c.name for c in self.manifest.columns if c.name.casefold() == name))

    def _need(self, name: str) -> None:
        if self.manifest.column(name) is None:
            raise InvalidError(
                f"Dataset {self.manifest.name} has no column {name} to search by.",
                hint=f"Its columns: {', '.join(c.name for c in self.manifest.columns)}.",
            )


def funnel(
    dataset: str, rows: int, gates: Sequence[Gate], *, with_id: int | None = None
) -> tuple[tuple[Step, ...], Mask | None]:
    """The steps from all ``rows`` of a dataset through ``gates``, and the rows (n,) that pass them all (None: all).

    ``with_id``: how many have an id of their own; where that is not all, it is a step, for only these can be found.
    """
    steps, left = [Step(dataset, rows)], None
    if with_id is not None and with_id != rows:
        steps.append(Step("with an id of their own", with_id))
    for gate in gates:
        left = gate.rows if left is None else left & gate.rows
        steps.append(Step(gate.name, int(np.count_nonzero(left))))
    return tuple(steps), left


def _city_item(text: str) -> Item:
    city, comma, state = (part.strip() for part in text.rpartition(","))
    return Item("city", city, (0, 0), state.upper()) if comma else Item("city", state, (0, 0))


def _same(role: str, known: Collection[str]) -> list[bool]:
    return [name.casefold() == role.casefold() for name in known]


def _or(names: Iterable[str]) -> str:
    return " or ".join(names)
