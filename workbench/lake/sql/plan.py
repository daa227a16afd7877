"""The engine's plan as lines that a person reads, without places of files and without values of rows.

A plan can hold values: of what it found on the build side of a join (``name IN ('…')``) and of the column statistics.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_LITERAL = re.compile(r"'((?:[^']|'')*)'")
_WRAPPERS = frozenset({"RESULT_COLLECTOR", "EXPLAIN_ANALYZE"})
_HIDDEN = frozenset({"Filename(s)", "Estimated Cardinality", "Type"})
_OF_ROWS = frozenset({"Dynamic Filters"})


def render(text: str, *, said: str, show_values: bool) -> str:
    """The plan, given as JSON. ``said``: the statement and its values, whose literals the reader knows already."""
    plan = json.loads(text)
    if isinstance(plan, list):
        return "\n".join(line for node in plan for line in _lines(node, 0, said, show_values=show_values))
    head = [f"total {_ms(plan.get('latency', 0.0))}"] if plan.get("latency") else []
    nodes = plan.get("operator") or plan.get("children") or []
    return "\n".join([*head, *(line for n in nodes for line in _lines(n, 0, said, show_values=show_values))])


def _lines(node: Mapping[str, Any], depth: int, said: str, *, show_values: bool) -> Iterator[str]:
    kind = str(node.get("type") or node.get("name") or "")
    if kind not in _WRAPPERS:
        yield "  " * depth + " · ".join([kind.strip().replace("_", " ").lower(), *_facts(node)])
        for key, value in node.get("extra_info", {}).items():
            if key in _HIDDEN or (key in _OF_ROWS and not show_values):
                continue
            told = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield "  " * depth + f"    {key}: {told if show_values else _covered(told, said)}"
        depth += 1
    for child in node.get("children", ()):
        yield from _lines(child, depth, said, show_values=show_values)


def _facts(node: Mapping[str, Any]) -> Iterator[str]:
    if "intermediate_rows" in node:
        yield _rows(node["intermediate_rows"])
        yield _ms(node.get("timing", 0.0))
    elif guess := node.get("extra_info", {}).get("Estimated Cardinality"):
        yield f"~{_rows(int(guess))}"


def _rows(count: int) -> str:
    return f"{count:,} row{'s'[: count != 1]}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"


def _covered(told: str, said: str) -> str:
    return _LITERAL.sub(lambda found: found[0] if found[1] in said else "‹value›", told)
