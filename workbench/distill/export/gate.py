"""The gates a joined row passes before anything is built of it: category, then provenance, then content."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from workbench.distill.export.join import Joined
from workbench.distill.export.quarantine import Refusal
from workbench.distill.records import CATEGORIES, SFT_NEVER

PARTIAL = "partially_accepted"
ANSWERING = frozenset({"executor", "applier"})
"""Roles whose text is the model's own answer; a reviewer's is one when it comes with a verdict."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


def sft_category(row: Joined, *, include_partial: bool = False) -> Refusal | None:
    """The first of the three places of ``SFT_NEVER``. An unknown category is as unsafe as a forbidden one."""
    if row.category in SFT_NEVER or row.category not in CATEGORIES:
        return Refusal("unsafe_sft_category", (f"category: {row.category or 'none'} is never trained on",))
    if row.category == PARTIAL and not include_partial:
        return Refusal("category_disallowed", (f"category: {PARTIAL} leaves only with include_partial",))
    return None


def rag_category(row: Joined, *, include_review: bool = False) -> Refusal | None:
    """Accepted and partially accepted leave; what waits for a person only on request; rejected and unknown never."""
    if row.category == "needs_human_review":
        if include_review:
            return None
        return Refusal("category_disallowed", ("category: needs_human_review leaves only with include_review",))
    if row.category == "rejected" or row.category not in CATEGORIES:
        return Refusal("unsafe_rag_category", (f"category: {row.category or 'none'} is never retrieved",))
    return None


def author(row: Joined) -> Refusal | None:
    """Whether the text is what a model wrote as its answer, and not an extraction or a log line."""
    evidence = row.evidence or {}
    role, verdict = evidence.get("model_role"), evidence.get("observer_verdict")
    if role in ANSWERING or (role == "reviewer" and verdict):
        return None
    if role == "reviewer":
        return Refusal("category_disallowed", ("model_role: a reviewer without a verdict gave no answer",))
    return Refusal("category_disallowed", (f"model_role: {role or 'none'} writes no answer to learn from",))


def provenance(row: Joined) -> Refusal | None:
    """Whether the row says where it came from, and whether what it was made of is there."""
    if not row.run_id:
        return Refusal("missing_source_run_id", ("evidence_run_id: is missing",))
    if row.evidence is None:
        return Refusal("missing_source_run_id", ("evidence_run_id: no evidence of its partition has it",))
    errors = tuple(
        f"{name}: {error}"
        for name, record in (("evidence", row.evidence), ("scored", row.scored))
        for error in _provenance_errors(record.get("provenance"))
    )
    return Refusal("missing_provenance", errors) if errors else None


def content(row: Joined) -> Refusal | None:
    """Whether there is any text."""
    return None if row.text.strip() else Refusal("empty_content", ("text: is blank",))


def _provenance_errors(value: Any) -> list[str]:
    if not isinstance(value, Mapping):
        return ["provenance: is missing"]
    errors = [
        f"provenance.{name}: is missing"
        for name in ("source_file", "recorded_at")
        if not (isinstance(value.get(name), str) and value[name].strip())
    ]
    sig_hash = value.get("sig_hash")
    if not (isinstance(sig_hash, str) and _SHA256.fullmatch(sig_hash)):
        errors.append("provenance.sig_hash: is no SHA-256")
    return errors
