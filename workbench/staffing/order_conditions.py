"""Order conditions: what an order demands of a worker beyond his trade and city, each as SQL with a name for people.

A condition is made only when the order says what it needs and the lake has what it is read from; what could not be
checked is said instead. An id column of another dataset must be of the roster's own type, or it is not used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

from workbench.lake.lake import Lake
from workbench.lake.tables.manifest import Column, Manifest
from workbench.lake.tables.mapping import literal, quote
from workbench.staffing.order_fields import SHIFT_WORDS
from workbench.staffing.orders import Order, OrderSearch
from workbench.staffing.outcomes import BOOKS, FORM, PITCHES
from workbench.staffing.roles import read_trades
from workbench.staffing.shifts import SHIFTS, offers_shift_sql

PITCH_BLOCKS_DAYS = 90
"""So long a client who was shown a worker is not shown him again (staffing.md, Validators)."""
OUTCOMES = FORM.dataset
_PLACED = (
    f"t.outcome = {literal(BOOKS)} AND (t.order_id, t.worker, t.step) IN "
    f"(SELECT (o.order_id, o.worker, max(o.step)) FROM {OUTCOMES} AS o GROUP BY o.order_id, o.worker)"
)
_BREAK = r"[;,|/\n]"
_SHORT_LAST = re.compile(r"(\S{2,})\s+([^\W\d_])\.?")
_SHORT_FIRST = re.compile(r"([^\W\d_])\.?\s+(\S{2,})")


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on the roster: a step of the funnel called ``name``. ``kind``: available, shift, paper, skill,
    do_not_return, booked, pitched, last_time or name; a ``name`` condition says a person's name.
    """

    kind: str
    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Unchecked:
    """What an order demands and this lake cannot tell, in words."""

    says: str


Made = Condition | Unchecked


