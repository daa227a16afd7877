"""What an order asks for: the context of a fill, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from workbench.staffing.roles import read_trades
from workbench.staffing.validate.report import Finding, error


@dataclass(frozen=True, slots=True)
class FillContext:
    """An order as a validator sees it. None is unknown and compared with nothing; ``start`` and ``end`` are the first
    and last day worked; ``must`` the papers asked for; ``excluded`` ids and names that the order rules out;
    ``blacklist`` ids that the client bars.
    """

    target_count: int | None = None
    city: str | None = None
    state: str | None = None
    role: str | None = None
    client_id: str | None = None
    shift: str | None = None
    start: date | None = None
    end: date | None = None
    must: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    blacklist: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        """Who is wanted, in words: "forklift operators in Joliet, IL"."""
        place = ", ".join(one for one in (self.city, self.state) if one)
        who = plural(self.role) if self.role else "workers"
        return f"{who} in {place}" if place else who


def plural(role: str) -> str:
    """How clients order several of a role ("forklift operators"); one that the packaged table lacks just gets an s."""
    low = " ".join(role.split()).casefold()
    return _plurals().get(low) or (role if low.endswith("s") else f"{role}s")


@cache
def _plurals() -> dict[str, str]:
    return {role.name.casefold(): role.plurals[0] for role in read_trades().roles}


class _Reader:
    """Takes values out of a context; what cannot be meant is a finding, not a guess."""

    def __init__(self, context: Mapping[str, Any]) -> None:
        self._context = context
        self.problems: list[Finding] = []

    def text(self, name: str) -> str | None:
        value = self._context.get(name)
        if value is None:
            return None
        if isinstance(value, str) and value.strip():
            return value
        self._bad(name, "text; leave it out or null when it is not known", value)
        return None

    def count(self, name: str) -> int | None:
        value = self._context.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
            return value
        self._bad(name, "a whole number above 0", value)
        return None

    def day(self, name: str) -> date | None:
        value = self._context.get(name)
        if value is None:
            return None
        try:
            return date.fromisoformat(value[:10])
        except (TypeError, ValueError):
            self._bad(name, "a day like 2026-11-23", value)
            return None

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._context.get(name)
        if value is None:
            return ()
        if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
            return tuple(one for one in value if one.strip())
        self._bad(name, "a list of texts", value)
        return ()

    def _bad(self, name: str, expected: str, value: Any) -> None:
        path = f"_context.{name}"
        got = value if isinstance(value, str | int | float | bool) else type(value).__name__
        self.problems.append(error("bad_context", path, f"{path} must be {expected}.", got=got, expected=expected))


def read_fill_context(context: Any) -> tuple[FillContext, list[Finding]]:
    """The context of a fill and what is wrong with it.

    Keys: target_count, city, state, role, client_id, shift (text, or {name, start, end}), start or shift_date, end,
    must, must_not, exclude_ids, blacklist. Others are left to those who know them.
    """
    if context is None:
        return FillContext(), []
    if not isinstance(context, Mapping):
        return FillContext(), [error("bad_context", "_context", "_context is no object.", got=type(context).__name__)]
    flat = dict(context)
    if isinstance(shift := flat.get("shift"), Mapping):
        flat |= {"shift": shift.get("name"), "start": shift.get("start"), "end": shift.get("end")}
    if flat.get("start") is None:
        flat["start"] = flat.get("shift_date")
    read = _Reader(flat)
    asked = FillContext(
        target_count=read.count("target_count"),
        city=read.text("city"),
        state=read.text("state"),
        role=read.text("role"),
        client_id=read.text("client_id"),
        shift=read.text("shift"),
        start=read.day("start"),
        end=read.day("end"),
        must=read.texts("must"),
        excluded=(*read.texts("must_not"), *read.texts("exclude_ids")),
        blacklist=read.texts("blacklist"),
    )
    if asked.start and asked.end and asked.end < asked.start:
        read.problems.append(error("bad_context", "_context.end", "_context.end lies before _context.start."))
    return asked, read.problems
