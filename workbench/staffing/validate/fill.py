"""Fill proposals: who is to be sent to an order, checked against the roster and the records.

Schema → Completeness → Consistency → Policy. Two sides are compared only when both are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import chain
from typing import Any, NamedTuple, TypeGuard

from workbench.staffing.validate.asked import FillContext, read_fill_context
from workbench.staffing.validate.ids import normal_id
from workbench.staffing.validate.mentions import check_mentions, mentions
from workbench.staffing.validate.names import is_called, same_name
from workbench.staffing.validate.numbers import check_numbers
from workbench.staffing.validate.policy import check_policy
from workbench.staffing.validate.records import Desk
from workbench.staffing.validate.report import Finding, error
from workbench.staffing.validate.roster import Wanted, Worker, same_text


class Fill(NamedTuple):
    """One proposed worker; ``path`` is ``fills[3]``."""

    path: str
    id: str
    name: str


def check_fill(artifact: Any, context: Any, desk: Desk, today: date) -> Iterator[Finding]:
    """All findings on ``{"fills": [{"candidate_id", "name"}]}``, for the order that the context describes."""
    asked, problems = read_fill_context(context)
    yield from problems
    entries = artifact.get("fills") if isinstance(artifact, Mapping) else None
    if not isinstance(entries, list):
        yield _no_fills(artifact)
        return
    read = [_read_entry(n, entry) for n, entry in enumerate(entries)]
    yield from (found for one in read if not isinstance(one, Fill) for found in one)
    fills = [one for one in read if isinstance(one, Fill)]
    yield from _check_count(len(entries), asked)
    yield from _check_duplicates(fills)
    workers = desk.roster.find([fill.id for fill in fills]) if desk.roster else [None] * len(fills)
    yield from _check_existence(fills, workers, asked, desk)
    there = [(fill, worker) for fill, worker in zip(fills, workers, strict=True) if worker is not None]
    yield from _check_order(there, asked, desk)
    yield from _check_known(there)
    yield from _check_excluded(there, asked)
    yield from _check_others(artifact, entries, fills, desk)
    yield from check_policy([(fill.path, worker) for fill, worker in there], asked, desk, today)
    yield from check_numbers(artifact)


def _no_fills(artifact: Any) -> Finding:
    if not isinstance(artifact, Mapping):
        return error("bad_artifact", "artifact", 'The artifact is no object: {"fills": […]}.', got=_kind(artifact))
    if "fills" not in artifact:
        return error("missing_field", "fills", "fills is missing.", expected="a list of {candidate_id, name}")
    got = _kind(artifact["fills"])
    return error("wrong_type", "fills", f"fills is {got}, not a list.", got=got, expected="list")


def _read_entry(n: int, entry: Any) -> Fill | list[Finding]:
    path = f"fills[{n}]"
    if type(entry) is dict and _is_said(id_ := entry.get("candidate_id")) and _is_said(name := entry.get("name")):
        return Fill(path, id_, name)  # nearly all there are
    if not isinstance(entry, Mapping):
        got = _kind(entry)
        return [
            error("wrong_type", path, f"{path} is {got}, not an object.", got=got, expected="candidate_id and name")
        ]
    problems = []
    for name in ("candidate_id", "name"):
        where, value = f"{path}.{name}", entry.get(name)
        if value is None or value == "":
            problems.append(error("missing_field", where, f"{where} is missing.", expected="text"))
        elif not isinstance(value, str):
            said = f"{where} is {_kind(value)}, not text."
            problems.append(error("wrong_type", where, said, got=_kind(value), expected="text"))
        elif not value.strip():
            problems.append(error("missing_field", where, f"{where} is blank.", expected="text"))
    return problems or Fill(path, entry["candidate_id"], entry["name"])


def _is_said(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip())


def _kind(value: Any) -> str:
    names = {"str": "text", "dict": "an object", "list": "a list", "NoneType": "null", "bool": "true or false"}
    return names.get(type(value).__name__, "a number" if isinstance(value, int | float) else type(value).__name__)


def _check_count(count: int, asked: FillContext) -> Iterator[Finding]:
    if asked.target_count is not None and count != asked.target_count:
        said = f"{count} proposed for {asked.target_count} places."
        yield error("count_mismatch", "fills", said, got=count, expected=asked.target_count)
    elif count == 0 and asked.target_count is None:
        yield error("count_mismatch", "fills", "Nobody is proposed.", got=0, expected="at least 1")


def _check_duplicates(fills: Sequence[Fill]) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for fill in fills:
        before = first.setdefault(normal_id(fill.id), fill.path)
        if before != fill.path:
            where = f"{fill.path}.candidate_id"
            yield error("duplicate_id", where, f"{fill.id} is proposed twice: {before} has it too.", got=fill.id)


def _check_existence(
    fills: Sequence[Fill], workers: Sequence[Worker | None], asked: FillContext, desk: Desk
) -> Iterator[Finding]:
    missing = [fill for fill, worker in zip(fills, workers, strict=True) if worker is None]
    nearest = _nearest(missing, fills, asked, desk)
    roster = desk.roster.snapshot if desk.roster else ""
    for fill, near in zip(missing, nearest, strict=True):
        said = (
            f"{fill.id} is not on the roster" if desk.roster else f"{fill.id} cannot be looked up: there is no roster"
        )
        yield _refused("phantom_id", f"{fill.path}.candidate_id", said, fill.id, near, asked, {"roster": roster})
    for fill, worker in zip(fills, workers, strict=True):
        if worker is not None and worker.rows > 1:
            said = f"{fill.id} names {worker.rows} rows of the roster: nobody can tell who is meant."
            yield error("ambiguous_id", f"{fill.path}.candidate_id", said, got=fill.id, evidence={"roster": roster})


def _check_order(there: Sequence[tuple[Fill, Worker]], asked: FillContext, desk: Desk) -> Iterator[Finding]:
    failed = [(fill, found) for fill, worker in there if (found := list(_misfits(worker, asked, desk)))]
    nearest = _nearest([fill for fill, _ in failed], [fill for fill, _ in there], asked, desk)
    for (fill, misfits), near in zip(failed, nearest, strict=True):
        for code, said, got, expected in misfits:
            evidence = {"roster": desk.roster.snapshot if desk.roster else ""}
            where = f"{fill.path}.candidate_id"
            yield _refused(code, where, f"{fill.id} {said}", got, near, asked, evidence, expected=expected)
    for fill, worker in there:
        if worker.name is not None and not same_name(fill.name, worker.name):
            said = f"{fill.id} is called {worker.name} on the roster, not {fill.name}."
            yield Finding("name_differs", f"{fill.path}.name", "warning", said, fill.name, worker.name, (worker.name,))


def _check_known(there: Sequence[tuple[Fill, Worker]]) -> Iterator[Finding]:
    """Whose activity the roster does not tell, or not in a form that can be read."""
    for fill, worker in there:
        if worker.active is None:
            said = f"Whether {fill.id} is active was not checked: the roster does not say it."
            yield Finding("not_checked", f"{fill.path}.candidate_id", "info", said, fill.id)


def _misfits(worker: Worker, asked: FillContext, desk: Desk) -> Iterator[tuple[str, str, Any, Any]]:
    """(code, what is said, got, expected) of everything in which a worker does not fit the order."""
    if worker.active is False:
        yield "inactive", f"is not active ({worker.status})", worker.status, "active"
    if _differ(worker.city, asked.city):
        yield "city_mismatch", f"lives in {worker.city or 'no city'}, not in {asked.city}", worker.city, asked.city
    if _differ(worker.state, asked.state):
        yield (
            "state_mismatch",
            f"lives in {worker.state or 'no state'}, not in {asked.state}",
            worker.state,
            asked.state,
        )
    if worker.role is not None and asked.role is not None and not desk.same_role(asked.role, worker.role):
        yield "role_mismatch", f"is {worker.role or 'without a role'}, not {asked.role}", worker.role, asked.role


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and not same_text(one, other)


def _nearest(
    wanting: Sequence[Fill], proposed: Sequence[Fill], asked: FillContext, desk: Desk
) -> list[tuple[Worker, ...]]:
    if not wanting or desk.roster is None:
        return [()] * len(wanting)
    wanted = Wanted(asked.role, asked.city, asked.state)
    without = {normal_id(fill.id) for fill in proposed}
    return desk.roster.near([(fill.id, fill.name) for fill in wanting], wanted, desk.same_role, without=without)


def _refused(
    code: str,
    path: str,
    said: str,
    got: Any,
    near: Sequence[Worker],
    asked: FillContext,
    evidence: Mapping[str, Any],
    *,
    expected: Any = None,
) -> Finding:
    named = [f"{one.id} {one.name or ''}".strip() for one in near]
    hint = f"; nearest active {asked.says}: {', '.join(named)}" if near else ""
    if not near and evidence["roster"]:
        hint = f"; there are no other active {asked.says}"
    ids = [one.id for one in near]
    return error(code, path, f"{said}{hint}.", got=got, expected=expected, nearest_valid=ids, evidence=evidence)


def _check_others(
    artifact: Mapping[str, Any], entries: Sequence[Any], fills: Sequence[Fill], desk: Desk
) -> Iterator[Finding]:
    """Workers in other fields, such as alternates or a reason: an invented one there is read all the same."""
    rest = {name: value for name, value in artifact.items() if name not in ("fills", "_context")}
    found = chain(mentions(entries, "fills", own="candidate_id"), mentions(rest))
    yield from check_mentions(found, frozenset(normal_id(fill.id) for fill in fills), desk)


def _check_excluded(there: Sequence[tuple[Fill, Worker]], asked: FillContext) -> Iterator[Finding]:
    ids = {normal_id(one) for one in asked.excluded}
    for fill, worker in there if ids else ():
        names = [one for one in asked.excluded if worker.name and is_called(worker.name, one)]
        if normal_id(fill.id) in ids or names:
            who = names[0] if names else fill.id
            said = f"{fill.id} ({worker.name or 'no name'}) is excluded by the order, which says not {who!r}."
            yield error("excluded_by_order", f"{fill.path}.candidate_id", said, got=fill.id, evidence={"said": who})
