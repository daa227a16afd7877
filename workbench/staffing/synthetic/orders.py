"""Job orders: what clients ask for, as columns and in their own words; the first 44 are the scenarios' orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from workbench.staffing.shifts import SHIFTS
from workbench.staffing.synthetic.bookings import UNKNOWN_CLIENT, client_ids
from workbench.staffing.synthetic.clients import Clients
from workbench.staffing.synthetic.days import Days
from workbench.staffing.synthetic.draws import Draws, Flags, Ints
from workbench.staffing.synthetic.order_texts import CHANNELS, OrderFacts, write_orders
from workbench.staffing.synthetic.people import wrong_states
from workbench.staffing.synthetic.scenarios import Scenario
from workbench.staffing.synthetic.slots import FILL_EVENTS, JOB_ORDERS
from workbench.staffing.synthetic.texts import decimals, where, words
from workbench.staffing.synthetic.vocabulary import Vocabulary

UNKNOWN_NAME = "Client to be named"
SPAN_DAYS = 400
LAST_ORDER_S = 17 * 3600
WEEKEND = SHIFTS.index("weekend")
# So many days hold the first twenty days of hours, on weekdays and on weekends.
FIRST_HOURS_DAYS = (30, 75)

_COUNTS = (1, 2, 3, 4, 5, 6, 8, 10, 12)
_COUNT_WEIGHTS = (26, 22, 14, 10, 8, 6, 5, 5, 4)
_STATUSES = ("filled", "open", "closed short", "cancelled")


@dataclass(frozen=True, slots=True)
class Orders:
    """The orders as codes and as the table."""

    facts: OrderFacts
    table: pa.Table


def make_orders(
    draws: Draws, vocabulary: Vocabulary, days: Days, clients: Clients, scenarios: Sequence[Scenario], count: int
) -> Orders:
    """``job_orders``: order_id, client_id, role, city, state, count int64, shift, start_date date32, pay_rate and
    bill_rate decimal dollars an hour, must and must_not text (``"; "`` between, or null), status, channel, received_at
    timestamp, order_text.
    """
    rows = np.arange(1, count + 1)
    role = draws.weighted("order role", rows, [role.weight for role in vocabulary.roles])
    # Orders come in one after the other; those of the scenarios stand first and are of the epoch day.
    received = -SPAN_DAYS + (rows - 1) * SPAN_DAYS // count
    shift = draws.weighted_by("order shift", rows, role, vocabulary.order_shifts)
    start = _first_day(days, shift, received + draws.below("order lead", rows, 14))
    low, high = np.array([entry.pay_cents for entry in vocabulary.roles]).T
    pay = draws.between("order pay", rows, low[role] // 25, high[role] // 25) * 25
    number = np.asarray(_COUNTS)[draws.weighted("order count", rows, _COUNT_WEIGHTS)]
    columns = {
        "role": role,
        "client": _clients(draws, vocabulary, clients, role, rows),
        "received": received,
        "start": np.where(_planted(rows, scenarios, "starts_before_received"), received - 5, start),
        "pay_cents": pay,
        "count": np.where(_planted(rows, scenarios, "count_zero"), 0, number),
        "shift": shift,
        "channel": draws.weighted("channel", rows, [55, 30, 15]),
    }
    columns["place"] = clients.place[columns["client"]]
    for name, values in _known(vocabulary, days, scenarios).items():
        columns[name][: len(scenarios)] = values
    above = _planted(rows, scenarios, "pay_above_bill")
    columns["bill_cents"] = columns["pay_cents"] * np.where(above, 90, draws.between("margin", rows, 132, 165)) // 100
    sound = ~_planted(rows, scenarios, *JOB_ORDERS.position) & (rows > len(scenarios))
    # The first weeks of hours must lie before the epoch; two days a week take longer.
    past = columns["start"] <= np.where(columns["shift"] == WEEKEND, -FIRST_HOURS_DAYS[1], -FIRST_HOURS_DAYS[0])
    filled = past & sound & draws.chance("order filled", rows, 800)
    facts = OrderFacts(rows=rows, sound=sound, filled=filled, **columns)
    return Orders(facts, _table(draws, vocabulary, days, clients, facts, scenarios))


def _first_day(days: Days, shift: Ints, wish: Ints) -> Ints:
    """The first working day from ``wish`` on: weekend work begins on a Saturday, all other from Monday to Friday."""
    weekday = (days.epoch.weekday() + wish) % 7
    return wish + np.where(shift == WEEKEND, (5 - weekday) % 7, np.where(weekday > 4, 7 - weekday, 0))


def _planted(rows: Ints, scenarios: Sequence[Scenario], *kinds: str) -> Flags:
    return JOB_ORDERS.at(rows, *kinds) & (rows > len(scenarios))


def _clients(draws: Draws, vocabulary: Vocabulary, clients: Clients, role: Ints, rows: Ints) -> Ints:
    """A client in the family of trades that the role belongs to."""
    client = np.zeros(len(rows), dtype=np.int64)
    for code, entry in enumerate(vocabulary.roles):
        asking, fitting = role == code, clients.of_family(entry.family)
        client[asking] = fitting[draws.below("order client", rows[asking], len(fitting))]
    return client


def _known(vocabulary: Vocabulary, days: Days, scenarios: Sequence[Scenario]) -> dict[str, list[int]]:
    """The columns of the scenarios' orders; one that names no pay gets the lowest of its role."""
    parses = [scenario.parse for scenario in scenarios]
    lowest = {role.name: role.pay_cents[0] for role in vocabulary.roles}
    return {
        "role": [vocabulary.role_code(parse.role) for parse in parses],
        "client": [int(parse.client_id[3:]) for parse in parses],
        "place": [vocabulary.place_code(f"{parse.city}, {parse.state}") for parse in parses],
        "received": [0] * len(parses),
        "start": [(parse.start - days.epoch).days for parse in parses],
        "pay_cents": [round(parse.pay * 100) if parse.pay else lowest[parse.role] for parse in parses],
        "count": [parse.count for parse in parses],
        "shift": [SHIFTS.index(parse.shift) for parse in parses],
        "channel": [CHANNELS.index(scenario.channel) for scenario in scenarios],
    }


