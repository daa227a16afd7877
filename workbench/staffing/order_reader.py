"""The reader of orders: a coordinator's or a client's text → one `Order` for each role that is asked for.

Patterns only, pure functions: typing errors are set right word by word, everything the text mentions is found, each
number is paired with its role, and every other field goes to the order in whose part of the text it stands, or to all
orders when it stands in none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from workbench.staffing.mention import COVER, Mention, cover
from workbench.staffing.order_dates import end_after
from workbench.staffing.order_heads import Head, find_heads
from workbench.staffing.order_mentions import find_mentions
from workbench.staffing.order_words import GLUE
from workbench.staffing.orders import STATED, Known, Order, Said
from workbench.staffing.parties import KnownClient
from workbench.staffing.places import Place
from workbench.staffing.spelling import Spelled

_WORD = re.compile(r"[^\W_]+(?:['’.&/-][^\W_]+)*")
# Words that were not read, up to the next sentence, comma, bracket or dash, or to something that was read.
_CLAUSE = re.compile(rf"(?:[^\n.!?;,(){COVER}\s]|(?![ \t]-[ \t])[ \t]|[.,](?=\d))+")
_CHANGE = re.compile(r"(?i)\b(?:cancel\w*|replace\w*|instead\s+of|on\s+hold|add\s+\w+\s+to\s+the\s+order)\b")
_ELSEWHERE = 0.9
_FROM_CLIENT = 0.7
_GUESS = 0.3
# Of these one is chosen; another one is shown as not understood, unless it says the same.
_ONE_OF_MANY = {"count", "role", "stranger", "city", "shift", "start", "end", "pay", "client"}
_SHOWN = {"greeting": "greeting", "closing": "signature", "header": "header", "noise": "number", "refused": "refused"}


def read_orders(text: str, today: date, known: Known | None = None) -> tuple[Order, ...]:
    """The orders in ``text``, at least one; relative days count from ``today``. Spans count characters of ``text``.

    A text with nothing to read gives one order whose fields are all empty and whose ``unparsed`` holds it all.
    """
    known = known or Known.packaged()
    spelled = known.speller.spell(text)
    mentions = find_mentions(spelled.text, today, known)
    reading = _Reading(text, spelled, today, known, tuple(mentions))
    heads = find_heads(cover(spelled.text, [m for m in mentions if m.kind == "noise"]), mentions, known.normalise)
    ends = [*(head.start for head in heads[1:]), len(spelled.text)]
    orders = [reading.order(head, end, alone=len(heads) == 1) for head, end in zip(heads, ends, strict=True)]
    unparsed = reading.unparsed(heads, orders)
    return tuple(replace(order, unparsed=unparsed) for order in orders)


@dataclass(frozen=True, slots=True)
class _Reading:
    text: str
    spelled: Spelled
    today: date
    known: Known
    mentions: tuple[Mention, ...]

    def order(self, head: Head, end: int, *, alone: bool) -> Order:
        """The order of one head, whose part of the text ends before ``end``."""
        part = (0, len(self.spelled.text)) if alone else (head.start, end)
        anchor = (head.count or head.role or Mention("", None, 0, 0)).start
        client = self._client(part)
        city = self._best("city", part, anchor)
        place, doubts = _placed(city, client)
        order = Order(
            text=self.text,
            role=self._said(head.role),
            count=self._said(head.count),
            shift=self._said(self._best("shift", part, anchor)),
            pay=self._said(self._best("pay", part, anchor)),
            wishes=self._papers(part, wanted=False),
            must=self._papers(part, wanted=True),
            must_not=tuple(self._as(m, m.value) for m in self._all("not_") if m.kind != "not_role"),
            exclude_last_time=self._said(next(iter(self._all("last_time")), None)),
        )
        order = self._dated(order, part, anchor)
        order = self._with_place(order, city, place, client)
        order = self._with_client(order, client)
        doubts += tuple(f"Not used to choose people: {m.value!r}." for m in self._all("refused"))
        doubts += tuple(self._clashes(order))
        return _without_required(replace(order, doubts=(*missing(order), *doubts)), self.known)

    def unparsed(self, heads: Sequence[Head], orders: Sequence[Order]) -> tuple[Said[str], ...]:
        """What no field was read from, in order: the parts of letters first named, then clauses with words left."""
        shown = [
            Said(self.text[slice(*self._span(m))].strip(), self._span(m), kind=_SHOWN[m.kind])
            for m in self.mentions
            if m.kind in _SHOWN
        ]
        used = {said.span for order in orders for said in _fields(order)}
        values = {value for order in orders for value in _values(order)}
        taken = [
            m
            for m in self.mentions
            if m.kind not in _ONE_OF_MANY or self._span(m) in used or (m.kind, _comparable(m)) in values
        ]
        taken += [m for head in heads for m in (head.role, head.count) if m]
        rest = cover(self.spelled.text, taken)
        for clause in _CLAUSE.finditer(rest):
            words = [m for m in _WORD.finditer(clause[0]) if m[0].casefold() not in GLUE]
            if words:
                start, end = clause.start() + words[0].start(), clause.start() + words[-1].end()
                typed = self.spelled.typed(start, end)
                shown.append(Said(self.text[slice(*typed)], typed))
        return tuple(sorted(shown, key=lambda said: said.span))

    def _all(self, kind: str) -> list[Mention]:
        return [m for m in self.mentions if m.kind == kind or (kind.endswith("_") and m.kind.startswith(kind))]

    def _best(self, kind: str, part: tuple[int, int], anchor: int) -> Mention | None:
        """The mention that decides a field: in this order's part, else anywhere."""
        mentions = self._all(kind)
        inside = [m for m in mentions if part[0] <= m.start < part[1]]
        best = max(inside, key=lambda m: (m.rank + (m.start > anchor), -m.start), default=None)
        if best is not None or not mentions:
            return best
        other = max(mentions, key=lambda m: (m.start >= part[1], m.rank, -m.start))
        return replace(other, sure=other.sure * _ELSEWHERE)

    def _dated(self, order: Order, part: tuple[int, int], anchor: int) -> Order:
        start, end, length = (self._best(kind, part, anchor) for kind in ("start", "end", "length"))
        if start is None:
            return order
        if end is None and length is not None:
            end = replace(length, value=end_after(start.value, length.value))
        if end is not None and end.value < start.value:
            end = None
        return replace(order, start=self._said(start), end=self._said(end))

    def _clashes(self, order: Order) -> Iterable[str]:
        """A weekday beside the date that is another day: "Monday 11/24" where the 24th is a Tuesday."""
        if order.start is None:
            return
        for mention in self._all("start"):
            beside = re.fullmatch(r"[\s,(]{0,3}", self.text[self._span(mention)[1] : order.start.span[0]])
            if beside and mention.value.weekday() != order.start.value.weekday():
                said = self.text[slice(*self._span(mention))]
                yield f"{said} is no {order.start.value:%A}: is {order.start.value.isoformat()} meant?"

    def _client(self, part: tuple[int, int]) -> Mention | None:
        named = [m for m in self._all("client") if part[0] <= m.start < part[1]] or self._all("client")
        return max(named, key=lambda m: (m.rank, m.end - m.start, -m.start), default=None)

    def _with_place(self, order: Order, city: Mention | None, place: Place | None, client: Mention | None) -> Order:
        if city is not None:
            order = replace(order, city=self._as(city, city.value[0].city))
            return replace(order, state=self._as(city, place.state)) if place else order
        if client is None or not client.value.city:
            return order
        sure = client.sure * _FROM_CLIENT
        home = client.value
        return replace(order, city=self._as(client, home.city, sure), state=self._as(client, home.state, sure))

    def _with_client(self, order: Order, client: Mention | None) -> Order:
        if client is not None:
            return replace(order, client=self._as(client, client.value.name), client_id=client.value.id)
        stranger = max(self._all("stranger"), key=lambda m: (m.sure, -m.start), default=None)
        if stranger is not None:
            return replace(order, client=self._as(stranger, stranger.value, STATED))
        there = [
            one
            for one in self.known.book.clients
            if order.city and one.city == order.city.value and (not order.state or one.state == order.state.value)
        ]
        if len(there) != 1 or order.city is None:
            return order
        guess = Said(there[0].name, order.city.span, _GUESS)
        state = order.state or Said(there[0].state, order.city.span, _GUESS)
        return replace(order, client=guess, client_id=there[0].id, state=state)

    def _papers(self, part: tuple[int, int], *, wanted: bool) -> tuple[Said[str], ...]:
        """Papers and skills that are demanded, or only mentioned; each once, in the order of the text."""
        named = [m for m in self.mentions if m.kind in {"paper", "skill"} and part[0] <= m.start < part[1]]
        demanded = {m.value for m in named if m.rank > 0}
        chosen = {m.value: m for m in reversed(named) if (m.rank > 0 if wanted else m.value not in demanded)}
        return tuple(self._as(m, m.value) for m in sorted(chosen.values(), key=lambda m: m.start))

    def _said(self, mention: Mention | None) -> Said[Any] | None:
        return self._as(mention, mention.value) if mention else None

    def _as(self, mention: Mention, value: Any, sure: float | None = None) -> Said[Any]:
        kind = mention.kind.removeprefix("not_") if mention.kind.startswith("not_") else ""
        kind = mention.kind if mention.kind in {"paper", "skill"} else kind
        return Said(value, self._span(mention), round(mention.sure if sure is None else sure, 3), kind)

    def _span(self, mention: Mention) -> tuple[int, int]:
        return self.spelled.typed(mention.start, mention.end)


