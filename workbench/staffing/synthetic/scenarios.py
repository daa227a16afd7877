"""Scenarios: 44 orders with what a careful reader makes of them, who may be sent, who may not and why.

They speak of a small cast (``W-1`` … ``W-195``, with gaps) that is part of every generated set, so each one can be
checked in SQL. Five of them make one day at the desk, 08:00 to 15:45. Reasons are the gates: ``phantom``, ``inactive``,
``role``, ``city``, ``shift``, ``must`` (a paper or skill is missing), ``expired`` (a paper is held but not valid on the
start day), ``double_booked``, ``do_not_return``, ``already_pitched`` (to this client within 90 days), ``must_not``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from importlib.resources import files
from typing import Any

import msgspec

from workbench.staffing.synthetic.cast import Cast, CastClient, cast_workers, read_cast
from workbench.staffing.synthetic.days import DEFAULT_EPOCH, Days, say_day
from workbench.staffing.synthetic.vocabulary import Vocabulary

PITCH_BLOCKS_DAYS = 90
REASONS = (
    "phantom", "inactive", "role", "city", "shift", "must", "expired",
    "double_booked", "do_not_return", "already_pitched", "must_not",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parse:
    """What the order says. ``must`` names credentials or skills; ``pay`` is dollars an hour where the order says it."""

    role: str
    city: str
    state: str
    count: int
    shift: str
    start: date
    must: tuple[str, ...]
    must_not: tuple[str, ...]
    client_id: str
    client: str
    pay: float | None


@dataclass(frozen=True, slots=True)
class Forbidden:
    """A worker who must not be sent: the one gate that stops him (``also``: further ones), and why in words."""

    id: int
    reason: str
    why: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A proposal for the validators: ``kind`` fill, email or sms; ``artifact`` and ``context`` in the shapes of
    ``POST /v1/validate``; ``expect`` is ``passed`` or the kind of the first error, ``finding`` the code (or empty).
    """

    kind: str
    artifact: Mapping[str, Any]
    context: Mapping[str, Any]
    expect: str
    finding: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """One order and its answer. ``eligible`` and ``forbidden`` hold worker ids of the cast; ``eligible`` is complete
    within it. ``time`` is set for the five of the scenario day. ``order_id`` is its row in ``job_orders``.
    """

    number: int
    title: str
    trap: str
    time: str
    channel: str
    order_text: str
    parse: Parse
    eligible: tuple[int, ...]
    forbidden: tuple[Forbidden, ...]
    lesson: str
    draft: Draft | None

    @property
    def order_id(self) -> str:
        """``JO-000001`` …"""
        return f"JO-{self.number:06d}"


@dataclass(frozen=True, slots=True)
class _DraftEntry:
    kind: str
    expect: str
    finding: str
    fills: tuple[int, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    audience: str = "client"
    about: int = 0
    subject: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    title: str
    trap: str
    channel: str
    client: int
    role: str
    home: str
    count: int
    shift: str
    start: int
    text: str
    eligible: tuple[int, ...]
    forbidden: tuple[Forbidden, ...]
    lesson: str
    time: str = ""
    must: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    pay: float | None = None
    draft: _DraftEntry | None = None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns entries of the packaged table into scenarios for one epoch day."""

    epoch: date
    clients: Mapping[int, CastClient]
    people: Mapping[int, Mapping[str, str]]

    def scenario(self, number: int, entry: _Entry) -> Scenario:
        parse = self._parse(entry)
        return Scenario(
            number=number,
            title=entry.title,
            trap=entry.trap,
            time=entry.time,
            channel=entry.channel,
            order_text=self._fill_in(entry.text.strip("\n")),
            parse=parse,
            eligible=entry.eligible,
            forbidden=entry.forbidden,
            lesson=entry.lesson,
            draft=self._draft(entry.draft, parse, self.clients[entry.client]) if entry.draft else None,
        )

    def _parse(self, entry: _Entry) -> Parse:
        city, state = entry.home.split(", ")
        client = self.clients[entry.client]
        return Parse(
            role=entry.role,
            city=city,
            state=state,
            count=entry.count,
            shift=entry.shift,
            start=self.epoch + timedelta(days=entry.start),
            must=entry.must,
            must_not=entry.must_not,
            client_id=client.client_id,
            client=client.name,
            pay=entry.pay,
        )

    def _draft(self, draft: _DraftEntry, parse: Parse, client: CastClient) -> Draft:
        if draft.kind == "fill":
            fills = [{"candidate_id": f"W-{id_}", "name": self._name(draft, id_)} for id_ in draft.fills]
            context = {"target_count": parse.count, "city": parse.city, "state": parse.state, "role": parse.role}
            context |= {"client_id": parse.client_id, "shift": parse.shift, "start": parse.start.isoformat()}
            return Draft("fill", {"fills": fills}, context, draft.expect, draft.finding)
        to_worker = draft.audience == "worker"
        to = self.people[draft.about]["phone" if draft.kind == "sms" else "email"] if to_worker else _contact(client)
        artifact = {"to": to, "body": self._fill_in(draft.body), "kind": draft.kind}
        if draft.subject:
            artifact["subject"] = self._fill_in(draft.subject)
        context = {"audience": draft.audience, "candidate_id": f"W-{draft.about}", "pay_rate": parse.pay}
        return Draft(draft.kind, artifact, context, draft.expect, draft.finding)

    def _name(self, draft: _DraftEntry, id_: int) -> str:
        known = self.people.get(id_, {"name": "Alex Nobody"})["name"]
        return draft.names.get(str(id_), known)

    def _fill_in(self, text: str) -> str:
        return re.sub(r"\{([^{}:]+)(?::([a-z]+))?\}", lambda found: self._value(found[1], found[2]), text)

    def _value(self, what: str, how: str | None) -> str:
        if what.startswith("W-"):
            person = self.people[int(what[2:])]
            return person["name"].split(" ")[0] if how == "first" else person[how or "name"]
        return say_day(self.epoch + timedelta(days=int(what)), how or "iso")


def scenarios(epoch: date = DEFAULT_EPOCH) -> tuple[Scenario, ...]:
    """The 44 scenarios, dated from ``epoch`` (texts speak of weekdays, so a Friday keeps them true)."""
    return read_scenarios(read_cast(), Vocabulary.read(), epoch)


def read_scenarios(cast: Cast, vocabulary: Vocabulary, epoch: date) -> tuple[Scenario, ...]:
    """The same from a cast and a vocabulary already read."""
    table = tomllib.loads((files("workbench.staffing") / "data" / "scenarios.toml").read_text(encoding="utf-8"))
    entries = msgspec.convert(table["scenario"], list[_Entry])
    rows = cast_workers(cast, vocabulary, Days(epoch)).select(["worker_id", "name", "email", "phone"]).to_pylist()
    people = {row["worker_id"]: {key: str(value) for key, value in row.items()} for row in rows}
    reader = _Reader(epoch, {client.id: client for client in cast.clients}, people)
    return tuple(reader.scenario(number, entry) for number, entry in enumerate(entries, 1))


def _contact(client: CastClient) -> str:
    return client.contact.lower().replace(" ", ".") + "@example.com"
