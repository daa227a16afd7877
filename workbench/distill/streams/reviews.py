"""Judgements: reviews of files, reviews by the observer and its escalations, contract analyses, audit findings."""

from __future__ import annotations

from typing import Any

from workbench.distill.streams.shape import (
    Row,
    Skip,
    evidence,
    first,
    label,
    missing,
    present,
    retrieved,
    run_id,
    texts,
)
from workbench.records import Provenance

GOOD_SEVERITIES = frozenset({"info", "low"})
BAD_SEVERITIES = frozenset({"medium", "high", "critical"})


def scrum_reviews(row: Row, at: Provenance, recorded_at: str, index: int) -> Row | Skip:
    """``scrum_reviews``: a model's review of ``file``, ``accepted_on_attempt`` n (marker) of ``attempts_made``."""
    del recorded_at
    if not label(row.get("reviewed_at")):
        return missing("reviewed_at")
    run = run_id("scrum_reviews", first(row, "run_id", "file"), index)
    file = label(row.get("file"))
    attempt = row.get("accepted_on_attempt")
    accepted = isinstance(attempt, int) and not isinstance(attempt, bool) and attempt >= 1
    return evidence(
        at,
        run,
        f"scrum_review:{file}" if file else run,
        row["reviewed_at"],
        model_name=first(row, "accepted_model", "model"),
        model_provider=row.get("provider"),
        model_role="executor",
        text=first(row, "text", "review", "suggestions_preview"),
        source_files=[file] if file else None,
        retrieved_context=retrieved(row),
        observer_notes=texts(row.get("notes")),
        success_markers=[f"accepted_on_attempt_{attempt}"] if accepted else None,
        latency_ms=row.get("latency_ms"),
        cost_usd=row.get("cost_usd"),
        metadata=present(
            attempts_made=row.get("attempts_made"),
            tree_split_fired=row.get("tree_split_fired"),
            alignment_score=row.get("alignment_score"),
        ),
    )


def observer_reviews(row: Row, at: Provenance, recorded_at: str, index: int) -> Row | Skip:
    """``observer_reviews``: the observer's verdict on a text about ``file``; reviews of one file share a task."""
    del recorded_at
    timestamp = first(row, "ts", "timestamp", "reviewed_at")
    if timestamp is None:
        return missing("ts")
    file = label(row.get("file"))
    run = run_id("observer_reviews", first(row, "run_id", "file"), index)
    return evidence(
        at,
        run,
        f"observer_review:{file}" if file else run,
        timestamp,
        model_name=row.get("model"),
        model_provider=row.get("provider"),
        model_role="reviewer",
        text=first(row, "text", "reviewed_text", "review"),
        source_files=[file] if file else None,
        observer_verdict=row.get("verdict"),
        observer_confidence=row.get("confidence"),
        observer_notes=texts(row.get("notes")),
        latency_ms=row.get("latency_ms"),
        metadata=present(attempt=row.get("attempt")),
    )


def observer_escalations(row: Row, at: Provenance, recorded_at: str, index: int) -> Row | Skip:
    """``observer_escalations``: the observer's analysis of a cluster of failures at one endpoint."""
    del recorded_at
    timestamp = first(row, "ts", "timestamp")
    if timestamp is None:
        return missing("ts")
    endpoint = label(first(row, "cluster_endpoint", "endpoint"))
    run = run_id("observer_escalations", first(row, "run_id", "cluster_endpoint", "endpoint"), index)
    return evidence(
        at,
        run,
        f"observer_escalation:{endpoint}" if endpoint else run,
        timestamp,
        model_name=row.get("model"),
        model_provider=row.get("provider"),
        model_role="reviewer",
        text=first(row, "analysis", "text"),
        prompt_tokens=row.get("prompt_tokens"),
        completion_tokens=row.get("completion_tokens"),
        metadata=present(cluster_size=row.get("cluster_size"), endpoint=endpoint),
    )


def contract_analyses(row: Row, at: Provenance, recorded_at: str, index: int) -> Row | Skip:
    """``contract_analyses``: the analysis of a permit (``permit_id``) with the observer's verdict on it."""
    del recorded_at
    timestamp = first(row, "ts", "timestamp", "created_at")
    if timestamp is None:
        return missing("ts")
    permit = label(row.get("permit_id"))
    run = run_id("contract_analyses", first(row, "run_id", "permit_id"), index)
    verdict = first(row, "verdict", "observer_verdict")
    return evidence(
        at,
        run,
        f"permit:{permit}" if permit else run,
        timestamp,
        model_name=row.get("model"),
        model_provider=row.get("provider"),
        model_role="executor",
        text=first(row, "analysis", "text"),
        retrieved_context=retrieved(row),
        observer_verdict=verdict,
        observer_confidence=first(row, "confidence", "observer_confidence"),
        observer_notes=texts(first(row, "observer_notes", "notes")),
        success_markers=texts(row.get("success_markers")),
        failure_markers=_refusals(row, verdict),
        latency_ms=first(row, "latency_ms", "duration_ms"),
        cost_usd=first(row, "cost_usd", "cost"),
        metadata=present(contractor=row.get("contractor")),
    )


def audits(row: Row, at: Provenance, recorded_at: str, index: int) -> Row | Skip:
    """``audits``: a finding; its ``severity`` becomes a marker, its ``phase`` the task."""
    del recorded_at
    timestamp = first(row, "ts", "timestamp", "created_at")
    if timestamp is None:
        return missing("ts")
    severity = row.get("severity")
    marker = [f"audit_severity_{severity}"]
    phase = label(row.get("phase"))
    run = run_id("audits", first(row, "finding_id", "run_id"), index)
    return evidence(
        at,
        run,
        f"phase:{phase}" if phase else run,
        timestamp,
        model_name=row.get("model"),
        model_provider=row.get("provider"),
        model_role="reviewer",
        text=first(row, "text", "evidence", "finding", "resolution"),
        source_files=texts(first(row, "source_files", "file")),
        success_markers=marker if _is_one_of(severity, GOOD_SEVERITIES) else None,
        failure_markers=marker if _is_one_of(severity, BAD_SEVERITIES) else None,
        metadata=present(severity=severity, category=row.get("category")),
    )


def _refusals(row: Row, verdict: Any) -> Any:
    """The failure markers that the row brings; a rejection is one of its own."""
    given = texts(row.get("failure_markers"))
    if verdict != "reject" or not (given is None or isinstance(given, list)):
        return given
    return [*(given or ()), "observer_rejected"]


def _is_one_of(value: Any, known: frozenset[str]) -> bool:
    return isinstance(value, str) and value in known