def _table(
    draws: Draws,
    vocabulary: Vocabulary,
    days: Days,
    clients: Clients,
    facts: OrderFacts,
    scenarios: Sequence[Scenario],
) -> pa.Table:
    rows, n = facts.rows, len(scenarios)
    texts = write_orders(draws, vocabulary, days, clients, facts)
    texts.must[:n] = ["; ".join(scenario.parse.must) or None for scenario in scenarios]
    texts.must_not[:n] = ["; ".join(scenario.parse.must_not) or None for scenario in scenarios]
    texts.text[:n] = [scenario.order_text for scenario in scenarios]
    status = np.where(facts.filled, 0, np.where(facts.start >= -2, 1, 2 + draws.below("order status", rows, 2)))
    seconds = draws.between("received time", rows, 6 * 3600, LAST_ORDER_S)
    seconds[:n] = [_seconds(scenario.time) for scenario in scenarios]
    states = words([place.state for place in vocabulary.places], facts.place)
    return pa.table(
        {
            "order_id": pa.array([f"JO-{row:06d}" for row in rows]),
            "client_id": where(_planted(rows, scenarios, "unknown_client"), UNKNOWN_CLIENT, client_ids(facts.client)),
            "role": words([role.name for role in vocabulary.roles], facts.role),
            "city": words([place.city for place in vocabulary.places], facts.place),
            "state": wrong_states(draws, _planted(rows, scenarios, "city_state_mismatch"), states, rows),
            "count": pa.array(facts.count),
            "shift": words(SHIFTS, facts.shift),
            "start_date": days.dates(facts.start),
            "pay_rate": decimals(facts.pay_cents, 2),
            "bill_rate": decimals(facts.bill_cents, 2),
            "must": pa.array(texts.must, pa.string()),
            "must_not": pa.array(texts.must_not, pa.string()),
            "status": words(_STATUSES, status),
            "channel": words(CHANNELS, facts.channel),
            "received_at": days.times(facts.received, seconds),
            "order_text": pa.array(texts.text, pa.string()),
        }
    )


def _seconds(time: str) -> int:
    hours, minutes = (time or "09:00").split(":")
    return int(hours) * 3600 + int(minutes) * 60


def fill_event_table(
    draws: Draws, vocabulary: Vocabulary, days: Days, clients: Clients, facts: OrderFacts, count: int
) -> pa.Table:
    """``fill_events``: event_id, role, client (its name), city, state, count int64, time timestamp, in time order."""
    rows = np.arange(1, count + 1)
    past = np.flatnonzero(facts.filled)
    order = past[draws.below("fill order", rows, len(past))]
    # On the day before the first one, or on the evening when the order came in.
    day = np.maximum(facts.start[order] - 1, facts.received[order])
    sequence = np.argsort(day, kind="stable")
    order, day = order[sequence], day[sequence]
    seconds = draws.between("fill time", rows, LAST_ORDER_S + 300, LAST_ORDER_S + 3 * 3600)
    share = 1 + draws.below("fill count", rows, facts.count[order])
    states = words([place.state for place in vocabulary.places], facts.place[order])
    unknown = FILL_EVENTS.at(rows, "unknown_client")
    return pa.table(
        {
            "event_id": pa.array([f"FE-{row:07d}" for row in rows]),
            "role": words([role.name for role in vocabulary.roles], facts.role[order]),
            "client": where(unknown, UNKNOWN_NAME, words(clients.names, facts.client[order])),
            "city": words([place.city for place in vocabulary.places], facts.place[order]),
            "state": wrong_states(draws, FILL_EVENTS.at(rows, "city_state_mismatch"), states, rows),
            "count": pa.array(np.where(FILL_EVENTS.at(rows, "count_zero"), 0, share)),
            "time": days.times(day, seconds),
        }
    )
