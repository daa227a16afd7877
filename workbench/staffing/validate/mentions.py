"""Workers who are named where nobody is judged: in another field, in a reason, in the text of a message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.staffing.validate.ids import normal_id
from workbench.staffing.validate.records import Desk
from workbench.staffing.validate.report import Finding, error

WORKER_ID = re.compile(r"(?<![\w-])[Ww]-[0-9]+(?![\w-])")
_KEY = re.compile(r"(?:candidate|worker|employee)(?:_?id)?s?|id", re.IGNORECASE)
_TAX_FORMS = frozenset({"2", "3", "4", "7", "8", "9"})
"""W-4 and W-9 are papers that new people bring along (irs.gov, forms W-2 to W-9), unless a worker has that id."""


@dataclass(frozen=True, slots=True)
class Mention:
    """An id that stands somewhere; ``proposed``: as the value of a field for ids, not within a text."""

    path: str
    id: str
    proposed: bool


def mentions(value: Any, path: str = "", *, own: str = "") -> Iterator[Mention]:
    """Every id of a worker in a JSON value; the field ``own`` of the outermost objects is left out.

    Raises RecursionError for what is nested too deep: what nobody can look through does not pass.
    """
    if isinstance(value, str):
        yield from (Mention(path, said, proposed=False) for said in WORKER_ID.findall(value)) if "-" in value else ()
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key != own:
                where = f"{path}.{key}" if path else str(key)
                yield from _ids(inner, where) if _names_ids(key, inner) else mentions(inner, where)
    elif isinstance(value, list | tuple):
        for n, inner in enumerate(value):
            yield from mentions(inner, f"{path}[{n}]", own=own)


def check_mentions(found: Iterator[Mention], known: frozenset[str], desk: Desk) -> Iterator[Finding]:
    """A finding for each mention of nobody on the roster, and for each proposed id that is none of the ``known`` ones
    (as `normal_id` writes them), for nobody judged whether that worker fits.
    """
    there = [one for one in found if normal_id(one.id) not in known]
    workers = desk.roster.find([one.id for one in there]) if desk.roster else [None] * len(there)
    roster = desk.roster.snapshot if desk.roster else ""
    for one, worker in zip(there, workers, strict=True):
        if worker is None and (one.proposed or normal_id(one.id) not in _TAX_FORMS):
            why = "is not on the roster" if desk.roster else "cannot be looked up: there is no roster"
            yield error("phantom_id", one.path, f"{one.id} {why}.", got=one.id, evidence={"roster": roster})
        elif worker is not None and one.proposed:
            said = f"{one.id} stands in {one.path}, where nobody is judged: propose people in fills alone."
            yield error("wrong_type", one.path, said, got=one.id, expected="no worker outside of fills")


def _names_ids(key: Any, value: Any) -> bool:
    """Whether a field holds ids by its name: one, or a list of them."""
    return isinstance(key, str) and bool(_KEY.fullmatch(key.strip())) and all(map(_is_id, _listed(value)))


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _is_id(value: Any) -> bool:
    """A number, or a text of one word with a digit in it: "W-12", "a-7"; not "Ana Diaz"."""
    if isinstance(value, str):
        return len(value.split()) == 1 and any(map(str.isdigit, value))
    return isinstance(value, int) and not isinstance(value, bool)


def _ids(value: Any, path: str) -> Iterator[Mention]:
    for n, one in enumerate(_listed(value)):
        yield Mention(f"{path}[{n}]" if isinstance(value, list | tuple) else path, str(one).strip(), proposed=True)
