"""Model extractions: facts, procedures and config hints distilled from runs, and facts taken from audits.

A row has ``run_id``, ``source_label`` (what it was distilled from), ``created_at``, ``extractor``, ``text``; audit
facts have ``head_sha``, ``pr_number``, ``extracted_at`` and the lists ``facts``, ``entities`` and ``relationships``.
"""

from __future__ import annotations

from typing import Any

from workbench.distill.streams.shape import Row, Skip, evidence, first, label, missing, present, run_id
from workbench.records import Provenance


def facts(row: Row, at: Provenance, recorded_at: str, index: int) -> Row | Skip:
    """``distilled_facts``: a fact that a model drew from a run."""
    del recorded_at
    return _extraction("distilled_facts", row, at, index, first(row, "text", "fact"))


def procedures(row: Row, at: Provenance, recorded_at: str, index: int) -> Row | Skip:
    """``distilled_procedures``: steps that a model drew from a run."""
    del recorded_at
    return _extraction("distilled_procedures", row, at, index, first(row, "text", "procedure"))


def config_hints(row: Row, at: Provenance, recorded_at: str, index: int) -> Row | Skip:
    """``distilled_config_hints``: a setting that a model found worth remembering."""
    del recorded_at
    return _extraction("distilled_config_hints", row, at, index, first(row, "text", "hint"))


def audit_facts(row: Row, at: Provenance, recorded_at: str, index: int) -> Row | Skip:
    """``audit_facts``: what a model extracted from the audit of one change."""
    del recorded_at
    timestamp = first(row, "extracted_at", "created_at")
    if timestamp is None:
        return missing("extracted_at")
    run = run_id("audit_facts", first(row, "head_sha", "run_id"), index)
    change = label(row.get("pr_number"))
    return evidence(
        at,
        run,
        f"pr:{change}" if change else run,
        timestamp,
        model_name=first(row, "extractor", "model"),
        model_provider=row.get("provider"),
        model_role="extractor",
        text=_listed(row.get("facts")) if row.get("text") is None else row["text"],
        source_files=row.get("source_files"),
        metadata=present(
            head_sha=row.get("head_sha"),
            entities=row.get("entities"),
            relationships=row.get("relationships"),
        ),
    )


def _extraction(stream: str, row: Row, at: Provenance, index: int, text: Any) -> Row | Skip:
    timestamp = first(row, "created_at", "timestamp")
    if timestamp is None:
        return missing("created_at")
    run = run_id(stream, row.get("run_id"), index)
    source = label(first(row, "source_label", "task_id"))
    return evidence(
        at,
        run,
        source or run,
        timestamp,
        model_name=first(row, "extractor", "model"),
        model_provider=row.get("provider"),
        model_role="extractor",
        text=text,
        source_files=row.get("source_files"),
        metadata=present(source_label=row.get("source_label"), source_service=row.get("source_service")),
    )


def _listed(facts: Any) -> Any:
    """Facts that are a list of texts as one text, a line each; what is no text stays out of the prose."""
    if not isinstance(facts, list):
        return None
    return "\n".join(fact for fact in facts if isinstance(fact, str))
