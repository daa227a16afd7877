"""The crew: workers as the roster knows them, by whatever a caller calls them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.errors import InvalidError, NotFoundError
from workbench.lake.lake import Lake
from workbench.lake.sql.query import Access
from workbench.lake.tables.mapping import quote
from workbench.staffing.validate.ids import normal_id
from workbench.staffing.validate.roster import NAMES, Lookup, Wanted, same_text

WorkerRef = str | int | Mapping[str, Any]
"""A worker by id (``"W-12"``, 12), or the entry ``{"candidate_id", "name"}`` of a fill."""


@dataclass(frozen=True, slots=True)
class Member:
    """A worker. ``label`` is how validators write the id (``W-12``), ``id`` how the roster has it (12); ``entry`` is
    ``{"candidate_id", "name"}``, exactly as it is judged.
    """

    label: str
    id: int | str
    entry: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Crew:
    """Looks workers up in the newest snapshot of the roster ``dataset``; without one everybody is a stranger."""

    lake: Lake
    roster: Callable[[], Lookup | None]
    dataset: str = "workers"

    def member(self, worker: WorkerRef) -> Member:
        """Who is meant, also when the roster knows nobody of that id: the validators say so. Raises InvalidError."""
        given = dict(worker) if isinstance(worker, Mapping) else {"candidate_id": worker}
        id_ = _text(given.get("candidate_id"))
        roster = self.roster()
        found = roster.find([id_])[0] if roster else None
        if found is None:
            known = normal_id(id_)
            label = f"W-{known}" if known.isdigit() else id_
            return Member(label, id_, given if "name" in given else {"candidate_id": label, "name": label})
        entry = given if "name" in given else {"candidate_id": found.id, "name": found.name or found.id}
        return Member(found.id, self._raw(found.id), entry)

    def members(self, workers: Sequence[WorkerRef]) -> list[Member]:
        """All of them. Raises NotFoundError that names who is on no roster, with the ids that are most like theirs."""
        roster = self.roster()
        if roster is None:
            raise NotFoundError(
                f"There is no roster {self.dataset} to find workers in.", hint="lh ingest FILE --name workers"
            )
        made = [self.member(worker) for worker in workers]
        found = roster.find([one.label for one in made])
        strangers = [one.label for one, there in zip(made, found, strict=True) if there is None]
        if strangers:
            near = roster.near([(one, "") for one in strangers], Wanted(), same_text)
            like = {id_: [one.id for one in each] for id_, each in zip(strangers, near, strict=True)}
            raise NotFoundError(
                f"Not on the roster {roster.snapshot}: {', '.join(strangers)}.",
                hint="\n".join(f"{id_}: nearest {', '.join(ids)}" for id_, ids in like.items() if ids),
                details={"near": like},
            )
        return made

    def _raw(self, label: str) -> int | str:
        """The id as a join needs it."""
        base = self.lake.get(self.dataset)
        column = next(column for name in NAMES["id"] if (column := base.column(name)))
        if column.type.startswith(("int", "uint")):
            return int(normal_id(label))
        name = quote(column.name)
        sql = (
            f"SELECT CAST({name} AS VARCHAR) AS id FROM {base.name}@{base.version} "
            f"WHERE lower(CAST({name} AS VARCHAR)) IN (lower($label), $bare) LIMIT 1"
        )
        rows = self.lake.sql(sql, {"label": label, "bare": normal_id(label)}, access=Access(show_pii=True)).table
        return str(rows.column("id")[0].as_py()) if rows.num_rows else label


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise InvalidError(
            f"{value!r} names no worker.", hint='worker="W-12", or {"candidate_id": "W-12", "name": …} as in a fill'
        )
    return str(value).strip()
