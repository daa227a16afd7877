"""The retrieval corpus: what was accepted, in part or whole, under a title and tags."""

from __future__ import annotations

from functools import partial
from typing import Any

from workbench.distill.export import gate, wording
from workbench.distill.export.engine import Exported, Exporter, Shape, export_rows, not_read_again, row_id
from workbench.distill.export.join import Joined
from workbench.distill.firewall import Firewall
from workbench.distill.records import Errors, RagSample, validate
from workbench.distill.root import Root
from workbench.distill.stage import Progress


def export_rag(
    root: Root,
    *,
    recorded_at: str,
    firewall: Firewall,
    include_review: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write ``exports/rag/playbooks.jsonl`` and its quarantine anew; raises as `export_rows` does."""
    exporter = rag_exporter(include_review=include_review)
    return export_rows(root, exporter, recorded_at=recorded_at, firewall=firewall, progress=progress)


def rag_exporter(*, include_review: bool = False) -> Exporter:
    """What the export of the retrieval corpus is."""
    return Exporter(
        name="rag",
        gates=(partial(gate.rag_category, include_review=include_review), gate.provenance, gate.content),
        build=build,
        shape=Shape(
            texts=("title", "content"),
            kept=("source_run_id",),
            check=partial(validate, RagSample, include_review=include_review),
            refused=_reason,
        ),
        verify=not_read_again,
    )


def build(row: Joined) -> dict[str, Any]:
    """A RagSample, not yet checked, of a row that passed the gates."""
    evidence = row.evidence or {}
    role = evidence.get("model_role")
    return {
        "schema_version": 1,
        "id": row_id("rag", row),
        "title": wording.title(row.stream, evidence),
        "content": row.text,
        "tags": [row.stream, row.category, *([role] if isinstance(role, str) else [])],
        "source_run_id": row.run_id,
        "success_score": row.category,
        "source_category": row.category,
        "created_at": row.scored.get("scored_at"),
        "provenance": evidence.get("provenance"),
    }


def _reason(errors: Errors) -> str:
    unsafe = any(problem.path == "success_score" for problem in errors.problems)
    return "unsafe_rag_category" if unsafe else "schema_violation"
