"""Quarantine: every refused row, its reason, and what was wrong with it, with nothing in it that may not be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.distill.export.join import Joined
from workbench.distill.firewall import Firewall

REASONS: tuple[str, ...] = (
    "missing_provenance",
    "missing_source_run_id",
    "empty_content",
    "schema_violation",
    "unsafe_sft_category",
    "unsafe_rag_category",
    "invalid_preference_pairing",
    "hallucinated_file_path",
    "duplicate_id",
    "self_pairing",
    "category_disallowed",
    "pii_found",
    "contaminated",
)
"""The whole list; the last two are ours."""
UNREAD = frozenset({"unsafe_sft_category", "unsafe_rag_category", "category_disallowed", "empty_content"})
"""Reasons for which no text was looked at; quarantine keeps none of it, the evidence has it under the run id."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row stays, one of `REASONS`, and a line for each thing that was wrong."""

    reason: str
    errors: tuple[str, ...]


def entry(
    exporter: str, refusal: Refusal, source: Mapping[str, Any], provenance: Any, at: str, firewall: Firewall
) -> dict[str, Any]:
    """A line of a quarantine file. People and pieces of evaluation sets are covered in everything that is kept."""
    kept = firewall.mask({"source_record": source, "errors": list(refusal.errors)})
    return {
        "exporter": exporter,
        "reason": refusal.reason,
        "source_record": kept["source_record"],
        "errors": kept["errors"],
        "recorded_at": at,
        "source_provenance": provenance if isinstance(provenance, Mapping) else None,
    }


def source_record(row: Joined, *, text: bool = True) -> dict[str, Any]:
    """What a joined row is known by, and its text when it was looked at."""
    known = {
        "stream": row.stream,
        "evidence_run_id": row.run_id,
        "task_id": row.task_id,
        "category": row.category,
    }
    return known | {"text": row.text} if text else known
