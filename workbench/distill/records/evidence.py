"""What one source row became, and how it was judged."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field

from workbench.distill.records.base import (
    Amount,
    Count,
    Instant,
    Moment,
    Part,
    Provenance,
    Record,
    Share,
    Text,
    Version1,
)

Role = Literal[
    "executor", "reviewer", "extractor", "verifier", "categorizer", "tiebreaker", "applier", "embedder", "other"
]
Verdict = Literal["accept", "reject", "cycle"]
Category = Literal["accepted", "partially_accepted", "rejected", "needs_human_review"]
CATEGORIES: tuple[Category, ...] = get_args(Category)


class RetrievedContext(Part):
    """What the run was shown before it answered."""

    matrix_corpora: list[str] | None = None
    pathway_fingerprints_seen: list[str] | None = None
    matrix_hits: Count | None = None


class EvidenceRecord(Record):
    """One source row in one shape, v1. Its time is the source's own text; milliseconds and dollars as the names say."""

    name: ClassVar[str] = "evidence"

    run_id: Text
    task_id: Text
    timestamp: Moment
    schema_version: Version1
    provenance: Provenance
    model_name: str | None = None
    model_provider: str | None = None
    model_role: Role | None = None
    input_hash: str | None = None
    text: str | None = None
    source_files: list[str] | None = None
    commands_run: list[str] | None = None
    retrieved_context: RetrievedContext | None = None
    observer_verdict: Verdict | None = None
    observer_confidence: Share | None = None
    observer_notes: list[str] | None = None
    success_markers: list[str] | None = None
    failure_markers: list[str] | None = None
    validation_results: dict[str, Any] | None = None
    latency_ms: Amount | None = None
    cost_usd: Amount | None = None
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    metadata: dict[str, Any] | None = None


class SubScores(Part):
    """The signals behind a category; a scorer may add its own."""

    anchor_grounding: Share | None = None
    schema_valid: bool | None = None
    pathway_replay_succeeded: bool | None = None
    observer_verdict: Verdict | None = None


class ScoredRun(Record):
    """The judgement of one evidence row, v1."""

    name: ClassVar[str] = "scored_run"

    schema_version: Version1
    evidence_run_id: Text
    evidence_task_id: Text
    category: Category
    reasons: Annotated[list[Text], Field(min_length=1)]
    scored_at: Instant
    scorer_version: Text
    sub_scores: SubScores | None = None
    provenance: Provenance
