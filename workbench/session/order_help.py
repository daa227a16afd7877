"""What the patterns leave of an order, read with a model: it proposes plain words, the patterns say what they mean.

A proposal counts only for a field that is still empty, only when its quote stands in the text where nothing was
understood, and only when the reader of orders understands the plain words as exactly that field. So a model can add no
role, city or paper that we do not know, and can change nothing that the patterns read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from workbench.errors import ProviderError
from workbench.llm.chat import Ask, ChatModel, Message
from workbench.llm.extract import Extracted, find_json
from workbench.staffing.order_reader import missing
from workbench.staffing.orders import STATED, Order, Said, Span

Read = Callable[[str], tuple[Order, ...]]

BY_MODEL = 0.6
"""How sure a field is that a model pointed at: stated, less than what the patterns read."""
_ASKED = {
    "role": "Need 1 {}",
    "count": "Need {} workers",
    "city": "Need 1 worker in {}",
    "shift": "Need 1 worker, {}",
    "start": "Need 1 worker from {}",
    "must": "Need 1 worker with {}, required",
    "must_not": "Need 1 worker, no {}",
}
_LISTS = ("must", "must_not")
_LONGEST = 120  # characters of a quote and of its plain words
_SYSTEM = """\
A pattern reader has read a staffing order and left some words. Say what they mean. Answer with one JSON object:
{"role": {"quote": "…", "means": "…"}, "count": …, "city": …, "shift": …, "start": …, "must": […], "must_not": […]}
quote: the exact words of the order. means: the plain words for them: role: the usual job title; count: a number; city:
"City, ST"; shift: 1st shift, 2nd shift, 3rd shift or weekends; start: YYYY-MM-DD; must and must_not: lists of papers,
skills or shifts. Only the fields asked for, and only what the order says; leave out the rest."""


@dataclass(frozen=True, slots=True)
class _Proposal:
    field: str
    quote: Span
    means: str


def completed(order: Order, read: Read, model: ChatModel, name: str) -> Order:
    """The order with what a model adds; as it was when there is nothing to ask, or nothing of it holds.

    ``read`` reads a text as orders. Each addition is also a doubt, to be asked back; a server that fails is one too.
    Raises what the model raises but ProviderError.
    """
    left = [said for said in order.unparsed if not said.kind]
    if not left:
        return order
    try:
        answer = model.complete(_ask(order, left, name))
    except ProviderError as error:
        return replace(order, doubts=(*order.doubts, f"{name} could not help: {error.message}"))
    found = find_json(answer.text)
    if not isinstance(found, Extracted):
        return replace(order, doubts=(*order.doubts, f"{name} could not help: {found.message}"))
    made = order
    quotes: list[Span] = []
    said: list[str] = []
    for proposal in _proposals(order.text, found.value, left):
        changed = _with(made, proposal, read)
        if changed is not made:
            made, quotes = changed, [*quotes, proposal.quote]
            words = " ".join(order.text[slice(*proposal.quote)].split())
            said.append(
                f'{name} reads "{words}" as {proposal.field.replace("_", " ")} {proposal.means}: is that right?'
            )
    unparsed = tuple(one for one in order.unparsed if one.kind or not any(_overlap(one.span, q) for q in quotes))
    settled = set(missing(order)) - set(missing(made))
    doubts = (*(doubt for doubt in order.doubts if doubt not in settled), *said)
    return replace(made, unparsed=unparsed, doubts=doubts)


def _ask(order: Order, left: Iterable[Said[str]], name: str) -> Ask:
    empty = [field for field in _ASKED if _open(order, field)]
    asked = {"order": order.text, "not_understood": [said.value for said in left], "fields": empty}
    return Ask(name, (Message("system", _SYSTEM), Message("user", json.dumps(asked, ensure_ascii=False))), as_json=True)


def _proposals(text: str, answer: Mapping[str, Any], left: Iterable[Said[str]]) -> Iterator[_Proposal]:
    """What the answer says in the asked form of words that nobody understood."""
    spans = [said.span for said in left]
    for field in _ASKED:
        value = answer.get(field)
        for one in value if isinstance(value, list) else [value]:
            quote, means = (_words(one, "quote"), _words(one, "means")) if isinstance(one, Mapping) else ("", "")
            span = (at := text.find(quote), at + len(quote))
            if quote and means and at >= 0 and any(_overlap(span, there) for there in spans):
                yield _Proposal(field, span, " ".join(means.split()))


def _words(said: Mapping[str, Any], key: str) -> str:
    value = said.get(key)
    return value if isinstance(value, str) and value.strip() and len(value) <= _LONGEST else ""


def _with(order: Order, proposal: _Proposal, read: Read) -> Order:
    """The order with the proposed field as the patterns read its plain words; the same object when they do not."""
    field = proposal.field
    if not _open(order, field):
        return order
    orders = read(_ASKED[field].format(proposal.means))
    found = getattr(orders[0], field) if _says_only(orders, field) else None
    if not found:
        return order
    if field in _LISTS:
        there = {said.value for said in getattr(order, field)}
        new = [_pointed(said, proposal) for said in found if said.value not in there and said.sure > STATED]
        lists: dict[str, Any] = {field: (*getattr(order, field), *new)}
        return replace(order, **lists) if new else order
    if found.sure <= STATED:
        return order
    changed: dict[str, Any] = {field: _pointed(found, proposal)}
    if field == "city" and order.state is None and (state := orders[0].state) is not None:
        changed["state"] = _pointed(state, proposal)
    return replace(order, **changed)


def _says_only(orders: tuple[Order, ...], field: str) -> bool:
    """Whether plain words say this one field of one order, and hold nothing that is not understood."""
    only = orders[0]
    known = only.role is not None and only.role.sure > STATED
    return len(orders) == 1 and not only.unparsed and known == (field == "role")


def _open(order: Order, field: str) -> bool:
    """Whether a field may still be filled: a list always; a role also when the words are no role that we know."""
    said = getattr(order, field)
    return field in _LISTS or said is None or (field == "role" and said.sure <= STATED)


def _pointed(said: Said[Any], proposal: _Proposal) -> Said[Any]:
    return replace(said, span=proposal.quote, sure=BY_MODEL)


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]
