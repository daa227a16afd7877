"""The shape that all transforms give: fields in the record's order, absent ones left out, reasons for a refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbench.records import Provenance


@dataclass(frozen=True, slots=True)
class Skip:
    """A row that becomes no evidence: a reason to count by (``missing_reviewed_at``) and all that is wrong with it."""

    reason: str
    errors: tuple[str, ...]


Row = dict[str, Any]
Transform = Callable[[Row, Provenance, str, int], Row | Skip]


def first(row: Row, *names: str) -> Any:
    """The value of the first of these fields that the row has; null is not having it, an empty text or zero is."""
    for name in names:
        value = row.get(name)
        if value is not None:
            return value
    return None


def label(value: Any) -> str | None:
    """An identifier as text: a text with something in it, or a whole number; anything else identifies nothing."""
    if isinstance(value, str):
        return value if value.strip() else None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def texts(value: Any) -> Any:
    """One text as a list of one; a list stays, for the schema to judge."""
    return [value] if isinstance(value, str) else value


def run_id(stream: str, key: Any, index: int) -> str:
    """``<stream>:<id>:<row index>``: an id that many rows or two streams share still names one row."""
    name = label(key)
    return f"{stream}:{name}:{index}" if name else f"{stream}:{index}"


def missing(field: str) -> Skip:
    """The skip of a row without a field that it needs."""
    return Skip(f"missing_{field}", (f"{field}: is absent or blank",))


def present(**fields: Any) -> Row | None:
    """The fields that are not None, or None when there are none: an optional mapping."""
    kept = {name: value for name, value in fields.items() if value is not None}
    return kept or None


def evidence(at: Provenance, run: str, task: str, timestamp: Any, **fields: Any) -> Row:
    """An evidence row: the required fields, then ``fields`` without those that are None.

    ``fields`` come in the order of ``EvidenceRecord``: that is the order of the line (held by a test for each stream).
    """
    row: Row = {
        "run_id": run,
        "task_id": task,
        "timestamp": timestamp,
        "schema_version": 1,
        "provenance": at.to_dict(),
    }
    for name, value in fields.items():
        if value is not None:
            row[name] = value
    return row


def retrieved(row: Row) -> Row | None:
    """What the run was shown, from the row or from its ``retrieved_context`` or ``sources``."""
    shown = first(row, "retrieved_context", "sources")
    source = shown if isinstance(shown, dict) else row
    corpora = first(source, "matrix_corpora", "matrix_corpus")
    return present(
        matrix_corpora=list(corpora) if isinstance(corpora, dict) else texts(corpora),
        pathway_fingerprints_seen=first(source, "pathway_fingerprints_seen"),
        matrix_hits=first(source, "matrix_hits", "matrix_chunks_kept"),
    )
