"""Job orders as a fill is judged under them: a row of ``job_orders`` by its id, or a context that a caller brings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from workbench.errors import InvalidError, NotFoundError
from workbench.lake.lake import Lake
from workbench.lake.sql.query import Access
from workbench.lake.tables.manifest import Manifest
from workbench.lake.tables.mapping import quote
from workbench.staffing.validate.roster import same_text
from workbench.staffing.validate.verdict import digest

OrderRef = str | Mapping[str, Any]
"""An order by its id in ``job_orders``, or a context that describes it."""

DATASET = "job_orders"
_IDS = ("order_id", "job_order_id", "id")
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "client_id": ("client_id",),
    "role": ("role", "job_title", "title"),
    "city": ("city",),
    "state": ("state",),
    "shift": ("shift",),
    "start": ("start_date", "start"),
    "end": ("end_date", "end"),
    "must": ("must",),
    "must_not": ("must_not",),
    "target_count": ("count", "target_count"),
    "status": ("status",),
}
"""What is read of an order, and the names its column may have, compared without case."""
_COMPARED = {"client_id", "role", "city", "state", "start", "end", "target_count"}
_LISTS = {"must", "must_not"}
_DAY = 10  # characters of 2026-11-23
_TEXTS = {"client_id", "role", "city", "state", "shift"}
_LIST = re.compile(r"[;\n]")
_MOST_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class JobOrder:
    """An order by its id. ``context`` is what validators read (without a count); ``places`` how many are wanted, None:
    nobody said; ``source`` is ``job_orders@3``, '' for a context that a caller gave.
    """

    id: str
    context: Mapping[str, Any]
    places: int | None = None
    status: str = ""
    source: str = ""


@dataclass
class JobOrders:
    """The orders of a lake, read one by one and kept until there is a newer snapshot."""

    lake: Lake
    _kept: dict[str, JobOrder] = field(default_factory=dict)
    _version: str = ""

    def of(self, order: OrderRef) -> JobOrder:
        """The order of this id, or the one that a context describes.

        A context without ``order_id`` is known by its own digest: the same context is the same order. One under an id
        of ``job_orders`` may say more than the row, and nothing else. Raises NotFoundError naming near ids,
        InvalidError for what can be no order.
        """
        if isinstance(order, Mapping):
            return self._under_its_id(_given(order)) if order.get("order_id") is not None else _given(order)
        if not isinstance(order, str) or not order.strip():
            raise InvalidError(
                "An order is its id in job_orders, or a context.",
                hint='order="JO-000012" or order={"role": …, "city": …, "client_id": …}',
            )
        base = self.lake.catalog.find(DATASET)
        if base is None:
            raise NotFoundError(
                f"There is no dataset {DATASET} to find {order} in.",
                hint="Load one: lh ingest FILE --name job_orders\n"
                'or give the order itself: order={"role": …, "city": …, "client_id": …}',
            )
        found = self._found(base, order.strip())
        if isinstance(found, JobOrder):
            return found
        raise self._unknown(f"{DATASET}@{base.version}", found, order.strip())

    def _under_its_id(self, given: JobOrder) -> JobOrder:
        """A context with what the row of its id says: nobody is sent to Gary under an order for Joliet."""
        base = self.lake.catalog.find(DATASET)
        row = self._found(base, given.id) if base else ""
        if not isinstance(row, JobOrder):
            return given
        known = {**row.context, **({"target_count": row.places} if row.places else {})}
        said = {**given.context, **({"target_count": given.places} if given.places else {})}
        for name in _COMPARED & known.keys() & said.keys():
            if not _agree(name, said[name], known[name]):
                raise InvalidError(
                    f"{row.id} says {name} {known[name]!r} in {row.source}, and the context {said[name]!r}.",
                    hint="Leave it out, or give the order another id.",
                )
        lists = {n: [*dict.fromkeys([*row.context[n], *given.context.get(n, ())])] for n in _LISTS & row.context.keys()}
        context = {**given.context, **row.context, **lists}
        return JobOrder(row.id, context, row.places or given.places, row.status, row.source)

    def _found(self, base: Manifest, order: str) -> JobOrder | str:
        """The order of this id, kept while its snapshot is the newest; where there is none, the column of ids."""
        version = f"{base.name}@{base.version} {base.created_at}"
        if version != self._version or len(self._kept) > _MOST_KEPT:
            self._kept, self._version = {}, version
        key = order.casefold()
        found = self._kept.get(key) or self._read(base, order)
        if isinstance(found, JobOrder):
            self._kept[key] = found
        return found

    def _read(self, base: Manifest, order: str) -> JobOrder | str:
        id_ = next((column.name for name in _IDS if (column := base.column(name))), None)
        if id_ is None:
            raise InvalidError(f"{DATASET} has no column of ids.", hint=f"Name it one of: {', '.join(_IDS)}.")
        there = {what: c.name for what, names in _COLUMNS.items() for c in map(base.column, reversed(names)) if c}
        select = ", ".join([f"CAST({quote(id_)} AS VARCHAR) AS id", *(f"{quote(n)} AS {w}" for w, n in there.items())])
        ref = f"{DATASET}@{base.version}"
        sql = f"SELECT {select} FROM {ref} WHERE lower(CAST({quote(id_)} AS VARCHAR)) = lower($id) LIMIT 2"
        rows = self.lake.sql(sql, {"id": order}, access=Access(row_cap=None, show_pii=True)).table.to_pylist()
        if not rows:
            return id_
        if len(rows) > 1:
            raise InvalidError(f"{order} names more than one row of {ref}.", hint="Give the order as a context.")
        return _of_row(rows[0], ref)

    def _unknown(self, ref: str, id_: str, order: str) -> NotFoundError:
        text = f"CAST({quote(id_)} AS VARCHAR)"
        sql = (
            f"SELECT {text} AS id FROM {ref} WHERE {quote(id_)} IS NOT NULL "
            f"ORDER BY jaro_winkler_similarity(upper({text}), upper($id)) DESC, 1 LIMIT 3"
        )
        near = self.lake.sql(sql, {"id": order}, access=Access(row_cap=None)).table.column("id").to_pylist()
        said = f"Nearest: {', '.join(near)}." if near else f"{ref} is empty."
        return NotFoundError(f"No order in {ref} is {order!r}.", hint=said, details={"near": near})


def _given(order: Mapping[str, Any]) -> JobOrder:
    context = {name: value for name, value in order.items() if name not in {"target_count", "order_id", "follows"}}
    own = order.get("order_id")
    if own is not None and (not isinstance(own, str) or not own.strip()):
        raise InvalidError(f"order_id is {own!r}, not text.", hint="Leave it out, or give the order's id.")
    count = order.get("target_count")
    if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
        raise InvalidError(f"target_count is {count!r}.", hint="A whole number above 0: the places to fill.")
    return JobOrder(own.strip() if own else f"ctx-{digest(context)[:16]}", context, count)


def _agree(name: str, one: Any, other: Any) -> bool:
    if one is None:
        return True
    length = _DAY if name in {"start", "end"} else None
    return same_text(str(one)[:length], str(other)[:length])


def _of_row(row: Mapping[str, Any], source: str) -> JobOrder:
    said = {name: value for name, value in row.items() if value is not None and value != "" and name != "id"}
    said |= {name: str(said[name]) for name in _TEXTS & said.keys()}
    for name in {"must", "must_not"} & said.keys():
        said[name] = [one.strip() for one in _LIST.split(str(said[name])) if one.strip()]
    for name in {"start", "end"} & said.keys():
        said[name] = said[name].isoformat()[:10] if isinstance(said[name], date | datetime) else str(said[name])
    count, status = said.pop("target_count", None), said.pop("status", "")
    places = int(count) if isinstance(count, int) and count > 0 else None
    return JobOrder(str(row["id"]), {name: said[name] for name in sorted(said)}, places, str(status), source)
