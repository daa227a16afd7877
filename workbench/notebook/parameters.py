"""The parameters of a notebook: what its cell tagged ``parameters`` assigns, and the values given for a run."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from nbformat import NotebookNode, from_dict
from papermill.parameterize import parameterize_notebook

from workbench.errors import InvalidError, NotFoundError

TAG = "parameters"
INJECTED = "injected-parameters"
_WORDS = {"True": True, "False": False, "None": None}


def declared(notebook: NotebookNode) -> dict[str, Any]:
    """Name → default of each parameter; a default that is computed is `...`. Empty without a tagged cell."""
    cell = next((cell for cell in notebook.cells if TAG in cell.metadata.get("tags", [])), None)
    if cell is None:
        return {}
    lines = [line for line in cell.source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError as error:
        raise InvalidError(
            f"The cell tagged parameters is not Python: {error.msg}, line {error.lineno}.",
            hint="It holds assignments only: state = 'IL'",
        ) from None
    return {name: _literal(value) for node in tree.body for name, value in _assigned(node)}


def given(texts: Mapping[str, str], known: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The values of ``-p name=text`` as papermill reads them: True, False, None, whole number, number, else text.

    The notebook's default decides where it can: a text stays text, so that a zip of 06001 keeps its zero, and a list, a
    dict or a tuple is read as Python writes it. Raises NotFoundError for a name that the notebook does not have,
    InvalidError for a value that is no list where a list is wanted.
    """
    for name in texts:
        if name not in known:
            raise _unknown(name, known, where)
    return {name: _value(name, text, known[name]) for name, text in texts.items()}


def inject(notebook: NotebookNode, values: Mapping[str, Any]) -> NotebookNode:
    """The notebook with papermill's cell of values behind the one tagged ``parameters``; unchanged without values."""
    if not values:
        return notebook
    notebook.metadata.setdefault("papermill", from_dict({}))  # type: ignore[no-untyped-call]
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])  # papermill counts on it
    done: NotebookNode = parameterize_notebook(notebook, dict(values), kernel_name="python3", language="python")
    return done


def _unknown(name: str, known: Mapping[str, Any], where: str) -> NotFoundError:
    if not known:
        return NotFoundError(
            f"{where} has no parameters, so -p {name} means nothing.",
            hint="Tag the cell that assigns the defaults with: parameters",
        )
    near = get_close_matches(name, known, n=2, cutoff=0.6)
    said = f"Did you mean {' or '.join(near)}? " if near else ""
    defaults = ", ".join(name if value is ... else f"{name}={value!r}" for name, value in known.items())
    return NotFoundError(
        f"{where} has no parameter {name!r}.", hint=f"{said}It has: {defaults}", details={"near": near}
    )


def _value(name: str, text: str, default: Any) -> Any:
    if isinstance(default, str):
        return text
    if isinstance(default, list | dict | tuple | set):
        return _structure(name, text, type(default))
    if text in _WORDS:
        return _WORDS[text]
    for read in (int, float):
        try:
            value = read(text)
        except ValueError:
            continue
        return value if math.isfinite(value) else text
    return text


def _structure(name: str, text: str, kind: type) -> Any:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = None
    if not isinstance(value, kind):
        raise InvalidError(
            f"The parameter {name} is a {kind.__name__}, and {text!r} is none.",
            hint=f"Write it as Python does: -p \"{name}=['IL', 'IN']\"" if kind is list else "Write it as Python does.",
        )
    return value


def _assigned(node: ast.stmt) -> Iterator[tuple[str, ast.expr | None]]:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id, node.value
    elif isinstance(node, ast.Assign):
        yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))


def _literal(node: ast.expr | None) -> Any:
    try:
        return ... if node is None else ast.literal_eval(node)
    except ValueError:
        return ...
