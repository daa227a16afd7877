"""What changed between two artifacts, as paths: ``fills[1].candidate_id: "W-9" → "W-12"``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

MISSING: Final = "(none)"
"""Stands for the side that has no such value."""
MOST = 100
"""No more changes are told; a person reads them."""


@dataclass(frozen=True, slots=True)
class Change:
    """One value that differs. ``was`` and ``now`` are JSON-ready; ``MISSING`` on the side that lacks it."""

    path: str
    was: Any
    now: Any

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"path": self.path, "was": self.was, "now": self.now}


def changes(before: Any, after: Any) -> tuple[Change, ...]:
    """The values that differ, at most ``MOST``, in the order of the paths; list items are compared by position."""
    return tuple(islice(_changes(before, after, ""), MOST))


def _changes(before: Any, after: Any, path: str) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _changes(before.get(key, MISSING), after.get(key, MISSING), f"{path}.{key}" if path else key)
    elif isinstance(before, list) and isinstance(after, list):
        for at in range(max(len(before), len(after))):
            yield from _changes(_item(before, at), _item(after, at), f"{path}[{at}]")
    elif type(before) is not type(after) or before != after:
        yield Change(path, before, after)


def _item(items: list[Any], at: int) -> Any:
    return items[at] if at < len(items) else MISSING
