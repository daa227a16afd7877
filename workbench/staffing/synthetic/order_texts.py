"""Order texts: how clients and coordinators write, with abbreviations, signatures, typos and thumbs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from workbench.staffing.shifts import SHIFTS
from workbench.staffing.synthetic.clients import Clients
from workbench.staffing.synthetic.days import Days, say_day
from workbench.staffing.synthetic.draws import Draws, Flags, Ints
from workbench.staffing.synthetic.slots import FIRST_SLOT
from workbench.staffing.synthetic.vocabulary import Vocabulary, inside

CHANNELS = ("email", "sms", "phone")
_MUST_PER_MILLE = 550
_MUST_NOT_PER_MILLE = 120


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What the orders say, as int64 columns: row 1, 2, …, codes, a count, days from the epoch and cents.

    ``sound`` are the orders without a planted violation that are not a scenario's: messages speak of these. ``filled``
    are those of them that placements and fills hang on.
    """

    rows: Ints
    role: Ints
    place: Ints
    client: Ints
    count: Ints
    shift: Ints
    received: Ints
    start: Ints
    pay_cents: Ints
    bill_cents: Ints
    channel: Ints
    sound: Flags
    filled: Flags


@dataclass(frozen=True, slots=True)
class OrderTexts:
    """Per order: what it must and must not have (or None), and the message."""

    must: list[str | None]
    must_not: list[str | None]
    text: list[str]


@dataclass(frozen=True, slots=True)
class _Dice:
    """One order's draws, by name, from columns drawn ahead."""

    columns: dict[str, list[int]]
    position: int

    def pick(self, what: str, choices: Any) -> Any:
        return choices[self.columns[what][self.position] % len(choices)]

    def chance(self, what: str, per_mille: int) -> bool:
        return self.columns[what][self.position] % 1000 < per_mille


_DICE = (
    *("template", "plural", "count", "shift", "city", "when", "sign", "plus4"),
    *("must", "must kind", "must credential", "must skill", "must words", "not", "not worker", "not words"),
    *("typo", "typo where", "lower"),
)


def write_orders(draws: Draws, vocabulary: Vocabulary, days: Days, clients: Clients, facts: OrderFacts) -> OrderTexts:
    """Write one message for each order."""
    columns = {what: draws.below(f"order {what}", facts.rows, 1 << 30).tolist() for what in _DICE}
    texts = OrderTexts([], [], [])
    for position in range(len(facts.rows)):
        dice = _Dice(columns, position)
        must, must_not = _must(dice, vocabulary, int(facts.role[position])), _must_not(dice)
        values = _values(dice, vocabulary, days, clients, facts, position)
        phrases = vocabulary.phrases["orders"]
        channel = CHANNELS[int(facts.channel[position])]
        stop = "" if channel == "sms" else "."
        values["must"] = dice.pick("must words", phrases["must"]).format(must) + stop if must else ""
        values["must_not"] = dice.pick("not words", phrases["must_not"]).format(must_not) + stop if must_not else ""
        values["sign"] = dice.pick("sign", phrases["signatures"]).format(**values)
        text = _tidy(dice.pick("template", phrases["templates"][channel]).format(**values))
        texts.must.append(must)
        texts.must_not.append(must_not)
        texts.text.append(_mistype(dice, text, channel, keep=must))
    return texts


def _must(dice: _Dice, vocabulary: Vocabulary, role: int) -> str | None:
    if not dice.chance("must", _MUST_PER_MILLE):
        return None
    entry = vocabulary.roles[role]
    extras = [name for name in entry.credentials if name != entry.required]
    credentials = bool(extras) and dice.chance("must kind", 600)
    return str(dice.pick("must credential", extras) if credentials else dice.pick("must skill", entry.skills))


def _must_not(dice: _Dice) -> str | None:
    """A worker by his id: one of those present in every size."""
    if not dice.chance("not", _MUST_NOT_PER_MILLE):
        return None
    return f"W-{196 + dice.columns['not worker'][dice.position] % (FIRST_SLOT - 196)}"


def _values(
    dice: _Dice, vocabulary: Vocabulary, days: Days, clients: Clients, facts: OrderFacts, position: int
) -> dict[str, str]:
    phrases = vocabulary.phrases["orders"]
    role = vocabulary.roles[int(facts.role[position])]
    place, client = vocabulary.places[int(facts.place[position])], int(facts.client[position])
    count = str(facts.count[position])
    start = days.epoch + timedelta(days=int(facts.start[position]))
    cents = int(facts.pay_cents[position])
    return {
        "n": dice.pick("count", phrases["counts"].get(count, [count])),
        "roles": dice.pick("plural", [inside(title) for title in role.titles] if count == "1" else role.plurals),
        "city": dice.pick("city", phrases["cities"].get(place.city, [place.city])),
        "state": place.state,
        "shift": dice.pick("shift", phrases["shifts"][SHIFTS[int(facts.shift[position])]]),
        "when": say_day(start, dice.pick("when", ("md", "long", "iso", "long", "md"))),
        "pay": f"{cents // 100}.{cents % 100:02d}" if cents % 100 else str(cents // 100),
        "client": clients.names[client],
        "contact": clients.contacts[client],
        "phone": clients.phones[client],
        "ein": clients.eins[client],
        "zip": clients.zips[client],
        "plus4": f"{1000 + dice.columns['plus4'][position] % 9000}",
        "order_no": f"{100_000_000 + dice.columns['plus4'][position] % 900_000_000}",
    }


def _tidy(text: str) -> str:
    text = re.sub(r"[ ,]+(?=[,.](?:\s|$))", "", text)
    text = re.sub(r"\.(?:[ ]*\.)+", ".", text)
    text = re.sub(r"[ \t]{2,}", " ", text)
    text = re.sub(r"[ \t]+\n", "\n", text)
    text = re.sub(r"(?<=\n)\. ?|, *$", "", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _mistype(dice: _Dice, text: str, channel: str, keep: str | None) -> str:
    """Thumbs: lower case in most text messages, and in a third of all messages one word with two letters swapped."""
    if channel == "sms" and dice.chance("lower", 700):
        text = text.replace(keep, "\0").lower().replace("\0", keep) if keep else text.lower()
    words = [found for found in re.finditer(r"\b[a-z]{5,}\b", text) if not keep or found[0] not in keep]
    if not words or not dice.chance("typo", 330):
        return text
    word = dice.pick("typo where", words)
    middle = word.start() + len(word[0]) // 2
    return text[: middle - 1] + text[middle] + text[middle - 1] + text[middle + 1 :]
