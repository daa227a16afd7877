"""An order as the context that a fill is judged under, and what a caller knows better than the text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from workbench.errors import InvalidError
from workbench.staffing.order_fields import SHIFT_WORDS, shift_named
from workbench.staffing.orders import Order, Said
from workbench.staffing.validate.asked import FillContext, read_fill_context
from workbench.staffing.validate.ids import normal_id

T = TypeVar("T")
_NOWHERE = (0, 0)


def corrected(order: Order, context: Mapping[str, Any] | None) -> Order:
    """The order with everything that ``context`` says of it, also that something is not known (null).

    What the context rules out is added to what the text does. Raises InvalidError for a context that cannot be meant.
    """
    if not context:
        return order
    asked, problems = read_fill_context(context)
    if problems:
        raise InvalidError(problems[0].message, hint=f"Got {problems[0].got!r}.")
    start_said = {"start", "shift_date"} & context.keys() or isinstance(context.get("shift"), Mapping)
    fields: dict[str, Any] = {
        "count": ("target_count", _said(asked.target_count)),
        "role": ("role", _said(asked.role)),
        "city": ("city", _said(asked.city)),
        "state": ("state" if "state" in context else "city", _said(asked.state)),  # another city, another state
        "shift": ("shift", _said(_shift(asked.shift))),
        "client": ("client_id", _said(asked.client_id)),
        "client_id": ("client_id", asked.client_id or ""),
        "must": ("must", tuple(Said(one, _NOWHERE, kind="paper") for one in asked.must)),
    }
    known = {name: value for name, (key, value) in fields.items() if key in context}
    if start_said:
        known |= {"start": _said(asked.start), "end": _said(asked.end)}
    elif "end" in context:
        known |= {"end": _said(asked.end)}
    return replace(order, **known, must_not=(*order.must_not, *_ruled_out(asked)))


def as_context(order: Order) -> dict[str, Any]:
    """``{"target_count", "role", "city", …}`` for a validator of fills; what the order does not say is left out."""
    search = order.to_search()
    said = {
        "target_count": order.count.value if order.count else None,
        "role": search.role,
        "city": search.city,
        "state": search.state,
        "client_id": search.client_id,
        "shift": search.shift,
        "start": search.start.isoformat() if search.start else None,
        "end": order.end.value.isoformat() if order.end else None,
        "must": list(search.must),
        "must_not": list(search.names_not),
        "exclude_ids": list(search.excluded),
    }
    return {name: value for name, value in said.items() if value}


def _said(value: T | None) -> Said[T] | None:
    return None if value is None else Said(value, _NOWHERE)


def _shift(words: str | None) -> str | None:
    """One of the four shifts; other words are compared with bookings as they are, and nobody is searched by them."""
    return words if words is None or words in SHIFT_WORDS else shift_named(words)


def _ruled_out(asked: FillContext) -> tuple[Said[str], ...]:
    return tuple(Said(one, _NOWHERE, kind="worker" if _is_id(one) else "name") for one in asked.excluded)


def _is_id(text: str) -> bool:
    return normal_id(text).isdecimal()