def _placed(city: Mention | None, client: Mention | None) -> tuple[Place | None, tuple[str, ...]]:
    """Which of the places of that name is meant: the only one, or where the client is."""
    if city is None:
        return None, ()
    among: tuple[Place, ...] = city.value
    if len(among) == 1:
        return among[0], ()
    if client is not None:
        home: KnownClient = client.value
        there = [place for place in among if (place.city, place.state) == (home.city, home.state)]
        if there:
            return there[0], ()
    states = " or ".join(place.state for place in among)
    return None, (f"Which {among[0].city}: {states}?",)


def missing(order: Order) -> tuple[str, ...]:
    """What the order leaves open, as questions to ask back."""
    asked = {"which role": order.role, "how many": order.count, "where": order.city, "from when": order.start}
    doubts = [f"The text does not say {name}." for name, value in asked.items() if value is None]
    if _CHANGE.search(order.text):
        doubts.append("The text speaks of a change to what was ordered before.")
    if order.role and order.role.sure <= STATED:
        doubts.append(f"No role is known as {order.role.value!r}.")
    if order.client and order.client.sure < STATED:
        doubts.append(f"Is it for {order.client.value}? The text names no client.")
    if order.exclude_last_time and (order.client is None or order.client.sure < STATED):
        doubts.append("Whom this client had last time is only known once the client is.")
    return tuple(doubts)


def _without_required(order: Order, known: Known) -> Order:
    """Without the paper that the role itself requires: its gate stands anyway."""
    required = (known.required or {}).get(order.role.value if order.role else "")
    must, wishes = (tuple(said for said in field if said.value != required) for field in (order.must, order.wishes))
    return replace(order, must=must, wishes=wishes)


def _values(order: Order) -> Iterable[tuple[str, Any]]:
    """(kind, value) of what the order says, as `_comparable` puts a mention."""
    for kind in ("role", "count", "city", "shift", "start", "end", "pay"):
        said = getattr(order, kind)
        if said is not None:
            yield kind, said.value
    yield "client", order.client_id


def _comparable(mention: Mention) -> Any:
    if mention.kind == "city":
        return mention.value[0].city
    return mention.value.id if mention.kind == "client" else mention.value


def _fields(order: Order) -> Iterable[Said[Any]]:
    single = (order.role, order.count, order.city, order.shift, order.start, order.end, order.pay, order.client)
    return (said for said in (*single, *order.must, *order.must_not) if said is not None)
