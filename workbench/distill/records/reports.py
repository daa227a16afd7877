"""What a run says of itself: receipts, the summary, the drift against the run before."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from workbench.distill.records.base import (
    Count,
    GitSha,
    Instant,
    Part,
    Provenance,
    Record,
    Sha256,
    Text,
    Version1,
    Version2,
)


class FileFact(Part):
    """A file as it was: path relative to the root, SHA-256, size in bytes."""

    path: Text
    sha256: Sha256
    bytes: Count


class RecordCounts(Part):
    """Rows of a command; in JSON the first field is ``in``."""

    in_: Annotated[Count, Field(alias="in")]
    out: Count
    skipped: Count
    deduped: Count


class Receipt(Record):
    """What one command read and wrote, v1. Durations in ms."""

    name: ClassVar[str] = "receipt"

    schema_version: Version1
    command: Text
    git_sha: GitSha
    git_dirty: bool
    started_at: Instant
    ended_at: Instant
    duration_ms: Count
    input_files: list[FileFact]
    output_files: list[FileFact]
    record_counts: RecordCounts
    errors: list[str]
    warnings: list[str]
    validation_pass: bool
    provenance: Provenance


class StageFiles(Part):
    """One side of a stage: its files, their rows together, one SHA-256 over all."""

    files: list[FileFact]
    record_count: Count
    hash: Sha256


class StageStats(Part):
    """Rows of a stage by what became of them."""

    accepted: Count
    rejected: Count
    quarantined: Count
    skipped: Count


class StageValidation(Part):
    """Whether a stage's output may be used."""

    passed: bool
    errors: list[str]
    warnings: list[str]


class StageReceipt(Record):
    """One stage of one run, v1."""

    name: ClassVar[str] = "stage_receipt"

    schema_version: Version1
    run_id: Text
    stage: Text
    inputs: StageFiles
    outputs: StageFiles
    stats: StageStats
    validation: StageValidation
    git_commit: GitSha
    duration_ms: Count
    provenance: Provenance


class RunTotals(Part):
    """Rows over all stages of a run."""

    records_in: Count
    records_out: Count
    accepted: Count
    rejected: Count
    quarantined: Count
    skipped: Count


class Datasets(Part):
    """Rows that left in this run, by export."""

    rag: Count
    sft: Count
    preference: Count


class RunSummary(Record):
    """One run in one place, v1. ``run_hash`` covers the outputs and never the run id."""

    name: ClassVar[str] = "run_summary"

    schema_version: Version1
    run_id: Text
    git_commit: GitSha
    run_hash: Sha256
    overall_passed: bool
    stages: Annotated[list[str], Field(min_length=1)]
    totals: RunTotals
    datasets: Datasets
    provenance: Provenance


class StageDrift(Part):
    """One stage against the run before; ``pct_change_out`` is a fraction, None when the prior was 0.

    A match is None when it was not computed.
    """

    stage: Text
    delta_records_in: int
    delta_records_out: int
    delta_accepted: int
    delta_quarantined: int
    pct_change_out: float | None
    input_hash_match: bool | None
    output_hash_match: bool | None
    deterministic_violation: bool
    notes: list[str]


class DriftReport(Record):
    """A run against the newest earlier one, v2."""

    name: ClassVar[str] = "drift_report"

    schema_version: Version2
    run_id: Text
    prior_run_id: str | None
    generated_at: Instant
    severity: Literal["ok", "warn", "alert"]
    stages: list[StageDrift]
    flags: list[str]
    provenance: Provenance
