"""Order search: from what a coordinator wrote to the workers it may be filled with, every condition counted by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from workbench.lake.lake import Lake
from workbench.lake.sql.query import Access
from workbench.lake.tables.manifest import Manifest
from workbench.search.answer import Results
from workbench.search.corpora import OnEmbed, key_column
from workbench.search.searcher import MAX_K, Searcher
from workbench.staffing.order_conditions import Condition, Desk, Unchecked
from workbench.staffing.order_fields import Pay
from workbench.staffing.orders import Order, OrderSearch, Said
from workbench.staffing.parties import KnownClient

_LEAST_K = 10
_PER_PLACE = 3
_FIELDS = ("role", "count", "city", "state", "shift", "start", "end", "pay", "exclude_last_time", "client")
_LISTS = ("must", "wishes", "must_not", "unparsed")


@dataclass(frozen=True)
class OrderAnswer:
    """An order and the workers for it. ``results`` is None when the text names nothing to search by.

    ``conditions`` are the steps of the funnel beyond role and city; ``notes`` what could not be checked. ``options``
    are the search's own: ``searcher.why_not(7, answer.results.query, **answer.options)``.
    """

    order: Order
    results: Results | None
    conditions: tuple[Condition, ...] = ()
    notes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def position(self) -> str:
        """What is to be filled, in a line for the search log: no words of the text and nobody's name."""
        order = self.order
        said = (order.role, order.city, order.state, order.shift, order.start)
        return ", ".join(str(one.value) for one in said if one)

    @property
    def criteria(self) -> dict[str, Any]:
        """What narrowed the search, for the search log: conditions by kind, for their names may be a person's."""
        kinds = [condition.kind for condition in self.conditions]
        return {name: self.options[name] for name in ("k", "role", "city", "exclude")} | {"conditions": kinds}

    def to_dict(self) -> dict[str, Any]:
        """JSON form: each field with the characters [start, end) of the text that it was read from."""
        order = self.order
        fields = {name: _said(order.text, said) for name in _FIELDS if (said := getattr(order, name)) is not None}
        lists = {name: [_said(order.text, said) for said in getattr(order, name)] for name in _LISTS}
        return {
            "order": {**fields, "client_id": order.client_id, **lists, "doubts": list(order.doubts)},
            "conditions": [{"kind": c.kind, "name": c.name, "sql": c.sql} for c in self.conditions],
            "notes": list(self.notes),
            "results": self.results.to_dict() if self.results else None,
        }


def search_order(
    searcher: Searcher,
    lake: Lake,
    order: Order,
    today: date,
    k: int | None = None,
    *,
    dataset: str = "workers",
    show_pii: bool = False,
    on_progress: OnEmbed | None = None,
) -> OrderAnswer:
    """The ``k`` best workers who may fill ``order``; by default three for each place, at least ten.

    Ranked by role, papers, skills and shift; gated by role, city and the conditions of `Desk`. Raises as
    `Searcher.search` does for the dataset and for a k outside 1..1000.
    """
    search = order.to_search()
    manifest = lake.get(dataset)
    key = key_column(manifest)
    made = Desk(lake, manifest, key, order, search, today).made()
    conditions = tuple(one for one in made if isinstance(one, Condition))
    asked = {"role": search.role, "city": search.city, "state": search.state if search.city else ""}
    missing = [f"{name} {value}" for name, value in asked.items() if value and not manifest.column(name)]
    notes = tuple(f"Not compared: {one}, as {manifest.name} has no such column." for one in missing)
    notes += tuple(one.says for one in made if isinstance(one, Unchecked))
    if not search.text:
        return OrderAnswer(
            order, None, conditions, ("The text names no role, paper, skill or shift to search by.", *notes)
        )
    options: dict[str, Any] = {
        "dataset": dataset,
        "role": search.role if manifest.column("role") else "",
        "city": _city(search, manifest),
        "exclude": search.excluded,
        "conditions": tuple((one.name, one.sql) for one in conditions),
        "k": min(max(_LEAST_K, _PER_PLACE * search.count), MAX_K) if k is None else k,
    }
    found = searcher.search(search.text, show_pii=show_pii, on_progress=on_progress, **options)
    return OrderAnswer(order, found, conditions, notes, options)


def known_clients(lake: Lake) -> tuple[KnownClient, ...]:
    """The clients of the lake's dataset ``clients``; none when it has none with client_id and name."""
    manifest = lake.catalog.find("clients")
    if manifest is None or not all(map(manifest.column, ("client_id", "name"))):
        return ()
    wanted = [name if manifest.column(name) else f"NULL AS {name}" for name in ("city", "state", "contact_name")]
    sql = f"SELECT client_id, name, {', '.join(wanted)} FROM clients WHERE client_id IS NOT NULL AND name IS NOT NULL"
    rows = lake.sql(sql, access=Access(row_cap=None, show_pii=True)).table.to_pylist()
    return tuple(
        KnownClient(
            str(row["client_id"]),
            str(row["name"]),
            row["city"] or "",
            row["state"] or "",
            (row["contact_name"],) if row["contact_name"] else (),
        )
        for row in rows
    )


def local_today() -> date:
    """Today where the reader is: what "tomorrow" counts from."""
    return datetime.now().astimezone().date()


def _city(search: OrderSearch, manifest: Manifest) -> str:
    if not (search.city and manifest.column("city")):
        return ""
    return f"{search.city}, {search.state}" if search.state and manifest.column("state") else search.city


def _said(text: str, said: Said[Any]) -> dict[str, Any]:
    value = {"low": said.value.low, "high": said.value.high} if isinstance(said.value, Pay) else said.value
    kind = {"kind": said.kind} if said.kind else {}
    return {"value": value, "words": text[slice(*said.span)], "span": list(said.span), "sure": said.sure, **kind}
