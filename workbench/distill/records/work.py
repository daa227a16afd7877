"""What was learned of a way of working: playbooks, summaries of scratchpads, a ledger of models."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from workbench.distill.records.base import Amount, Instant, Provenance, Record, Sha256, Share, Text, Version1


class Playbook(Record):
    """A way to solve one kind of task, v1; ``task_type`` as in ``staffing.fill``."""

    name: ClassVar[str] = "playbook"

    schema_version: Version1
    playbook_id: Text
    task_type: Text
    problem_pattern: Text
    useful_context: list[str]
    model_routing_path: list[str]
    commands_worked: list[str]
    commands_failed: list[str]
    validation_steps: list[str]
    repo_files_touched: list[str]
    recovery_strategy: str
    known_failure_modes: list[str]
    escalation_threshold: str
    acceptance_criteria: Annotated[list[str], Field(min_length=1)]
    source_run_ids: Annotated[list[str], Field(min_length=1)]
    created_at: Instant
    provenance: Provenance


class ScratchpadSummary(Record):
    """Where a run stood when it was summed up, v1."""

    name: ClassVar[str] = "scratchpad_summary"

    schema_version: Version1
    run_id: Text
    current_objective: str
    completed_steps: list[str]
    failed_steps: list[str]
    pending_steps: list[str]
    important_paths: list[str]
    decisions: list[str]
    unresolved_questions: list[str]
    validation_status: Literal["pass", "fail", "partial", "pending"]
    next_command: str | None = None
    source_scratchpad_hash: Sha256
    summarized_at: Instant
    provenance: Provenance


class ModelLedger(Record):
    """How one model did on one type of task, v1; its key is ``(model_name, task_type)``. Means in ms and dollars."""

    name: ClassVar[str] = "model_ledger"

    schema_version: Version1
    model_name: Text
    task_type: Text
    sample_count: Annotated[int, Field(ge=1)]
    success_rate: Share
    failure_modes: list[str]
    mean_latency_ms: Amount
    mean_cost_usd: Amount
    provenance: Provenance
