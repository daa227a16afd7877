"""Where a proposal and what it is for come from: a variable of the notebook, a JSON file, or the cell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kernel_ext import filled
from workbench.errors import InvalidError, NotFoundError

_SHAPE = '{"fills": [{"candidate_id": "W-12", "name": "…"}]}'


def proposed(name: str, cell: str | None, names: Mapping[str, Any]) -> Any:
    """The artifact: the value of a variable, else the JSON of a file of that name, else of the cell.

    Raises InvalidError for none, for both, and for text that is no JSON; NotFoundError for a name that is nowhere.
    """
    if name and cell and cell.strip():
        raise InvalidError(f"{name} is one proposal and the cell is another.", hint="One of them.")
    if name:
        return _value(name, names)
    if not (cell or "").strip():
        raise InvalidError("There is nothing to judge.", hint=f"%lhvalidate fill VARIABLE, or a cell with {_SHAPE}")
    return _parsed(filled.as_json(cell or "", names), "The cell")


def described(name: str, names: Mapping[str, Any]) -> Any:
    """What was asked for. Raises as `proposed`."""
    return _value(name, names)


def _value(name: str, names: Mapping[str, Any]) -> Any:
    word = name.strip("{} ")
    if word in names:
        return _plain(word, names[word])
    file = Path(name).expanduser()
    if not file.is_file():
        raise NotFoundError.named("variable or file", name, filled.variables(names))
    try:
        return _parsed(file.read_bytes().decode("utf-8-sig"), name)
    except UnicodeDecodeError:
        raise InvalidError(f"{name} is not UTF-8 text.", hint="Save it as UTF-8.") from None


def _plain(name: str, value: Any) -> Any:
    """What is judged of a value: the text of a variable as JSON, of an answer its JSON, of a run what it accepted."""
    from kernel_ext.reply import Reply
    from kernel_ext.timeline import Timeline
    from kernel_ext.verdict import Judged

    if isinstance(value, Reply):
        return value.data
    if isinstance(value, Timeline):
        return value.require()
    if isinstance(value, Judged):
        return value.artifact
    return _parsed(value, name) if isinstance(value, str) else value


def _parsed(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as problem:
        raise InvalidError(f"{what} is not JSON: {problem}.", hint=_SHAPE) from None
    except RecursionError:
        raise InvalidError(f"{what} is nested too deep.", hint="Give the artifact itself.") from None