@dataclass(frozen=True, slots=True)
class Desk:
    """The conditions of one order over one version of a roster; ``today`` stands in for a start that is not stated."""

    lake: Lake
    manifest: Manifest
    key: Column
    order: Order
    search: OrderSearch
    today: date

    def made(self) -> tuple[Made, ...]:
        """Every condition, in the order of the funnel, and what could not be checked."""
        return (
            *self._available(),
            *self._shift(),
            *self._papers(),
            *self._skills(),
            *self._do_not_return(),
            *self._booked(),
            *self._pitched(),
            *self._last_time(),
            *self._names(),
            *self._unused(),
        )

    @property
    def _day(self) -> date:
        return self.search.start or self.today

    @property
    def _client(self) -> str:
        return self.order.client.value if self.order.client else self.search.client_id

    def _available(self) -> Iterator[Made]:
        if column := self.manifest.column("availability"):
            yield Condition("available", "available", f"{quote(column.name)} > 0")

    def _shift(self) -> Iterator[Made]:
        wanted, refused = self.search.shift, self.search.shifts_not
        if not (wanted or refused):
            return
        # "Days, not nights" describes the job: who takes nights as well as days is fine.
        offered = [wanted] if wanted else [shift for shift in SHIFTS if shift not in refused]
        name = " or ".join(SHIFT_WORDS[shift] for shift in offered)
        column = self.manifest.column("resume_text")
        if column is None:
            yield Unchecked(f"Who offers {name}: {self.manifest.name} has no column resume_text.")
        elif offered:
            sql = " OR ".join(offers_shift_sql(quote(column.name), shift) for shift in offered)
            yield Condition("shift", f"offer {name}", f"({sql})")

    def _papers(self) -> Iterator[Made]:
        wanted = [said.value for said in self.order.must if said.kind == "paper"]
        required = _required().get(self.search.role, "")
        for paper in dict.fromkeys([*([required] if required else []), *wanted]):
            yield self._paper(paper)

    def _paper(self, paper: str) -> Made:
        if self._has("credentials", "credential", "expires"):
            held = f"lower(t.credential) = {literal(paper.casefold())}"
            valid = f"(t.expires IS NULL OR try_cast(t.expires AS DATE) >= {_sql(self._day)})"
            name = f"hold {paper} (valid on {self._say(self._day)})"
            return Condition("paper", name, self._among("credentials", f"{held} AND {valid}"))
        return self._listed("paper", f"hold {paper} (dates not known)", paper, ("certifications",))

    def _skills(self) -> Iterator[Made]:
        for said in self.order.must:
            if said.kind != "paper":
                yield self._listed("skill", f"list {said.value}", said.value, ("skills", "certifications"))

    def _listed(self, kind: str, name: str, item: str, columns: Sequence[str]) -> Made:
        """That ``item`` is an entry of one of the columns, which hold lists: "Java" is not found in "JavaScript"."""
        there = [quote(column.name) for each in columns if (column := self.manifest.column(each))]
        if not there:
            return Unchecked(f"Who has {item}: {self.manifest.name} has no column {columns[0]}.")
        entry = literal(rf"(?i)(^|{_BREAK})\s*{_escape(item)}\s*($|{_BREAK})")
        sql = " OR ".join(f"coalesce(regexp_matches({column}, {entry}), false)" for column in there)
        return Condition(kind, name, f"({sql})")

    def _do_not_return(self) -> Iterator[Made]:
        if not self.search.client_id:
            yield Unchecked("Whom the client bars or has seen lately: the text does not say who the client is.")
            return
        if not self._has("do_not_return", "client_id"):
            yield self._no_dataset(f"Whom {self._client} bars", "do_not_return")
            return
        since = self.lake.get("do_not_return").column("since")
        begun = f" AND coalesce(try_cast(t.since AS DATE) <= {_sql(self._day)}, true)" if since else ""
        sql = self._not_among("do_not_return", f"{self._ours()}{begun}")
        yield Condition("do_not_return", f"not barred by {self._client}", sql)

    def _booked(self) -> Iterator[Made]:
        if self.search.start is None:
            return
        last = self.order.end.value if self.order.end else self.search.start
        ends = f'coalesce(try_cast(t."end" AS DATE) >= {_sql(self._day)}, true)'
        days = f"try_cast(t.start AS DATE) <= {_sql(last)} AND {ends}"
        shift = f" AND coalesce(t.shift = {literal(self.search.shift)}, true)" if self.search.shift else ""
        parts, when = [], f"on {self._say(self._day)}"
        if not self._has("assignments", "start", "end"):
            yield self._no_dataset("Who is booked", "assignments")
        elif shift and self._has("assignments", "shift"):
            when = f"for {SHIFT_WORDS[self.search.shift]} {when}"
            parts.append(self._not_among("assignments", f"{days}{shift}"))
        else:
            parts.append(self._not_among("assignments", days))
        if self._has(OUTCOMES, "order_id", "worker", "outcome", "start", "end", "shift", "step"):
            parts.append(self._not_among(OUTCOMES, f"{days}{shift} AND {_PLACED}"))
        if parts:
            yield Condition("booked", f"not booked {when}", " AND ".join(parts))

    def _pitched(self) -> Iterator[Made]:
        if not self.search.client_id:
            return
        since, parts = self.today - timedelta(days=PITCH_BLOCKS_DAYS), []
        if self._has("submissions", "client_id", "at"):
            recent = f"{self._ours()} AND try_cast(t.at AS DATE) >= {_sql(since)}"
            parts.append(self._not_among("submissions", recent))
        if self._has(OUTCOMES, "client_id", "outcome", "happened_at"):
            shown = f"t.outcome IN ({', '.join(map(literal, sorted(PITCHES)))}) AND CAST(t.happened_at AS DATE)"
            parts.append(self._not_among(OUTCOMES, f"{self._ours()} AND {shown} >= {_sql(since)}"))
        if parts:
            name = f"not shown to {self._client} since {self._say(since)}"
            yield Condition("pitched", name, " AND ".join(parts))

    def _last_time(self) -> Iterator[Made]:
        if not (self.search.last_time and self.search.client_id):
            return
        sources = [("assignments", "start"), ("placements", "start_date")]
        parts = [
            self._not_among(name, f"{self._ours()} AND try_cast(t.{start} AS DATE) <= {_sql(self.today)}")
            for name, start in sources
            if self._has(name, "client_id", start)
        ]
        if parts:
            yield Condition("last_time", f"not at {self._client} before", " AND ".join(parts))
        else:
            yield self._no_dataset(f"Whom {self._client} had last time", "assignments")

    def _names(self) -> Iterator[Made]:
        column = self.manifest.column("name")
        for name in self.search.names_not:
            if column is None:
                yield Unchecked(f"Who is called {name}: {self.manifest.name} has no column name.")
                continue
            called = called_sql(quote(column.name), name)
            found = len(self.lake.queries.matching(self.manifest, self.key.name, called))
            if found:
                yield Condition("name", f"not {name} ({found:,} of that name)", f"NOT coalesce({called}, false)")
            else:
                yield Unchecked(f"Nobody in {self.manifest.name} is called {name}: nobody was left out for it.")

    def _unused(self) -> Iterator[Made]:
        for what in self.search.must_not:
            yield Unchecked(f"Not used to leave out people: {what!r}.")

    def _has(self, dataset: str, *columns: str) -> bool:
        """Whether the lake has such a dataset, about the ids of this roster."""
        found = self.lake.catalog.find(dataset)
        if found is None or any(found.column(name) is None for name in columns):
            return False
        worker = found.column(self.key.name)
        return worker is not None and worker.type == self.key.type

    def _no_dataset(self, what: str, dataset: str) -> Unchecked:
        return Unchecked(f"{what}: the lake has no dataset {dataset} about {self.manifest.name}.")

    def _among(self, dataset: str, where: str) -> str:
        key = quote(self.key.name)
        # Without the null test one row without an id would make every NOT IN unknown, and so drop everybody.
        return f"{key} IN (SELECT t.{key} FROM {dataset} AS t WHERE t.{key} IS NOT NULL AND {where})"

    def _not_among(self, dataset: str, where: str) -> str:
        return f"NOT ({self._among(dataset, where)})"

    def _ours(self) -> str:
        return f"t.client_id = {literal(self.search.client_id)}"

    def _say(self, day: date) -> str:
        year = "" if day.year == self.today.year else f" {day.year}"
        return f"{day.day} {day:%b}{year}"


def called_sql(column: str, name: str) -> str:
    """That a roster name is this one: in full, or by first name and initial ("Mike R."), or "M. Reynolds"."""
    name = " ".join(name.split())
    if short := _SHORT_LAST.fullmatch(name):
        pattern = rf"(?i)^{_escape(short[1])}\s(\S+\s)*{_escape(short[2])}\S*$"
    elif short := _SHORT_FIRST.fullmatch(name):
        pattern = rf"(?i)^{_escape(short[1])}\S*\s(\S+\s)*{_escape(short[2])}$"
    else:
        return f"lower({column}) = {literal(name.casefold())}"
    return f"regexp_matches({column}, {literal(pattern)})"


def _escape(text: str) -> str:
    return re.sub(r"([^\w\s])", r"\\\1", text)


def _sql(day: date) -> str:
    return f"DATE '{day.isoformat()}'"


@cache
def _required() -> dict[str, str]:
    """Role → the paper without which nobody works in it."""
    return {role.name: role.required for role in read_trades().roles if role.required}
