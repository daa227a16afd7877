"""What an output notebook remembers of its run: which cells ran, with which source, how it ended, how long it took.

It stands in the notebook's own metadata under ``lakehouse``, so that a copy of the file keeps it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode, from_dict

from workbench.errors import ConflictError, InvalidError, NotFoundError

KEY = "lakehouse"
VERSION = 1
DONE = "done"
SKIP = "skip-execution"


@dataclass(frozen=True, slots=True)
class Ran:
    """One code cell of a run: SHA-256 of its source, ``done``, ``running``, ``failed`` or ``dead``, seconds."""

    source: str
    state: str
    seconds: float = 0.0


def read(path: Path) -> NotebookNode:
    """A notebook, brought to the newest format. Raises NotFoundError, InvalidError for another kind of file."""
    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        nbformat.validate(notebook)
    except FileNotFoundError:
        raise NotFoundError(f"There is no notebook {path}.", hint="lh run NOTEBOOK.ipynb") from None
    except (ValueError, KeyError, AttributeError, nbformat.ValidationError) as error:
        words = str(error).splitlines()
        raise InvalidError(
            f"{path} is not a notebook: {words[0] if words else type(error).__name__}", hint="lh run NOTEBOOK.ipynb"
        ) from None
    upgraded: NotebookNode = nbformat.v4.upgrade(notebook)  # type: ignore[no-untyped-call]
    language = upgraded.metadata.get("kernelspec", {}).get("language", "python")
    if language.lower() != "python":
        raise InvalidError(f"{path} is written in {language}.", hint="lh run runs notebooks of Python.")
    return upgraded


def write(notebook: NotebookNode, path: Path) -> None:
    """Put a notebook into its file, as `put` does."""
    put(nbformat.writes(notebook, version=4) + "\n", path)  # type: ignore[no-untyped-call]


def put(text: str, path: Path) -> None:
    """Whole or not at all: a reader never sees half a file, and a killed run leaves the last whole one.

    The file is its owner's alone (0600), for an output may hold personal data.
    """
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def note(notebook: NotebookNode, ran: Sequence[Ran], values: Mapping[str, Any], memory_mb: float | None = None) -> None:
    """Put what is known of the run into the notebook."""
    notebook.metadata[KEY] = from_dict(  # type: ignore[no-untyped-call]
        {"version": VERSION, "parameters": dict(values), "memory_mb": memory_mb, "cells": [asdict(one) for one in ran]}
    )


def noted(notebook: NotebookNode) -> tuple[list[Ran], dict[str, Any]]:
    """The cells of the last run and the values it was given; empty for a notebook that `lh run` did not write."""
    kept = notebook.metadata.get(KEY) or {}
    if kept.get("version") != VERSION:
        return [], {}
    return [Ran(**one) for one in kept["cells"]], dict(kept["parameters"])


def check_ours(path: Path) -> None:
    """Raise ConflictError for a file that is there and is not the output of a run: it may be somebody's work."""
    if not path.exists():
        return
    try:
        ours = KEY in read(path).metadata
    except InvalidError:
        ours = False
    if not ours:
        raise ConflictError(
            f"{path} is there already, and no run wrote it.", hint="Give another name: --out FILE.ipynb"
        )


def to_run(notebook: NotebookNode) -> list[int]:
    """Places of the cells that run: code, not blank, not tagged ``skip-execution``."""
    return [
        place
        for place, cell in enumerate(notebook.cells)
        if cell.cell_type == "code" and cell.source.strip() and SKIP not in cell.metadata.get("tags", [])
    ]


def digest(source: str) -> str:
    """SHA-256 of a cell's source, in hexadecimal."""
    return hashlib.sha256(source.encode()).hexdigest()


def first_lines(source: str, count: int = 1) -> str:
    """The first lines of a cell that are not blank, each at most 100 characters."""
    lines = [line.rstrip() for line in source.splitlines() if line.strip()]
    return "\n".join(line if len(line) <= 100 else f"{line[:99]}…" for line in lines[:count])
