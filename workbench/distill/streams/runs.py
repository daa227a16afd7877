"""Runs that did something: mode experiments, applied patches, outcomes, and this product's own sessions."""

from __future__ import annotations

import hashlib
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
from workbench.records import Provenance, encode

SESSION_SCHEMA = "session.iterate.v1"
TASK_DIGITS = 16


def mode_experiments(row: Row, at: Provenance, recorded_at: str, index: int) -> Row | Skip:
    """``mode_experiments``: one answer of a model in one mode, with latency, ``task_class`` and ``file_path``."""
    del recorded_at
    timestamp = first(row, "ts", "timestamp")
    if timestamp is None:
        return missing("ts")
    file = first(row, "file_path", "file")
    run = run_id("mode_experiments", first(row, "run_id", "file_path", "file"), index)
    return evidence(
        at,
        run,
        label(row.get("task_class")) or run,
        timestamp,
        model_name=row.get("model"),
        model_provider=row.get("provider"),
        model_role="executor",
        text=first(row, "response", "text"),
        source_files=texts(file),
        retrieved_context=retrieved(row),
        latency_ms=row.get("latency_ms"),
        cost_usd=row.get("cost_usd"),
        prompt_tokens=row.get("prompt_tokens"),
        completion_tokens=row.get("completion_tokens"),
        metadata=present(mode=row.get("mode"), task_class=row.get("task_class")),
    )


def auto_apply(row: Row, at: Provenance, recorded_at: str, index: int) -> Row | Skip:
    """``auto_apply``: a patch that was committed or reverted; without a time of its own it takes ``recorded_at``."""
    file = label(row.get("file"))
    run = run_id("auto_apply", first(row, "run_id", "file"), index)
    action = row.get("action")
    reverted = isinstance(action, str) and action.endswith("_reverted")
    timestamp = first(row, "ts", "timestamp")
    return evidence(
        at,
        run,
        f"auto_apply:{file}" if file else run,
        recorded_at if timestamp is None else timestamp,
        model_name=row.get("model"),
        model_provider=row.get("provider"),
        model_role="applier",
        text=first(row, "text", "patch", "diff", "reason"),
        source_files=[file] if file else None,
        commands_run=texts(row.get("commands_run")),
        success_markers=["committed"] if action == "committed" else None,
        failure_markers=[str(action)] if reverted else None,
        latency_ms=row.get("latency_ms"),
        metadata=present(action=action),
    )


def outcomes(row: Row, at: Provenance, recorded_at: str, index: int) -> Row | Skip:
    """``outcomes``: how a scenario ended: ``all_events_ok``, ``gap_signals``."""
    del recorded_at
    if not label(row.get("created_at")):
        return missing("created_at")
    run = run_id("outcomes", row.get("run_id"), index)
    return evidence(
        at,
        run,
        label(first(row, "task_id", "scenario")) or run,
        row["created_at"],
        model_name=row.get("model"),
        model_provider=row.get("provider"),
        model_role="executor",
        text=first(row, "text", "summary"),
        success_markers=["all_events_ok"] if row.get("all_events_ok") is True else None,
        validation_results=present(
            all_events_ok=row.get("all_events_ok"),
            gap_signals=row.get("gap_signals"),
            events_total=row.get("events_total"),
            events_ok=row.get("events_ok"),
        ),
        latency_ms=first(row, "latency_ms", "elapsed_ms"),
    )


def sessions(row: Row, at: Provenance, recorded_at: str, index: int) -> Row | Skip:
    """``sessions``: one run of our own loop; its text is the accepted artifact, or the last answer of a refused run.

    Runs of one prompt share a task, so that a good answer and a bad one to it can be compared.
    """
    del recorded_at
    if row.get("schema") != SESSION_SCHEMA:
        return Skip("unknown_schema", (f"schema: is {row.get('schema')!r}, not {SESSION_SCHEMA!r}",))
    if not label(row.get("timestamp")):
        return missing("timestamp")
    verdict = row.get("final_verdict")
    return evidence(
        at,
        run_id("sessions", row.get("session_id"), index),
        _task(row),
        row["timestamp"],
        model_name=row.get("model"),
        model_provider=row.get("provider"),
        model_role="executor",
        text=_answer(row),
        success_markers=_merits(row) if verdict == "accepted" else None,
        failure_markers=_faults(row),
        validation_results=present(final_verdict=verdict, grounded_in_roster=row.get("grounded_in_roster")),
        latency_ms=row.get("duration_ms"),
        metadata=present(
            session_id=row.get("session_id"),
            kind=row.get("kind"),
            prompt=row.get("prompt"),
            iterations=row.get("iterations"),
            max_iterations=row.get("max_iterations"),
        ),
    )


def _task(row: Row) -> str:
    asked = hashlib.sha256(str(row.get("prompt")).encode("utf-8", "replace")).hexdigest()
    return f"session:{row.get('kind')}:{asked[:TASK_DIGITS]}"


def _answer(row: Row) -> Any:
    artifact = row.get("artifact")
    if artifact is not None:
        return artifact if isinstance(artifact, str) else encode(artifact).rstrip(b"\n").decode()
    attempts = row.get("attempts")
    last = attempts[-1] if isinstance(attempts, list) and attempts else None
    return last.get("raw") if isinstance(last, dict) else None


def _merits(row: Row) -> list[str]:
    grounded = ["grounded_in_roster"] if row.get("grounded_in_roster") is True else []
    return [f"accepted_at_iteration_{row.get('iterations')}", *grounded]


def _faults(row: Row) -> list[str] | None:
    """Marks against a session. A fill that nobody looked up counts as invented, as the session log's alarm has it."""
    verdict, grounded = row.get("final_verdict"), row.get("grounded_in_roster")
    if verdict != "accepted":
        return [verdict] if isinstance(verdict, str) else None
    invented = grounded is False or (grounded is None and row.get("kind") == "fill")
    return ["not_grounded_in_roster"] if invented else None
