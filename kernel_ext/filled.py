"""Values of the notebook in a text: ``{{x}}`` in a prompt stands for what ``x`` holds, in JSON for its JSON."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import ModuleType
from typing import Any
from uuid import UUID

from workbench.errors import InvalidError, NotFoundError

ROWS = 50
"""Rows of a table that a prompt gets; a model reads no more with care, and pays for each."""
_IPYTHON = frozenset({"In", "Out"})
_PLACE = re.compile(r"\{\{\s*(?P<name>[^\W\d]\w*)\s*\}\}")
_JSON_PART = re.compile(r'"(?:\\.|[^"\\])*"|' + _PLACE.pattern, re.DOTALL)


@dataclass(frozen=True, slots=True)
class Text:
    """A text with its values in it; ``notes`` are what the reader should know of them."""

    text: str
    notes: tuple[str, ...] = field(default=())


def prompt(text: str, names: Mapping[str, Any]) -> Text:
    """``text`` with each ``{{x}}`` as words: a text as it is, a table as one JSON object a row, the first `ROWS`.

    Braces around anything but a name stay as they are. Raises NotFoundError for a name that is not there (with its
    neighbours), InvalidError for a value that no text stands for.
    """
    notes: list[str] = []

    def words(found: re.Match[str]) -> str:
        return _words(found["name"], _held(found["name"], names), notes)

    return Text(_PLACE.sub(words, text), tuple(dict.fromkeys(notes)))


def as_json(text: str, names: Mapping[str, Any]) -> str:
    """``text``, which is JSON, with each ``{{x}}`` as the JSON of its value; inside quotes as a part of the string.

    Raises as `prompt` does.
    """

    def part(found: re.Match[str]) -> str:
        if found["name"] is None:
            return _PLACE.sub(lambda inner: json.dumps(_words(inner["name"], _held(inner["name"], names), []))[1:-1],
                              found[0])  # fmt: skip
        return _json(found["name"], _held(found["name"], names))

    return _JSON_PART.sub(part, text)


def _held(name: str, names: Mapping[str, Any]) -> Any:
    if name not in names:
        raise NotFoundError.named("variable", name, variables(names))
    return names[name]


def variables(names: Mapping[str, Any]) -> list[str]:
    """The names that hold values of the user's: no functions, no modules, nothing of IPython's own."""
    return [
        name
        for name, value in names.items()
        if not (name.startswith("_") or name in _IPYTHON or callable(value) or isinstance(value, ModuleType))
    ]


def _words(name: str, value: Any, notes: list[str]) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dt.date | dt.time):
        return value.isoformat(" ") if isinstance(value, dt.datetime) else value.isoformat()
    if isinstance(value, int | float | Decimal | UUID):
        return str(value)
    if type(value).__module__.startswith("kernel_ext") and isinstance(said := getattr(value, "text", None), str):
        return said
    rows, total = _rows(value)
    if rows is None:
        return _json(name, value)
    if total > len(rows):
        notes.append(f"{{{{{name}}}}}: the first {len(rows)} of {total:,} rows are in the prompt")
    return "\n".join(json.dumps(row, ensure_ascii=False, default=str) for row in rows)


def _rows(value: Any) -> tuple[list[dict[str, Any]] | None, int]:
    """The first rows of a table and how many it has; None for what is none."""
    table = getattr(value, "table", value) if type(value).__module__.startswith("kernel_ext") else value
    home = type(table).__module__.partition(".")[0]
    if home == "pyarrow" and hasattr(table, "slice") and hasattr(table, "schema"):
        return table.slice(0, ROWS).to_pylist(), max(table.num_rows, getattr(value, "total", None) or 0)
    if home == "pandas" and hasattr(table, "columns"):
        return table.head(ROWS).to_dict("records"), len(table)
    if home == "polars" and hasattr(table, "to_dicts"):
        return table.head(ROWS).to_dicts(), len(table)
    return None, 0


def _json(name: str, value: Any) -> str:
    try:
        if value is not None:
            return json.dumps(value, ensure_ascii=False, default=_plain, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        pass
    raise InvalidError(
        f"{{{{{name}}}}} is a {type(value).__name__}, and no text stands for that.",
        hint="A text, a number, a date, a list, a dict, a result or a DataFrame.",
    )


def _plain(value: Any) -> str:
    if isinstance(value, dt.date | dt.time | Decimal | UUID):
        return str(value)
    raise TypeError(type(value).__name__)
